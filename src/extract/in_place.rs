//! Files that are read where they are: the facts by which a change is noticed, and the digest of what was read.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::hex;

/// The file at a path, as the file system describes it. Other content has, as a rule, other facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    pub device: u64,
    pub inode: u64,
    pub bytes: u64,
    /// The time of the last change, in nanoseconds since the epoch.
    pub modified_ns: i64,
}

impl FileFacts {
    pub fn of(metadata: &Metadata) -> Self {
        let modified_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        Self { device: metadata.dev(), inode: metadata.ino(), bytes: metadata.len(), modified_ns }
    }

    /// Returns true if the file at the path still has these facts.
    pub fn are_of(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| Self::of(&metadata) == *self)
    }
}

/// Reads a file from its first byte to its last, and hashes it on the way. Clones share the position.
#[derive(Clone)]
pub struct Witness(Arc<Mutex<Hashing>>);

struct Hashing {
    file: File,
    hash: Sha256,
}

impl Witness {
    pub(super) fn begin(mut file: File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Self(Arc::new(Mutex::new(Hashing { file, hash: Sha256::new() }))))
    }

    /// Reads what is left, as the directory behind a ZIP's CSV. Returns the SHA-256 of the whole file, lower-case hex.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn finish(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        let digest = self.lock().hash.finalize_reset();
        Ok(hex(&digest))
    }

    fn lock(&self) -> MutexGuard<'_, Hashing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Witness {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut hashing = self.lock();
        let read = hashing.file.read(buffer)?;
        hashing.hash.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    #[test]
    fn the_digest_is_of_the_whole_file_wherever_reading_stops() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let content = b"id\n1\n2\n".repeat(10_000);
        std::fs::write(&path, &content).unwrap();
        for read in [0, 1, 5_000, content.len()] {
            let mut witness = Witness::begin(File::open(&path).unwrap()).unwrap();
            let mut head = vec![0; read];
            witness.read_exact(&mut head).unwrap();
            assert_eq!(witness.finish().unwrap(), digest::of(&content), "{read}");
        }
    }

    #[test]
    fn a_file_that_is_written_or_replaced_has_other_facts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let facts = || FileFacts::of(&std::fs::metadata(&path).unwrap());
        std::fs::write(&path, "id\n1\n").unwrap();
        let before = facts();
        assert!(before.are_of(&path));
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert!(!before.are_of(&path), "another time");
        std::fs::write(folder.path().join("b.csv"), "id\n1\n").unwrap();
        std::fs::rename(folder.path().join("b.csv"), &path).unwrap();
        assert_ne!(facts().inode, before.inode);
        assert!(!before.are_of(&path), "another file");
        std::fs::remove_file(&path).unwrap();
        assert!(!before.are_of(&path), "no file");
    }
}
