//! The checks of one artifact, resolved against its columns.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;

use super::cells::CellCheck;
use super::draft::Draft;
use super::finding::{AccountScope, Baseline, Checked, DroppedFacts, Facts, Finding};
use super::fresh::Newest;
use super::keys::{KeyCheck, KeyKind, KeyResult};
use super::{counted, grouped, header, rows, scope};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Column, Expect, FreshColumn, Reference, Severity};
use crate::schedule::slot::Slot;
use crate::transform::{Record, Row, StepFinding};
use crate::yaml::problem::Problem;

/// The facts known before the first row.
pub struct Opening<'plan, 'a> {
    pub expect: &'plan Expect,
    pub baseline: Baseline,
    pub slot: &'a Slot,
    /// The source's columns.
    pub header: &'a [String],
    /// The delivered columns.
    pub columns: &'a [String],
    /// The folder for what does not fit into `memory`.
    pub folder: &'a Path,
    pub memory: usize,
}

/// The facts known after the last row.
pub struct Ended {
    /// The rows of the extract.
    pub extracted: u64,
    /// The number of rows that the source states.
    pub stated_rows: Option<u64>,
    /// The artifact's size.
    pub bytes: u64,
    /// The assignments of the source's account.
    pub scope: Option<AccountScope>,
    /// The findings of the transform's steps.
    pub steps: Vec<StepFinding>,
    /// The rows that steps dropped for their values.
    pub dropped: Option<DroppedFacts>,
}

/// Checks the delivered rows.
pub struct Checker<'plan> {
    expect: &'plan Expect,
    baseline: Baseline,
    slot: Timestamp,
    /// The slot's day in the pipeline's zone.
    day: Date,
    header: Vec<String>,
    columns: Vec<String>,
    cells: Vec<CellCheck>,
    keys: Vec<KeyCheck>,
    newest: Option<Newest>,
    rows: u64,
}

/// Checks the records of the extract.
pub struct RecordChecker {
    newest: Option<Newest>,
}

impl<'plan> Checker<'plan> {
    /// Finds the columns of the expectations.
    ///
    /// # Errors
    /// Every column that is missing, or that the source's header has twice.
    pub fn open(opening: Opening<'plan, '_>) -> Result<(Self, RecordChecker), Vec<Problem>> {
        let Opening { expect, baseline, slot, header, columns, folder, memory } = opening;
        check_columns(expect, header, columns)?;
        let cells = expect.cells.iter().filter_map(|rule| {
            let column = &rule.expected.column;
            let at = position(column, columns)?;
            Some(CellCheck::new(at, &column.name, rule.severity, &rule.expected.condition))
        });
        let unique = expect.unique.iter().map(|rule| (unique(&rule.expected, columns), rule.severity));
        let references =
            expect.references.iter().filter_map(|rule| Some((references(&rule.expected, columns)?, rule.severity)));
        let memory = memory / (expect.unique.len() + expect.references.len()).max(1);
        let keys = unique.chain(references).map(|(kind, severity)| KeyCheck::new(kind, severity, folder, memory));
        let newest = |column: &Column, columns: &[String]| {
            let rule = expect.fresh.as_ref()?;
            Some(Newest::new(position(column, columns)?, &column.name, rule))
        };
        let (of_rows, of_records) = match expect.fresh.as_ref().map(|rule| &rule.expected.column) {
            None => (None, None),
            Some(FreshColumn::Delivered(column)) => (newest(column, columns), None),
            Some(FreshColumn::Source(column)) => (None, newest(column, header)),
        };
        let checker = Self {
            expect,
            baseline,
            slot: slot.at.timestamp(),
            day: slot.at.date(),
            header: header.to_vec(),
            columns: columns.to_vec(),
            cells: cells.collect(),
            keys: keys.collect(),
            newest: of_rows,
            rows: 0,
        };
        Ok((checker, RecordChecker { newest: of_records }))
    }

    /// Returns true if [`Checker::row`] looks at rows. If not, counting them is enough.
    pub fn looks_at_rows(&self) -> bool {
        !self.cells.is_empty() || !self.keys.is_empty() || self.newest.is_some()
    }

    /// Counts rows that it does not look at.
    pub fn count(&mut self, rows: u64) {
        self.rows += rows;
    }

