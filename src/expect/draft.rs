//! Findings whose offending rows are known by number, until a second pass adds their cells.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::finding::{Checked, Difference, Finding, OffendingRow, OffendingRows};
use super::offending::Offending;
use crate::transform::Row;

/// The result of a check, without the cells of offending rows.
pub struct Draft {
    pub(super) checked: Checked,
    columns: Vec<String>,
    /// With the offending rows, and the columns that the expectation names.
    findings: Vec<(Finding, Offending, Vec<String>)>,
    /// The cells of rows to show, by number; `None` until they are read.
    cells: BTreeMap<u64, Option<Vec<String>>>,
    /// Rows seen in the second pass.
    rows: u64,
}

/// The longest cell of an offending row, in characters.
const CELL_CHARS_MAX: usize = 200;

impl Draft {
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self { checked: Checked::default(), columns, findings: Vec::new(), cells: BTreeMap::new(), rows: 0 }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push((finding, Offending::default(), Vec::new()));
    }

    pub(super) fn add_offending(&mut self, finding: Finding, offending: Offending, checked_columns: Vec<String>) {
        self.cells.extend(offending.numbers().into_iter().map(|number| (number, None)));
        self.findings.push((finding, offending, checked_columns));
    }

    /// Returns true if all delivered rows are to be passed to [`Draft::row`] once more.
    pub fn wants_rows(&self) -> bool {
        !self.cells.is_empty()
    }

    /// Keeps the cells of the next row if a finding shows it.
    pub fn row(&mut self, row: &Row<'_>) {
        self.rows += 1;
        if let Some(cells) = self.cells.get_mut(&self.rows) {
            *cells = Some(row.cells().map(|cell| shorten(&String::from_utf8_lossy(cell.bytes))).collect());
        }
    }

    /// Drops the cells of the second pass, if its rows were not those of the first.
    pub fn drop_cells(&mut self) {
        self.cells.values_mut().for_each(|cells| *cells = None);
    }

    /// Returns the findings, the most severe first.
    pub fn finish(self) -> Checked {
        let Self { mut checked, columns, mut findings, cells, .. } = self;
        findings.sort_by_key(|(finding, ..)| Reverse(finding.severity));
        checked.findings = findings
            .into_iter()
            .map(|(finding, offending, checked_columns)| match offending.total {
                0 => finding,
                total => {
                    let row = |number| Some(OffendingRow { number, cells: cells.get(&number)?.clone()? });
                    let rows = offending.numbers().into_iter().filter_map(row).collect();
                    let rows = OffendingRows { total, columns: columns.clone(), checked_columns, rows };
                    Finding { difference: Some(Difference::Offending(rows)), ..finding }
                }
            })
            .collect();
        checked
    }
}

/// Returns the beginning of a cell, followed by `…` if it is longer.
fn shorten(cell: &str) -> String {
    match cell.char_indices().nth(CELL_CHARS_MAX) {
        None => cell.to_owned(),
        Some(_) => cell.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect(),
    }
}
