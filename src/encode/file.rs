//! Rows → a file in the spool, in the format of the artifact.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pack::Packing;
use super::spool::{Marked, SpoolFile, Written};
use super::table::RowsOutput;
use super::{Artifact, CsvFormat, FileGroup, FileNames, GroupFile, RowFormat, RowsPlace};
use crate::name::{Content, PendingName};
use crate::pipeline::plan::{CsvDialect, Format};
use crate::transform::{Row, TransformError};

/// The artifact's file being written. Removed if dropped unfinished.
pub struct ArtifactFile {
    output: RowsOutput,
    path: PathBuf,
    name: PendingName,
    format: Arc<dyn RowFormat>,
    rows: u64,
    columns: Vec<String>,
    split: Option<Split>,
    place: RowsPlace,
    /// The rows beside it.
    beside: Option<RowsFile>,
}

/// The rows that requests need, where the artifact cannot be read back: a CSV of the default dialect.
struct RowsFile {
    spool: SpoolFile,
    format: CsvFormat,
}

/// The format, and what else decides on how the files are written.
pub struct FileLayout<'a> {
    pub format: &'a Format,
    /// A new file of the file group starts after that many rows.
    pub split: Option<u64>,
    /// Keeps the rows beside the artifact.
    pub keeps_rows: bool,
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

impl ArtifactFile {
    /// Starts `<path>.part` and writes what the format has before the rows: at the beginning of each file of a group.
    ///
    /// # Errors
    /// A file that cannot be created or written; columns that the format cannot have.
    pub fn create(path: &Path, name: &str, layout: FileLayout<'_>, columns: &[String]) -> io::Result<Self> {
        Self::create_packed(path, name.into(), layout, (None, one_name(name)), columns)
    }

    /// As [`ArtifactFile::create`], with files that are compressed and encrypted on their way to the disk: bytes and
    /// digest are those of the result. Records may have the names of the files in them.
    ///
    /// # Errors
    /// See [`ArtifactFile::create`].
    pub fn create_packed(
        path: &Path,
        name: PendingName,
        layout: FileLayout<'_>,
        (packing, names): (Option<Packing>, FileNames),
        columns: &[String],
    ) -> io::Result<Self> {
        let is_packed = packing.is_some();
        let spool = SpoolFile::create(path, layout.split.is_some(), packing)?;
        let mut file = Self::begin(spool, (path, name, &names), layout, columns)?;
        if is_packed {
            file.place = RowsPlace::Nowhere;
        }
        Ok(file)
    }

    /// Begins to write the rows to what is open already.
    pub(super) fn begin(
        spool: SpoolFile,
        (path, name, names): (&Path, PendingName, &FileNames),
        layout: FileLayout<'_>,
        columns: &[String],
    ) -> io::Result<Self> {
        let FileLayout { format, split, keeps_rows } = layout;
        let place = format.readable().map_or(RowsPlace::Nowhere, |dialect| RowsPlace::Artifact(dialect.clone()));
        let beside = keeps_rows.then(|| RowsFile::create(&super::rows_path(path), columns)).transpose()?;
        let output = super::rows_output(format, columns, path.parent().unwrap_or(path), spool)?;
        let mut file = Self {
            output,
            path: path.to_owned(),
            name,
            format: super::row_format(format, columns, names)?,
            rows: 0,
            columns: columns.to_vec(),
            split: split.map(|rows_max| Split { rows_max: rows_max.max(1), ..Split::default() }),
            place,
            beside,
        };
        let head_bytes = file.head()?;
        if let Some(split) = &mut file.split {
            split.head_bytes = head_bytes;
        }
        Ok(file)
    }

    /// Completes the rows of one artifact of several. Returns what it was written to, and the number of rows.
    pub(super) fn end(mut self) -> io::Result<(SpoolFile, u64)> {
        self.end_rows()?;
        Ok((self.output.into_spool()?, self.rows))
    }

    /// Writes what comes before the rows. Returns its length in bytes.
    fn head(&mut self) -> io::Result<u64> {
        let out = self.output.head_block();
        let before = out.len();
        self.format.head(&self.columns, out)?;
        let bytes = out.len() - before;
        self.output.send_if_full()?;
        Ok(bytes as u64)
    }

    /// Completes the rows of a file.
    fn end_rows(&mut self) -> io::Result<()> {
        self.format.end(self.output.block())?;
        self.output.end_rows(self.format.as_ref())
    }

