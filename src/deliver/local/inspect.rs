//! Inspects the names of an intent, by size and digest.

use std::fs;
use std::io::{self, Read};
use std::time::UNIX_EPOCH;

use super::LocalTarget;
use crate::deliver::remote_state::NOT_READ;
use crate::deliver::{FinalName, IntendedFile, Intent, PathState, RemoteFile, RemoteState, Stamp, Verdict};
use crate::{digest, disk};

impl LocalTarget {
    pub fn check(&self, intent: &Intent, read: bool) -> RemoteState {
        let inspect = |file: &IntendedFile| RemoteFile {
            final_name: inspect_final(file, read),
            temporary: exists(&file.temporary),
        };
        RemoteState { files: intent.files.iter().map(inspect).collect() }
    }

    /// Reads the first bytes of a file: `max`, and one more if it has more.
    pub fn read_file(&self, path: &str, max: u64) -> Result<Vec<u8>, Verdict> {
        let mut bytes = Vec::new();
        let read =
            disk::open_itself(path.as_ref()).and_then(|file| file.take(max.saturating_add(1)).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(Verdict::Rejected { reason: format!("read {path}: {error}"), hint: None }),
        }
    }

    pub fn path_state(&self, path: &str) -> PathState {
        match fs::symlink_metadata(path) {
            Ok(there) => {
                let modified = there.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let modified = modified.and_then(|since| i64::try_from(since.as_nanos()).ok());
                PathState::There(Stamp { bytes: Some(there.len()), modified })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => PathState::Absent,
            Err(error) => PathState::Hidden { why: format!("stat {path}: {error}") },
        }
    }
}

/// Returns true if `path` exists, even as a dangling link.
pub(super) fn exists(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok()
}

pub(super) fn inspect_final(file: &IntendedFile, read: bool) -> FinalName {
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
    match disk::open_itself(file.final_path.as_ref()).and_then(digest::of_open) {
        Ok(sha256) if sha256 == file.sha256 => FinalName::Ours,
        Ok(_) => FinalName::Other { bytes: Some(there.len()) },
        Err(error) => FinalName::SameSize { why: format!("read {}: {error}", file.final_path) },
    }
}