    /// Checks the next row.
    ///
    /// # Errors
    /// The temporary file of a sort cannot be written.
    #[inline]
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.rows += 1;
        for check in &mut self.cells {
            check.check(row.cell(check.column), self.rows);
        }
        for check in &mut self.keys {
            check.row(row, self.rows)?;
        }
        if let Some(newest) = &mut self.newest {
            newest.see(row.cell(newest.column));
        }
        Ok(())
    }

    /// Returns the findings, without the cells of offending rows.
    ///
    /// # Errors
    /// The temporary file of a sort cannot be written or read.
    pub fn finish(self, records: RecordChecker, ended: Ended) -> io::Result<Draft> {
        let Self { expect, baseline, slot, day, header, columns, cells, keys, newest, rows } = self;
        let mut draft = Draft::new(columns);
        let skip = match rows::check(rows, expect, &baseline.rows, day) {
            Ok(found) => {
                found.into_iter().for_each(|finding| draft.add(finding));
                None
            }
            Err(reason) => Some(reason),
        };
        let header_finding = header::check(&header, baseline.header.as_deref(), expect.columns.as_ref());
        header_finding.into_iter().for_each(|finding| draft.add(finding));
        for check in cells.into_iter().filter(|check| check.offending.total > 0) {
            let found = finding(check.key(), check.severity, check.message(rows));
            draft.add_offending(found, check.offending, vec![check.name]);
        }
        for check in keys {
            let result = check.finish()?;
            if result.offending.total > 0 {
                let KeyResult { kind, severity, .. } = &result;
                let found = finding(kind.key(), *severity, result.message(rows));
                let names = kind.names();
                draft.add_offending(found, result.offending, names);
            }
        }
        let newest = newest.or(records.newest).and_then(|newest| newest.finish(slot));
        let scope = scope::check(ended.scope.as_ref(), baseline.scope.as_ref(), expect.scope);
        let others = [newest, complete(expect, &ended), size(expect, ended.bytes), scope, dropped(expect, &ended)];
        others.into_iter().flatten().for_each(|finding| draft.add(finding));
        ended.steps.into_iter().for_each(|found| draft.add(Finding::of_step(found)));
        let facts = Facts { header, rows, scope: ended.scope, delta: None };
        draft.checked = Checked { skip, facts, dropped_rows: ended.dropped, ..Checked::default() };
        Ok(draft)
    }
}

impl RecordChecker {
    /// Returns true if [`RecordChecker::record`] looks at records.
    pub fn looks_at_records(&self) -> bool {
        self.newest.is_some()
    }

    /// Checks the next record.
    #[inline]
    pub fn record(&mut self, record: &Record<'_>) {
        if let Some(newest) = &mut self.newest {
            newest.see(record.cell(newest.column));
        }
    }
}

/// Checks that all columns of the expectations exist: in the source's header, or among the delivered ones.
///
/// # Errors
/// Every column that is missing, or that the header has twice.
pub fn check_columns(expect: &Expect, header: &[String], columns: &[String]) -> Result<(), Vec<Problem>> {
    let (mut source, mut delivered) = (Columns::of_header(header), Columns::of_header(columns));
    let cells = expect.cells.iter().map(|rule| &rule.expected.column);
    let unique = expect.unique.iter().flat_map(|rule| &rule.expected);
    let references = expect.references.iter().flat_map(|rule| [&rule.expected.from, &rule.expected.to]);
    cells.chain(unique).chain(references).for_each(|column| delivered.require(column));
    match expect.fresh.as_ref().map(|rule| &rule.expected.column) {
        Some(FreshColumn::Source(column)) => source.require(column),
        Some(FreshColumn::Delivered(column)) => delivered.require(column),
        None => {}
    }
    let problems: Vec<Problem> = [delivered, source].into_iter().flat_map(Columns::into_problems).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn position(column: &Column, columns: &[String]) -> Option<usize> {
    columns.iter().position(|name| *name == column.name)
}

fn unique(expected: &[Column], columns: &[String]) -> KeyKind {
    let names = expected.iter().map(|column| column.name.clone()).collect();
    KeyKind::Unique { columns: expected.iter().filter_map(|column| position(column, columns)).collect(), names }
}

fn references(Reference { from, to }: &Reference, columns: &[String]) -> Option<KeyKind> {
    let (from_name, to_name) = (from.name.clone(), to.name.clone());
    Some(KeyKind::References { from: position(from, columns)?, to: position(to, columns)?, from_name, to_name })
}

fn complete(expect: &Expect, ended: &Ended) -> Option<Finding> {
    let (severity, stated) = (expect.complete?, ended.stated_rows?);
    let message = || format!("the source states {}, and {} were read", counted(stated), grouped(ended.extracted));
    (stated != ended.extracted).then(|| finding("complete", severity, message()))
}

fn size(expect: &Expect, bytes: u64) -> Option<Finding> {
    let rule = expect.size_max.as_ref()?;
    let message = || format!("the artifact has {} bytes, at most {} expected", grouped(bytes), grouped(rule.expected));
    (bytes > rule.expected).then(|| finding("size.max", rule.severity, message()))
}

fn dropped(expect: &Expect, ended: &Ended) -> Option<Finding> {
    let (rule, dropped) = (expect.dropped_rows.as_ref()?, ended.dropped.as_ref()?.total);
    let message = || {
        format!(
            "{} of {} dropped for values without a result, at most {} expected",
            grouped(dropped),
            counted(ended.extracted),
            rule.expected
        )
    };
    let is_allowed = rule.expected.allows(dropped, ended.extracted);
    (!is_allowed).then(|| finding("dropped_rows.max", rule.severity, message()))
}

fn finding(expectation: &str, severity: Severity, message: String) -> Finding {
    Finding { expectation: expectation.to_owned(), severity, message, difference: None }
}
