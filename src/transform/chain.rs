//! From an open extract to transformed rows: header, chain of operators, rows, and the row balance.
//!
//! All operators are row operators, so the chain is one row program. An operator on whole tables (sort, dedupe, join)
//! would end one program and start the next, here; the columns of one are the input of the next.

use std::collections::BTreeMap;
use std::io::{self, Read};

use tokio_util::sync::CancellationToken;

use super::balance::Balance;
use super::block::ReadAhead;
use super::decode;
use super::error::TransformError;
use super::program::{Program, Row};
use super::record::{Record, Records};
use crate::pipeline::plan::{CsvInput, TransformStep};
use crate::progress::Meter;
use crate::secret::Secret;
use crate::settings::Limits;

/// The input of a transform, and its limits.
pub struct Input<'a> {
    /// The unpacked CSV, with a header.
    pub read: Box<dyn Read + Send>,
    /// The CSV dialect.
    pub csv: CsvInput,
    pub limits: Limits,
    /// Counts the bytes of CSV read.
    pub meter: &'a Meter,
    /// Stops the transform within one block of 256 KiB.
    pub stop: CancellationToken,
}

/// The steps compiled against a header, ready to transform the rows.
pub struct Transform<'a> {
    records: Records<'a>,
    program: Program,
}

impl<'a> Transform<'a> {
    /// Reads the header and compiles the steps.
    ///
    /// # Errors
    /// An empty or unreadable extract; [`TransformError::Problems`] if the steps do not fit the header.
    pub fn open(
        input: Input<'a>,
        steps: &[TransformStep],
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, TransformError> {
        let read = decode::reader(input.read, input.csv.encoding);
        let ahead = ReadAhead::start(read, input.csv.delimiter).map_err(|source| TransformError::Read { source })?;
        let mut records = Records::new(ahead, input.csv, input.limits, input.meter, input.stop);
        let header = records.header()?.ok_or(TransformError::Empty)?;
        let program = Program::compile(steps, &header, secrets).map_err(TransformError::Problems)?;
        Ok(Self { records, program })
    }

    /// Returns the names of the output columns.
    pub fn columns(&self) -> &[String] {
        self.program.output_columns()
    }

    /// Returns the names of the source's columns.
    pub fn header(&self) -> &[String] {
        self.records.names()
    }

    /// Passes every output row to `on_row`, in the order of the extract.
    ///
    /// # Errors
    /// The first record that is malformed, beyond a limit, or without a result; an error of `on_row`; being stopped.
    pub fn run(self, mut on_row: impl FnMut(&Row<'_>) -> io::Result<()>) -> Result<Balance, TransformError> {
        self.run_observed(|_| (), |row| on_row(row).map_err(|source| TransformError::Write { source }))
    }

    /// Passes every record of the extract to `on_record`, and every output row to `on_row`.
    ///
    /// # Errors
    /// See [`Transform::run`].
    pub fn run_observed(
        mut self,
        mut on_record: impl FnMut(&Record<'_>),
        mut on_row: impl FnMut(&Row<'_>) -> Result<(), TransformError>,
    ) -> Result<Balance, TransformError> {
        let (mut extracted, mut written) = (0, 0);
        while let Some(record) = self.records.next()? {
            extracted += 1;
            on_record(&record);
            if let Some(row) = self.program.row(record)? {
                on_row(&row)?;
                written += 1;
            }
        }
        let balance = Balance { extracted, steps: self.program.shares().to_vec(), written };
        assert!(balance.is_even(), "rows balance: {balance:?}");
        Ok(balance)
    }
}
