//! The inputs of single steps, besides the rows.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use crate::pipeline::plan::{CsvInput, TableRef, TransformStep};

/// The tables that steps read, by [`TableRef::name`].
#[derive(Clone, Default)]
pub struct StepInputs {
    pub tables: BTreeMap<String, OpenTable>,
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
        Self { tables: steps.iter().filter_map(file).collect() }
    }
}
