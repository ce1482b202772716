//! The bytes of a held run: a release is of these and no others.

use std::path::Path;

use super::{RunContext, spool};
use crate::digest;
use crate::ledger::record::Run;

/// Reasons why the spool does not have the bytes that were held.
#[derive(Debug, thiserror::Error)]
pub enum HeldBytesError {
    #[error("it has no artifact")]
    NoArtifact,
    #[error("its artifact {path} is missing from the spool")]
    Missing { path: String },
    #[error("its artifact {path} cannot be read: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("its artifact {path} was changed in the spool: {found}")]
    Changed { path: String, found: String },
}

impl RunContext {
    /// Checks that the spool still has the artifact that was held, by size and SHA-256. Reads all of it.
    ///
    /// # Errors
    /// It is missing, changed, or cannot be read.
    pub async fn check_held_bytes(&self, run: &Run) -> Result<(), HeldBytesError> {
        let facts = run.artifact.as_ref().ok_or(HeldBytesError::NoArtifact)?;
        let path = self.settings.data.join(spool::artifact(&run.id));
        let (bytes, sha256, shown) = (facts.bytes, facts.sha256.clone(), path.display().to_string());
        let checked = tokio::task::spawn_blocking(move || check(&path, bytes, &sha256)).await;
        let unreadable = |source| HeldBytesError::Unreadable { path: shown.clone(), source };
        match checked.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(None) => Ok(()),
            Ok(Some(found)) => Err(HeldBytesError::Changed { path: shown, found }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(HeldBytesError::Missing { path: shown }),
            Err(error) => Err(unreadable(error)),
        }
    }
}

/// Returns how the file differs from what was recorded, if it does.
fn check(path: &Path, bytes: u64, sha256: &str) -> std::io::Result<Option<String>> {
    let found = std::fs::metadata(path)?.len();
    if found != bytes {
        return Ok(Some(format!("it has {found} bytes in place of {bytes}")));
    }
    let found = digest::of_file(path)?;
    Ok((found != sha256).then(|| format!("its SHA-256 is {found} in place of {sha256}")))
}
