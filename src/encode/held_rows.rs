//! Rows of a file whose header is known after the last of them: they wait in a temporary file.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::RowFormat;
use super::spool::{BLOCK_BYTES, SpoolFile};
use crate::fault;

/// A file whose header is written last. Its rows are in blocks of a temporary file, which has no name, and so is gone with
/// the process.
pub(super) struct HeldRows {
    spool: Box<SpoolFile>,
    /// The rows' last bytes. The owner appends to it and calls [`HeldRows::spill_if_full`] regularly.
    pub(super) block: Vec<u8>,
    rows: File,
    folder: PathBuf,
    /// Bytes in the temporary file.
    spilled: u64,
}

/// An operation on the temporary file that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} a temporary file in {}", .folder.display())]
struct HeldError {
    operation: &'static str,
    folder: PathBuf,
    source: io::Error,
}

impl HeldRows {
    /// Creates the temporary file in the folder.
    pub(super) fn create(folder: &Path, spool: SpoolFile) -> io::Result<Self> {
        let rows = tempfile::tempfile_in(folder).map_err(failed(folder, "creating"))?;
        Ok(Self { spool: Box::new(spool), block: Vec::new(), rows, folder: folder.to_owned(), spilled: 0 })
    }

    /// Returns the buffer for what comes before the header.
    pub(super) fn head_block(&mut self) -> &mut Vec<u8> {
        &mut self.spool.block
    }

    /// Writes the block to the temporary file if it is full.
    #[inline]
    pub(super) fn spill_if_full(&mut self) -> io::Result<()> {
        if self.block.len() < BLOCK_BYTES { Ok(()) } else { self.spill() }
    }

    fn spill(&mut self) -> io::Result<()> {
        let Self { block, rows, folder, spilled, .. } = self;
        rows.write_all(block).map_err(failed(folder, "writing"))?;
        *spilled += block.len() as u64;
        block.clear();
        Ok(())
    }

    /// Writes the header, and the rows behind it, in constant memory. The next file's rows may follow.
    pub(super) fn end_file(&mut self, format: &dyn RowFormat) -> io::Result<()> {
        for index in 0..format.late_records() {
            format.late_record(index, &mut self.spool.block)?;
            self.spool.send_if_full()?;
        }
        if self.spilled > 0 {
            self.copy_spilled()?;
        }
        self.spool.append(&mut self.block)
    }

    fn copy_spilled(&mut self) -> io::Result<()> {
        let Self { spool, rows, folder, spilled, .. } = self;
        rows.rewind().map_err(failed(folder, "reading"))?;
        let mut left = std::mem::take(spilled);
        while left > 0 {
            let mut next = rows.take(left.min(BLOCK_BYTES as u64));
            let read = next.read_to_end(&mut spool.block).map_err(failed(folder, "reading"))?;
            if read == 0 {
                let ended = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(failed(folder, "reading")(ended));
            }
            left -= read as u64;
            fault::step("encode.copy", || spool.send_if_full())?;
        }
        // The next file's rows begin anew.
        rows.rewind().and_then(|()| rows.set_len(0)).map_err(failed(folder, "emptying"))
    }

    /// Ends a file of a file group.
    pub(super) fn mark(&mut self) -> io::Result<()> {
        self.spool.mark()
    }

    /// Returns what the files are written to.
    pub(super) fn into_spool(self) -> SpoolFile {
        *self.spool
    }
}

/// Adds the operation and the folder to an error, whose kind stays.
fn failed(folder: &Path, operation: &'static str) -> impl FnOnce(io::Error) -> io::Error {
    move |source| io::Error::new(source.kind(), HeldError { operation, folder: folder.to_owned(), source })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_under_the_temporary_file_is_an_error_that_names_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let spool = SpoolFile::create(&folder.path().join("a"), false, None).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut rows = HeldRows { rows: full, ..HeldRows::create(folder.path(), spool).unwrap() };
        rows.block.resize(BLOCK_BYTES - 1, b'x');
        rows.spill_if_full().unwrap();
        rows.block.push(b'x');
        let error = rows.spill_if_full().unwrap_err();
        assert!(crate::disk::is_full(&error));
        let text = error.to_string();
        assert!(
            text.contains("writing a temporary file in") && text.contains(folder.path().to_str().unwrap()),
            "{text}"
        );
        drop(rows);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
