//! From an open extract to transformed rows: header, chain of operators, rows, and the row balance.
//!
//! Consecutive row operators are one row program. An operator on whole tables ends a program and begins the next, whose
//! records are its results.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::{ControlFlow, Range};
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::balance::{Balance, StepRows};
use super::block::ReadAhead;
use super::decode;
use super::dropped::{DroppedRows, hide};
use super::error::TransformError;
use super::finding::StepFinding;
use super::link::{Fork, Link, OnRow, finish, pass};
use super::output::{Observer, Output, Sink};
use super::parallel;
use super::program::{Builder, Encode, Program, Row, StepInput};
use super::record::{Record, Records};
use super::step_inputs::{DeltaResult, StepInputs};
use super::table::{self, Resources};
use crate::pipeline::columns::Columns;
use crate::pipeline::masked::MaskedColumns;
use crate::pipeline::needed::needed_columns;
use crate::pipeline::operator::RowShare;
use crate::pipeline::plan::{CsvInput, TransformStep};
use crate::progress::Meter;
use crate::secret::Secret;
use crate::settings::Limits;

/// The input of a transform, and its limits.
pub struct Input<'a> {
    /// The unpacked CSV, with a header.
    pub read: Box<dyn Read + Send>,
    /// The CSV dialect.
    pub csv: CsvInput,
    pub limits: Limits,
    /// The folder for rows that do not fit into `limits.memory`.
    pub folder: &'a Path,
    /// Counts the bytes of CSV read.
    pub meter: &'a Meter,
    /// Stops the transform within one block of 256 KiB.
    pub stop: CancellationToken,
    pub step_inputs: StepInputs,
}

/// The steps compiled against a header, ready to transform the rows.
pub struct Transform<'a> {
    records: Records<'a>,
    chain: Chain,
}

/// A row program, operators on whole tables, and the program after each.
struct Chain {
    first: Program,
    rest: Vec<Link>,
    /// The output columns.
    names: Vec<String>,
    counted: Vec<Counted>,
    /// The columns, at any step, whose values must not be shown.
    hidden: BTreeSet<String>,
}

/// A step that may change the number of rows.
struct Counted {
    /// From 1.
    step: usize,
    kind: &'static str,
    shares: &'static [RowShare],
    source: Source,
}

/// The owner of a step's counts.
enum Source {
    /// These counts of the program with this number.
    Program(usize, Range<usize>),
    /// The operator of the link with this index.
    Operator(usize),
}

/// The result of passing on the first rows.
pub struct PassedFirst {
    /// Of the records that were read.
    pub balance: Balance,
    /// True if the extract has no other records.
    pub is_whole: bool,
}

/// The result of passing on all rows.
pub struct Passed {
    pub balance: Balance,
    pub findings: Vec<StepFinding>,
    /// The rows that were dropped for their values.
    pub dropped: DroppedRows,
    /// The result of `delta`, if it is a step.
    pub delta: Option<DeltaResult>,
}

