//! ⑥ Rows → an [`Artifact`]: the encoded file to deliver.

mod content;
mod csv;
mod encoded;
mod file;
mod fixed;
mod group;
mod held_rows;
mod json;
mod layout;
mod pack;
#[cfg_attr(not(feature = "parquet"), path = "parquet_left_out.rs")]
mod parquet;
mod pool;
mod row_values;
mod spool;
#[cfg_attr(not(any(feature = "parquet", feature = "xlsx")), allow(dead_code))] // nothing reads the values then
mod table;
mod tree;
mod typed;
mod values;
#[cfg_attr(not(feature = "xlsx"), path = "xlsx_left_out.rs")]
mod xlsx;
mod xml;
mod zip;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::csv::CsvFormat;
use self::encoded::Encoded;
pub use self::file::{ArtifactFile, FileLayout, GROUP_FILES_MAX, one_name};
use self::fixed::FixedRows;
pub use self::group::ArtifactsFile;
use self::held_rows::HeldRows;
use self::json::JsonFormat;
use self::layout::LayoutRows;
pub use self::pack::Packing;
use self::parquet::ParquetTable;
pub use self::row_values::RowCells;
use self::spool::SpoolFile;
use self::table::{RowsOutput, TableFile, TypedRows};
pub use self::tree::JsonTree;
use self::xlsx::XlsxTable;
use self::xml::XmlFormat;
use crate::pipeline::plan::{CsvDialect, Format};
use crate::pipeline::step_name;
use crate::transform::{Row, RowError};
use crate::yaml::problem::Problem;

/// A format whose rows are encoded one by one, on any thread.
pub trait RowFormat: Send + Sync {
    /// Appends what comes before the first row of a file.
    ///
    /// # Errors
    /// Columns that the format cannot have.
    fn head(&self, columns: &[String], out: &mut Vec<u8>) -> io::Result<()>;

    /// Appends a row, after the [`RowFormat::separator`].
    ///
    /// # Errors
    /// A value that the format cannot have.
    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError>;

    /// Returns what comes between rows, which the first row of a file does not keep.
    fn separator(&self) -> &[u8] {
        b""
    }

    /// Appends what comes after the last row of a file.
    fn tail(&self, _: &mut Vec<u8>) {}

    /// Appends what comes after the last row of a file, where that may fail.
    ///
    /// # Errors
    /// A value that the format cannot have.
    fn end(&self, out: &mut Vec<u8>) -> io::Result<()> {
        self.tail(out);
        Ok(())
    }

    /// Returns true if a row depends on those before it: rows must be encoded in their order then.
    fn is_ordered(&self) -> bool {
        false
    }

    /// Returns the number of records before the first row that are known after the last one. They follow the head.
    fn late_records(&self) -> usize {
        0
    }

