//! What a look at the destination found, and what it means for publishing.

use super::{IntendedFile, Intent, Role};

/// Why only the size is known, where nobody asked for more.
pub(super) const NOT_READ: &str = "it was not read back";

/// One entry for each file of the intent, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub files: Vec<SeenFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFile {
    pub final_name: FinalName,
    /// The temporary file is there, whole or not.
    pub temporary: bool,
}

/// What lies at the final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinalName {
    Absent,
    /// Our size and our digest.
    Ours,
    /// Our size; the server would not let it be read.
    SameSize {
        why: String,
    },
    /// Something else.
    Other {
        bytes: Option<u64>,
    },
    /// The server does not say.
    Hidden {
        why: String,
    },
}

impl Seen {
    /// Whether data of the intent may be published already, so that its names must be kept.
    pub fn data_may_be_final(&self, intent: &Intent) -> bool {
        let data = intent.files.iter().zip(&self.files).filter(|(file, _)| file.role == Role::Data);
        data.into_iter().any(|(_, seen)| match seen.final_name {
            FinalName::Ours | FinalName::Hidden { .. } => true,
            // A rename leaves no temporary: with one there, the final name is somebody else's.
            FinalName::SameSize { .. } => !seen.temporary,
            FinalName::Absent | FinalName::Other { .. } => false,
        })
    }
}

impl SeenFile {
    /// How it is known that `file` is published already; `None` when it has to be published.
    ///
    /// A file of our size that cannot be read counts as ours only where nothing may be replaced: the name was free when
    /// the intent was written. Where replacing is allowed, publishing again is harmless and certain. An empty done file
    /// looks like the one of any earlier slot, so that one is published again wherever it may be replaced.
    pub(super) fn published(&self, file: &IntendedFile, replacing: bool) -> Option<String> {
        match &self.final_name {
            FinalName::Ours if file.role == Role::Done && replacing => None,
            FinalName::Ours => Some("read_back".to_owned()),
            // A rename leaves no temporary: with one there, the final name is somebody else's.
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
            let seen = SeenFile { final_name, temporary };
            assert_eq!(seen.published(&file, replacing).as_deref(), published, "{seen:?} {role:?} {replacing}");
        }
    }
}
