//! A CSV on this machine, or a ZIP with one, read where it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::save::SaveError;
use super::sniff::{self, SourceKind};
use super::{ExtractError, Form, open};
use crate::disk;
use crate::settings::Limits;

/// A file whose format is known.
#[derive(Clone, Debug)]
pub struct LocalCsv {
    path: PathBuf,
    form: Form,
    bytes: u64,
}

impl LocalCsv {
    /// Detects the format of a file.
    ///
    /// # Errors
    /// It cannot be read, or is neither a CSV nor a ZIP with exactly one CSV within the limits.
    pub fn find(path: &Path, limits: &Limits) -> Result<Self, ExtractError> {
        let sniffed = |mut file: File| {
            let form = sniff::form(&mut file, limits, SourceKind::Local).map_err(SaveError::from)?;
            Ok((form, file.metadata().map_err(sniff::FormatError::from)?.len()))
        };
        let unreadable = |error: io::Error| {
            ExtractError::refused(format!("cannot read {}: {error}", path.display()), "name a CSV, or a ZIP with one")
        };
        let file = disk::open_regular(path).map_err(unreadable)?;
        let (form, bytes) =
            sniffed(file).map_err(|error: SaveError| error.into_extract(&path.display().to_string()))?;
        Ok(Self { path: path.to_owned(), form, bytes })
    }

    /// Opens the CSV, as [`Extract::open`](super::Extract::open) does.
    ///
    /// # Errors
    /// The file is missing or has changed.
    pub fn open(&self, limits: &Limits) -> io::Result<Box<dyn Read + Send>> {
        open::csv(&self.path, self.form, self.bytes, limits)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
