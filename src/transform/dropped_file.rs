//! The file of dropped rows: each with the reason, and with its cells as the source has them.

use std::io::Write;

use super::chain::{Input, open_records};
use super::dropped::DroppedRows;
use super::error::TransformError;
use crate::pipeline::masked::{MASKED, MaskedColumns};
use crate::pipeline::plan::TransformStep;
use crate::pipeline::step_name;

/// The columns before those of the source.
const COLUMNS: [&str; 5] = ["record", "line", "step", "column", "reason"];

impl DroppedRows {
    /// Writes the rows as a CSV, with the cells that their records have in `input`, which is read once more.
    ///
    /// # Errors
    /// As of reading a transform's records; the CSV cannot be written.
    pub fn write(&self, input: Input<'_>, steps: &[TransformStep], out: impl Write) -> Result<(), TransformError> {
        let writing = |error: csv::Error| TransformError::Write { source: error.into() };
        let masked = MaskedColumns::of(steps);
        let (mut records, header) = open_records(input, &masked)?;
        let is_masked: Vec<bool> = header.iter().map(|name| masked.before(0).contains(name)).collect();
        let mut out = csv::Writer::from_writer(out);
        out.write_record(COLUMNS.into_iter().chain(header.iter().map(String::as_str))).map_err(writing)?;
        let mut rows = self.rows.iter().peekable();
        while rows.peek().is_some() {
            let Some(record) = records.next()? else { break };
            while let Some(row) = rows.next_if(|row| row.record == record.number) {
                let step = steps.get(row.step).map_or(String::new(), |step| step_name::of_key(&step.at.key));
                let (number, line) = (row.record.to_string(), row.line.to_string());
                for field in [number.as_str(), line.as_str(), step.as_str(), row.column.as_str(), row.reason.as_str()] {
                    out.write_field(field).map_err(writing)?;
                }
                for (column, is_masked) in is_masked.iter().enumerate() {
                    let cell = record.cell(column);
                    let is_hidden = *is_masked && !cell.is_empty();
                    out.write_field(if is_hidden { MASKED.as_bytes() } else { cell }).map_err(writing)?;
                }
                out.write_record(None::<&[u8]>).map_err(writing)?;
            }
        }
        out.flush().map_err(|source| TransformError::Write { source })
    }
}
