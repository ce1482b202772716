//! Findings of steps: rows that a person should know of.

use std::collections::VecDeque;

use super::program::Row;
use super::record::Record;
use crate::pipeline::plan::Severity;

/// A condition of a step that rows did not meet.
pub struct StepFinding {
    /// The step's key in the pipeline file, as `transform[2].join`.
    pub key: String,
    pub severity: Severity,
    /// What was found, in one sentence.
    pub message: String,
    pub examples: Examples,
}

/// The first and the last of some rows.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// The names of the cells.
    pub columns: Vec<String>,
    /// All of them, shown or not.
    pub total: u64,
    first: Vec<Example>,
    last: VecDeque<Example>,
}

/// A row as the step saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The record number in the extract, from 1.
    pub number: u64,
    pub cells: Vec<String>,
}

/// The number of first rows kept, and that of last ones.
const KEPT: usize = 5;

impl Examples {
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self { columns, ..Self::default() }
    }

    pub(super) fn add(&mut self, row: &Row<'_>) {
        self.add_cells(row.origin().0, row.cells().map(|cell| cell.bytes));
    }

    /// Adds a row that was stored.
    pub(super) fn add_record(&mut self, record: &Record<'_>) {
        self.add_cells(record.number, (0..self.columns.len()).map(|column| record.cell(column)));
    }

    fn add_cells<'a>(&mut self, number: u64, cells: impl Iterator<Item = &'a [u8]>) {
        self.total += 1;
        let cells = cells.map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
        let example = Example { number, cells };
        if self.first.len() < KEPT {
            self.first.push(example);
        } else {
            if self.last.len() == KEPT {
                self.last.pop_front();
            }
            self.last.push_back(example);
        }
    }

    /// Returns the rows that are kept, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Example> {
        self.first.iter().chain(&self.last)
    }
}
