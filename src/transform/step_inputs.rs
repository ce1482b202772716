//! The inputs of single steps, besides the rows, and what they give besides them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use crate::pipeline::plan::{CsvInput, TableRef, TransformStep};

/// Opened by the run, by the steps that read them.
#[derive(Clone, Default)]
pub struct StepInputs {
    /// The tables that steps read, by [`TableRef::name`].
    pub tables: BTreeMap<String, OpenTable>,
    /// Of `delta`. Without it, nothing was delivered before, and no baseline is written.
    pub delta: Option<DeltaInputs>,
}

/// A table that can be read, as often as there are steps that read it.
#[derive(Clone)]
pub struct OpenTable {
    /// Opens the unpacked CSV at its start.
    pub read: Arc<OpenRead>,
    pub csv: CsvInput,
    /// The largest number of rows, if it is lower than `limits.rows`.
    pub rows_max: Option<u64>,
}

type OpenRead = dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync;

impl StepInputs {
    /// Returns the files that steps read. The tables that are sources are added by whoever has their extracts.
    pub fn of_files(steps: &[TransformStep]) -> Self {
        let file = |step: &TransformStep| match step.kind.table()? {
            TableRef::File(file, csv) => {
                let (name, csv, file) = (file.name.clone(), *csv, file.clone());
                Some((name, OpenTable { read: Arc::new(move || Ok(Box::new(file.open()?))), csv, rows_max: None }))
            }
            TableRef::Source(_) => None,
        };
        Self { tables: steps.iter().filter_map(file).collect(), delta: None }
    }
}

/// The baseline that `delta` compares the rows with, and the path of the next one.
#[derive(Clone, Debug)]
pub struct DeltaInputs {
    /// The run, and its slot in the pipeline's zone.
    pub run: String,
    pub slot: String,
    pub earlier: EarlierBaseline,
    /// The path of the new baseline; none is written without one.
    pub next: Option<PathBuf>,
}

/// The rows that the destination has.
#[derive(Clone, Debug, Default)]
pub enum EarlierBaseline {
    /// Nothing was delivered before.
    #[default]
    None,
    /// The baseline of the last delivered file, whose digest was checked.
    File(Arc<File>),
    /// It cannot be used, with the reason.
    Lost(String),
}

/// The number of rows of each kind that `delta` found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeltaRows {
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
    pub unchanged: u64,
    /// Rows that are no longer there, and stay in the baseline.
    pub kept: u64,
}

/// The result of `delta` besides the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaResult {
    pub rows: DeltaRows,
    /// `None` if none was to be written.
    pub baseline: Option<NewBaseline>,
}

/// A baseline that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBaseline {
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    pub keys: u64,
}
