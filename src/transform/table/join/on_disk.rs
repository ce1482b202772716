//! A join with a table that does not fit into memory: both sides sorted by the key, merged, and sorted back into the
//! order of our rows.

use std::io;

use super::super::Next;
use super::super::spill::{Spill, spilling};
use super::theirs::{Found, Theirs};
use super::{Rules, Tally};
use crate::transform::error::TransformError;
use crate::transform::program::Row;
use crate::transform::sort::{RecordItem, Records, Sorted, Sorter};
use crate::transform::stored::{self, Reader, read_number, write_number};

pub(super) struct OnDisk {
    theirs: Sorter<Records>,
    ours: Sorter<Records>,
    /// The number of our rows so far.
    position: u64,
    payload: Vec<u8>,
}

impl OnDisk {
    pub(super) fn new(spill: &Spill) -> Self {
        Self { theirs: spill.sorter(), ours: spill.sorter(), position: 0, payload: Vec::new() }
    }

    pub(super) fn their_row(&mut self, key: &[u8], row: &[u8]) -> Result<(), TransformError> {
        self.theirs.push(key, row).map_err(spilling)
    }

    /// Adds a row of ours; its key is empty if one of its cells is null.
    pub(super) fn our_row(&mut self, key: &[u8], row: &Row<'_>) -> Result<(), TransformError> {
        self.payload.clear();
        write_number(self.position, &mut self.payload);
        stored::write(row, &mut self.payload);
        self.position += 1;
        self.ours.push(key, &self.payload).map_err(spilling)
    }

    /// Joins all rows, and passes them on in the order of ours.
    pub(super) fn finish(
        self,
        theirs: &Theirs,
        rules: &Rules,
        tally: &mut Tally,
        spill: &mut Spill,
        next: &mut Next<'_>,
    ) -> Result<(), TransformError> {
        let mut joined = self.merge(theirs, rules, spill)?.finish().map_err(spilling)?;
        let mut reader = Reader::default();
        let mut passed = None;
        while let Some(RecordItem { key, payload, .. }) = joined.next().map_err(spilling)? {
            let Some((is_matched, stored)) = payload.split_first() else { continue };
            let position = Some(u64::from_be_bytes(key.as_slice().try_into().unwrap_or_default()));
            let record = reader.read(stored);
            if std::mem::replace(&mut passed, position) == position {
                tally.added += 1; // another match of the same row
                next(record)?;
                continue;
            }
            let is_kept = tally.count(rules.kind, *is_matched == 1);
            if *is_matched == 0
                && let Some(examples) = &mut tally.examples
            {
                examples.add_record(&record);
            }
            if is_kept {
                next(record)?;
            }
        }
        Ok(())
    }

    /// Merges both sides. Returns our rows with their matches, by position.
    fn merge(self, table: &Theirs, rules: &Rules, spill: &mut Spill) -> Result<Sorter<Records>, TransformError> {
        let mut ours = self.ours.finish().map_err(spilling)?;
        let mut theirs = Group::new(self.theirs.finish().map_err(spilling)?, rules.adds(), spill.memory);
        let mut joined = spill.sorter();
        let mut payload = Vec::new();
        let empty = vec![0; table.added.len()]; // the length of each cell
        while let Some(RecordItem { key, payload: row, .. }) = ours.next().map_err(spilling)? {
            theirs.move_to(key).map_err(spilling)?;
            let mut at = 0;
            let position = read_number(row, &mut at).to_be_bytes();
            let stored = &row[at..];
            if theirs.is_too_large {
                let what = format!("matches more rows of {} than fit into limits.memory", table.name);
                return Err(rules.error(key, origin(stored), what));
            }
            let mut push = |is_matched: bool, added: &[u8]| {
                payload.clear();
                payload.push(u8::from(is_matched));
                payload.extend_from_slice(stored);
                payload.extend_from_slice(added);
                joined.push(&position, &payload).map_err(spilling)
            };
            if !theirs.is_found {
                push(false, &empty)?;
                continue;
            }
            if !rules.adds() {
                push(true, &[])?;
                continue;
            }
            let mut rows = theirs.rows();
            if let (Some(first), Some(second), false) = (rows.next(), rows.next(), rules.many) {
                return Err(rules.multiplied(key, [first, second], origin(stored)));
            }
            for found in theirs.rows() {
                push(true, Found::new(found).stored_cells())?;
            }
        }
        Ok(joined)
    }
}

/// Returns the number and the line of a stored row.
fn origin(stored: &[u8]) -> (u64, u64) {
    let mut at = 0;
    (read_number(stored, &mut at), read_number(stored, &mut at))
}

/// The table's rows with one key, out of all sorted ones.
struct Group {
    sorted: Sorted<Records>,
    /// The next row after the group; `None` after the last one.
    head: Option<RecordItem>,
    key: Vec<u8>,
    /// True if a row of the table has the key.
    is_found: bool,
    /// The rows, each with its length before it, if they are wanted.
    rows: Vec<u8>,
    wants_rows: bool,
    memory: usize,
    /// True if the rows do not fit into memory.
    is_too_large: bool,
    is_begun: bool,
}

impl Group {
    fn new(sorted: Sorted<Records>, wants_rows: bool, memory: usize) -> Self {
        let (key, rows) = (Vec::new(), Vec::new());
        let head = Some(RecordItem::default());
        Self { sorted, head, key, is_found: false, rows, wants_rows, memory, is_too_large: false, is_begun: false }
    }

    /// Moves to a key, which is not less than the one before.
    fn move_to(&mut self, key: &[u8]) -> io::Result<()> {
        if self.is_begun && self.key == key {
            return Ok(());
        }
        if !std::mem::replace(&mut self.is_begun, true) {
            self.advance()?;
        }
        self.key.clear();
        self.key.extend_from_slice(key);
        self.rows.clear();
        (self.is_found, self.is_too_large) = (false, false);
        while let Some(head) = &self.head
            && head.key.as_slice() <= key
        {
            if head.key == key {
                self.is_found = true;
                if self.wants_rows && self.rows.len() + head.payload.len() <= self.memory {
                    write_number(head.payload.len() as u64, &mut self.rows);
                    self.rows.extend_from_slice(&head.payload);
                } else {
                    self.is_too_large = self.wants_rows;
                }
            }
            self.advance()?;
        }
        Ok(())
    }

    /// Reads the next row.
    fn advance(&mut self) -> io::Result<()> {
        match (self.sorted.next()?, &mut self.head) {
            (Some(item), Some(head)) => {
                head.key.clone_from(&item.key);
                head.payload.clone_from(&item.payload);
            }
            _ => self.head = None,
        }
        Ok(())
    }

    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        std::iter::from_fn(move || {
            (at < self.rows.len()).then(|| {
                let length = read_number(&self.rows, &mut at) as usize;
                at += length;
                &self.rows[at - length..at]
            })
        })
    }
}
