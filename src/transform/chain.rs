//! From an open extract to transformed rows: header, chain of operators, rows, and the row balance.
//!
//! Consecutive row operators are one row program. An operator on whole tables ends a program and begins the next, whose
//! records are its results.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::balance::{Balance, StepRows};
use super::block::ReadAhead;
use super::decode;
use super::error::TransformError;
use super::finding::StepFinding;
use super::program::{Builder, Program, Row};
use super::record::{Record, Records};
use super::step_inputs::{DeltaResult, StepInputs};
use super::table::{self, Resources, TableOperator};
use crate::pipeline::columns::Columns;
use crate::pipeline::operator::RowShare;
use crate::pipeline::plan::{CsvInput, TransformStep};
use crate::progress::Meter;
use crate::secret::Secret;
use crate::settings::Limits;
use crate::yaml::problem::Problem;

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
}

struct Link {
    operator: Box<dyn TableOperator>,
    program: Program,
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

/// The result of passing on all rows.
pub struct Passed {
    pub balance: Balance,
    pub findings: Vec<StepFinding>,
    /// The result of `delta`, if it is a step.
    pub delta: Option<DeltaResult>,
}

type OnRow<'a> = dyn FnMut(&Row<'_>) -> Result<(), TransformError> + 'a;

impl<'a> Transform<'a> {
    /// Reads the header and compiles the steps.
    ///
    /// # Errors
    /// An empty or unreadable extract; [`TransformError::Problems`] if the steps do not fit the header.
    pub fn open(
        input: Input<'a>,
        steps: &[TransformStep],
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, TransformError> {
        let Input { read, csv, limits, folder, meter, stop, step_inputs } = input;
        let read = decode::reader(read, csv.encoding);
        let ahead = ReadAhead::start(read, csv.delimiter).map_err(|source| TransformError::Read { source })?;
        let tables = steps.iter().filter(|step| step.kind.is_table()).count().max(1);
        let resources = Resources { folder, memory: limits.memory / tables, stop: stop.clone(), step_inputs };
        let mut records = Records::new(ahead, csv, limits, meter, stop);
        let header = records.header()?.ok_or(TransformError::Empty)?;
        let chain = Chain::compile(steps, &header, secrets, &resources).map_err(TransformError::Problems)?;
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

    /// Passes every record of the extract to `on_record`, and every output row to `on_row`.
    ///
    /// # Errors
    /// See [`Transform::run`].
    pub fn run_observed(
        self,
        mut on_record: impl FnMut(&Record<'_>),
        mut on_row: impl FnMut(&Row<'_>) -> Result<(), TransformError>,
    ) -> Result<Passed, TransformError> {
        let Self { mut records, mut chain } = self;
        let (mut extracted, mut written) = (0, 0);
        let mut on_row = |row: &Row<'_>| {
            written += 1;
            on_row(row)
        };
        while let Some(record) = records.next()? {
            extracted += 1;
            on_record(&record);
            chain.record(record, &mut on_row)?;
        }
        chain.finish(&mut on_row)?;
        let balance = Balance { extracted, steps: chain.step_rows(), written };
        assert!(balance.is_even(), "rows balance: {balance:?}");
        let findings = chain.rest.iter_mut().flat_map(|link| link.operator.findings()).collect();
        let delta = chain.rest.iter_mut().find_map(|link| link.operator.delta());
        Ok(Passed { balance, findings, delta })
    }
}

impl Chain {
    /// Compiles the steps.
    ///
    /// # Errors
    /// All columns that a step names and the header lacks or has twice; secrets that are missing or unusable as keys;
    /// names that would occur twice in the output.
    fn compile(
        steps: &[TransformStep],
        header: &[String],
        secrets: &BTreeMap<String, Secret>,
        resources: &Resources<'_>,
    ) -> Result<Self, Vec<Problem>> {
        let mut columns = Columns::of_header(header);
        let mut builder = Builder::new(secrets);
        let (mut programs, mut operators, mut counted) = (Vec::new(), Vec::new(), Vec::new());
        for (step, number) in steps.iter().zip(1..) {
            let declaration = step.kind.declaration();
            let source = if step.kind.is_table() {
                programs.push(builder.finish(columns.made(), columns.cells().1));
                columns.settle();
                operators.extend(table::open(step, &columns, resources));
                Source::Operator(operators.len() - 1)
            } else {
                Source::Program(programs.len(), builder.row_operator(step, &mut columns))
            };
            if !declaration.rows.is_empty() {
                counted.push(Counted { step: number, kind: declaration.kind, shares: declaration.rows, source });
            }
            (declaration.columns)(&mut columns);
            if step.kind.is_table() {
                columns.settle();
            }
        }
        let made = columns.made();
        let (names, outputs) = columns.finish(steps.last().map(|step| &step.at))?;
        let last = builder.finish(made, outputs);
        let mut programs = programs.into_iter().chain([last]);
        let first = programs.next().unwrap_or_default();
        let rest = operators.into_iter().zip(programs).map(|(operator, program)| Link { operator, program }).collect();
        Ok(Self { first, rest, names, counted })
    }

    /// Passes one record of the extract through.
    #[inline]
    fn record(&mut self, record: Record<'_>, on_row: &mut OnRow<'_>) -> Result<(), TransformError> {
        pass(&mut self.first, &mut self.rest, record, on_row)
    }

    /// Ends the operators, from the first one to the last.
    fn finish(&mut self, on_row: &mut OnRow<'_>) -> Result<(), TransformError> {
        let mut rest = self.rest.as_mut_slice();
        while let Some((Link { operator, program }, after)) = rest.split_first_mut() {
            operator.finish(&mut |record| pass(program, after, record, on_row))?;
            rest = after;
        }
        Ok(())
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

/// Passes a record through a program and the operator and programs after it.
#[inline]
fn pass(
    program: &mut Program,
    rest: &mut [Link],
    record: Record<'_>,
    on_row: &mut OnRow<'_>,
) -> Result<(), TransformError> {
    let Some(row) = program.row(record)? else { return Ok(()) };
    match rest.split_first_mut() {
        None => on_row(&row),
        Some((Link { operator, program }, rest)) => {
            operator.row(&row, &mut |record| pass(program, rest, record, on_row))
        }
    }
}
