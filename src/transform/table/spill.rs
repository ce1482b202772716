//! The temporary files of operators that use some only where memory does not suffice.

use std::io;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::Resources;
use crate::transform::error::TransformError;
use crate::transform::sort::{Records, Sorter};

/// The means of several sorters.
pub(super) struct Spill {
    folder: PathBuf,
    /// Bytes of memory of each.
    pub(super) memory: usize,
    stop: CancellationToken,
}

impl Spill {
    /// Divides the memory by the number of sorters that are in use at the same time.
    pub(super) fn new(resources: &Resources<'_>, sorters: usize) -> Self {
        let memory = resources.memory / sorters;
        Self { folder: resources.folder.to_owned(), memory, stop: resources.stop.clone() }
    }

    pub(super) fn sorter(&self) -> Sorter<Records> {
        Sorter::new(&self.folder, self.memory).stopped_by(&self.stop)
    }
}

/// Converts an error of a sorter.
pub(super) fn spilling(source: io::Error) -> TransformError {
    TransformError::spilling(source)
}
