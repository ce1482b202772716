//! ⑥ Rows → an [`Artifact`]: the file to hand over.

pub mod csv;
pub mod name;
mod spool;

use std::path::PathBuf;

use crate::pipeline::plan::CsvDialect;

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
    /// The columns' names, in their order.
    pub columns: Vec<String>,
    /// How it is to be read.
    pub dialect: CsvDialect,
}

impl Artifact {
    /// Whether the spool still holds its very bytes, by size and SHA-256. Reads all of them.
    pub fn is_intact(&self) -> bool {
        crate::digest::file_is(&self.path, self.bytes, &self.sha256)
    }
}
