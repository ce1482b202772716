//! Several artifacts of one run → one file in the spool: the files of a group one after the other, or a ZIP with an entry
//! for each.

use std::io;
use std::path::{Path, PathBuf};

use super::file::{ArtifactFile, FileLayout, one_name};
use super::pack::Packing;
use super::spool::{SpoolFile, Written};
use super::{Artifact, FileGroup, GroupFile, RowsPlace};

/// The file being written. Removed if dropped unfinished.
pub struct ArtifactsFile {
    path: PathBuf,
    name: String,
    is_archive: bool,
    /// Taken while the rows of an artifact are written.
    spool: Option<SpoolFile>,
    files: Vec<GroupFile>,
}

impl ArtifactsFile {
    /// Starts `<path>.part`. `archive` is the packing of a ZIP, whose entries have the artifacts' names.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path, name: &str, archive: Option<Packing>) -> io::Result<Self> {
        let is_archive = archive.is_some();
        let spool = Some(SpoolFile::create_group(path, archive)?);
        Ok(Self { path: path.to_owned(), name: name.to_owned(), is_archive, spool, files: Vec::new() })
    }

    /// Appends an artifact that has no rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn constant(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut spool = self.take()?;
        spool.begin(None)?;
        spool.append(&mut bytes.to_vec())?;
        self.end_file(spool, name, 0).map(|_| ())
    }

    /// Begins an artifact of rows, which [`ArtifactsFile::end`] completes.
    ///
    /// # Errors
    /// The file cannot be written; columns that the format cannot have.
    pub fn begin(
        &mut self,
        name: &str,
        layout: FileLayout<'_>,
        packing: Option<Packing>,
        columns: &[String],
    ) -> io::Result<ArtifactFile> {
        let mut spool = self.take()?;
        spool.begin(packing)?;
        ArtifactFile::begin(spool, (&self.path, name.into(), &one_name(name)), layout, columns)
    }

    /// Completes the artifact that was begun.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn end(&mut self, name: &str, file: ArtifactFile) -> io::Result<&GroupFile> {
        let (spool, rows) = file.end()?;
        self.end_file(spool, name, rows)
    }

    /// Completes the file and renames it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<Artifact> {
        let Written { bytes, sha256, .. } = self.take()?.finish()?;
        let Self { path, name, is_archive, files, .. } = self;
        let rows = files.iter().map(|file| file.rows).sum();
        let set = Some(FileGroup { is_archive, head_bytes: 0, files });
        Ok(Artifact { path, name, bytes, sha256, rows, columns: Vec::new(), rows_in: RowsPlace::Nowhere, set })
    }

    fn take(&mut self) -> io::Result<SpoolFile> {
        self.spool.take().ok_or_else(|| io::Error::other("an artifact is being written"))
    }

    fn end_file(&mut self, mut spool: SpoolFile, name: &str, rows: u64) -> io::Result<&GroupFile> {
        let (bytes, sha256) = spool.end()?;
        self.spool = Some(spool);
        let at = self.files.len();
        self.files.push(GroupFile { name: name.to_owned(), bytes, sha256, rows });
        Ok(&self.files[at])
    }
}
