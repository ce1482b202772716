//! Received bytes → `extract.part`, hashed while writing, then renamed: the final name never has a partial extract.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::sniff::{self, FormatError, SourceKind};
use super::{Extract, ExtractError, Form, PARTIAL, SourceFacts, Stored};
use crate::digest::hex;
use crate::disk;
use crate::fault;
use crate::settings::Limits;

/// Chunks queued between network and disk; a chunk is one read from the socket, about 400 KiB at most.
const CHUNKS_WAITING: usize = 16;

#[derive(Debug, thiserror::Error)]
pub(super) enum SaveError {
    #[error("cannot write the extract to {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Format(#[from] FormatError),
}

/// A file being written by its own thread, so that neither disk nor hash blocks the network.
pub(super) struct Saving<B> {
    chunks: mpsc::Sender<B>,
    writer: JoinHandle<io::Result<(File, u64, String)>>,
    part: PathBuf,
}

impl<B: AsRef<[u8]> + Send + 'static> Saving<B> {
    /// Starts `extract.part` in the directory `into`, which is created if missing. An existing file is overwritten.
    pub(super) fn begin(into: &Path) -> Self {
        let part = into.join(PARTIAL);
        let (chunks, waiting) = mpsc::channel::<B>(CHUNKS_WAITING);
        let path = part.clone();
        let writer = tokio::task::spawn_blocking(move || write(&path, waiting));
        Self { chunks, writer, part }
    }

    /// Sends the next bytes to the thread. After a write error they are dropped; [`Saving::finish`] returns the error.
    pub(super) async fn feed(&self, bytes: B) {
        let _ = self.chunks.send(bytes).await;
    }

    /// Completes the file: detects its format and gives it the final name.
    ///
    /// # Errors
    /// The disk's, or the bytes are not an extract. `extract.part` is kept for inspection until overwritten.
    pub(super) async fn finish(self, limits: &Limits, source_kind: SourceKind) -> Result<Extract, SaveError> {
        let Self { chunks, writer, part } = self;
        drop(chunks);
        let limits = *limits;
        let path = part.clone();
        let finished = async {
            let (file, bytes, sha256) = writer.await.map_err(io::Error::other)??;
            let (form, final_path) =
                tokio::task::spawn_blocking(move || detect_and_rename(file, &path, &limits, source_kind))
                    .await
                    .map_err(io::Error::other)??;
            let (stored, source) = (Stored::Spool { sha256 }, SourceFacts::default());
            Ok::<_, FormatError>(Extract { path: final_path, form, bytes, stored, source })
        };
        match finished.await {
            Ok(extract) => Ok(extract),
            Err(FormatError::Io(error)) => {
                if disk::is_full(&error) {
                    // What was received takes the space that everything else needs now.
                    let _ = std::fs::remove_file(&part);
                }
                Err(SaveError::Io { path: part, error })
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn write<B: AsRef<[u8]>>(path: &Path, mut waiting: mpsc::Receiver<B>) -> io::Result<(File, u64, String)> {
    if let Some(directory) = path.parent() {
        disk::create_private_folder(directory)?;
    }
    let mut file = disk::private_file().read(true).write(true).create(true).truncate(true).open(path)?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    while let Some(chunk) = waiting.blocking_recv() {
        let chunk = chunk.as_ref();
        file.write_all(chunk)?;
        hash.update(chunk);
        bytes += chunk.len() as u64;
    }
    Ok((file, bytes, hex(&hash.finalize())))
}

/// Detects the format and renames. Nothing is synced: if the file does not match the ledger's digest after a power cut,
/// it is downloaded again.
fn detect_and_rename(
    mut file: File,
    part: &Path,
    limits: &Limits,
    source_kind: SourceKind,
) -> Result<(Form, PathBuf), FormatError> {
    let form = sniff::form(&mut file, limits, source_kind)?;
    let path = part.with_file_name(form.file_name());
    fault::step("extract.save", || std::fs::rename(part, &path).or_else(|error| renamed_already(&path, error)))
        .map_err(FormatError::Io)?;
    Ok((form, path))
}

/// Accepts a rename that was already done (the `repeat` fault).
fn renamed_already(path: &Path, error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound && path.is_file() { Ok(()) } else { Err(error) }
}

impl SaveError {
    /// Converts the error of saving `subject`.
    pub(super) fn into_extract(self, subject: &str) -> ExtractError {
        match self {
            Self::Io { ref error, .. } if disk::is_full(error) => ExtractError::DiskFull { what: self.to_string() },
            Self::Io { .. } => ExtractError::later(self.to_string()),
            Self::Format(FormatError::Wrong { what, hint }) => {
                ExtractError::Refused { what: format!("{subject}: {what}"), hint: hint.map(str::to_owned) }
            }
            Self::Format(error) => ExtractError::later(format!("{subject}: {error}")),
        }
    }
}
