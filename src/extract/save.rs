//! Bytes as they come → `extract.part`, hashed on the way, then renamed: a final name never holds part of an extract.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::open::hex;
use super::sniff::{self, SourceKind, Unfit};
use super::{Extract, ExtractError, Form};
use crate::fault;
use crate::settings::Limits;

/// Chunks that wait between the network and the disk; a chunk is what the socket gave at once, some 400 KiB at most.
const CHUNKS_WAITING: usize = 16;

/// Why a save failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SaveError {
    #[error("cannot write the extract to {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Unfit(#[from] Unfit),
}

/// A file being written by its own thread, so that neither the disk nor the hash holds up the network.
pub(super) struct Saving<B> {
    chunks: mpsc::Sender<B>,
    writer: JoinHandle<io::Result<(File, u64, String)>>,
    part: PathBuf,
}

impl<B: AsRef<[u8]> + Send + 'static> Saving<B> {
    /// Begins `extract.part` in the directory `into`, which is made if need be; what lay there is written over.
    pub fn begin(into: &Path) -> Self {
        let part = into.join("extract.part");
        let (chunks, waiting) = mpsc::channel::<B>(CHUNKS_WAITING);
        let path = part.clone();
        let writer = tokio::task::spawn_blocking(move || write(&path, waiting));
        Self { chunks, writer, part }
    }

    /// Hands over the next bytes. Once the writing has failed they go nowhere; [`Saving::finish`] says why.
    pub async fn feed(&self, bytes: B) {
        let _ = self.chunks.send(bytes).await;
    }

    /// Ends the file: looks what it is and gives it its final name.
    ///
    /// # Errors
    /// The disk's, or that the bytes are no extract. `extract.part` stays, to be looked at or written over.
    pub async fn finish(self, limits: &Limits, source_kind: SourceKind) -> Result<Extract, SaveError> {
        let Self { chunks, writer, part } = self;
        drop(chunks);
        let limits = *limits;
        let path = part.clone();
        let settled = async {
            let (file, bytes, sha256) = writer.await.map_err(io::Error::other)??;
            let (form, final_path) = tokio::task::spawn_blocking(move || settle(file, &path, &limits, source_kind))
                .await
                .map_err(io::Error::other)??;
            Ok::<_, Unfit>(Extract { path: final_path, form, bytes, sha256 })
        };
        match settled.await {
            Ok(extract) => Ok(extract),
            Err(Unfit::Io(error)) => Err(SaveError::Io { path: part, error }),
            Err(unfit) => Err(unfit.into()),
        }
    }
}

fn write<B: AsRef<[u8]>>(path: &Path, mut waiting: mpsc::Receiver<B>) -> io::Result<(File, u64, String)> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
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

/// Sniffs and renames. Nothing is synced: after a power cut the digest in the ledger tells whether the file is whole,
/// and the same execution is downloaded again where it is not.
fn settle(mut file: File, part: &Path, limits: &Limits, source_kind: SourceKind) -> Result<(Form, PathBuf), Unfit> {
    let form = sniff::form(&mut file, limits, source_kind)?;
    let path = part.with_file_name(form.file_name());
    fault::step("extract.save", || std::fs::rename(part, &path).or_else(|error| renamed_already(&path, error)))
        .map_err(Unfit::Io)?;
    Ok((form, path))
}

/// A rename that is done twice (the `repeat` fault) finds its work done.
fn renamed_already(path: &Path, error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound && path.is_file() { Ok(()) } else { Err(error) }
}

impl SaveError {
    /// In the words of a run: `subject` is what was being saved.
    pub fn into_extract(self, subject: &str) -> ExtractError {
        match self {
            Self::Io { .. } => ExtractError::later(self.to_string()),
            Self::Unfit(Unfit::Wrong { what, hint }) => {
                ExtractError::Refused { what: format!("{subject}: {what}"), hint: hint.map(str::to_owned) }
            }
            Self::Unfit(unfit) => ExtractError::later(format!("{subject}: {unfit}")),
        }
    }
}
