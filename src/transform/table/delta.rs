//! `delta`: the rows sorted by their keys, merged with the keys of the baseline.

use std::io;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Next, Resources, TableOperator};
use crate::expr::shorten;
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{ChangeWords, Column, Delta, FirstDelivery, RemovedRows, Severity, TransformStep};
use crate::transform::delta_file::{BaselineReader, BaselineWriter, FORMAT, Head, RowDigest, Schema};
use crate::transform::error::{RowError, TransformError};
use crate::transform::finding::{Examples, StepFinding};
use crate::transform::program::Row;
use crate::transform::record::Record;
use crate::transform::sort::{Records, Sorted, Sorter};
use crate::transform::step_inputs::{DeltaInputs, DeltaResult, DeltaRows, EarlierBaseline};
use crate::transform::stored::{self, Reader};

pub(super) struct DeltaStep {
    /// The step's key in the pipeline file.
    step: String,
    words: ChangeWords,
    initial: FirstDelivery,
    schema: Schema,
    /// The positions of the keys' cells and of the compared ones, in the schema's order.
    keys: Vec<usize>,
    compared: Vec<usize>,
    width: usize,
    inputs: Option<DeltaInputs>,
    stop: CancellationToken,
    sorter: Option<Sorter<Records>>,
    key: Vec<u8>,
    payload: Vec<u8>,
    result: DeltaResult,
    /// The reason for which every row is passed on as added.
    all_added: Option<AllAdded>,
}

/// Reasons for which there is nothing to compare with.
enum AllAdded {
    First,
    /// The baseline cannot be used, with the reason.
    Unusable(String),
}

impl DeltaStep {
    pub(super) fn new(step: &TransformStep, delta: &Delta, columns: &Columns, resources: &Resources<'_>) -> Self {
        let mut all = columns.names().unwrap_or_default();
        let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let by = names(&delta.by);
        let mut compare = match &delta.compare {
            Some(compare) => names(compare),
            None => all.iter().filter(|name| !by.contains(name)).cloned().collect(),
        };
        compare.sort_unstable();
        let positions = |names: &[String]| names.iter().map(|name| columns.position_of(name)).collect::<Vec<_>>();
        let (keys, compared, width) = (positions(&by), positions(&compare), all.len());
        all.sort_unstable();
        Self {
            step: step.at.key.clone(),
            words: delta.words.clone(),
            initial: delta.initial,
            schema: Schema { by, compare, columns: all },
            keys,
            compared,
            width,
            inputs: resources.step_inputs.delta.clone(),
            stop: resources.stop.clone(),
            sorter: Some(Sorter::new(resources.folder, resources.memory).stopped_by(&resources.stop)),
            key: Vec::new(),
            payload: Vec::new(),
            result: DeltaResult { rows: DeltaRows::default(), baseline: None },
            all_added: None,
        }
    }

