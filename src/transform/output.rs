//! The end of a chain: rows → whatever takes them, one by one, encoded, or both.

use super::error::TransformError;
use super::link::{Link, pass_on};
use super::parallel::{self, Piece};
use super::program::{Encode, Program, Row};
use super::record::Record;

/// Takes what a transform yields, in order.
pub trait Sink {
    /// Returns what it needs, always the same.
    fn needs(&self) -> Needs;

    /// Takes the next record of the extract.
    fn record(&mut self, record: &Record<'_>);

    /// Takes the next output row.
    ///
    /// # Errors
    /// Something cannot be written, which ends the transform.
    fn row(&mut self, row: &Row<'_>) -> Result<(), TransformError>;

    /// Takes the next rows encoded, which it may take out of `bytes`. They follow the same rows one by one, if these are
    /// needed too.
    ///
    /// # Errors
    /// Something cannot be written, which ends the transform.
    fn encoded(&mut self, bytes: &mut Vec<u8>, rows: u64) -> Result<(), TransformError>;
}

/// The needs of a [`Sink`]. What it does not need costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    pub records: bool,
    pub rows: bool,
    pub encoded: bool,
}

/// A sink of functions, which needs records and rows.
pub(super) struct Observer<R, W> {
    pub(super) on_record: R,
    pub(super) on_row: W,
}

impl<R, W> Sink for Observer<R, W>
where
    R: FnMut(&Record<'_>),
    W: FnMut(&Row<'_>) -> Result<(), TransformError>,
{
    fn needs(&self) -> Needs {
        Needs { records: true, rows: true, encoded: false }
    }

    fn record(&mut self, record: &Record<'_>) {
        (self.on_record)(record);
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), TransformError> {
        (self.on_row)(row)
    }

    fn encoded(&mut self, _: &mut Vec<u8>, _: u64) -> Result<(), TransformError> {
        Ok(())
    }
}

/// A sink, and the encoded rows that it does not have yet.
pub(super) struct Output<'a, S> {
    needs: Needs,
    sink: &'a mut S,
    encode: &'a Encode<'a>,
    buffer: Vec<u8>,
    /// The rows in `buffer`.
    buffered: u64,
    written: u64,
}

/// Bytes that are passed on at once.
const BUFFER_BYTES: usize = 256 << 10;

impl<'a, S: Sink> Output<'a, S> {
    pub(super) fn new(encode: &'a Encode<'a>, sink: &'a mut S) -> Self {
        Self { needs: sink.needs(), sink, encode, buffer: Vec::new(), buffered: 0, written: 0 }
    }

    /// Returns the number of rows so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the encoder, and what [`Output::piece`] needs of the first program, which may be the only one.
    pub(super) fn for_threads(&self, is_only: bool) -> (&'a Encode<'a>, parallel::Needs) {
        let Needs { rows, encoded, .. } = self.needs;
        (self.encode, parallel::Needs { rows: rows || !is_only, encoded: encoded && is_only })
    }

    pub(super) fn record(&mut self, record: &Record<'_>) {
        if self.needs.records {
            self.sink.record(record);
        }
    }

    pub(super) fn row(&mut self, row: &Row<'_>) -> Result<(), TransformError> {
        self.written += 1;
        if self.needs.rows {
            self.sink.row(row)?;
        }
        if self.needs.encoded {
            (self.encode)(row, &mut self.buffer)?;
            self.buffered += 1;
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Takes what the first program made of a block, on to `rest`.
    pub(super) fn piece(
        &mut self,
        program: &Program,
        piece: &mut Piece,
        rest: &mut [Link],
    ) -> Result<(), TransformError> {
        if self.needs.records {
            piece.records().for_each(|record| self.sink.record(&record));
        }
        if !rest.is_empty() {
            return piece.rows(program).try_for_each(|row| pass_on(&row, rest, &mut |row| self.row(row)));
        }
        if self.needs.rows {
            piece.rows(program).try_for_each(|row| self.sink.row(&row))?;
        }
        let rows = piece.row_count();
        self.written += rows;
        if self.needs.encoded {
            self.sink.encoded(piece.encoded(), rows)?;
        }
        Ok(())
    }

    /// Passes on the encoded rows.
    pub(super) fn flush(&mut self) -> Result<(), TransformError> {
        if self.buffered > 0 {
            self.sink.encoded(&mut self.buffer, std::mem::take(&mut self.buffered))?;
            self.buffer.clear();
        }
        Ok(())
    }
}
