//! The verdict for a step that failed at a local directory.

use std::io;
use std::path::Path;

use crate::deliver::Verdict;
use crate::fault::Injected;

/// Returns true for an injected loss of contact. For a disk, that is the process's own death before the next step.
pub(super) fn is_lost(error: &io::Error) -> bool {
    error.get_ref().and_then(|error| error.downcast_ref()) == Some(&Injected::Lost)
}

/// Returns the verdict for a step that failed before anything was published.
pub(super) fn before_publishing(doing: &str, path: &Path, error: &io::Error) -> Verdict {
    let reason = format!("{doing} {}: {error}", path.display());
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "make the directory, or set `mkdir: true` for the destination",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let the worker's account write there, or deliver to another directory"
        }
        io::ErrorKind::NotADirectory => {
            "a part of the path is a file: correct the delivery's `path` or the destination's `path`"
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => {
            "a directory has the file's name: remove it, or correct the artifact's `name`"
        }
        io::ErrorKind::QuotaExceeded => "free space in the account's quota, then retry",
        _ => return Verdict::Retryable { reason, wait: None },
    };
    Verdict::Rejected { reason, hint: Some(hint.to_owned()) }
}
