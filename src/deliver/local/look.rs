//! What lies at the names of an intent, by size and by digest.

use std::fs::{self, File};
use std::io::{self, Read};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::{COPY_BYTES, LocalDrop};
use crate::deliver::found::NOT_READ;
use crate::deliver::names::hex;
use crate::deliver::{FinalName, IntendedFile, Intent, Lies, Seen, SeenFile, Stamp, Verdict};

impl LocalDrop {
    pub fn look(&mut self, intent: &Intent) -> Result<Seen, Verdict> {
        self.check(intent, true)
    }

    pub fn check(&mut self, intent: &Intent, read: bool) -> Result<Seen, Verdict> {
        let look_at = |file: &IntendedFile| SeenFile {
            final_name: look_at_final(file, read),
            temporary: is_there(&file.temporary),
        };
        Ok(Seen { files: intent.files.iter().map(look_at).collect() })
    }

    pub fn lies_at(&self, path: &str) -> Lies {
        match fs::symlink_metadata(path) {
            Ok(there) => {
                let modified = there.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let modified = modified.and_then(|since| i64::try_from(since.as_nanos()).ok());
                Lies::There(Stamp { bytes: Some(there.len()), modified })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Lies::Absent,
            Err(error) => Lies::Hidden { why: format!("stat {path}: {error}") },
        }
    }
}

/// Whether anything lies at `path`, a dangling link too.
pub(super) fn is_there(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok()
}

pub(super) fn look_at_final(file: &IntendedFile, read: bool) -> FinalName {
    let there = match fs::symlink_metadata(&file.final_path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return FinalName::Absent,
        Err(error) => return FinalName::Hidden { why: format!("stat {}: {error}", file.final_path) },
    };
    if there.len() != file.bytes || !there.is_file() {
        return FinalName::Other { bytes: Some(there.len()) };
    }
    if !read {
        return FinalName::SameSize { why: NOT_READ.to_owned() };
    }
    match digest_of(&file.final_path) {
        Ok(sha256) if sha256 == file.sha256 => FinalName::Ours,
        Ok(_) => FinalName::Other { bytes: Some(there.len()) },
        Err(error) => FinalName::SameSize { why: format!("read {}: {error}", file.final_path) },
    }
}

fn digest_of(path: &str) -> io::Result<String> {
    let mut source = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let filled = source.read(&mut buffer)?;
        if filled == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..filled]);
    }
}
