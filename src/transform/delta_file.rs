//! The file of a `delta`'s baseline: the keys of all rows that the destination has, sorted, each with the digest of its
//! compared cells. Those that `removed: keep` keeps have the digest of the row that was delivered last.
//!
//! A line of JSON, then for each key its length, its bytes and the digest.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::step_inputs::NewBaseline;
use crate::{digest, disk};

/// The digest of a row's compared cells.
pub(super) type RowDigest = [u8; 32];

/// The first line of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format: u32,
    /// The run whose file it is of, and its slot in the pipeline's zone.
    pub(super) run: String,
    pub(super) slot: String,
    #[serde(flatten)]
    pub(super) schema: Schema,
}

/// The columns that a `delta` works on. Baselines of others cannot be compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Schema {
    /// In the order of the keys' bytes.
    pub(super) by: Vec<String>,
    /// Sorted: their order in the rows means nothing.
    pub(super) compare: Vec<String>,
    /// All columns, sorted.
    pub(super) columns: Vec<String>,
}

/// The format that this version writes and reads.
pub(super) const FORMAT: u32 = 1;
/// The longest first line: more than the header of any report.
const HEAD_BYTES_MAX: u64 = 16 << 20;
const BUFFER_BYTES: usize = 256 << 10;

impl Schema {
    /// Returns how another schema differs, in one sentence; `None` if it does not.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        let lists = [
            ("key columns", &self.by, &now.by),
            ("compared columns", &self.compare, &now.compare),
            ("columns", &self.columns, &now.columns),
        ];
        let (what, was, is) = lists.into_iter().find(|(_, was, is)| was != is)?;
        let beyond = |of: &[String], other: &[String]| {
            let beyond: Vec<String> =
                of.iter().filter(|name| !other.contains(name)).map(|n| format!("{n:?}")).collect();
            beyond.join(", ")
        };
        let parts = [("added", beyond(is, was)), ("removed", beyond(was, is))];
        let parts = parts.into_iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts.map(|(change, names)| format!("{change} {names}")).collect();
        Some(match parts.is_empty() {
            true => format!("other {what}: the same in another order"),
            false => format!("other {what}: {}", parts.join("; ")),
        })
    }
}

/// Reads a baseline, one key at a time.
pub(super) struct BaselineReader {
    input: BufReader<FromStart>,
    /// The present key and digest.
    pub(super) key: Vec<u8>,
    pub(super) digest: RowDigest,
}

/// Reads a file from its start, whoever else reads it.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl BaselineReader {
    /// Opens a baseline before its first key.
    ///
    /// # Errors
    /// It cannot be read, or another version wrote it.
    pub(super) fn open(file: Arc<File>) -> io::Result<(Head, Self)> {
        let mut input = BufReader::with_capacity(BUFFER_BYTES, FromStart { file, at: 0 });
        let mut line = Vec::new();
        input.by_ref().take(HEAD_BYTES_MAX).read_until(b'\n', &mut line)?;
        let head: Head = serde_json::from_slice(&line).map_err(|_| unknown_format())?;
        if head.format != FORMAT {
            return Err(unknown_format());
        }
        Ok((head, Self { input, key: Vec::new(), digest: [0; 32] }))
    }

    /// Reads the next key. Returns false if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or ends within a key.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let mut length = [0; 4];
        self.input.read_exact(&mut length)?;
        self.key.resize(u32::from_le_bytes(length) as usize, 0);
        self.input.read_exact(&mut self.key)?;
        self.input.read_exact(&mut self.digest)?;
        Ok(true)
    }
}

fn unknown_format() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "another version of reportferry wrote it")
}

/// Writes a baseline, whose keys come sorted.
pub(super) struct BaselineWriter {
    out: BufWriter<Hashed>,
    keys: u64,
}

/// A file and the digest of what was written to it.
struct Hashed {
    file: File,
    hash: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl BaselineWriter {
    /// Creates the file, in place of one that an interrupted run left.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn create(path: &Path, head: &Head) -> io::Result<Self> {
        // Never written into: it may have another name, under which it is a destination's baseline.
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk::private_file().write(true).create_new(true).open(path)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, Hashed { file, hash: Sha256::new() });
        serde_json::to_writer(&mut out, head)?;
        out.write_all(b"\n")?;
        Ok(Self { out, keys: 0 })
    }

    pub(super) fn push(&mut self, key: &[u8], digest: &RowDigest) -> io::Result<()> {
        let length = u32::try_from(key.len()).map_err(|_| io::Error::from(ErrorKind::FileTooLarge))?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(key)?;
        self.out.write_all(digest)?;
        self.keys += 1;
        Ok(())
    }

    /// Ends the file. It is on the disk when this returns.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(self) -> io::Result<NewBaseline> {
        let Hashed { file, hash } = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(NewBaseline { sha256: digest::hex(&hash.finalize()), keys: self.keys })
    }
}
