//! A run's folder on disk, and the lock that keeps a second process out of it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Clock;
use crate::extract::Form;

/// `data/spool/<run id>/`, held by this process until dropped. The system lets go of the lock when the process dies,
/// however it dies.
pub struct Spool {
    directory: PathBuf,
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("another process is working on run {run}")]
    Busy { run: String },
    #[error("cannot use the spool folder {path}")]
    Io { path: PathBuf, source: io::Error },
}

/// How often a taken lock is asked for again.
const BUSY_POLL: Duration = Duration::from_millis(100);

impl Spool {
    /// Takes the run's folder, waiting for another process at most `wait`.
    ///
    /// # Errors
    /// Another process keeps it, or the folder cannot be made.
    pub async fn take(data: &Path, run: &str, clock: &Clock, wait: Duration) -> Result<Self, SpoolError> {
        let directory = data.join("spool").join(run);
        let failed = |source| SpoolError::Io { path: directory.clone(), source };
        std::fs::create_dir_all(&directory).map_err(failed)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(directory.join("lock")).map_err(failed)?;
        let mut waited = Duration::ZERO;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { directory, _lock: lock }),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if waited >= wait => {
                    return Err(SpoolError::Busy { run: run.to_owned() });
                }
                Err(TryLockError::WouldBlock) => {
                    clock.sleep(BUSY_POLL).await;
                    waited += BUSY_POLL;
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Where the artifact of this name lies, in a folder of its own: a name may be anything.
    pub fn artifact(&self, name: &str) -> PathBuf {
        self.directory.join("artifact").join(name)
    }

    /// The rows as they came have done their service. A failure costs disk only.
    pub fn drop_extract(&self) {
        for form in [Form::Csv, Form::Zip] {
            let _ = std::fs::remove_file(self.directory.join(form.file_name()));
        }
    }
}
