//! Groups in memory.

use super::super::keys::KeyTable;
use super::accumulator::{Accumulator, Texts};
use super::{Computed, ResultRow, Shape};
use crate::expr::aggregate::Function;
use crate::transform::error::RowError;
use crate::transform::program::Row;
use crate::transform::stored::{read_number, write_number};

/// The first row of a group: its position among the rows, and its record.
#[derive(Clone, Copy, Default)]
pub(super) struct Begin {
    pub(super) position: u64,
    pub(super) number: u64,
    pub(super) line: u64,
}

pub(super) struct Groups {
    keys: KeyTable,
    begins: Vec<Begin>,
    /// Of each group, those of all columns.
    accumulators: Vec<Accumulator>,
    texts: Texts,
    /// The values of `count(distinct …)`, each with the numbers of its group and column before it.
    distinct: KeyTable,
    scratch: Vec<u8>,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            keys: KeyTable::new(),
            begins: Vec::new(),
            accumulators: Vec::new(),
            texts: Texts::default(),
            distinct: KeyTable::new(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the bytes in use.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.begins.len() * size_of::<Begin>()
            + self.accumulators.len() * size_of::<Accumulator>()
            + self.texts.bytes()
            + self.distinct.bytes()
    }

    /// Returns the number of the group with a key, which begins with this row if it is new.
    #[inline]
    pub(super) fn group(&mut self, shape: &Shape, key: &[u8], begin: Begin) -> usize {
        let (group, is_new) = self.keys.insert(key);
        if is_new {
            self.begins.push(begin);
            self.accumulators.extend(shape.computed.iter().map(|computed| Accumulator::new(computed.function)));
        }
        group
    }

    /// Adds a row to a group.
    #[inline]
    pub(super) fn add(&mut self, shape: &Shape, group: usize, row: &Row<'_>) -> Result<(), RowError> {
        for (column, Computed { argument, condition, .. }) in shape.computed.iter().enumerate() {
            if condition.is_some_and(|condition| row.cell(condition) != b"true") {
                continue;
            }
            match argument {
                Some(argument) => self.add_cell(shape, group, column, row.cell(*argument), row.origin())?,
                None => self.accumulators[group * shape.computed.len() + column].add_one(),
            }
        }
        Ok(())
    }

    /// Adds the value of a row to a column of a group.
    #[inline]
    pub(super) fn add_cell(
        &mut self,
        shape: &Shape,
        group: usize,
        column: usize,
        cell: &[u8],
        origin: (u64, u64),
    ) -> Result<(), RowError> {
        let function = shape.computed[column].function;
        let accumulator = &mut self.accumulators[group * shape.computed.len() + column];
        if function != Function::CountDistinct {
            let added = accumulator.add(function, cell, &mut self.texts);
            return added.map_err(|fault| shape.error(column, origin, fault));
        }
        if !cell.is_empty() {
            self.scratch.clear();
            write_number(group as u64, &mut self.scratch);
            write_number(column as u64, &mut self.scratch);
            self.scratch.extend_from_slice(cell);
            if self.distinct.insert(&self.scratch).1 {
                accumulator.add_one();
            }
        }
        Ok(())
    }

    pub(super) fn key(&self, group: usize) -> &[u8] {
        self.keys.key(group)
    }

    pub(super) fn begin(&self, group: usize) -> Begin {
        self.begins[group]
    }

    fn accumulators<'a>(&'a self, shape: &'a Shape, group: usize) -> impl Iterator<Item = (Function, &'a Accumulator)> {
        let columns = shape.computed.len();
        let accumulators = &self.accumulators[group * columns..(group + 1) * columns];
        shape.computed.iter().map(|computed| computed.function).zip(accumulators)
    }

    /// Adds the computed cells of a group.
    pub(super) fn print(&self, shape: &Shape, group: usize, out: &mut ResultRow) {
        for (function, accumulator) in self.accumulators(shape, group) {
            out.cell(|out| accumulator.print(function, &self.texts, out));
        }
    }

    /// Passes on each group: its key, and its beginning and accumulators as bytes.
    pub(super) fn parts<E>(
        &self,
        shape: &Shape,
        mut on_part: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut part = Vec::new();
        for group in 0..self.len() {
            let Begin { position, number, line } = self.begins[group];
            part.clear();
            for number in [position, number, line] {
                write_number(number, &mut part);
            }
            self.accumulators(shape, group).for_each(|(_, accumulator)| accumulator.write(&self.texts, &mut part));
            on_part(self.key(group), &part)?;
        }
        Ok(())
    }

    /// Passes on each distinct value: the key of its group, the number of its column, and the value.
    pub(super) fn distinct_values<E>(
        &self,
        mut on_value: impl FnMut(&[u8], u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for value in 0..self.distinct.len() {
            let (bytes, mut at) = (self.distinct.key(value), 0);
            let (group, column) = (read_number(bytes, &mut at), read_number(bytes, &mut at));
            on_value(self.key(group as usize), column, &bytes[at..])?;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.begins.clear();
        self.accumulators.clear();
        self.texts.clear();
        self.distinct.clear();
    }
}
