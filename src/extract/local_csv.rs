//! A CSV on this machine, or a ZIP with one, read where it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::save::SaveError;
use super::sniff::{self, FormatError, SourceKind};
use super::{Extract, ExtractError, FileFacts, SourceFacts, Stored};
use crate::disk;
use crate::settings::Limits;

/// A file whose format is known.
#[derive(Clone, Debug)]
pub struct LocalCsv(Extract);

impl LocalCsv {
    /// Detects the format of a file.
    ///
    /// # Errors
    /// It cannot be read, or is neither a CSV nor a ZIP with exactly one CSV within the limits.
    pub fn find(path: &Path, limits: &Limits) -> Result<Self, ExtractError> {
        let sniffed = |mut file: File| {
            let form = sniff::form(&mut file, limits, SourceKind::Local).map_err(SaveError::from)?;
            Ok((form, FileFacts::of(&file.metadata().map_err(FormatError::from)?)))
        };
        let unreadable = |error: io::Error| {
            ExtractError::refused(format!("cannot read {}: {error}", path.display()), "name a CSV, or a ZIP with one")
        };
        let file = disk::open_regular(path).map_err(unreadable)?;
        let (form, facts) =
            sniffed(file).map_err(|error: SaveError| error.into_extract(&path.display().to_string()))?;
        let (stored, source) = (Stored::InPlace(facts), SourceFacts::default());
        Ok(Self(Extract { path: path.to_owned(), form, bytes: facts.bytes, stored, source }))
    }

    /// Opens the CSV, as [`Extract::open`] does.
    ///
    /// # Errors
    /// The file is missing or has changed.
    pub fn open(&self, limits: &Limits) -> io::Result<Box<dyn Read + Send>> {
        self.0.open(limits)
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }
}
