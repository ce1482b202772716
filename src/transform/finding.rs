//! Findings of steps: rows that a person should know of.

use std::collections::{BTreeSet, VecDeque};

use crate::pipeline::masked::MASKED;
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
    /// The record number in the extract, from 1; 0 is a row that `delta` takes from its baseline.
    pub number: u64,
    pub cells: Vec<String>,
}

/// The number of first rows kept, and that of last ones.
const KEPT: usize = 5;

impl Examples {
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Adds a row of the record with this number.
    pub(super) fn add_cells(&mut self, number: u64, cells: impl FnOnce() -> Vec<String>) {
        self.total += 1;
        let example = Example { number, cells: cells() };
        if self.first.len() < KEPT {
            self.first.push(example);
        } else {
            if self.last.len() == KEPT {
                self.last.pop_front();
            }
            self.last.push_back(example);
        }
    }

    /// Adds rows of later records.
    pub(super) fn append(&mut self, later: Self) {
        let Self { columns: _, total, first, last } = later;
        let shown = first.len() + last.len();
        for Example { number, cells } in first.into_iter().chain(last) {
            self.add_cells(number, || cells);
        }
        self.total += total - shown as u64;
    }

    /// Hides the cells of these columns.
    pub(super) fn hide(&mut self, masked: &BTreeSet<String>) {
        let hidden: Vec<bool> = self.columns.iter().map(|name| masked.contains(name)).collect();
        for example in self.first.iter_mut().chain(&mut self.last) {
            for (cell, _) in example.cells.iter_mut().zip(&hidden).filter(|(cell, hidden)| **hidden && !cell.is_empty())
            {
                MASKED.clone_into(cell);
            }
        }
    }

    /// Returns the rows that are kept, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Example> {
        self.first.iter().chain(&self.last)
    }
}
