//! The folder of a sort's temporary files, the errors that name it, and the token that stops the sort.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub(in crate::transform) struct Context {
    pub(in crate::transform) folder: PathBuf,
    pub(in crate::transform) stop: Option<CancellationToken>,
}

/// The cause of an [`io::Error`] of a sort that was stopped.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(in crate::transform) struct Stopped;

/// An operation on a temporary file that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} a temporary file in {}", .folder.display())]
struct SpillError {
    operation: &'static str,
    folder: PathBuf,
    source: io::Error,
}

/// Operations on a temporary file, for errors.
pub(in crate::transform) const WRITING: &str = "writing";
pub(in crate::transform) const READING: &str = "reading";

/// Items between two looks at the token.
const ITEMS: usize = 4096;

impl Context {
    /// # Errors
    /// The sort was stopped.
    pub(super) fn check(&self) -> io::Result<()> {
        match &self.stop {
            Some(stop) if stop.is_cancelled() => Err(io::Error::other(Stopped)),
            _ => Ok(()),
        }
    }

    /// Checks at some of the items.
    #[inline]
    pub(super) fn check_at(&self, index: usize) -> io::Result<()> {
        if index.is_multiple_of(ITEMS) { self.check() } else { Ok(()) }
    }

    /// Creates a temporary file, which has no name, and so is gone with the process.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(in crate::transform) fn create(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.folder).map_err(|source| self.failed("creating", source))
    }

    /// Adds the operation and the folder to an error, whose kind stays.
    #[cold]
    pub(in crate::transform) fn failed(&self, operation: &'static str, source: io::Error) -> io::Error {
        let is_stopped = source.get_ref().is_some_and(|inner| inner.is::<Stopped>());
        match is_stopped {
            true => source,
            false => io::Error::new(source.kind(), SpillError { operation, folder: self.folder.clone(), source }),
        }
    }
}
