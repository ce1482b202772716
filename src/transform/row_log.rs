//! All rows of a step in their order: written once, read once, on disk where they do not fit into memory.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::program::Row;
use super::sort::{Context, READING, RunReader, WRITING};
use super::stored;

/// Takes rows.
pub(super) struct RowLog {
    context: Context,
    /// Bytes of memory.
    budget: usize,
    buffer: Vec<u8>,
    /// Has no name. Its length is with it.
    file: Option<(File, u64)>,
    rows: u64,
}

/// Returns the rows.
pub(super) enum LogReader {
    InMemory { bytes: Vec<u8>, at: usize },
    OnDisk { run: RunReader, row: Vec<u8>, context: Context },
}

/// The bytes that are written and read at once.
const BLOCK_BYTES: usize = 256 << 10;
/// The length of a row, before it.
const HEAD_BYTES: usize = size_of::<u32>();

impl RowLog {
    pub(super) fn new(folder: &Path, budget: usize) -> Self {
        let context = Context { folder: folder.to_owned(), stop: None };
        Self { context, budget, buffer: Vec::new(), file: None, rows: 0 }
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> u64 {
        self.rows
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The temporary file cannot be written; a row of 4 GiB or more.
    #[inline]
    pub(super) fn push(&mut self, row: &Row<'_>) -> io::Result<()> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; HEAD_BYTES]);
        stored::write(row, &mut self.buffer);
        let length = u32::try_from(self.buffer.len() - start - HEAD_BYTES).map_err(io::Error::other)?;
        self.buffer[start..start + HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        self.rows += 1;
        let most = if self.file.is_some() { self.budget.min(BLOCK_BYTES) } else { self.budget };
        if self.buffer.len() >= most { self.spill() } else { Ok(()) }
    }

    #[cold]
    fn spill(&mut self) -> io::Result<()> {
        let Self { context, buffer, file, .. } = self;
        let (file, length) = match file {
            Some(file) => file,
            None => file.insert((context.create()?, 0)),
        };
        file.write_all(buffer).map_err(|source| context.failed(WRITING, source))?;
        *length += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(self.budget.min(2 * BLOCK_BYTES));
        Ok(())
    }

    /// # Errors
    /// The temporary file cannot be written.
    pub(super) fn finish(mut self) -> io::Result<LogReader> {
        if self.file.is_some() {
            self.spill()?;
        }
        Ok(match self.file {
            None => LogReader::InMemory { bytes: self.buffer, at: 0 },
            Some((file, length)) => {
                let buffer = self.budget.clamp(1, BLOCK_BYTES);
                LogReader::OnDisk {
                    run: RunReader::new(file, 0..length, buffer),
                    row: Vec::new(),
                    context: self.context,
                }
            }
        })
    }
}

impl LogReader {
    /// Returns the next row, as [`stored`] has it. There must be one.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::InMemory { bytes, at } => {
                let row = in_memory(bytes, *at)?;
                *at += HEAD_BYTES + row.len();
                Ok(row)
            }
            Self::OnDisk { run, row, context } => {
                let read = length_on_disk(run).and_then(|length| run.take_to(length, row));
                read.map_err(|source| context.failed(READING, source))?;
                Ok(row)
            }
        }
    }

    /// Passes over the next row. There must be one.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(super) fn skip(&mut self) -> io::Result<()> {
        match self {
            Self::InMemory { bytes, at } => {
                *at += HEAD_BYTES + in_memory(bytes, *at)?.len();
                Ok(())
            }
            Self::OnDisk { run, context, .. } => {
                let skipped = length_on_disk(run).and_then(|length| run.skip(length));
                skipped.map_err(|source| context.failed(READING, source))
            }
        }
    }
}

fn in_memory(bytes: &[u8], at: usize) -> io::Result<&[u8]> {
    let rest = bytes.get(at..).unwrap_or_default();
    let (head, rest) = rest.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(rest.get(..u32::from_le_bytes(*head) as usize).ok_or(io::ErrorKind::UnexpectedEof)?)
}

fn length_on_disk(run: &mut RunReader) -> io::Result<usize> {
    let mut head = [0; HEAD_BYTES];
    run.take(&mut head)?;
    Ok(u32::from_le_bytes(head) as usize)
}
