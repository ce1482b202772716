//! The first rows of a pipeline, and what its steps make of them: nothing is requested, recorded or delivered.

/// Types of columns, inferred from their cells.
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::encode::{ArtifactFile, FileLayout};
use crate::extract::LocalCsv;
use crate::pipeline::masked::MaskedColumns;
use crate::pipeline::plan::{Plan, StepKind, TransformStep};
use crate::progress::Meter;
use crate::schedule::slot::Slot;
use crate::secret::Secret;
use crate::settings::Limits;
use crate::transform::{Balance, Input, OpenTable, PassedFirst, Row, StepInputs, Transform, TransformError};

pub use types::ColumnType;
use types::Inferred;

/// The most records that a preview reads.
pub const RECORDS_MAX: u64 = 1_000_000;
/// Rows from which types are inferred at least, where there are so many.
const ROWS_MIN: u64 = 1_000;
/// Bytes of the artifact that are shown at most.
const HEAD_BYTES: u64 = 64 << 10;
/// A value that is not shown.
pub const MASKED: &str = "•••";

/// The inputs of a preview.
pub struct Preview<'a> {
    pub plan: &'a Plan,
    pub source: &'a LocalCsv,
    /// The rows of the other sources, by name.
    pub others: &'a BTreeMap<String, LocalCsv>,
    pub secrets: &'a BTreeMap<String, Secret>,
    pub slot: &'a Slot,
    pub limits: Limits,
    /// The folder of temporary files.
    pub folder: &'a Path,
    /// The number of rows to show.
    pub rows: usize,
    pub meter: Meter,
}

/// The rows at one point of the chain.
#[derive(Serialize)]
pub struct Table {
    pub columns: Vec<ShownColumn>,
    pub rows: Vec<ShownRow>,
    /// All rows that were seen, shown or not.
    pub seen: u64,
}

#[derive(Serialize)]
pub struct ShownColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub inferred: ColumnType,
    /// The empty cells of the rows that were seen.
    pub empty: u64,
    /// A step hides its values, so they are not shown.
    pub masked: bool,
    /// Its name before the step, if that renames it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// The step adds it, or removes it.
    #[serde(rename = "new", skip_serializing_if = "std::ops::Not::not")]
    pub is_new: bool,
    #[serde(rename = "removed", skip_serializing_if = "std::ops::Not::not")]
    pub is_removed: bool,
}

#[derive(Serialize)]
pub struct ShownRow {
    /// The number of its record in the extract, from 1.
    pub record: u64,
    pub cells: Vec<Option<String>>,
    /// The positions of the cells that the step changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<usize>,
    /// The step drops the row, or merges it into another.
    #[serde(rename = "dropped", skip_serializing_if = "std::ops::Not::not")]
    pub is_dropped: bool,
    /// The step adds the row.
    #[serde(rename = "added", skip_serializing_if = "std::ops::Not::not")]
    pub is_added: bool,
}

/// Rows, and the number of rows at each step.
pub struct Previewed {
    pub before: Option<Table>,
    pub after: Table,
    pub balance: Balance,
    /// True if all records were read.
    pub is_whole: bool,
}

/// The beginning of the artifact.
pub struct ArtifactHead {
    pub name: String,
    /// Lines with their ends.
    pub lines: Vec<String>,
}

/// The rows of one pass.
struct PassRows {
    names: Vec<String>,
    types: Vec<Inferred>,
    /// The first rows, with their record numbers.
    first: Vec<(u64, Vec<String>)>,
    /// Other rows to compare with, by their record numbers.
    wanted: HashMap<u64, Vec<String>>,
    numbers: HashSet<u64>,
    count: u64,
    passed: PassedFirst,
}

