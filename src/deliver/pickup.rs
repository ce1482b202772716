//! Was it picked up? The names of a delivery → what its reader did, as far as the destination shows it.
//!
//! A file that is moved is known by its absence: all data files must be gone, and their directory must still be there (a
//! disk that is not mounted shows no files either). Files beside the data say nothing: some readers leave them.
//!
//! An acknowledgement is known by a change. A name that is used again has that of an earlier file beside it, and the
//! clocks of two machines do not tell which is which: so what lies at its name is looked at before publishing, and only
//! something else (or something, where nothing lay) counts afterwards. The intent keeps it, so a crash changes nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Intent, Role, Session, Verdict};
use crate::encode::name::NameTemplate;
use crate::settings::Pickup;

/// By what a pick-up is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The data is gone.
    Moved,
    /// A file was written beside it.
    AckFile,
}

impl Sign {
    /// What the destination's readers do; `None` where nothing can be known of them.
    pub fn of(pickup: &Pickup) -> Option<Self> {
        match pickup {
            Pickup::None | Pickup::Immediate => None,
            Pickup::Moved { .. } => Some(Self::Moved),
            Pickup::AckFile { .. } => Some(Self::AckFile),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::AckFile => "ack_file",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Moved, Self::AckFile].into_iter().find(|sign| sign.name() == name)
    }
}

/// The acknowledgement of one data file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Full path at the destination.
    pub path: String,
    /// What lay there before the data was published; `None` for nothing.
    pub before: Option<Stamp>,
}

/// What tells a file from the one that lay there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub bytes: Option<u64>,
    /// By the destination's clock, and compared with itself alone: seconds over SFTP, nanoseconds in a folder.
    pub modified: Option<i64>,
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lies {
    Absent,
    There(Stamp),
    /// The server does not say.
    Hidden {
        why: String,
    },
}

/// What is known of the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collected {
    PickedUp {
        how: String,
    },
    NotYet,
    /// It could not be looked at.
    Unseen {
        why: String,
    },
}

impl Session {
    /// The acknowledgements that the delivery of `intent` will wait for, with what lies at their names now. To be called
    /// before anything is published.
    ///
    /// # Errors
    /// `Rejected` for a name that is none or that another file of the delivery has, `Unreached` when contact is lost.
    pub fn acks(&mut self, pickup: &Pickup, intent: &Intent) -> Result<Vec<Ack>, Verdict> {
        match pickup {
            Pickup::AckFile { name, .. } => acks(name, intent, |path| self.lies_at(path)),
            Pickup::None | Pickup::Immediate | Pickup::Moved { .. } => Ok(Vec::new()),
        }
    }

    /// Looks whether what was delivered to `address` was picked up. Reads and changes nothing.
    ///
    /// # Errors
    /// `Unreached` when contact is lost.
    pub fn collected(&mut self, sign: Sign, address: &str, intent: &Intent) -> Result<Collected, Verdict> {
        if let Some(here) = self.address().filter(|here| *here != address) {
            let why = format!("it was delivered to {address}, and the destination is {here} now");
            return Ok(Collected::Unseen { why });
        }
        collected(sign, intent, |path| self.lies_at(path))
    }
}

fn data(intent: &Intent) -> impl Iterator<Item = &str> {
    intent.files.iter().filter(|file| file.role == Role::Data).map(|file| file.final_path.as_str())
}

fn acks(
    template: &NameTemplate,
    intent: &Intent,
    mut lies_at: impl FnMut(&str) -> Result<Lies, Verdict>,
) -> Result<Vec<Ack>, Verdict> {
    let rejected = |reason: String| Verdict::Rejected {
        reason,
        hint: Some("correct the `ack_file` of the destination's `pickup`".to_owned()),
    };
    let mut acks = Vec::new();
    for path in data(intent) {
        let (directory, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        let name = template.render_done(name).map_err(|error| rejected(error.to_string()))?;
        let path = format!("{directory}{name}");
        if let Some(other) = intent.files.iter().find(|file| file.final_path == path) {
            return Err(rejected(format!("the acknowledgement has the {}'s name, {path}", other.role.in_words())));
        }
        let before = match lies_at(&path)? {
            Lies::There(stamp) => Some(stamp),
            // Where it is not shown now, it will not be shown later: then no pick-up is ever seen.
            Lies::Absent | Lies::Hidden { .. } => None,
        };
        acks.push(Ack { path, before });
    }
    Ok(acks)
}

fn collected(
    sign: Sign,
    intent: &Intent,
    mut lies_at: impl FnMut(&str) -> Result<Lies, Verdict>,
) -> Result<Collected, Verdict> {
    match sign {
        Sign::Moved => moved(intent, &mut lies_at),
        Sign::AckFile => acknowledged(&intent.acks, &mut lies_at),
    }
}

fn moved(intent: &Intent, lies_at: &mut impl FnMut(&str) -> Result<Lies, Verdict>) -> Result<Collected, Verdict> {
    let mut directories = BTreeSet::new();
    for path in data(intent) {
        match lies_at(path)? {
            Lies::There(_) => return Ok(Collected::NotYet),
            Lies::Hidden { why } => return Ok(Collected::Unseen { why }),
            Lies::Absent => directories.extend(path.rfind('/').map(|at| &path[..at.max(1)])),
        }
    }
    for directory in directories {
        if lies_at(directory)? == Lies::Absent {
            return Ok(Collected::Unseen { why: format!("its directory {directory} is not there") });
        }
    }
    Ok(match data(intent).next() {
        Some(_) => Collected::PickedUp { how: "its reader took it away".to_owned() },
        None => Collected::Unseen { why: "it is not known which file it was".to_owned() },
    })
}

fn acknowledged(acks: &[Ack], lies_at: &mut impl FnMut(&str) -> Result<Lies, Verdict>) -> Result<Collected, Verdict> {
    for ack in acks {
        match lies_at(&ack.path)? {
            Lies::There(stamp) if ack.before != Some(stamp) => {}
            Lies::There(_) | Lies::Absent => return Ok(Collected::NotYet),
            Lies::Hidden { why } => return Ok(Collected::Unseen { why }),
        }
    }
    Ok(match acks {
        [] => Collected::Unseen { why: "nothing was said of an acknowledgement when it was delivered".to_owned() },
        [first, ..] => Collected::PickedUp { how: format!("its reader wrote {}", first.path) },
    })
}

#[cfg(test)]
mod tests;
