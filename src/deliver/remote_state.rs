//! State of the intent's names at the destination, and what it means for publishing.

use serde::{Deserialize, Serialize};

use super::{IntendedFile, Intent, Role};

/// Reason for knowing only the size, if no more was requested.
pub(super) const NOT_READ: &str = "it was not read back";

/// State of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathState {
    Absent,
    There(Stamp),
    /// The server does not report it.
    Hidden {
        why: String,
    },
}

/// Attributes that distinguish a file from an earlier one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub bytes: Option<u64>,
    /// By the destination's clock, compared only with itself: seconds over SFTP, nanoseconds in a folder.
    pub modified: Option<i64>,
}

/// One entry for each file of the intent, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteState {
    pub files: Vec<RemoteFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    pub final_name: FinalName,
    /// The temporary file exists, complete or not.
    pub temporary: bool,
}

/// State of the final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinalName {
    Absent,
    /// Our size and our digest.
    Ours,
    /// Our size; the content could not be read.
    SameSize {
        why: String,
    },
    /// Something else.
    Other {
        bytes: Option<u64>,
    },
    /// The server does not report it.
    Hidden {
        why: String,
    },
}

impl RemoteState {
    /// Returns true if data of the intent may be published already, so that its names must be kept.
    pub fn data_may_be_final(&self, intent: &Intent) -> bool {
        let data = intent.files.iter().zip(&self.files).filter(|(file, _)| file.role == Role::Data);
        data.into_iter().any(|(_, seen)| match seen.final_name {
            FinalName::Ours | FinalName::Hidden { .. } => true,
            // A rename leaves no temporary: with one there, the final name is not ours.
            FinalName::SameSize { .. } => !seen.temporary,
            FinalName::Absent | FinalName::Other { .. } => false,
        })
    }
}

impl RemoteFile {
    /// Returns how `file` was recognised as published already; `None` if it must be published.
    ///
    /// An unreadable file of our size counts as ours only if nothing may be replaced, because the name was free when the
    /// intent was written. If replacing is allowed, publishing again is harmless and certain. An empty done file looks
    /// like that of any earlier slot, so it is published again if it may be replaced.
    pub(super) fn published(&self, file: &IntendedFile, replacing: bool) -> Option<String> {
        match &self.final_name {
            FinalName::Ours if file.role == Role::Done && replacing => None,
            FinalName::Ours => Some("read_back".to_owned()),
            // A rename leaves no temporary: with one there, the final name is not ours.
            FinalName::SameSize { why } if !replacing && !self.temporary => Some(format!("size; {why}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_decides_what_is_published_again() {
        let same_size = FinalName::SameSize { why: "reading is refused".to_owned() };
        let other = FinalName::Other { bytes: Some(1) };
        let hidden = FinalName::Hidden { why: "stat is refused".to_owned() };
        for (role, replacing, final_name, temporary, published) in [
            (Role::Data, false, FinalName::Ours, false, Some("read_back")),
            (Role::Data, true, FinalName::Ours, true, Some("read_back")),
            (Role::Done, false, FinalName::Ours, false, Some("read_back")),
            (Role::Done, true, FinalName::Ours, false, None),
            (Role::Data, false, same_size.clone(), false, Some("size; reading is refused")),
            (Role::Data, false, same_size.clone(), true, None),
            (Role::Data, true, same_size, false, None),
            (Role::Data, false, other, false, None),
            (Role::Data, false, hidden, false, None),
            (Role::Data, false, FinalName::Absent, false, None),
        ] {
            let file = IntendedFile {
                role,
                of: None,
                temporary: ".a.part".to_owned(),
                final_path: "a".to_owned(),
                bytes: 3,
                sha256: String::new(),
            };
            let seen = RemoteFile { final_name, temporary };
            assert_eq!(seen.published(&file, replacing).as_deref(), published, "{seen:?} {role:?} {replacing}");
        }
    }
}
