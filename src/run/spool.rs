//! A run's folder on disk, and the lock that keeps a second process out of it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
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
        let mut waited = Duration::ZERO;
        loop {
            std::fs::create_dir_all(&directory).map_err(failed)?;
            let lock = open_lock(&directory).map_err(failed)?;
            match lock.try_lock() {
                Ok(()) if lies_in(&lock, &directory) => return Ok(Self { directory, _lock: lock }),
                // A prune removed the folder since the lock was opened: nobody else would ever see this one.
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

    /// Takes a folder that is there, if nobody works in it.
    pub fn take_idle(directory: &Path) -> Option<Self> {
        let lock = open_lock(directory).ok()?;
        lock.try_lock().ok()?;
        lies_in(&lock, directory).then(|| Self { directory: directory.to_owned(), _lock: lock })
    }

    /// Removes the folder with all that lies in it.
    ///
    /// # Errors
    /// Some of it cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.directory)
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

fn open_lock(directory: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(directory.join("lock"))
}

fn lies_in(lock: &File, directory: &Path) -> bool {
    let there = std::fs::metadata(directory.join("lock"));
    lock.metadata().is_ok_and(|mine| there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_pruned_only_while_nobody_works_in_it() {
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
        assert!(!lies_in(&waiting, &folder), "a lock on a folder that is gone is none");
        assert!(Spool::take_idle(&folder).is_none() && !folder.exists());
        take().await.unwrap();
    }
}
