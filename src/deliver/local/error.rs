//! The verdict for a step that failed at a local directory.

use std::io;
use std::path::Path;

use crate::deliver::Verdict;
use crate::disk::describe_special;
use crate::fault::Injected;

/// Refuses a final name that something other than a regular file has: a link would lead elsewhere.
pub(super) fn refuse_special(path: &Path) -> Result<(), Verdict> {
    let Some(kind) = std::fs::symlink_metadata(path).ok().as_ref().and_then(describe_special) else { return Ok(()) };
    Err(Verdict::Rejected {
        reason: format!("{} is {kind}, not a file", path.display()),
        hint: Some("remove it, or correct the artifact's `name`".to_owned()),
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_tried_again() {
        let full = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let verdict = before_publishing("write", Path::new("/drop/a.csv"), &full);
        assert!(
            matches!(&verdict, Verdict::Retryable { reason, .. } if reason.contains("No space left")),
            "{verdict:?}"
        );
    }
}
