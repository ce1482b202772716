//! A local CSV, or a ZIP with one, as the source: read in place, or copied first.

use std::io::Read;
use std::path::Path;

use super::save::{SaveError, Saving};
use super::sniff::{self, SourceKind};
use super::{Extract, ExtractError, FileFacts, SourceFacts, Stored};
use crate::disk;
use crate::progress::Progress;
use crate::settings::Limits;

const COPY_BYTES: usize = 256 << 10;

/// Finds the file's format and facts. Nothing of its rows is read.
///
/// # Errors
/// `Refused` if there is no such file or it is not a CSV.
pub(super) async fn in_place(path: &Path, limits: &Limits, progress: &Progress) -> Result<Extract, ExtractError> {
    progress.extract.set(0);
    progress.extract.expect(0);
    let facts = facts(path, limits).await?;
    let (mut file, limits) = (disk::open_regular(path).map_err(|error| unreadable(path, &error))?, *limits);
    let sniff = move || sniff::form(&mut file, &limits, SourceKind::Local);
    let form =
        tokio::task::spawn_blocking(sniff).await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()));
    let form = form.map_err(|error| SaveError::Format(error).into_extract(&path.display().to_string()))?;
    let (stored, source) = (Stored::InPlace(facts), SourceFacts::default());
    Ok(Extract { path: path.to_owned(), form, bytes: facts.bytes, stored, source })
}

/// Copies `path` into the spool directory `into`. A hard link would not do: the file may be edited in place.
///
/// # Errors
/// `Refused` if there is no such file or it is not a CSV; `Later` if it changed while being copied, or the disk is
/// full.
pub(super) async fn copy(
    path: &Path,
    into: &Path,
    limits: &Limits,
    progress: &Progress,
) -> Result<Extract, ExtractError> {
    let before = facts(path, limits).await?;
    progress.extract.set(0);
    progress.extract.expect(before.bytes);
    let mut file = disk::open_regular(path).map_err(|error| unreadable(path, &error))?;
    let saving = Saving::begin(into);
    loop {
        let (read, chunk) = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; COPY_BYTES];
            let read = file.read(&mut chunk);
            (
                read.map(|read| {
                    chunk.truncate(read);
                    file
                }),
                chunk,
            )
        })
        .await
        .map_err(|error| ExtractError::later(format!("copying {} failed: {error}", path.display())))?;
        file = read.map_err(|error| unreadable(path, &error))?;
        if chunk.is_empty() {
            break;
        }
        progress.extract.add(chunk.len() as u64);
        saving.feed(chunk).await;
    }
    if facts(path, limits).await? != before {
        return Err(ExtractError::later(format!("{} changed while being copied", path.display())));
    }
    saving.finish(limits, SourceKind::Local).await.map_err(|error| error.into_extract(&path.display().to_string()))
}

/// Returns the facts of a file that is not too large.
async fn facts(path: &Path, limits: &Limits) -> Result<FileFacts, ExtractError> {
    let metadata = tokio::fs::metadata(path).await.map_err(|error| unreadable(path, &error))?;
    if let Some(kind) = disk::describe_special(&metadata) {
        return Err(ExtractError::Refused { what: format!("{} is {kind}, not a file", path.display()), hint: None });
    }
    if metadata.len() > limits.download_bytes {
        let (path, bytes, limit) = (path.display(), metadata.len(), limits.download_bytes);
        let what = format!("{path} has {bytes} bytes, more than limits.download_bytes ({limit})");
        return Err(ExtractError::refused(what, "raise limits.download_bytes"));
    }
    Ok(FileFacts::of(&metadata))
}

fn unreadable(path: &Path, error: &std::io::Error) -> ExtractError {
    ExtractError::refused(
        format!("cannot read {}: {error}", path.display()),
        "relative paths start at the settings file's folder",
    )
}

/// Describes the source for `plan`.
pub(super) fn declared(path: &Path) -> Vec<String> {
    vec![format!("reads {}", path.display())]
}
