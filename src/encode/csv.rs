//! Rows → a CSV file in the receiver's dialect (RFC 4180, with care for spreadsheets).

mod encoder;

use std::io;
use std::path::{Path, PathBuf};

pub use self::encoder::CsvEncoder;
use super::spool::{SpoolFile, Written};
use super::{Artifact, FileGroup, GroupFile};
use crate::pipeline::plan::{CsvDialect, Header};
use crate::transform::{Cell, Row};

/// A CSV file being written. Removed if dropped unfinished.
pub struct CsvFile {
    spool: SpoolFile,
    path: PathBuf,
    name: String,
    encoder: CsvEncoder,
    rows: u64,
    columns: Vec<String>,
    split: Option<Split>,
}

/// The state of splitting into a file group.
#[derive(Default)]
struct Split {
    rows_max: u64,
    head_bytes: u64,
    /// Rows of the current file.
    rows: u64,
    /// Rows of each completed file.
    completed: Vec<u64>,
}

/// The maximum number of files in a file group.
pub const GROUP_FILES_MAX: usize = 999;

impl CsvFile {
    /// Starts `<path>.part` and writes the header, if the dialect has one. With `split`, a new file of the file group
    /// starts after that many rows, each with byte order mark and header.
    ///
    /// # Errors
    /// A file that cannot be created or written.
    pub fn create(
        path: &Path,
        name: &str,
        dialect: &CsvDialect,
        columns: &[String],
        split: Option<u64>,
    ) -> io::Result<Self> {
        let mut file = Self {
            spool: SpoolFile::create(path, split.is_some())?,
            path: path.to_owned(),
            name: name.to_owned(),
            encoder: CsvEncoder::new(dialect),
            rows: 0,
            columns: columns.to_vec(),
            split: split.map(|rows_max| Split { rows_max: rows_max.max(1), ..Split::default() }),
        };
        let head_bytes = file.head()?;
        if let Some(split) = &mut file.split {
            split.head_bytes = head_bytes;
        }
        Ok(file)
    }

    /// Writes byte order mark and header. Returns their length.
    fn head(&mut self) -> io::Result<u64> {
        let before = self.spool.block.len();
        if self.encoder.dialect.bom {
            self.spool.block.extend_from_slice(b"\xEF\xBB\xBF");
        }
        let mut bytes = self.spool.block.len() - before;
        let header = match &self.encoder.dialect.header {
            Header::None => None,
            Header::Names => Some(self.columns.clone()),
            Header::Upper => Some(self.columns.iter().map(|column| column.to_uppercase()).collect()),
            Header::List(names) => Some(names.clone()),
        };
        if let Some(names) = header {
            if names.len() != self.columns.len() {
                let (named, columns) = (names.len(), self.columns.len());
                let what = format!("`artifact.csv.header` names {named} columns, and the rows have {columns}");
                return Err(io::Error::other(what));
            }
            bytes += self.record(names.iter().map(|name| Cell { bytes: name.as_bytes(), is_plain: false }))?;
        }
        Ok(bytes as u64)
    }

    /// Returns the encoder of its rows.
    pub fn encoder(&self) -> CsvEncoder {
        self.encoder.clone()
    }

    /// Returns true if rows may be appended encoded: files of a file group begin between rows.
    pub fn takes_encoded(&self) -> bool {
        self.split.is_none()
    }

    /// Appends encoded rows. Takes the bytes, and leaves an empty buffer.
    ///
    /// # Errors
    /// The file cannot be written; the error may concern earlier rows.
    pub fn append(&mut self, bytes: &mut Vec<u8>, rows: u64) -> io::Result<()> {
        self.rows += rows;
        self.spool.append(bytes)
    }

    /// Appends one row.
    ///
    /// # Errors
    /// The file cannot be written; the error may concern earlier rows.
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.begin_row()?;
        self.encoder.row(row, &mut self.spool.block);
        self.spool.send_if_full()
    }

    fn begin_row(&mut self) -> io::Result<()> {
        self.rows += 1;
        if self.split.is_some() { self.split_before_row() } else { Ok(()) }
    }

    /// Starts the next file of the file group if this one is full.
    fn split_before_row(&mut self) -> io::Result<()> {
        let Some(split) = &mut self.split else { return Ok(()) };
        let is_full = split.rows == split.rows_max;
        if is_full {
            if split.completed.len() + 1 == GROUP_FILES_MAX {
                let rows = split.rows_max;
                let what = format!("more than {GROUP_FILES_MAX} files of {rows} rows: raise `artifact.split.rows`");
                return Err(io::Error::other(what));
            }
            split.completed.push(std::mem::take(&mut split.rows));
        }
        split.rows += 1;
        if is_full {
            self.spool.mark()?;
            self.head()?;
        }
        Ok(())
    }

    /// Writes one record. Returns its length in bytes.
    #[inline]
    fn record<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<usize> {
        let start = self.spool.block.len();
        self.encoder.record(cells, &mut self.spool.block);
        let bytes = self.spool.block.len() - start;
        self.spool.send_if_full()?;
        Ok(bytes)
    }

    /// Completes the file and renames it. `names` returns the names of a file group's files, from 1. The file is not
    /// synced: if it does not match its digest after a power cut, it is created again from the extract.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, names: impl Fn(usize) -> io::Result<String>) -> io::Result<Artifact> {
        if self.split.is_some() {
            self.spool.mark()?;
        }
        let Written { bytes, sha256, marked } = self.spool.finish()?;
        let set = self.split.map(|Split { head_bytes, rows, mut completed, .. }| {
            completed.push(rows);
            let files = completed.into_iter().zip(marked).enumerate();
            let files = files
                .map(|(index, (rows, (bytes, sha256)))| Ok(GroupFile { name: names(index + 1)?, bytes, sha256, rows }));
            Ok::<_, io::Error>(FileGroup { head_bytes, files: files.collect::<io::Result<_>>()? })
        });
        let Self { path, name, rows, columns, encoder: CsvEncoder { dialect, .. }, .. } = self;
        Ok(Artifact { path, name, bytes, sha256, rows, columns, dialect, set: set.transpose()? })
    }
}

#[cfg(test)]
mod tests;
