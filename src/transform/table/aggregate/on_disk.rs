//! Groups that do not fit into memory: their parts sorted by key, and the values of `count(distinct …)` by key, column
//! and value. The merged groups are sorted back into the order in which they began.

use std::io;

use super::super::Next;
use super::super::keys::write_cell;
use super::super::spill::{Spill, spilling};
use super::accumulator::{Accumulator, Texts};
use super::groups::{Begin, Groups};
use super::{ResultRow, Shape};
use crate::expr::aggregate::Function;
use crate::transform::error::TransformError;
use crate::transform::sort::{RecordItem, Records, Sorted, Sorter};
use crate::transform::stored::{Reader, read_number, write_number};

pub(super) struct OnDisk {
    parts: Sorter<Records>,
    distinct: Sorter<Records>,
}

impl OnDisk {
    pub(super) fn new(spill: &Spill) -> Self {
        Self { parts: spill.sorter(), distinct: spill.sorter() }
    }

    /// Takes all groups, later parts after earlier ones.
    pub(super) fn add(&mut self, shape: &Shape, groups: &mut Groups) -> Result<(), TransformError> {
        groups.parts(shape, |key, part| self.parts.push(key, part)).map_err(spilling)?;
        let mut value_key = Vec::new();
        let added = groups.distinct_values(|key, column, value| {
            value_key.clear();
            value_key.extend_from_slice(key);
            value_key.extend_from_slice(&column.to_be_bytes());
            value_key.extend_from_slice(value);
            self.distinct.push(&value_key, &[])
        });
        groups.clear();
        added.map_err(spilling)
    }

    /// Passes on the groups in the order in which they began. Returns their number.
    pub(super) fn finish(self, shape: &Shape, spill: &mut Spill, next: &mut Next<'_>) -> Result<u64, TransformError> {
        let mut merged = self.merge(shape, spill)?.finish().map_err(spilling)?;
        let (mut reader, mut passed) = (Reader::default(), 0);
        while let Some(item) = merged.next().map_err(spilling)? {
            passed += 1;
            next(reader.read(&item.payload))?;
        }
        Ok(passed)
    }

    /// Merges the parts of each group. Returns rows of the result, by the position at which their groups began.
    fn merge(self, shape: &Shape, spill: &mut Spill) -> Result<Sorter<Records>, TransformError> {
        let mut parts = self.parts.finish().map_err(spilling)?;
        let mut distinct = DistinctValues::new(self.distinct.finish().map_err(spilling)?)?;
        let mut result = spill.sorter();
        let mut group = Group::default();
        while let Some(RecordItem { key, payload, .. }) = parts.next().map_err(spilling)? {
            if group.begin.is_none() || group.key != *key {
                group.put(shape, &mut distinct, &mut result)?;
                group.start(shape, key);
            }
            group.add(shape, payload)?;
        }
        group.put(shape, &mut distinct, &mut result)?;
        Ok(result)
    }
}

/// The group that is being merged.
#[derive(Default)]
struct Group {
    key: Vec<u8>,
    /// `None` before the first part.
    begin: Option<Begin>,
    accumulators: Vec<Accumulator>,
    texts: Texts,
    row: ResultRow,
    stored: Vec<u8>,
}

impl Group {
    fn start(&mut self, shape: &Shape, key: &[u8]) {
        self.key.clear();
        self.key.extend_from_slice(key);
        self.begin = None;
        self.texts.clear();
        self.accumulators.clear();
        self.accumulators.extend(shape.computed.iter().map(|computed| Accumulator::new(computed.function)));
    }

    /// Adds the next part.
    fn add(&mut self, shape: &Shape, part: &[u8]) -> Result<(), TransformError> {
        let mut at = 0;
        let mut next = || read_number(part, &mut at);
        let begin = Begin { position: next(), number: next(), line: next() };
        let begin = *self.begin.get_or_insert(begin);
        for (column, accumulator) in self.accumulators.iter_mut().enumerate() {
            let merged = accumulator.merge(shape.computed[column].function, part, &mut at, &mut self.texts);
            merged.map_err(|fault| shape.error(column, (begin.number, begin.line), fault))?;
        }
        Ok(())
    }

    /// Adds the group's row to the result, if there is one.
    fn put(
        &mut self,
        shape: &Shape,
        distinct: &mut DistinctValues,
        result: &mut Sorter<Records>,
    ) -> Result<(), TransformError> {
        let Self { key, begin, accumulators, texts, row, stored, .. } = self;
        let Some(begin) = *begin else { return Ok(()) };
        for (column, accumulator) in accumulators.iter_mut().enumerate() {
            if shape.computed[column].function == Function::CountDistinct {
                *accumulator = Accumulator::Count(distinct.count(key, column as u64).map_err(spilling)?);
            }
        }
        row.begin(key);
        for (accumulator, computed) in accumulators.iter().zip(&shape.computed) {
            row.cell(|out| accumulator.print(computed.function, texts, out));
        }
        stored.clear();
        write_number(begin.number, stored);
        write_number(begin.line, stored);
        for &(start, end) in &row.bounds {
            write_cell(&row.bytes[start as usize..end as usize], stored);
        }
        result.push(&begin.position.to_be_bytes(), stored).map_err(spilling)
    }
}

/// The sorted values of `count(distinct …)`.
struct DistinctValues {
    sorted: Sorted<Records>,
    /// The next value that is not counted, with its group and column before it; `None` after the last one.
    head: Option<Vec<u8>>,
    prefix: Vec<u8>,
}

impl DistinctValues {
    fn new(sorted: Sorted<Records>) -> Result<Self, TransformError> {
        let mut values = Self { sorted, head: Some(Vec::new()), prefix: Vec::new() };
        values.advance().map_err(spilling)?;
        Ok(values)
    }

    /// Moves to the next different value.
    fn advance(&mut self) -> io::Result<()> {
        while let Some(head) = &mut self.head {
            match self.sorted.next()? {
                Some(item) if item.key == *head => {}
                Some(item) => {
                    head.clone_from(&item.key);
                    return Ok(());
                }
                None => self.head = None,
            }
        }
        Ok(())
    }

    /// Counts the different values of the next group and column.
    fn count(&mut self, key: &[u8], column: u64) -> io::Result<u64> {
        self.prefix.clear();
        self.prefix.extend_from_slice(key);
        self.prefix.extend_from_slice(&column.to_be_bytes());
        let mut count = 0;
        while self.head.as_ref().is_some_and(|head| head.starts_with(&self.prefix)) {
            count += 1;
            self.advance()?;
        }
        Ok(count)
    }
}