impl<'a> Transform<'a> {
    /// Reads the header and compiles the steps.
    ///
    /// # Errors
    /// An empty or unreadable extract; [`TransformError::Problems`] if the steps do not fit the header.
    pub fn open(
        mut input: Input<'a>,
        steps: &[TransformStep],
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, TransformError> {
        let tables = steps.iter().filter(|step| step.kind.keeps_rows()).count().max(1);
        let (folder, limits) = (input.folder, input.limits);
        let (stop, step_inputs) = (input.stop.clone(), std::mem::take(&mut input.step_inputs));
        let resources = Resources { folder, memory: limits.memory / tables, limits, stop, step_inputs };
        let masked = MaskedColumns::of(steps);
        let (records, header) = open_records(input, &masked)?;
        let chain = Chain::compile(steps, &header, &masked, secrets, &resources)?;
        Ok(Self { records, chain })
    }

    /// Returns the names of the output columns.
    pub fn columns(&self) -> &[String] {
        &self.chain.names
    }

    /// Returns the names of the source's columns.
    pub fn header(&self) -> &[String] {
        self.records.names()
    }

    /// Passes every output row to `on_row`, in the order of the extract.
    ///
    /// # Errors
    /// The first record that is malformed, beyond a limit, or without a result; an error of `on_row`; being stopped.
    pub fn run(self, mut on_row: impl FnMut(&Row<'_>) -> io::Result<()>) -> Result<Balance, TransformError> {
        let on_row = |row: &Row<'_>| on_row(row).map_err(|source| TransformError::Write { source });
        Ok(self.run_observed(|_| (), on_row)?.balance)
    }

    /// Passes all rows to `on_row` and none encoded.
    ///
    /// # Errors
    /// See [`Transform::run`].
    pub fn run_observed(
        self,
        on_record: impl FnMut(&Record<'_>),
        on_row: impl FnMut(&Row<'_>) -> Result<(), TransformError>,
    ) -> Result<Passed, TransformError> {
        self.run_into(&|_, _| Ok(()), &mut Observer { on_record, on_row })
    }

    /// Passes the records of the extract and the output rows to `sink`, in their order, as far as it needs them. Rows are
    /// encoded by `encode`, on several threads if there is more than one block of records.
    ///
    /// # Errors
    /// See [`Transform::run`].
    pub fn run_into(self, encode: &Encode<'_>, sink: &mut impl Sink) -> Result<Passed, TransformError> {
        let Self { records, mut chain } = self;
        let hidden = std::mem::take(&mut chain.hidden);
        let mut output = Output::new(encode, sink);
        let extracted = chain.run(records, &mut output).map_err(|error| hide(error, &hidden))?;
        let balance = Balance { extracted, steps: chain.step_rows(), written: output.written() };
        assert!(balance.is_even(), "rows balance: {balance:?}");
        let delta = chain.rest.iter_mut().find_map(|link| link.operator.delta());
        let (findings, dropped) = chain.results();
        Ok(Passed { balance, findings, dropped, delta })
    }
}

impl Transform<'_> {
    /// Reads the first records, at most `records_max` and until `on_row` breaks, and passes on what the steps make of them.
    ///
    /// # Errors
    /// See [`Transform::run`].
    pub fn run_first(
        self,
        records_max: u64,
        on_row: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, TransformError>,
    ) -> Result<PassedFirst, TransformError> {
        let Self { records, mut chain } = self;
        let hidden = std::mem::take(&mut chain.hidden);
        chain.run_first(records, records_max, on_row).map_err(|error| hide(error, &hidden))
    }
}

impl Chain {
    fn run_first(
        &mut self,
        mut records: Records<'_>,
        records_max: u64,
        mut on_row: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, TransformError>,
    ) -> Result<PassedFirst, TransformError> {
        let (mut extracted, mut written, is_enough) = (0, 0, Cell::new(false));
        let mut on_row = |row: &Row<'_>| {
            written += 1;
            let flow = on_row(row)?;
            is_enough.set(is_enough.get() || flow.is_break());
            Ok(())
        };
        let mut is_whole = false;
        while extracted < records_max {
            let Some(record) = records.next()? else {
                is_whole = true;
                break;
            };
            extracted += 1;
            self.record(record, &mut on_row)?;
            if is_enough.get() {
                break;
            }
        }
        let is_whole = is_whole || records.next()?.is_none();
        finish(&mut self.rest, &mut on_row)?;
        Ok(PassedFirst { balance: Balance { extracted, steps: self.step_rows(), written }, is_whole })
    }
}

impl Chain {
    /// Compiles the steps.
    ///
    /// # Errors
    /// All columns that a step names and the header lacks or has twice; secrets that are missing or unusable as keys;
    /// names that would occur twice in the output; a table that a step reads cannot be opened.
    fn compile(
        steps: &[TransformStep],
        header: &[String],
        masked: &MaskedColumns,
        secrets: &BTreeMap<String, Secret>,
        resources: &Resources<'_>,
    ) -> Result<Self, TransformError> {
        let mut columns = Columns::of_header(header);
        let mut builder = Builder::new(secrets);
        let mut needed = needed_columns(steps, header).into_iter();
        let (mut programs, mut operators, mut counted) = (Vec::new(), Vec::new(), Vec::new());
        for (index, step) in steps.iter().enumerate() {
            let declaration = step.kind.declaration();
            let hidden = masked.before(index);
            let source = if step.kind.is_table() {
                columns.leave_out(&needed.next().unwrap_or_default());
                let (made, outputs) = builder.table_operator(step, hidden, &mut columns);
                programs.push(builder.finish(made, outputs));
                columns.settle();
                let operator = table::open(step, &mut columns, resources)?;
                operators.extend(operator.map(|operator| (operator, hidden.clone())));
                Source::Operator(programs.len() - 1)
            } else {
                let input = StepInput { step, index, masked: hidden };
                Source::Program(programs.len(), builder.row_operator(&input, &mut columns))
            };
            let shares = step.row_shares();
            if !shares.is_empty() {
                counted.push(Counted { step: index + 1, kind: declaration.kind, shares, source });
            }
            (declaration.columns)(&mut columns);
            if step.kind.is_table() {
                columns.settle();
            }
        }
        let made = columns.made();
        let (names, outputs) = columns.finish(steps.last().map(|step| &step.at)).map_err(TransformError::Problems)?;
        let last = builder.finish(made, outputs);
        let mut programs = programs.into_iter().chain([last]);
        let first = programs.next().unwrap_or_default();
        let link = |((operator, masked), program)| Link { operator, masked, program };
        let rest = operators.into_iter().zip(programs).map(link).collect();
        Ok(Self { first, rest, names, counted, hidden: masked.all() })
    }

    /// Passes all records through. Returns their number.
    fn run(&mut self, mut records: Records<'_>, output: &mut Output<'_, impl Sink>) -> Result<u64, TransformError> {
        let mut extracted = 0;
        if records.is_last_block() {
            // Starting threads would take longer than the rows.
            while let Some(record) = records.next()? {
                extracted += 1;
                output.record(&record);
                self.record(record, &mut |row| output.row(row))?;
            }
        } else {
            let Self { first, rest, .. } = self;
            let forks = (0..parallel::workers()).map(|_| Fork::of(first, rest)).collect::<Result<Vec<_>, _>>()?;
            let (forked, rest) = rest.split_at_mut(forks[0].links.len());
            let (encode, needs) = output.for_threads(rest.is_empty());
            parallel::run(records, forks, encode, needs, |piece, found| {
                extracted += piece.len() as u64;
                found.add_to(first, forked);
                output.piece(first, piece, rest)
            })?;
        }
        finish(&mut self.rest, &mut |row| output.row(row))?;
        output.flush()?;
        Ok(extracted)
    }

    /// Passes one record of the extract through.
    #[inline]
    fn record(&mut self, record: Record<'_>, on_row: &mut OnRow<'_>) -> Result<(), TransformError> {
        pass(&mut self.first, &mut self.rest, record, on_row)
    }

    /// Returns what a person should know, and the rows that were dropped for their values.
    fn results(&mut self) -> (Vec<StepFinding>, DroppedRows) {
        let Self { first, rest, .. } = self;
        let (mut findings, mut dropped) = (Vec::new(), Vec::new());
        let mut add = |program: &mut Program, findings: &mut Vec<StepFinding>| {
            for (finding, rows) in program.finish() {
                findings.extend(finding);
                dropped.push(rows);
            }
        };
        add(first, &mut findings);
        for Link { operator, masked, program } in rest {
            let mut found = operator.findings();
            found.iter_mut().for_each(|finding| finding.examples.hide(masked));
            findings.append(&mut found);
            add(program, &mut findings);
        }
        (findings, DroppedRows::join(dropped.into_iter()))
    }

    fn step_rows(&self) -> Vec<StepRows> {
        let rows = |counted: &Counted| {
            let Counted { step, kind, shares, source } = counted;
            let counts = match source {
                Source::Program(program, range) => self.program(*program).counts()[range.clone()].to_vec(),
                Source::Operator(link) => self.rest[*link].operator.counts(),
            };
            let (step, kind) = (*step, *kind);
            shares
                .iter()
                .zip(counts)
                .map(|(share, rows)| StepRows { step, kind, share: *share, rows })
                .collect::<Vec<_>>()
        };
        self.counted.iter().flat_map(rows).collect()
    }

    fn program(&self, number: usize) -> &Program {
        number.checked_sub(1).map_or(&self.first, |link| &self.rest[link].program)
    }
}

/// Opens the records of an extract, and reads its header.
///
/// # Errors
/// An empty or unreadable extract.
pub(super) fn open_records<'a>(
    input: Input<'a>,
    masked: &MaskedColumns,
) -> Result<(Records<'a>, Vec<String>), TransformError> {
    let Input { read, csv, limits, folder: _, meter, stop, step_inputs: _ } = input;
    let read = decode::reader(read, csv.encoding);
    let ahead = ReadAhead::start(read, csv.delimiter).map_err(|source| TransformError::Read { source })?;
    let mut records = Records::new(ahead, csv, limits, meter, stop);
    if !masked.before(0).is_empty() {
        records.hide_text();
    }
    let header = records.header()?.ok_or(TransformError::Empty)?;
    Ok((records, header))
}

#[cfg(test)]
mod tests;
