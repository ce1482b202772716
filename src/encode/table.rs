//! Files with typed columns, which are not one row after the other.
//!
//! A row becomes the bytes of its typed values, on any thread; the writer of the file reads them again, in order.

use std::io;

use super::RowFormat;
use super::held_rows::HeldRows;
use super::pool::Pool;
use super::row_values::RowCells;
use super::spool::SpoolFile;
use super::typed::{TypedCell, TypedCells};
use crate::expr::decimal::Decimal;
use crate::expr::time::Instant;
use crate::transform::{Row, RowError};

/// Bytes of rows before they are given to the writer.
const BLOCK_BYTES: usize = 64 << 10;

/// The check of a value by the limits of a format; its error follows the value in a message.
pub(super) type Fits = fn(&TypedCell<'_>) -> Result<(), String>;

/// Encodes rows as their typed values.
pub(super) struct TypedRows {
    columns: Pool<Vec<TypedCells>>,
    fits: Fits,
}

/// The writer of a file with typed columns.
pub(super) trait TableWriter: Send {
    /// Appends a row, taking the values of its columns.
    fn row(&mut self, values: &mut TypedValues<'_>) -> io::Result<()>;

    /// Writes what is left. Returns what it was written to.
    fn end(self: Box<Self>) -> io::Result<SpoolFile>;
}

/// The file that encoded rows go to.
pub(super) enum RowsOutput {
    /// The rows' bytes are the file's.
    Bytes(Box<SpoolFile>),
    Table(TableFile),
    /// The rows' bytes are the file's, and follow what is known after them.
    Held(HeldRows),
}

/// A file with typed columns, and encoded rows that are not in it yet.
pub(super) struct TableFile {
    block: Vec<u8>,
    writer: Box<dyn TableWriter>,
}

/// Typed values of rows, one after the other.
pub(super) struct TypedValues<'a>(&'a [u8]);

const NULL: u8 = 0;
const TEXT: u8 = 1;
const INTEGER: u8 = 2;
const DECIMAL: u8 = 3;
const FALSE: u8 = 4;
const TRUE: u8 = 5;
const DATE: u8 = 6;
const DATETIME: u8 = 7;

impl TypedRows {
    pub(super) fn new(columns: Vec<TypedCells>, fits: Fits) -> Self {
        Self { columns: Pool::new(columns), fits }
    }
}

impl RowFormat for TypedRows {
    fn head(&self, _: &[String], _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.columns.with(|columns| {
            for (column, cell) in columns.iter_mut().zip(row.cells()) {
                let value = column.read(cell.bytes).and_then(|value| {
                    value.as_ref().map_or(Ok(()), self.fits)?;
                    Ok(value)
                });
                match value {
                    Ok(value) => append(value, out),
                    Err(what) => return Err(column.row_error(RowCells::origin(row), cell.bytes, what)),
                }
            }
            Ok(())
        })
    }
}

fn append(value: Option<TypedCell<'_>>, out: &mut Vec<u8>) {
    match value {
        None => out.push(NULL),
        Some(TypedCell::Text(text)) => {
            out.push(TEXT);
            out.extend((text.len() as u64).to_le_bytes());
            out.extend_from_slice(text);
        }
        Some(TypedCell::Integer(int)) => {
            out.push(INTEGER);
            out.extend(int.to_le_bytes());
        }
        Some(TypedCell::Decimal(Decimal { unscaled, scale })) => {
            out.push(DECIMAL);
            out.extend(unscaled.to_le_bytes());
            out.push(scale);
        }
        Some(TypedCell::Boolean(truth)) => out.push(if truth { TRUE } else { FALSE }),
        Some(TypedCell::Date(days)) => {
            out.push(DATE);
            out.extend(days.to_le_bytes());
        }
        Some(TypedCell::Datetime(instant)) => {
            out.push(DATETIME);
            out.extend(instant.utc_seconds().to_le_bytes());
            out.extend(instant.nanoseconds.to_le_bytes());
        }
    }
}

impl<'a> TypedValues<'a> {
    #[cfg(test)]
    pub(super) fn of(encoded: &'a [u8]) -> Self {
        Self(encoded)
    }

    /// Returns the next value; `None` for a null.
    pub(super) fn take(&mut self) -> io::Result<Option<TypedCell<'a>>> {
        let [kind] = self.bytes()?;
        Ok(Some(match kind {
            NULL => return Ok(None),
            TEXT => {
                let length = u64::from_le_bytes(self.bytes()?) as usize;
                let (text, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
                self.0 = rest;
                TypedCell::Text(text)
            }
            INTEGER => TypedCell::Integer(i64::from_le_bytes(self.bytes()?)),
            DECIMAL => {
                let unscaled = i128::from_le_bytes(self.bytes()?);
                let [scale] = self.bytes()?;
                TypedCell::Decimal(Decimal { unscaled, scale })
            }
            FALSE => TypedCell::Boolean(false),
            TRUE => TypedCell::Boolean(true),
            DATE => TypedCell::Date(i64::from_le_bytes(self.bytes()?)),
            DATETIME => {
                let seconds = i64::from_le_bytes(self.bytes()?);
                TypedCell::Datetime(Instant::utc(seconds, u32::from_le_bytes(self.bytes()?)))
            }
            _ => return Err(damaged()),
        }))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

fn damaged() -> io::Error {
    io::Error::other("an encoded row is damaged")
}

impl TableFile {
    pub(super) fn new(writer: Box<dyn TableWriter>) -> Self {
        Self { block: Vec::new(), writer }
    }

    /// Gives encoded rows to the writer, and leaves an empty buffer.
    fn write(writer: &mut dyn TableWriter, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut values = TypedValues(bytes);
        while !values.0.is_empty() {
            writer.row(&mut values)?;
        }
        bytes.clear();
        Ok(())
    }
}

impl RowsOutput {
    /// Returns the buffer to append to, before [`RowsOutput::send_if_full`].
    #[inline]
    pub(super) fn block(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Bytes(spool) => &mut spool.block,
            Self::Table(table) => &mut table.block,
            Self::Held(rows) => &mut rows.block,
        }
    }

    /// Returns the buffer for what comes before the rows.
    pub(super) fn head_block(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Held(rows) => rows.head_block(),
            Self::Bytes(_) | Self::Table(_) => self.block(),
        }
    }

    /// Ends the rows of a file, whose bytes are all appended. `format` has its late records.
    pub(super) fn end_rows(&mut self, format: &dyn RowFormat) -> io::Result<()> {
        match self {
            Self::Held(rows) => rows.end_file(format),
            Self::Bytes(_) | Self::Table(_) => Ok(()),
        }
    }

    #[inline]
    pub(super) fn send_if_full(&mut self) -> io::Result<()> {
        match self {
            Self::Bytes(spool) => spool.send_if_full(),
            Self::Table(table) if table.block.len() < BLOCK_BYTES => Ok(()),
            Self::Table(TableFile { block, writer }) => TableFile::write(writer.as_mut(), block),
            Self::Held(rows) => rows.spill_if_full(),
        }
    }

    /// Appends encoded rows. Takes the bytes, and leaves an empty buffer.
    pub(super) fn append(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Bytes(spool) => spool.append(bytes),
            Self::Table(TableFile { block, writer }) => {
                TableFile::write(writer.as_mut(), block)?;
                TableFile::write(writer.as_mut(), bytes)
            }
            Self::Held(rows) => {
                rows.block.append(bytes);
                rows.spill_if_full()
            }
        }
    }

    /// Ends a file of a file group.
    pub(super) fn mark(&mut self) -> io::Result<()> {
        match self {
            Self::Bytes(spool) => spool.mark(),
            Self::Held(rows) => rows.mark(),
            Self::Table(_) => Err(io::Error::other("a file with typed columns cannot be split")),
        }
    }

    /// Writes what is left. Returns what it was written to.
    pub(super) fn into_spool(self) -> io::Result<SpoolFile> {
        match self {
            Self::Bytes(spool) => Ok(*spool),
            Self::Held(rows) => Ok(rows.into_spool()),
            Self::Table(TableFile { mut block, mut writer }) => {
                TableFile::write(writer.as_mut(), &mut block)?;
                writer.end()
            }
        }
    }
}
