//! Permissions and times of files and new directories. If the system refuses one (network mounts do), that is not a
//! failure.

use std::fs::{self, File, FileTimes};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::error::before_publishing;
use crate::deliver::Verdict;

/// Sets the mode and times of a file. Returns what the system refused, as text.
pub(super) fn set(file: &File, mode: Option<u32>, modified: Option<Timestamp>) -> Vec<String> {
    let mut refused = Vec::new();
    if let Some(mode) = mode
        && let Err(error) = set_mode(mode, |permissions| file.set_permissions(permissions))
    {
        refused.push(format!("the system refused the mode {mode:04o}: {error}"));
    }
    if let Some(modified) = modified {
        let since = Duration::try_from(modified.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
        let at = SystemTime::UNIX_EPOCH + since;
        if let Err(error) = file.set_times(FileTimes::new().set_accessed(at).set_modified(at)) {
            refused.push(format!("the system refused the modification time: {error}"));
        }
    }
    refused
}

/// Creates a directory and its parents; new ones get `mode`. Returns what the system refused, as text.
///
/// # Errors
/// A directory cannot be created.
pub(super) fn make_directories(directory: &Path, mode: Option<u32>) -> Result<Option<String>, Verdict> {
    let mut refused = None;
    let missing: Vec<&Path> =
        directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && fs::metadata(path).is_err()).collect();
    for path in missing.into_iter().rev() {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(_) if path.is_dir() => continue, // another delivery made it
            Err(error) => return Err(before_publishing("make the directory", path, &error)),
        }
        if let Some(mode) = mode
            && let Err(error) = set_mode(mode, |permissions| fs::set_permissions(path, permissions))
        {
            refused = Some(format!("the system refused the mode {mode:04o} for {}: {error}", path.display()));
        }
    }
    Ok(refused)
}

/// Changes permission bits by `set`.
pub(super) fn set_mode(mode: u32, set: impl FnOnce(fs::Permissions) -> io::Result<()>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    set(fs::Permissions::from_mode(mode))
}
