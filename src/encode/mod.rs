//! ⑥ Rows → an [`Artifact`]: the file to hand over.

pub mod name;

use std::path::PathBuf;

/// The encoded file to hand over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub path: PathBuf,
    pub name: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Data rows, the header not counted.
    pub rows: u64,
}
