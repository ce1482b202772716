//! A local CSV, or a ZIP with one, as the source.

use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use super::save::Saving;
use super::sniff::SourceKind;
use super::{Extract, ExtractError};
use crate::disk;
use crate::progress::Progress;
use crate::settings::Limits;

const COPY_BYTES: usize = 256 << 10;

/// Copies `path` into the spool directory `into`. A hard link would not do: the file may be edited in place.
///
/// # Errors
/// `Refused` if there is no such file or it is not a CSV; `Later` if it changed while being copied, or the disk is
/// full.
pub(super) async fn collect(
    path: &Path,
    into: &Path,
    limits: &Limits,
    progress: &Progress,
) -> Result<Extract, ExtractError> {
    let before = facts(path).await?;
    if before.0 > limits.download_bytes {
        return Err(ExtractError::refused(
            format!(
                "{} has {} bytes, more than limits.download_bytes ({})",
                path.display(),
                before.0,
                limits.download_bytes
            ),
            "raise limits.download_bytes",
        ));
    }
    progress.extract.set(0);
    progress.extract.expect(before.0);
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
    if facts(path).await? != before {
        return Err(ExtractError::later(format!("{} changed while being copied", path.display())));
    }
    saving.finish(limits, SourceKind::Local).await.map_err(|error| error.into_extract(&path.display().to_string()))
}

/// Returns size and time of the last change.
async fn facts(path: &Path) -> Result<(u64, Option<SystemTime>), ExtractError> {
    let facts = tokio::fs::metadata(path).await.map_err(|error| unreadable(path, &error))?;
    if let Some(kind) = disk::describe_special(&facts) {
        return Err(ExtractError::Refused { what: format!("{} is {kind}, not a file", path.display()), hint: None });
    }
    Ok((facts.len(), facts.modified().ok()))
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
