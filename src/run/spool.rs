//! A run's folder on disk, and its lock against other processes.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Clock;
use crate::deliver::RowOutcome;
use crate::disk;
use crate::extract::{Form, PARTIAL};

/// The folder `data/spool/<run id>/`, locked until dropped. The system releases the lock if the process dies.
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

/// The name of the file of dropped rows in a run's folder.
pub(super) const DROPPED_ROWS: &str = "dropped_rows.csv";

/// The path of the artifact in a run's folder: without its name, which may be known only when it is made.
const ARTIFACT: &str = "artifact/file";

/// Returns the path, below the data folder, of a run's artifact.
pub(super) fn artifact(run: &str) -> PathBuf {
    Path::new("spool").join(run).join(ARTIFACT)
}

/// Returns the path, below the data folder, of the file of a delivery's rows with an outcome.
pub fn open_rows(run: &str, destination: &str, outcome: RowOutcome) -> PathBuf {
    Path::new("spool").join(run).join(outcome.name()).join(format!("{destination}.csv"))
}

/// Returns the name of that file for one of several artifacts.
pub(super) fn dropped_rows_of(artifact: &str) -> String {
    format!("dropped_rows.{artifact}.csv")
}

/// The interval between attempts to take the lock.
const BUSY_POLL: Duration = Duration::from_millis(100);

impl Spool {
    /// Creates and locks the run's folder, waiting for another process at most `wait`.
    ///
    /// # Errors
    /// Another process still holds it, or the folder cannot be created.
    pub async fn take(data: &Path, run: &str, clock: &Clock, wait: Duration) -> Result<Self, SpoolError> {
        let directory = data.join("spool").join(run);
        let failed = |source| SpoolError::Io { path: directory.clone(), source };
        let mut waited = Duration::ZERO;
        loop {
            disk::create_private_folder(&directory).map_err(failed)?;
            let lock = open_lock(&directory).map_err(failed)?;
            match lock.try_lock() {
                Ok(()) if is_lock_of(&lock, &directory) => return Ok(Self { directory, _lock: lock }),
                // A prune removed the folder after the lock was opened: no other process would see this lock.
                Ok(()) => {}
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

    /// Locks an existing folder, if no process uses it.
    pub fn take_idle(directory: &Path) -> Option<Self> {
        let lock = open_lock(directory).ok()?;
        lock.try_lock().ok()?;
        is_lock_of(&lock, directory).then(|| Self { directory: directory.to_owned(), _lock: lock })
    }

    /// Removes the folder and its content.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.directory)
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Returns the path of the artifact.
    pub fn artifact(&self) -> PathBuf {
        self.directory.join(ARTIFACT)
    }

    /// Returns the path of the baseline that the run's receipt makes current.
    pub fn baseline(&self) -> PathBuf {
        self.directory.join("baseline")
    }

    /// Returns the path of the rows that steps dropped for their values.
    pub fn dropped_rows(&self) -> PathBuf {
        self.directory.join(DROPPED_ROWS)
    }

    /// Returns the path of the rows that steps of one of several artifacts dropped for their values.
    pub fn dropped_rows_of(&self, artifact: &str) -> PathBuf {
        self.directory.join(dropped_rows_of(artifact))
    }

    /// Removes the extract, which is no longer needed. A failure costs only disk space.
    pub fn remove_extract(&self) {
        for path in extracts(&self.directory) {
            let _ = std::fs::remove_file(path);
        }
        let _ = std::fs::remove_dir_all(self.directory.join(SOURCES));
    }
}

/// The folder with the extracts of sources besides the main one, each in a folder by its name.
pub const SOURCES: &str = "sources";

/// Returns the names under which a run's folder may have an extract.
pub(super) fn extracts(directory: &Path) -> [PathBuf; 3] {
    [Form::Csv.file_name(), Form::Zip.file_name(), PARTIAL].map(|name| directory.join(name))
}

fn open_lock(directory: &Path) -> io::Result<File> {
    disk::private_file().create(true).truncate(false).write(true).open(directory.join("lock"))
}

/// Returns true if `lock` is still the lock file in `directory`.
fn is_lock_of(lock: &File, directory: &Path) -> bool {
    let current = std::fs::metadata(directory.join("lock"));
    lock.metadata()
        .is_ok_and(|mine| current.is_ok_and(|current| (current.dev(), current.ino()) == (mine.dev(), mine.ino())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_pruned_only_while_unused() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("spool/0123456789abcdef");
        let take = || Spool::take(data.path(), "0123456789abcdef", &Clock::System, Duration::ZERO);
        let worked_on = take().await.unwrap();
        assert!(Spool::take_idle(&folder).is_none());
        drop(worked_on);

        let pruning = Spool::take_idle(&folder).unwrap();
        let waiting = open_lock(&folder).unwrap();
        assert!(matches!(take().await, Err(SpoolError::Busy { .. })));
        pruning.remove().unwrap();
        waiting.try_lock().unwrap();
        assert!(!is_lock_of(&waiting, &folder), "the folder of this lock was removed");
        assert!(Spool::take_idle(&folder).is_none() && !folder.exists());
        take().await.unwrap();
    }
}
