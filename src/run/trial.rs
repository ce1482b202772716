//! A test of a pipeline: given rows through the pass of a run, without network, ledger or destinations.

mod align;
/// The rows of a test's `baseline`.
mod before;
mod compare;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::others::OtherExtract;
use super::transform::{Pass, Transformed, with_causes};
use crate::expect::{Baseline, Checked};
use crate::extract::{Extract, Form, SourceFacts};
use crate::pipeline::plan::{CsvInput, NamedSource, Plan, TestCase, TestInput, TestRows};
use crate::progress::{Meter, Progress};
use crate::schedule::slot::Slot;
use crate::settings::Limits;
use crate::transform::{Balance, TransformError};
use crate::{digest, disk};

pub use compare::{Difference, LineChange, RowChange};

/// The outcome of a test.
pub struct Tested {
    /// Empty if the test passed.
    pub differences: Vec<Difference>,
    /// The result; `None` if the run failed.
    pub output: Option<Output>,
}

/// The result of a pipeline for a test's rows.
pub struct Output {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// The artifact. The files of a split one are one after the other.
    pub bytes: Vec<u8>,
    pub(super) balance: Balance,
    pub(super) checked: Checked,
}

/// Runs a test, and compares what comes out with what it expects. Blocks.
///
/// # Errors
/// The temporary folder cannot be used.
pub fn test(plan: &Arc<Plan>, test: &TestCase, limits: Limits) -> io::Result<Tested> {
    let folder = tempfile::tempdir()?;
    let plan =
        plan.rows_of(test.artifact.as_deref()).map_err(|_| io::Error::other("the artifact is not in the plan"))?;
    match execute(&plan, test, limits, folder.path())? {
        Ok(output) => Ok(Tested { differences: compare::output(&test.expected, &output), output: Some(output) }),
        Err(Failed::Run(error)) => {
            let differences = compare::error(&test.expected, &error).into_iter().collect();
            Ok(Tested { differences, output: None })
        }
        // No test expects this one.
        Err(Failed::Baseline(error)) => Ok(Tested { differences: vec![Difference::Baseline { error }], output: None }),
    }
}

/// An error of a test's rows.
enum Failed {
    /// The run fails.
    Run(String),
    /// The rows of `baseline` could not have been delivered.
    Baseline(String),
}

/// Passes the rows through the steps, the expectations and the encoder. Returns the output, or the error of the run.
fn execute(plan: &Arc<Plan>, test: &TestCase, limits: Limits, folder: &Path) -> io::Result<Result<Output, Failed>> {
    let (extract, format) = match input(folder, &test.input, plan.source.csv())? {
        Ok(input) => input,
        Err(error) => return Ok(Err(Failed::Run(error))),
    };
    let mut others = Vec::new();
    for NamedSource { name, source, .. } in &plan.others {
        let Some(rows) = test.others.get(name) else { continue };
        let folder = folder.join(name);
        std::fs::create_dir(&folder)?;
        match input(&folder, rows, source.csv())? {
            Ok((extract, csv)) => others.push(OtherExtract { name: name.clone(), extract, csv }),
            Err(error) => return Ok(Err(Failed::Run(error))),
        }
    }
    let slot = Slot::new(&plan.name, test.slot, plan.zone.clone());
    let name = match plan.artifact.name.render(&slot.name_fields()) {
        Ok(name) => name,
        Err(error) => return Ok(Err(Failed::Run(format!("artifact.name: {error}")))),
    };
    let mut pass = Pass {
        plan: plan.clone(),
        extract,
        csv: format,
        others,
        expected_sha256: None,
        dropped: folder.join("dropped_rows.csv"),
        path: folder.join("artifact/file"),
        folder: folder.to_owned(),
        slot,
        name,
        secrets: test.secrets.clone(),
        limits,
        baseline: Baseline::default(),
        delta: None,
        packing: None,
        progress: Progress::default(),
        stop: CancellationToken::new(),
    };
    if let Some(rows) = &test.baseline
        && let Err(error) = before::compare_with(&mut pass, rows, folder)?
    {
        return Ok(Err(Failed::Baseline(error)));
    }
    let done = pass.run().and_then(|transformed| Ok((transformed, cells(&pass)?)));
    Ok(match done {
        Ok((Transformed::Done { artifact, balance, parts: _, checked, read: _ }, rows)) => {
            let bytes = std::fs::read(&artifact.path)?;
            Ok(Output { columns: artifact.columns, rows, bytes, balance, checked: *checked })
        }
        Ok((Transformed::Damaged { what }, _)) => Err(Failed::Run(what)),
        // Its extract is its own: nobody else changes it.
        Ok((Transformed::Changed | Transformed::Other, _)) => {
            Err(Failed::Run("the rows changed while they were read".to_owned()))
        }
        Err(error) => Err(Failed::Run(with_causes(&error))),
    })
}

/// Returns the rows as a run saves them, with their format, which is `declared` for a file; or why a file cannot be read.
fn input(folder: &Path, input: &TestInput, declared: CsvInput) -> io::Result<Result<(Extract, CsvInput), String>> {
    Ok(match input {
        TestInput::Rows(rows) => Ok((written(folder, &csv_of(rows)?)?, CsvInput::default())),
        TestInput::File(file) => match read(&file.path) {
            Ok(bytes) => Ok((written(folder, &bytes)?, declared)),
            Err(error) => Err(format!("cannot read {}: {error}", file.path.display())),
        },
    })
}

/// Returns the cells of the delivered rows, by a second pass.
fn cells(pass: &Pass) -> Result<Vec<Vec<String>>, TransformError> {
    let mut rows = Vec::new();
    pass.open(&Meter::default())?.0.run(|row| {
        rows.push(row.cells().map(|cell| String::from_utf8_lossy(cell.bytes).into_owned()).collect());
        Ok(())
    })?;
    Ok(rows)
}

/// Reads a file of a test.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    disk::open_regular(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes an extract as a run saves it.
fn written(folder: &Path, bytes: &[u8]) -> io::Result<Extract> {
    let form = if bytes.starts_with(b"PK\x03\x04") { Form::Zip } else { Form::Csv };
    std::fs::write(folder.join(form.file_name()), bytes)?;
    Ok(Extract::saved(folder, form, bytes.len() as u64, digest::of(bytes), SourceFacts::default()))
}

/// Returns the rows as a CSV.
fn csv_of(rows: &TestRows) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&rows.columns)?;
    for row in &rows.rows {
        writer.write_record(row.iter().map(|cell| cell.as_deref().unwrap_or_default()))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}
