//! Checks whether the reader picked up a delivery, as far as the destination shows it.
//!
//! A moved file is recognised by its absence: all data files must be gone while their directory still exists (an unmounted
//! disk shows no files either). Companion files prove nothing, because some readers leave them.
//!
//! An acknowledgement is recognised by a change. If a name is reused, the acknowledgement of an earlier file may still
//! exist, and clocks of two machines cannot be compared. So its path is inspected before publishing, and only a different
//! file counts afterwards. The intent records that state, so a crash changes nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::remote_state::{PathState, Stamp};
use super::session::Session;
use super::{Intent, Verdict};
use crate::name::NameTemplate;
use crate::pipeline::plan::AckRows;
use crate::settings::Pickup;

/// Evidence of a pickup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickupKind {
    /// The data is gone.
    Moved,
    /// The reader wrote an acknowledgement file.
    AckFile,
}

impl PickupKind {
    /// Returns how the destination's readers show a pickup; `None` if they do not.
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
        [Self::Moved, Self::AckFile].into_iter().find(|kind| kind.name() == name)
    }
}

/// The acknowledgement of one data file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Full path at the destination.
    pub path: String,
    /// State of the path before the data was published.
    pub before: Option<Stamp>,
    /// How answers for single rows are read from it, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<AckRows>,
}

/// Result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PickupOutcome {
    PickedUp {
        how: String,
    },
    NotYet,
    /// The destination could not be inspected.
    Unknown {
        why: String,
    },
}

impl Session {
    /// Returns the acknowledgements to wait for, with the present state of their paths. Call it before anything is
    /// published.
    ///
    /// # Errors
    /// `Rejected` for a name that is invalid or belongs to another file of the delivery, `Retryable` when contact is lost.
    pub fn acks(&mut self, pickup: &Pickup, intent: &Intent) -> Result<Vec<Ack>, Verdict> {
        match pickup {
            Pickup::AckFile { name, .. } => acks(name, intent, |path| self.path_state(path)),
            Pickup::None | Pickup::Immediate | Pickup::Moved { .. } => Ok(Vec::new()),
        }
    }

    /// Checks if the delivery to `address` was picked up. Changes nothing.
    ///
    /// # Errors
    /// `Retryable` when contact is lost.
    pub fn check_pickup(&mut self, kind: PickupKind, address: &str, intent: &Intent) -> Result<PickupOutcome, Verdict> {
        if let Some(here) = self.address().filter(|here| *here != address) {
            let why = format!("it was delivered to {address}, and the destination is now {here}");
            return Ok(PickupOutcome::Unknown { why });
        }
        check_pickup(kind, intent, |path| self.path_state(path))
    }
}

impl Session {
    /// Reads the acknowledgement files of a delivery that was picked up. Changes nothing.
    ///
    /// # Errors
    /// `Retryable` when contact is lost; `Rejected` if a file is too large or cannot be read.
    pub fn read_acks(&mut self, intent: &Intent) -> Result<Vec<(AckRows, Vec<u8>)>, Verdict> {
        let mut files = Vec::new();
        for Ack { path, rows, before: _ } in &intent.acks {
            if let Some(rows) = rows {
                files.push((rows.clone(), self.read_file(path, rows.bytes_max)?));
            }
        }
        Ok(files)
    }
}

fn data(intent: &Intent) -> impl Iterator<Item = &str> {
    intent.data().map(|file| file.final_path.as_str())
}

fn acks(
    template: &NameTemplate,
    intent: &Intent,
    mut path_state: impl FnMut(&str) -> Result<PathState, Verdict>,
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
            return Err(rejected(format!("the acknowledgement has the {}'s name, {path}", other.role.label())));
        }
        let before = match path_state(&path)? {
            PathState::There(stamp) => Some(stamp),
            // A name that the server hides now stays hidden: no pickup would ever be seen.
            PathState::Absent | PathState::Hidden { .. } => None,
        };
        acks.push(Ack { path, before, rows: None });
    }
    Ok(acks)
}

fn check_pickup(
    kind: PickupKind,
    intent: &Intent,
    mut path_state: impl FnMut(&str) -> Result<PathState, Verdict>,
) -> Result<PickupOutcome, Verdict> {
    match kind {
        PickupKind::Moved => moved(intent, &mut path_state),
        PickupKind::AckFile => acknowledged(&intent.acks, &mut path_state),
    }
}

fn moved(
    intent: &Intent,
    path_state: &mut impl FnMut(&str) -> Result<PathState, Verdict>,
) -> Result<PickupOutcome, Verdict> {
    let mut directories = BTreeSet::new();
    for path in data(intent) {
        match path_state(path)? {
            PathState::There(_) => return Ok(PickupOutcome::NotYet),
            PathState::Hidden { why } => return Ok(PickupOutcome::Unknown { why }),
            PathState::Absent => directories.extend(path.rfind('/').map(|at| &path[..at.max(1)])),
        }
    }
    for directory in directories {
        if path_state(directory)? == PathState::Absent {
            return Ok(PickupOutcome::Unknown { why: format!("its directory {directory} is not there") });
        }
    }
    Ok(match data(intent).next() {
        Some(_) => PickupOutcome::PickedUp { how: "its reader took it away".to_owned() },
        None => PickupOutcome::Unknown { why: "it is not known which file it was".to_owned() },
    })
}

fn acknowledged(
    acks: &[Ack],
    path_state: &mut impl FnMut(&str) -> Result<PathState, Verdict>,
) -> Result<PickupOutcome, Verdict> {
    for ack in acks {
        match path_state(&ack.path)? {
            PathState::There(stamp) if ack.before != Some(stamp) => {}
            PathState::There(_) | PathState::Absent => return Ok(PickupOutcome::NotYet),
            PathState::Hidden { why } => return Ok(PickupOutcome::Unknown { why }),
        }
    }
    Ok(match acks {
        [] => PickupOutcome::Unknown { why: "no acknowledgement was expected when it was delivered".to_owned() },
        [first, ..] => PickupOutcome::PickedUp { how: format!("its reader wrote {}", first.path) },
    })
}

#[cfg(test)]
mod tests;