impl Preview<'_> {
    /// Returns the rows after all steps, and the beginning of the artifact made of those that are shown.
    ///
    /// # Errors
    /// The source cannot be read, or a row has no result.
    pub fn result(&self) -> Result<(Previewed, ArtifactHead), TransformError> {
        let writing = |source| TransformError::Write { source };
        let name = self.plan.artifact.name.render(&self.slot.name_fields());
        let name = name.map_err(|error| writing(io::Error::other(format!("artifact.name: {error}"))))?.to_string();
        let path = self.folder.join("artifact");
        let transform = self.open(&self.plan.steps)?;
        let layout = FileLayout { format: &self.plan.artifact.format, split: None, keeps_rows: false };
        let mut file = ArtifactFile::create(&path, &name, layout, transform.columns()).map_err(writing)?;
        let mut left = self.rows;
        let encode = |row: &Row<'_>| {
            if left > 0 {
                left -= 1;
                file.row(row)?;
            }
            Ok(())
        };
        let seen = self.pass(transform, &self.plan.steps, 0, &HashSet::new(), encode)?;
        let artifact = file.finish(|_| Ok(name.clone())).map_err(writing)?;
        let mut bytes = Vec::new();
        let head = std::fs::File::open(&artifact.path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut bytes));
        head.map_err(writing)?;
        if !self.plan.artifact.format.is_text() {
            bytes.clear();
        }
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let lines = lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let masked = MaskedColumns::of(&self.plan.steps);
        Ok((previewed(None, &seen, masked.before(self.plan.steps.len())), ArtifactHead { name, lines }))
    }

    /// Returns the rows before and after a step, the first of which is 1.
    ///
    /// # Errors
    /// See [`Preview::result`].
    pub fn step(&self, number: usize) -> Result<Previewed, TransformError> {
        let (steps, earlier) = (&self.plan.steps[..number], &self.plan.steps[..number - 1]);
        let nothing = |_: &Row<'_>| Ok(());
        let after = self.pass(self.open(steps)?, steps, 0, &HashSet::new(), nothing)?;
        let wanted: HashSet<u64> = after.first.iter().map(|(record, _)| *record).collect();
        let last = wanted.iter().max().copied().unwrap_or(0);
        let before = self.pass(self.open(earlier)?, earlier, last, &wanted, nothing)?;
        let renamed = |name: &str| match &self.plan.steps[number - 1].kind {
            StepKind::Rename(renames) => {
                let rename = renames.iter().find(|rename| rename.to.name == *name);
                rename.map_or_else(|| name.to_owned(), |rename| rename.from.name.clone())
            }
            _ => name.to_owned(),
        };
        let masked = MaskedColumns::of(&self.plan.steps);
        let mut table = table(&before, masked.before(number - 1));
        for row in &mut table.rows {
            row.is_dropped = !after.numbers.contains(&row.record);
        }
        let sources: Vec<String> = after.names.iter().map(|name| renamed(name)).collect();
        for column in &mut table.columns {
            column.is_removed = !sources.contains(&column.name);
        }
        let mut previewed = previewed(Some(table), &after, masked.before(number));
        let at: Vec<Option<usize>> =
            sources.iter().map(|source| before.names.iter().position(|name| name == source)).collect();
        for ((column, at), source) in previewed.after.columns.iter_mut().zip(&at).zip(&sources) {
            column.is_new = at.is_none();
            column.was = (*source != column.name).then(|| source.clone());
        }
        for (row, (_, cells)) in previewed.after.rows.iter_mut().zip(&after.first) {
            match before.wanted.get(&row.record) {
                Some(old) => {
                    let is_changed = |&at_new: &usize| at[at_new].is_some_and(|at| old[at] != cells[at_new]);
                    row.changed = (0..cells.len()).filter(is_changed).collect();
                }
                None => row.is_added = true,
            }
        }
        Ok(previewed)
    }

    fn open<'a>(&'a self, steps: &[TransformStep]) -> Result<Transform<'a>, TransformError> {
        let read = self.source.open(&self.limits).map_err(|source| TransformError::Read { source })?;
        let input = Input {
            read,
            csv: self.plan.source.csv(),
            limits: self.limits,
            folder: self.folder,
            meter: &self.meter,
            stop: CancellationToken::new(),
            step_inputs: self.step_inputs(steps),
        };
        Transform::open(input, steps, self.secrets)
    }

    fn step_inputs(&self, steps: &[TransformStep]) -> StepInputs {
        let mut inputs = StepInputs::of_files(steps);
        for other in &self.plan.others {
            let Some(source) = self.others.get(&other.name).cloned() else { continue };
            let limits = self.limits;
            let (read, csv) = (Arc::new(move || source.open(&limits)), other.source.csv());
            inputs.tables.insert(other.name.clone(), OpenTable { read, csv, rows_max: other.rows_max });
        }
        inputs
    }

    /// Passes rows through the steps: all of them where a step is on whole tables, else enough to show and to infer types
    /// from, and those up to the record `last`.
    fn pass(
        &self,
        transform: Transform<'_>,
        steps: &[TransformStep],
        last: u64,
        wanted: &HashSet<u64>,
        mut each: impl FnMut(&Row<'_>) -> Result<(), TransformError>,
    ) -> Result<PassRows, TransformError> {
        let names = transform.columns().to_vec();
        let mut types = vec![Inferred::default(); names.len()];
        let (mut first, mut kept, mut numbers, mut count) = (Vec::new(), HashMap::new(), HashSet::new(), 0);
        let needs_all = steps.iter().any(|step| step.kind.is_table());
        let enough = ROWS_MIN.max(self.rows as u64);
        let passed = transform.run_first(RECORDS_MAX, |row| {
            each(row)?;
            count += 1;
            let number = row.number();
            numbers.insert(number);
            for (cell, inferred) in row.cells().zip(&mut types) {
                inferred.see(cell.bytes);
            }
            let cells = || row.cells().map(|cell| String::from_utf8_lossy(cell.bytes).into_owned()).collect();
            if first.len() < self.rows {
                first.push((number, cells()));
            }
            if wanted.contains(&number) {
                kept.entry(number).or_insert_with(cells);
            }
            let is_enough = !needs_all && count >= enough && number >= last;
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(PassRows { names, types, first, wanted: kept, numbers, count, passed })
    }
}

fn previewed(before: Option<Table>, after: &PassRows, masked: &BTreeSet<String>) -> Previewed {
    let PassedFirst { balance, is_whole } = &after.passed;
    Previewed { before, after: table(after, masked), balance: balance.clone(), is_whole: *is_whole }
}

/// Returns the first rows of a pass, without the values of masked columns.
fn table(seen: &PassRows, masked: &BTreeSet<String>) -> Table {
    let columns = seen.names.iter().zip(&seen.types).map(|(name, inferred)| ShownColumn {
        name: name.clone(),
        inferred: inferred.kind(),
        empty: inferred.empty,
        masked: masked.contains(name),
        was: None,
        is_new: false,
        is_removed: false,
    });
    let columns: Vec<ShownColumn> = columns.collect();
    let cell = |(cell, column): (&String, &ShownColumn)| match cell.as_str() {
        "" => None,
        _ if column.masked => Some(MASKED.to_owned()),
        cell => Some(cell.to_owned()),
    };
    let row = |(record, cells): &(u64, Vec<String>)| ShownRow {
        record: *record,
        cells: cells.iter().zip(&columns).map(cell).collect(),
        changed: Vec::new(),
        is_dropped: false,
        is_added: false,
    };
    Table { rows: seen.first.iter().map(row).collect(), columns, seen: seen.count }
}