    /// Opens the baseline. Without one that can be compared with, notes the reason.
    fn open_earlier(&mut self) -> Result<Option<BaselineReader>, TransformError> {
        let earlier = self.inputs.as_ref().map(|inputs| inputs.earlier.clone()).unwrap_or_default();
        let (reason, reader) = match earlier {
            EarlierBaseline::None => (Some(AllAdded::First), None),
            EarlierBaseline::Lost(reason) => (Some(AllAdded::Unusable(reason)), None),
            EarlierBaseline::File(file) => match BaselineReader::open(file) {
                Ok((Head { run, slot, schema, .. }, reader)) => match schema.difference(&self.schema) {
                    None => (None, Some(reader)),
                    Some(difference) => {
                        let reason = format!("the baseline, of run {run} (slot {slot}), has {difference}");
                        (Some(AllAdded::Unusable(reason)), None)
                    }
                },
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    (Some(AllAdded::Unusable(format!("the baseline cannot be used: {error}"))), None)
                }
                Err(source) => return Err(TransformError::Baseline { source }),
            },
        };
        self.all_added = reason;
        Ok(reader)
    }

    fn create_next(&self) -> Result<Option<BaselineWriter>, TransformError> {
        let Some(DeltaInputs { run, slot, next: Some(next), .. }) = &self.inputs else { return Ok(None) };
        let head = Head { format: FORMAT, run: run.clone(), slot: slot.clone(), schema: self.schema.clone() };
        BaselineWriter::create(next, &head).map(Some).map_err(|source| TransformError::Baseline { source })
    }

    fn check_running(&self) -> Result<(), TransformError> {
        if self.stop.is_cancelled() { Err(TransformError::Stopped) } else { Ok(()) }
    }

    /// Passes on the rows that differ from the baseline's, and writes all that the destination then has to the next one.
    fn merge(&mut self, mut sorted: Sorted<Records>, next: &mut Next<'_>) -> Result<(), TransformError> {
        let mut earlier = Earlier::new(self.open_earlier()?)?;
        let mut writer = self.create_next()?;
        let mut output = Output::new(&self.keys, self.width);
        // No key is empty.
        let (mut last, mut last_origin) = (Vec::new(), (0, 0));
        let (mut reader, mut compared) = (Reader::default(), Vec::new());
        while let Some(item) = sorted.next().map_err(TransformError::spilling)? {
            self.check_running()?;
            let record = reader.read(&item.payload);
            let origin = (record.number, record.line);
            if last == item.key {
                return Err(self.duplicate(&record, last_origin));
            }
            let digest = digest_of(&record, &self.compared, &mut compared);
            while earlier.is_before(&item.key) {
                self.gone(&mut earlier, &mut output, writer.as_mut(), next)?;
            }
            let rows = &mut self.result.rows;
            match earlier.digest_of(&item.key) {
                Some(before) if before == digest => rows.unchanged += 1,
                Some(_) => {
                    rows.changed += 1;
                    output.row(&item.payload, &self.words.changed, next)?;
                }
                None => {
                    rows.added += 1;
                    output.row(&item.payload, &self.words.added, next)?;
                }
            }
            if earlier.digest_of(&item.key).is_some() {
                earlier.advance()?;
            }
            push(writer.as_mut(), &item.key, &digest)?;
            last.clone_from(&item.key);
            last_origin = origin;
        }
        while !earlier.is_done() {
            self.gone(&mut earlier, &mut output, writer.as_mut(), next)?;
        }
        let written = writer.map(BaselineWriter::finish).transpose();
        self.result.baseline = written.map_err(|source| TransformError::Baseline { source })?;
        Ok(())
    }

    /// Ends the baseline's present key, which no row has: passes on a removed row, or keeps the key as it is.
    fn gone(
        &mut self,
        earlier: &mut Earlier,
        output: &mut Output,
        writer: Option<&mut BaselineWriter>,
        next: &mut Next<'_>,
    ) -> Result<(), TransformError> {
        self.check_running()?;
        if let Some((key, digest)) = earlier.present() {
            match &self.words.removed {
                RemovedRows::Send(word) => {
                    self.result.rows.removed += 1;
                    output.removed(key, word, next)?;
                }
                RemovedRows::Keep => {
                    self.result.rows.kept += 1;
                    push(writer, key, digest)?;
                }
            }
        }
        earlier.advance()
    }

    #[cold]
    fn empty_key(&self, row: &Row<'_>, column: usize) -> TransformError {
        let (number, line) = row.origin();
        let what = "is empty, and `delta` needs a value in each column of `by`".to_owned();
        let (column, step) = (self.schema.by[column].clone(), self.step.clone());
        RowError { number, line, column, value: String::new(), what, step }.into()
    }

    #[cold]
    fn duplicate(&self, record: &Record<'_>, first: (u64, u64)) -> TransformError {
        let value = |(name, position): (&String, &usize)| {
            (name.clone(), shorten(&String::from_utf8_lossy(record.cell(*position))))
        };
        let key = self.schema.by.iter().zip(&self.keys).map(value).collect();
        let second = (record.number, record.line);
        TransformError::DuplicateKey { key, first, second, step: self.step.clone() }
    }
}

impl TableOperator for DeltaStep {
    fn row(&mut self, row: &Row<'_>, _: &mut Next<'_>) -> Result<(), TransformError> {
        self.key.clear();
        for (column, &position) in self.keys.iter().enumerate() {
            let cell = row.cell(position);
            if cell.is_empty() {
                return Err(self.empty_key(row, column));
            }
            write_key(cell, &mut self.key);
        }
        self.payload.clear();
        stored::write(row, &mut self.payload);
        let Some(sorter) = &mut self.sorter else { return Ok(()) };
        sorter.push(&self.key, &self.payload).map_err(TransformError::spilling)
    }

    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Some(sorter) = self.sorter.take() else { return Ok(()) };
        let sorted = sorter.finish().map_err(TransformError::spilling)?;
        self.merge(sorted, next)
    }

    fn counts(&self) -> Vec<u64> {
        let DeltaRows { removed, unchanged, .. } = self.result.rows;
        match self.words.removed {
            RemovedRows::Send(_) => vec![unchanged, removed],
            RemovedRows::Keep => vec![unchanged],
        }
    }

    fn findings(&mut self) -> Vec<StepFinding> {
        let all = match self.result.rows.added {
            1 => "its one row is passed on as added".to_owned(),
            rows => format!("all {rows} rows are passed on as added"),
        };
        let message = match (&self.all_added, self.initial) {
            (None, _) | (Some(AllAdded::First), FirstDelivery::All) => return Vec::new(),
            (Some(AllAdded::First), FirstDelivery::Hold) => format!("no file was delivered before: {all}"),
            (Some(AllAdded::Unusable(reason)), _) => {
                format!("{reason}; {all}, as if no file had been delivered before")
            }
        };
        vec![StepFinding { key: self.step.clone(), severity: Severity::Hold, message, examples: Examples::default() }]
    }

    fn delta(&mut self) -> Option<DeltaResult> {
        Some(self.result.clone())
    }
}

