//! From an open extract to shaped rows: header, program, rows, and a balance that adds up.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::block::ReadAhead;
use super::decode;
use super::error::TransformError;
use super::record::Records;
use super::step::{Program, Row};
use crate::pipeline::plan::{CsvInput, Step, StepKind};
use crate::progress::Meter;
use crate::secret::Secret;
use crate::settings::Limits;

/// Where the rows come from and what bounds them.
pub struct Input<'a> {
    /// CSV with a header; already unpacked as it is read.
    pub read: Box<dyn Read + Send>,
    /// How it is written.
    pub csv: CsvInput,
    pub limits: Limits,
    /// Raised by the bytes of CSV that were read.
    pub meter: &'a Meter,
    /// Ends the transform within one block of 256 KiB.
    pub stop: CancellationToken,
}

/// A header that was read and steps that fit it; the rows are still to come.
pub struct Transform<'a> {
    records: Records<'a>,
    program: Program,
    filters: Vec<(usize, &'static str)>,
}

/// What became of the rows: `extracted` is `delivered` and all that steps dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    pub extracted: u64,
    /// Dropped by filters; `None` where no step is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<u64>,
    pub delivered: u64,
    #[serde(skip)]
    pub steps: Vec<StepBalance>,
}

/// What one step dropped. Steps that cannot drop a row are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepBalance {
    /// Index into the plan's steps.
    pub step: usize,
    pub kind: &'static str,
    pub dropped: u64,
}

impl<'a> Transform<'a> {
    /// Reads the header and compiles the steps.
    ///
    /// # Errors
    /// An empty or unreadable extract; [`TransformError::Problems`] where steps and header do not go together.
    pub fn open(input: Input<'a>, steps: &[Step], secrets: &BTreeMap<String, Secret>) -> Result<Self, TransformError> {
        let read = decode::reader(input.read, input.csv.encoding);
        let ahead = ReadAhead::start(read, input.csv.delimiter).map_err(|source| TransformError::Read { source })?;
        let mut records = Records::new(ahead, input.csv, input.limits, input.meter, input.stop);
        let header = records.header()?.ok_or(TransformError::Empty)?;
        let program = Program::compile(steps, &header, secrets).map_err(TransformError::Problems)?;
        let is_filter = |step: &Step| matches!(step.kind, StepKind::Filter(_));
        let filters = steps.iter().enumerate().filter(|(_, step)| is_filter(step)).map(|(at, _)| (at, "filter"));
        Ok(Self { records, program, filters: filters.collect() })
    }

    /// The names of the columns of the rows to come.
    pub fn columns(&self) -> &[String] {
        self.program.output_columns()
    }

    /// Hands every row that is kept to `on_row`, in the order of the extract.
    ///
    /// # Errors
    /// The first record that is malformed, beyond a limit, or without a result; what `on_row` answers; being stopped.
    pub fn run(mut self, mut on_row: impl FnMut(&Row<'_>) -> io::Result<()>) -> Result<Balance, TransformError> {
        let (mut extracted, mut delivered) = (0, 0);
        while let Some(record) = self.records.next()? {
            extracted += 1;
            if let Some(row) = self.program.row(record)? {
                on_row(&row).map_err(|source| TransformError::Write { source })?;
                delivered += 1;
            }
        }
        let dropped = self.program.dropped();
        let steps: Vec<_> =
            self.filters.iter().map(|&(step, kind)| StepBalance { step, kind, dropped: dropped[step] }).collect();
        let filtered = steps.iter().map(|step| step.dropped).sum();
        assert_eq!(extracted, delivered + filtered, "rows balance");
        Ok(Balance { extracted, filtered: (!steps.is_empty()).then_some(filtered), delivered, steps })
    }
}
