//! The lock of a data folder, which one worker holds.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk;

/// A command that checks for a worker ([`is_locked`]) has the lock for a moment.
const LOCK_PROBES_MAX: u32 = 5;
const LOCK_PROBE: Duration = Duration::from_millis(20);

/// The data folder cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum TakenError {
    #[error("another worker uses {folder}: `reportferry status` shows since when")]
    Taken { folder: PathBuf },
    #[error("cannot lock {folder}")]
    Io { folder: PathBuf, source: std::io::Error },
}

/// Locks the data folder for one worker, for as long as the file is held. The system releases it however the process dies.
///
/// # Errors
/// Another worker holds it, or the folder cannot be written.
pub fn lock(data: &Path) -> Result<File, TakenError> {
    let failed = |source| TakenError::Io { folder: data.to_owned(), source };
    disk::create_private_folder(data).map_err(failed)?;
    let file = disk::private_file().create(true).truncate(false).write(true).open(data.join("worker.lock"));
    let file = file.map_err(failed)?;
    let mut probes = LOCK_PROBES_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if probes > 0 => {
                probes -= 1;
                std::thread::sleep(LOCK_PROBE);
            }
            Err(TryLockError::WouldBlock) => return Err(TakenError::Taken { folder: data.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

/// Returns true if a worker has the data folder, whatever its record in the ledger claims.
///
/// # Errors
/// The lock cannot be read.
pub fn is_locked(data: &Path) -> Result<bool, TakenError> {
    let failed = |source| TakenError::Io { folder: data.to_owned(), source };
    let file = match File::open(data.join("worker.lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    // Shared, so that two commands do not see each other.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