/// The baseline, if there is one, before its present key.
struct Earlier(Option<BaselineReader>);

impl Earlier {
    fn new(reader: Option<BaselineReader>) -> Result<Self, TransformError> {
        let mut earlier = Self(reader);
        earlier.advance()?;
        Ok(earlier)
    }

    fn advance(&mut self) -> Result<(), TransformError> {
        let Some(reader) = &mut self.0 else { return Ok(()) };
        if !reader.advance().map_err(|source| TransformError::Baseline { source })? {
            self.0 = None;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the present key, if there is one, and its digest.
    fn present(&self) -> Option<(&[u8], &RowDigest)> {
        self.0.as_ref().map(|reader| (reader.key.as_slice(), &reader.digest))
    }

    /// Returns true if the present key comes before this one: no row has it.
    fn is_before(&self, key: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|reader| reader.key.as_slice() < key)
    }

    /// Returns the digest of the present key, if it is this one.
    fn digest_of(&self, key: &[u8]) -> Option<RowDigest> {
        self.0.as_ref().filter(|reader| reader.key == key).map(|reader| reader.digest)
    }
}

/// Adds a key to the next baseline, if one is written.
fn push(writer: Option<&mut BaselineWriter>, key: &[u8], digest: &RowDigest) -> Result<(), TransformError> {
    let Some(writer) = writer else { return Ok(()) };
    writer.push(key, digest).map_err(|source| TransformError::Baseline { source })
}

/// Makes the records that are passed on.
#[derive(Default)]
struct Output {
    /// The positions of the keys' cells among all.
    keys: Vec<usize>,
    width: usize,
    reader: Reader,
    bytes: Vec<u8>,
    /// The cells of a key.
    cells: Vec<Vec<u8>>,
}

impl Output {
    fn new(keys: &[usize], width: usize) -> Self {
        let cells = vec![Vec::new(); keys.len()];
        Self { keys: keys.to_vec(), width, cells, ..Self::default() }
    }

    fn row(&mut self, stored: &[u8], word: &str, next: &mut Next<'_>) -> Result<(), TransformError> {
        self.bytes.clear();
        self.bytes.extend_from_slice(stored);
        self.pass(word, next)
    }

    /// Passes on a row of which only the key is known; it is of no record.
    fn removed(&mut self, key: &[u8], word: &str, next: &mut Next<'_>) -> Result<(), TransformError> {
        read_key(key, &mut self.cells);
        self.bytes.clear();
        stored::write_number(0, &mut self.bytes);
        stored::write_number(0, &mut self.bytes);
        for column in 0..self.width {
            let cell = self.keys.iter().position(|key| *key == column).map_or(&[][..], |key| &self.cells[key]);
            stored::write_cell(cell, &mut self.bytes);
        }
        self.pass(word, next)
    }

    fn pass(&mut self, word: &str, next: &mut Next<'_>) -> Result<(), TransformError> {
        stored::write_cell(word.as_bytes(), &mut self.bytes);
        next(self.reader.read(&self.bytes))
    }
}

/// Appends a cell to a key. Its bytes below 2 are escaped, so that the end of a text comes before any of its continuations.
fn write_key(cell: &[u8], key: &mut Vec<u8>) {
    for &byte in cell {
        if byte < 2 {
            key.push(1);
        }
        key.push(byte);
    }
    key.push(0);
}

/// Reads the cells that [`write_key`] wrote.
fn read_key(key: &[u8], cells: &mut [Vec<u8>]) {
    let mut bytes = key.iter();
    for cell in cells {
        cell.clear();
        while let Some(&byte) = bytes.next().filter(|byte| **byte != 0) {
            cell.push(if byte == 1 { bytes.next().copied().unwrap_or_default() } else { byte });
        }
    }
}

/// Returns the digest of some cells, each with its length before it. `buffer` is only memory.
fn digest_of(record: &Record<'_>, columns: &[usize], buffer: &mut Vec<u8>) -> RowDigest {
    buffer.clear();
    columns.iter().for_each(|column| stored::write_cell(record.cell(*column), buffer));
    Sha256::digest(buffer).into()
}