    /// Returns the encoder of its rows.
    pub fn format(&self) -> Arc<dyn RowFormat> {
        self.format.clone()
    }

    /// Returns true if rows may be appended encoded: files of a file group begin between rows, and the rows beside the
    /// artifact are encoded otherwise.
    pub fn takes_encoded(&self) -> bool {
        self.split.is_none() && self.beside.is_none() && !self.format.is_ordered()
    }

    /// Appends encoded rows. Takes the bytes, and leaves an empty buffer.
    ///
    /// # Errors
    /// The file cannot be written; the error may concern earlier rows.
    pub fn append(&mut self, bytes: &mut Vec<u8>, rows: u64) -> io::Result<()> {
        if self.rows == 0 && rows > 0 {
            let separator = self.format.separator().len();
            bytes.drain(..separator.min(bytes.len()));
        }
        self.rows += rows;
        self.output.append(bytes)
    }

    /// Appends one row.
    ///
    /// # Errors
    /// The file cannot be written; the error may concern earlier rows. A value that the format cannot have.
    pub fn row(&mut self, row: &Row<'_>) -> Result<(), TransformError> {
        let writing = |source| TransformError::Write { source };
        let is_first = self.begin_row().map_err(writing)?;
        let start = self.output.block().len();
        self.format.row(row, self.output.block())?;
        if is_first {
            self.output.block().drain(start..start + self.format.separator().len());
        }
        self.output.send_if_full().map_err(writing)?;
        if let Some(beside) = &mut self.beside {
            beside.format.row(row, &mut beside.spool.block)?;
            beside.spool.send_if_full().map_err(writing)?;
        }
        Ok(())
    }

    /// Returns true for the first row of a file.
    fn begin_row(&mut self) -> io::Result<bool> {
        self.rows += 1;
        if self.split.is_some() { self.split_before_row() } else { Ok(self.rows == 1) }
    }

    /// Starts the next file of the file group if this one is full.
    fn split_before_row(&mut self) -> io::Result<bool> {
        let Some(split) = &mut self.split else { return Ok(false) };
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
        let is_first = split.rows == 1;
        if is_full {
            self.end_rows()?;
            self.output.mark()?;
            self.head()?;
        }
        Ok(is_first)
    }

    /// Completes the file and renames it; what its name waited for is known then. `names` returns the names of a file
    /// group's files, from 1. The file is not synced: if it does not match its digest after a power cut, it is created again from the extract.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish<N: Into<PendingName>>(mut self, names: impl Fn(usize) -> io::Result<N>) -> io::Result<Artifact> {
        self.end_rows()?;
        if self.split.is_some() {
            self.output.mark()?;
        }
        let Written { bytes, sha256, content_sha256, marked } = self.output.into_spool()?.finish()?;
        let set = self.split.map(|Split { head_bytes, rows, mut completed, .. }| {
            completed.push(rows);
            let files = completed.into_iter().zip(marked).enumerate();
            let files = files.map(|(index, (rows, Marked { bytes, sha256, content_sha256 }))| {
                let name = names(index + 1)?.into().complete(Content { rows, sha256: &content_sha256 });
                Ok(GroupFile { name, bytes, sha256, rows })
            });
            Ok::<_, io::Error>(FileGroup { is_archive: false, head_bytes, files: files.collect::<io::Result<_>>()? })
        });
        let rows_in = match self.beside {
            None => self.place,
            Some(RowsFile { spool, format: _ }) => {
                let Written { bytes, sha256, .. } = spool.finish()?;
                RowsPlace::Beside { bytes, sha256 }
            }
        };
        let Self { path, name, rows, columns, .. } = self;
        let name = name.complete(Content { rows, sha256: &content_sha256 });
        Ok(Artifact { path, name, bytes, sha256, rows, columns, rows_in, set: set.transpose()? })
    }
}

/// Returns the names of one file.
pub fn one_name(name: &str) -> FileNames {
    let name = name.to_owned();
    Arc::new(move |_| Ok(name.clone()))
}

impl RowsFile {
    fn create(path: &Path, columns: &[String]) -> io::Result<Self> {
        let (mut spool, format) =
            (SpoolFile::create(path, false, None)?, CsvFormat::new(&CsvDialect::default(), columns));
        format.head(columns, &mut spool.block)?;
        Ok(Self { spool, format })
    }
}

#[cfg(test)]
mod tests;
