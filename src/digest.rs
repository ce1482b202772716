//! SHA-256 of bytes and files, in lower-case hexadecimal.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes read from the disk at once.
const READ_BYTES: usize = 256 << 10;

/// Formats as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Returns the digest of bytes in memory.
pub fn of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the digest of a file. Reads all of it.
///
/// # Errors
/// The file cannot be read.
pub fn of_file(path: &Path) -> io::Result<String> {
    of_open(File::open(path)?)
}

/// Returns the digest of an open file, from where it is.
///
/// # Errors
/// The file cannot be read.
pub fn of_open(mut file: File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns true if a file still has the recorded size and SHA-256. Reads all of it.
pub fn file_is(path: &Path, bytes: u64, sha256: &str) -> bool {
    let has_size = std::fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() == bytes);
    has_size && of_file(path).is_ok_and(|found| found == sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_size_and_digest() {
        const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        assert!(file_is(&path, 3, ABC));
        assert!(!file_is(&path, 4, ABC));
        std::fs::write(&path, "abd").unwrap();
        assert!(!file_is(&path, 3, ABC));
        assert!(!file_is(folder.path(), 3, ABC));
        assert!(!file_is(&folder.path().join("absent"), 3, ABC));
    }
}
