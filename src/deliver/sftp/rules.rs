//! What a server's answers mean for a file, in one place: `doctor` and deliveries decide by the same rules.

use super::answer::Status;
use super::packet::code;
use crate::attempt::RenameRefusal;

/// What a refused `fsync@openssh.com` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedSync {
    /// The server offers it and does not do it: the file is as safe as this server makes it.
    Unable,
    /// The disk or the quota is full: the file is not safe.
    Failed,
    /// "Failure" is the answer of a broken disk, and of servers that never sync: [`Client::fsync_works`] tells.
    ///
    /// [`Client::fsync_works`]: super::client::Client::fsync_works
    Unclear,
}

/// Returns what a refused fsync means.
pub fn refused_fsync(status: &Status) -> RefusedSync {
    match status.code {
        code::NO_SPACE | code::QUOTA => RefusedSync::Failed,
        code::FAILURE => RefusedSync::Unclear,
        _ => RefusedSync::Unable,
    }
}

/// What a size that the server reports says about a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measured {
    Whole,
    /// The server reports no size.
    #[default]
    Unknown,
    Other(u64),
}

/// Returns what a reported size says about a file of `expected` bytes.
pub fn measured(reported: Option<u64>, expected: u64) -> Measured {
    match reported {
        None => Measured::Unknown,
        Some(bytes) if bytes == expected => Measured::Whole,
        Some(bytes) => Measured::Other(bytes),
    }
}

/// Returns whether a delivery with `verify: size` takes a file by its size: the one of the open file counts where it
/// agrees or is not reported, else that of the closed one.
pub fn passes_by_size(open: Measured, closed: Measured) -> bool {
    !matches!(open, Measured::Other(_)) || closed == Measured::Whole
}

/// Returns what a refused rename says of another try, where what is at the names does not decide.
pub fn refused_rename(status: &Status) -> RenameRefusal {
    match status.code {
        code::UNSUPPORTED | code::NO_SPACE | code::QUOTA => RenameRefusal::Final,
        _ if says_crossing(status) => RenameRefusal::Final,
        _ if says_held(status) => RenameRefusal::Held,
        _ => RenameRefusal::PerhapsHeld,
    }
}

/// Returns whether the server's text says that a rename cannot go to another file system.
pub fn says_crossing(status: &Status) -> bool {
    let text = status.text.to_lowercase();
    ["cross-device", "cross device", "different disk", "another file system", "different file system"]
        .iter()
        .any(|crossing| text.contains(crossing))
}

/// Texts of servers whose file another process has open: Windows, ProFTPD, gateways and virus scanners.
const HELD_TEXTS: &[&str] = &[
    "another process",
    "in use",
    "being used",
    "sharing violation",
    "locked",
    "lock violation",
    "busy",
    "try again",
    "temporarily",
    "scan",
];

/// Returns whether the server's text says that another process holds the file.
fn says_held(status: &Status) -> bool {
    let text = status.text.to_lowercase();
    HELD_TEXTS.iter().any(|held| text.contains(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u32, text: &str) -> Status {
        Status { code, text: text.to_owned() }
    }

    #[test]
    fn d04_a_refused_fsync_is_a_failure_only_where_the_disk_is_full() {
        for code in [2, 3, 5, 8, 9, 11, 4711] {
            assert_eq!(refused_fsync(&status(code, "")), RefusedSync::Unable, "{code}");
        }
        assert_eq!(refused_fsync(&status(4, "")), RefusedSync::Unclear);
        assert_eq!(refused_fsync(&status(14, "")), RefusedSync::Failed);
        assert_eq!(refused_fsync(&status(15, "")), RefusedSync::Failed);
    }

    #[test]
    fn d03_a_file_that_is_held_is_told_from_one_that_cannot_be_renamed() {
        for code in [2, 3, 4, 5, 9, 10, 11, 17, 4711] {
            assert_eq!(refused_rename(&status(code, "Permission denied")), RenameRefusal::PerhapsHeld, "{code}");
        }
        for code in [8, 14, 15] {
            assert_eq!(refused_rename(&status(code, "")), RenameRefusal::Final, "{code}");
        }
        for text in ["The file is being USED by another process.", "Sharing violation", "file is locked"] {
            assert_eq!(refused_rename(&status(4, text)), RenameRefusal::Held, "{text}");
        }
        assert_eq!(refused_rename(&status(4, "Invalid cross-device link")), RenameRefusal::Final);
    }
}
