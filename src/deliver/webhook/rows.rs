//! The rows of an artifact as one CSV, wherever they are.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::encode::{Artifact, RowsPlace, rows_path};
use crate::pipeline::plan::CsvDialect;

/// Opens the rows, without a byte order mark. Returns their dialect too.
///
/// # Errors
/// The file cannot be read, or the run kept no rows.
pub(crate) fn open_rows(artifact: &Artifact) -> io::Result<(Box<dyn Read + Send>, CsvDialect)> {
    let (rows, dialect) = rows_of(artifact)?;
    Ok((skip_bom(rows)?, dialect))
}

fn skip_bom(file: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut file = BufReader::with_capacity(256 * 1024, file);
    let mut head = Vec::with_capacity(3);
    file.by_ref().take(3).read_to_end(&mut head)?;
    if head == b"\xEF\xBB\xBF" {
        head.clear();
    }
    Ok(Box::new(io::Cursor::new(head).chain(file)))
}

/// Opens the rows: in the artifact's file, or all files of a file group as one, with one header; or beside the artifact.
fn rows_of(artifact: &Artifact) -> io::Result<(Box<dyn Read + Send>, CsvDialect)> {
    let dialect = match &artifact.rows_in {
        RowsPlace::Artifact(dialect) => dialect.clone(),
        RowsPlace::Beside { .. } => {
            return Ok((Box::new(File::open(rows_path(&artifact.path))?), CsvDialect::default()));
        }
        RowsPlace::Nowhere => {
            let what = "the run was made for deliveries that need no rows, and kept none; backfill it";
            return Err(io::Error::other(what));
        }
    };
    let file = File::open(&artifact.path)?;
    let Some(set) = &artifact.set else { return Ok((Box::new(file), dialect)) };
    let left = set.files.iter().map(|file| file.bytes).collect();
    Ok((Box::new(Joined { file, left, here: 0, skip: 0, head_bytes: set.head_bytes }), dialect))
}

/// The files of a group as one: only the first one's header is read.
struct Joined {
    file: File,
    /// Remaining files.
    left: VecDeque<u64>,
    /// Bytes left in the current file.
    here: u64,
    /// Bytes to skip at the beginning of the next file.
    skip: u64,
    head_bytes: u64,
}

impl Read for Joined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.here == 0 {
            let Some(bytes) = self.left.pop_front() else { return Ok(0) };
            let skip = std::mem::replace(&mut self.skip, self.head_bytes).min(bytes);
            self.file.seek(SeekFrom::Current(i64::try_from(skip).map_err(io::Error::other)?))?;
            self.here = bytes - skip;
        }
        let max = buffer.len().min(usize::try_from(self.here).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..max])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.here -= read as u64;
        Ok(read)
    }
}
