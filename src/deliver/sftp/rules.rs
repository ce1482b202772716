//! Meaning of a server's responses for a file: shared by `doctor` and deliveries.

use crate::attempt::RenameRefusal;
use crate::sftp::{Status, code};

/// Comparison of a reported size with the expected one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Measured {
    Whole,
    /// The server reports no size.
    #[default]
    Unknown,
    Other(u64),
}

/// Compares a reported size with `expected` bytes.
pub(super) fn measured(reported: Option<u64>, expected: u64) -> Measured {
    match reported {
        None => Measured::Unknown,
        Some(bytes) if bytes == expected => Measured::Whole,
        Some(bytes) => Measured::Other(bytes),
    }
}

/// Returns true if a delivery with `verify: size` accepts a file by its size: that of the open file if it matches or is not
/// reported, else that of the closed one.
pub(super) fn passes_by_size(open: Measured, closed: Measured) -> bool {
    !matches!(open, Measured::Other(_)) || closed == Measured::Whole
}

/// Returns true if a refused rename may be repeated, where the state of the paths does not decide.
pub(super) fn refused_rename(status: &Status) -> RenameRefusal {
    match status.code {
        code::UNSUPPORTED | code::NO_SPACE | code::QUOTA => RenameRefusal::Final,
        _ if says_cross_device(status) => RenameRefusal::Final,
        _ if says_in_use(status) => RenameRefusal::Held,
        _ => RenameRefusal::PerhapsHeld,
    }
}

/// Returns true if the server's text means that a rename cannot cross file systems.
pub(super) fn says_cross_device(status: &Status) -> bool {
    let text = status.text.to_lowercase();
    ["cross-device", "cross device", "different disk", "another file system", "different file system"]
        .iter()
        .any(|crossing| text.contains(crossing))
}

/// Messages of servers for a file that another process has open: Windows, ProFTPD, gateways and virus scanners.
const IN_USE_TEXTS: &[&str] = &[
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

/// Returns true if the server's text means that another process holds the file.
fn says_in_use(status: &Status) -> bool {
    let text = status.text.to_lowercase();
    IN_USE_TEXTS.iter().any(|held| text.contains(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u32, text: &str) -> Status {
        Status { code, text: text.to_owned() }
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
