//! The records of one block, to be used by another thread.

use super::{Block, Bounds, Cells, Position, Record, Records, TransformError};

/// The records that end in one block.
#[derive(Default)]
pub(in crate::transform) struct Batch {
    block: Block,
    /// The cells of all records, one record after the other.
    bounds: Vec<Bounds>,
    records: Vec<Kept>,
    /// The cells of each record.
    width: usize,
    /// The text of records that are not in the block as they are meant.
    other_text: Vec<u8>,
    /// The error after the records.
    pub(in crate::transform) error: Option<TransformError>,
}

#[derive(Clone, Copy)]
struct Kept {
    number: u64,
    line: u64,
    is_plain: bool,
    is_other_text: bool,
}

impl Batch {
    pub(in crate::transform) fn len(&self) -> usize {
        self.records.len()
    }

    /// Removes the records from this position on.
    pub(in crate::transform) fn truncate(&mut self, index: usize) {
        self.records.truncate(index);
    }

    /// Returns a record by its position in the batch.
    #[inline]
    pub(in crate::transform) fn get(&self, index: usize) -> Record<'_> {
        let Kept { number, line, is_plain, is_other_text } = self.records[index];
        let bytes = if is_other_text { &self.other_text } else { &self.block.bytes };
        let bounds = &self.bounds[index * self.width..(index + 1) * self.width];
        Record { cells: Cells { bytes, bounds }, is_plain, number, line }
    }

    fn push(&mut self, records: &Records<'_>, found: &Position) {
        let Position { is_plain, number, line, is_irregular } = *found;
        self.width = records.bounds.len();
        if is_irregular {
            let start = self.other_text.len() as u32;
            self.other_text.extend_from_slice(&records.lenient.unquoted);
            self.bounds.extend(records.bounds.iter().map(|(from, to)| (from + start, to + start)));
        } else {
            self.bounds.extend_from_slice(&records.bounds);
        }
        self.records.push(Kept { number, line, is_plain, is_other_text: is_irregular });
    }

    /// Empties it, and returns its block.
    fn clear(&mut self) -> Block {
        self.bounds.clear();
        self.records.clear();
        self.other_text.clear();
        self.error = None;
        std::mem::take(&mut self.block)
    }
}

impl Records<'_> {
    /// Returns true if no other block follows.
    pub(in crate::transform) fn is_last_block(&self) -> bool {
        self.block.is_last
    }

    /// Reads all records, and passes them to `send` block by block until it returns false. An error is part of the last
    /// batch. `empty` returns a batch to fill, which may be a used one.
    pub(in crate::transform) fn read_batches(
        mut self,
        mut empty: impl FnMut() -> Batch,
        mut send: impl FnMut(Batch) -> bool,
    ) {
        self.keeps_blocks = true;
        let mut batch = self.cleared(empty());
        loop {
            let found = self.advance();
            if let Some(block) = self.kept.take() {
                if batch.len() == 0 {
                    self.ahead.give_back(block);
                } else {
                    batch.block = block;
                    let next = self.cleared(empty());
                    if !send(std::mem::replace(&mut batch, next)) {
                        return;
                    }
                }
            }
            match found {
                Ok(Some(found)) => batch.push(&self, &found),
                ended => {
                    batch.error = ended.err();
                    batch.block = std::mem::take(&mut self.block);
                    send(batch);
                    return;
                }
            }
        }
    }

    fn cleared(&self, mut batch: Batch) -> Batch {
        let block = batch.clear();
        if !block.bytes.is_empty() {
            self.ahead.give_back(block);
        }
        batch
    }
}