    /// Appends one of the late records, after the end of the file.
    ///
    /// # Errors
    /// A value that the format cannot have.
    fn late_record(&self, _index: usize, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    /// Takes a row before characters of it are replaced by those of a charset, and it is encoded.
    ///
    /// # Errors
    /// A value that the format cannot have.
    fn before_replacing(&self, _: &Row<'_>) -> Result<(), RowError> {
        Ok(())
    }
}

/// Returns the name of each file of an artifact, from 1, as records may read it: they do not if it waits for its content.
pub type FileNames = Arc<dyn Fn(usize) -> io::Result<String> + Send + Sync>;

/// Returns the encoder of a format.
///
/// # Errors
/// The format reads columns that do not exist.
fn row_format(format: &Format, columns: &[String], names: &FileNames) -> io::Result<Arc<dyn RowFormat>> {
    let problems = |problems: Vec<Problem>| {
        let problems: Vec<String> = problems.iter().map(step_name::of_problem).collect();
        io::Error::other(problems.join("; "))
    };
    Ok(match format {
        Format::Csv(dialect) => Arc::new(CsvFormat::new(dialect, columns)),
        Format::Json(content) => Arc::new(JsonFormat::document(content, columns).map_err(problems)?),
        Format::Ndjson(content) => Arc::new(JsonFormat::lines(content, columns).map_err(problems)?),
        Format::Xml(xml) => Arc::new(XmlFormat::new(xml, columns).map_err(problems)?),
        Format::Fixed(fixed) => Arc::new(FixedRows::new(fixed, columns)?),
        Format::Encoded(encoded) => {
            Arc::new(Encoded::new(row_format(&encoded.format, columns, names)?, encoded, columns))
        }
        Format::Layout(layout) => Arc::new(LayoutRows::new(layout, columns, names.clone())?),
        Format::Several(_) => return Err(several()),
        Format::Parquet(plan) => {
            Arc::new(TypedRows::new(parquet::columns(plan, columns).map_err(problems)?, parquet::fits))
        }
        Format::Xlsx(plan) => Arc::new(TypedRows::new(xlsx::columns(plan, columns).map_err(problems)?, xlsx::fits)),
    })
}

fn several() -> io::Error {
    io::Error::other("several artifacts have no rows in common")
}

/// Returns what writes encoded rows. Temporary files are in the folder.
///
/// # Errors
/// Columns that the format cannot have; a temporary file that cannot be created.
fn rows_output(format: &Format, columns: &[String], folder: &Path, spool: SpoolFile) -> io::Result<RowsOutput> {
    Ok(match format {
        Format::Several(_) => return Err(several()),
        Format::Parquet(plan) => {
            RowsOutput::Table(TableFile::new(Box::new(ParquetTable::create(plan, columns, spool)?)))
        }
        Format::Xlsx(plan) => {
            RowsOutput::Table(TableFile::new(Box::new(XlsxTable::create(plan, columns, folder, spool)?)))
        }
        _ if format.has_late_header() => RowsOutput::Held(HeldRows::create(folder, spool)?),
        Format::Csv(_)
        | Format::Json(_)
        | Format::Ndjson(_)
        | Format::Xml(_)
        | Format::Fixed(_)
        | Format::Encoded(_)
        | Format::Layout(_) => RowsOutput::Bytes(Box::new(spool)),
    })
}

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
    pub rows_in: RowsPlace,
    /// The files to deliver instead, if there are several; of an archive, its entries.
    pub set: Option<FileGroup>,
}

/// The place from which requests read the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsPlace {
    /// The artifact itself, a CSV of this dialect.
    Artifact(CsvDialect),
    /// A CSV of the default dialect in the run's folder.
    Beside {
        bytes: u64,
        /// Lower-case hex.
        sha256: String,
    },
    /// None: no request needs them.
    Nowhere,
}

/// The files of a split artifact, or the artifacts of one run, stored one after the other in the artifact's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileGroup {
    /// They are the entries of the artifact, a ZIP, which is delivered as it is. Their sizes and digests are those of
    /// what they hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_archive: bool,
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
    /// Returns true if the file in the spool is unchanged, by size and SHA-256, and the rows beside it too. Reads all of
    /// them.
    pub fn is_intact(&self) -> bool {
        let rows_are_intact = match &self.rows_in {
            RowsPlace::Beside { bytes, sha256 } => crate::digest::file_is(&rows_path(&self.path), *bytes, sha256),
            RowsPlace::Artifact(_) | RowsPlace::Nowhere => true,
        };
        rows_are_intact && crate::digest::file_is(&self.path, self.bytes, &self.sha256)
    }

    /// Returns the files to deliver in place of the artifact, if there are several.
    pub fn group(&self) -> Option<&FileGroup> {
        self.set.as_ref().filter(|set| !set.is_archive)
    }

    /// Returns the files to deliver, in order.
    pub fn data_files(&self) -> Vec<DataFile<'_>> {
        let Self { name, bytes, sha256, rows, .. } = self;
        match self.group() {
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
        let Some(set) = self.group() else { return Ok((file, 0, self.bytes.saturating_add(1))) };
        let start = set.files.iter().take(index).map(|file| file.bytes).sum();
        file.seek(SeekFrom::Start(start))?;
        Ok((file, start, set.files.get(index).map_or(0, |file| file.bytes)))
    }
}

/// Returns the path of the rows beside an artifact: that is in a folder of its own, they are not.
pub fn rows_path(artifact: &Path) -> PathBuf {
    artifact.parent().and_then(Path::parent).unwrap_or(artifact).join("rows.csv")
}

impl<'a> DataFile<'a> {
    fn of(file: &'a GroupFile) -> Self {
        let GroupFile { name, bytes, sha256, rows } = file;
        Self { name, bytes: *bytes, sha256, rows: *rows }
    }
}
