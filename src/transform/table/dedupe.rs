//! `dedupe`: one row of each group.
//!
//! The rows themselves are written once, in their order, and read once. What is sorted is small: of each row the hash of
//! its group, the keys of its order, and its position; then the positions of the rows that are kept.

use super::{Next, Resources, TableOperator};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Dedupe, Keep};
use crate::transform::error::TransformError;
use crate::transform::key::Keys;
use crate::transform::key_hash::KeyHash;
use crate::transform::program::Row;
use crate::transform::row_log::RowLog;
use crate::transform::sort::{Records, Sorter, Words};
use crate::transform::stored::Reader;

pub(super) struct DedupeRows {
    keep: Keep,
    /// The positions of the cells that are the same in a group.
    by: Vec<usize>,
    order: Keys,
    hash: KeyHash,
    state: Option<State>,
    key: Vec<u8>,
    merged: u64,
}

struct State {
    log: RowLog,
    /// Hash and order of each row, with its position.
    candidates: Sorter<Records>,
    /// The positions of the rows that are kept.
    kept: Sorter<Words>,
}

const HASH_BYTES: usize = size_of::<u128>();

impl DedupeRows {
    /// `step` is the step's key in the pipeline file.
    pub(super) fn new(dedupe: &Dedupe, step: &str, columns: &Columns, resources: &Resources<'_>) -> Self {
        let Resources { folder, memory, stop, .. } = resources;
        let state = State {
            log: RowLog::new(folder, memory / 4),
            candidates: Sorter::new(folder, memory / 2).stopped_by(stop),
            kept: Sorter::new(folder, memory / 4).stopped_by(stop),
        };
        Self {
            keep: dedupe.keep,
            by: dedupe.by.iter().map(|column| columns.position_of(&column.name)).collect(),
            order: Keys::new(&dedupe.order, step, columns),
            hash: KeyHash::new(),
            state: Some(state),
            key: Vec::new(),
            merged: 0,
        }
    }
}

impl TableOperator for DedupeRows {
    fn row(&mut self, row: &Row<'_>, _: &mut Next<'_>) -> Result<(), TransformError> {
        let Some(State { log, candidates, .. }) = &mut self.state else { return Ok(()) };
        self.key.clear();
        self.key.extend_from_slice(&self.hash.of(row, &self.by).to_be_bytes());
        self.order.append(row, &mut self.key)?;
        let position = log.len();
        log.push(row).map_err(TransformError::spilling)?;
        candidates.push(&self.key, &position.to_be_bytes()).map_err(TransformError::spilling)
    }

    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Some(State { log, candidates, mut kept }) = self.state.take() else { return Ok(()) };
        self.merged = log.len();
        let mut candidates = candidates.finish().map_err(TransformError::spilling)?;
        // The sort is stable: rows of the same order are in that of their positions.
        let (mut group, mut candidate) = ([0; HASH_BYTES], None);
        while let Some(item) = candidates.next().map_err(TransformError::spilling)? {
            let position = item.payload.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
            let hash = *item.key.first_chunk().unwrap_or(&group);
            if candidate.is_some() && hash == group {
                if self.keep == Keep::Last {
                    candidate = position;
                }
                continue;
            }
            if let Some(position) = candidate {
                kept.push(u128::from(position)).map_err(TransformError::spilling)?;
            }
            (group, candidate) = (hash, position);
        }
        drop(candidates); // its memory, and its place on disk
        if let Some(position) = candidate {
            kept.push(u128::from(position)).map_err(TransformError::spilling)?;
        }
        let mut kept = kept.finish().map_err(TransformError::spilling)?;
        let mut rows = log.finish().map_err(TransformError::spilling)?;
        let (mut reader, mut at) = (Reader::default(), 0);
        while let Some(position) = kept.next().map_err(TransformError::spilling)? {
            while at < *position {
                rows.skip().map_err(TransformError::spilling)?;
                at += 1;
            }
            self.merged -= 1;
            at += 1;
            next(reader.read(rows.next().map_err(TransformError::spilling)?))?;
        }
        Ok(())
    }

    fn counts(&self) -> Vec<u64> {
        vec![self.merged]
    }
}
