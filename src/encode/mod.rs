//! ⑥ Rows → an [`Artifact`]: the file to hand over.

pub mod content;
pub mod csv;
pub mod name;
mod spool;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    /// The files that it is handed over as, where it is split.
    pub set: Option<FileSet>,
}

/// A split artifact: its files lie in the artifact's file, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSet {
    /// Bytes before the first row of each: byte order mark and header.
    pub head_bytes: u64,
    pub files: Vec<SetFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFile {
    pub name: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    pub rows: u64,
}

/// A file to hand over: the artifact, or one of its set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile<'a> {
    pub name: &'a str,
    pub bytes: u64,
    pub sha256: &'a str,
    pub rows: u64,
}

impl Artifact {
    /// Whether the spool still holds its very bytes, by size and SHA-256. Reads all of them.
    pub fn is_intact(&self) -> bool {
        crate::digest::file_is(&self.path, self.bytes, &self.sha256)
    }

    /// The files to hand over, in their order.
    pub fn data_files(&self) -> Vec<DataFile<'_>> {
        let Self { name, bytes, sha256, rows, set, .. } = self;
        match set {
            None => vec![DataFile { name, bytes: *bytes, sha256, rows: *rows }],
            Some(set) => set.files.iter().map(DataFile::of).collect(),
        }
    }

    /// Opens the artifact's file at the beginning of a data file, and says how many bytes may be read of it: one more
    /// than it has where nothing lies behind it, so that a file that grew is noticed.
    ///
    /// # Errors
    /// The file is not there or cannot be read.
    pub fn open_data(&self, index: usize) -> io::Result<(File, u64, u64)> {
        let mut file = File::open(&self.path)?;
        let Some(set) = &self.set else { return Ok((file, 0, self.bytes.saturating_add(1))) };
        let start = set.files.iter().take(index).map(|file| file.bytes).sum();
        file.seek(SeekFrom::Start(start))?;
        Ok((file, start, set.files.get(index).map_or(0, |file| file.bytes)))
    }
}

impl<'a> DataFile<'a> {
    fn of(file: &'a SetFile) -> Self {
        let SetFile { name, bytes, sha256, rows } = file;
        Self { name, bytes: *bytes, sha256, rows: *rows }
    }
}
