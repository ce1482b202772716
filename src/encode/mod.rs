//! ⑥ Rows → an [`Artifact`]: the encoded file to deliver.

pub mod csv;
mod spool;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::pipeline::plan::CsvDialect;

/// The encoded file to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub path: PathBuf,
    pub name: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Data rows, without the header.
    pub rows: u64,
    /// The column names, in order.
    pub columns: Vec<String>,
    /// The CSV dialect of the file.
    pub dialect: CsvDialect,
    /// The files to deliver instead, if it is split.
    pub set: Option<FileGroup>,
}

/// The files of a split artifact, stored one after the other in the artifact's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileGroup {
    /// Bytes before the first row of each: byte order mark and header.
    pub head_bytes: u64,
    pub files: Vec<GroupFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFile {
    pub name: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    pub rows: u64,
}

/// A file to deliver: the artifact, or one of its file group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile<'a> {
    pub name: &'a str,
    pub bytes: u64,
    pub sha256: &'a str,
    pub rows: u64,
}

impl Artifact {
    /// Returns true if the file in the spool is unchanged, by size and SHA-256. Reads all of it.
    pub fn is_intact(&self) -> bool {
        crate::digest::file_is(&self.path, self.bytes, &self.sha256)
    }

    /// Returns the files to deliver, in order.
    pub fn data_files(&self) -> Vec<DataFile<'_>> {
        let Self { name, bytes, sha256, rows, set, .. } = self;
        match set {
            None => vec![DataFile { name, bytes: *bytes, sha256, rows: *rows }],
            Some(set) => set.files.iter().map(DataFile::of).collect(),
        }
    }

    /// Opens the artifact's file at the start of a data file. Returns the file, this start, and the maximum number of
    /// bytes to read: one more than an unsplit artifact has, to detect a file that grew.
    ///
    /// # Errors
    /// The file is missing or cannot be read.
    pub fn open_data(&self, index: usize) -> io::Result<(File, u64, u64)> {
        let mut file = File::open(&self.path)?;
        let Some(set) = &self.set else { return Ok((file, 0, self.bytes.saturating_add(1))) };
        let start = set.files.iter().take(index).map(|file| file.bytes).sum();
        file.seek(SeekFrom::Start(start))?;
        Ok((file, start, set.files.get(index).map_or(0, |file| file.bytes)))
    }
}

impl<'a> DataFile<'a> {
    fn of(file: &'a GroupFile) -> Self {
        let GroupFile { name, bytes, sha256, rows } = file;
        Self { name, bytes: *bytes, sha256, rows: *rows }
    }
}
