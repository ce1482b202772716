//! ⑦ An artifact → a receipt: SFTP servers, folders and webhooks.
//!
//! Destinations that keep files are used by one thread at a time: a [`Session`] blocks, and moves between the blocking pool
//! and the run that writes the ledger: `connect → prepare → (intent in the ledger) → inspect → publish → (receipt in the
//! ledger)`.
//! A webhook ([`webhook::WebhookTarget`]) has no names to inspect, and is async.
//!
//! [`Session::inspect`] is for what may be published already: after a crash, or after [`Verdict::Unknown`].

mod ack_rows;
mod answers;
mod companions;
pub mod doctor;
mod leftover;
pub mod local;
mod names;
mod pickup;
mod probe;
mod publish_target;
mod rate_limit;
mod remote_state;
mod request;
mod session;
mod sessions;
pub mod sftp;
mod steps;
mod target_folder;
pub mod webhook;

pub use ack_rows::{AckAnswers, AnsweredRows};
pub use answers::{OpenRow, RowCounts, RowOutcome, describe_rows};
pub use leftover::Leftover;
pub use pickup::{Ack, PickupKind, PickupOutcome};
pub use remote_state::{FinalName, PathState, RemoteFile, RemoteState, Stamp};
pub use request::{DeliveryMeta, DeliveryRequest};
pub use session::{PendingSession, Session};
pub use sessions::Sessions;
pub use target_folder::{TargetFolder, target_folder};

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Returns true if a directory, given as a pipeline's `path`, would leave the destination's base.
pub fn leaves_base(directory: &str) -> bool {
    names::components(directory).is_err()
}

/// Description of a delivery, recorded before the first byte is sent: enough to recognise it after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// In publishing order: the data first, the done file last.
    pub files: Vec<IntendedFile>,
    /// Batching of the rows, for a webhook that gets rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batching: Option<Batching>,
    /// The acknowledgement that the reader will write, for each data file; empty without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acks: Vec<Ack>,
}

/// Batching of a delivery's rows. Fixed for the whole delivery, because batch numbers depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batching {
    /// Maximum rows of a batch.
    pub rows: usize,
    /// Approximate maximum bytes of a batch.
    pub bytes: usize,
    /// 1, plus one for each time that a person had an unacknowledged delivery batched again.
    pub generation: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntendedFile {
    pub role: Role,
    /// The artifact's file that this is, or is a companion of; `None` for the whole artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<usize>,
    /// Full remote path of the temporary file.
    pub temporary: String,
    /// Full remote path of the final name.
    pub final_path: String,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Data,
    /// A line for `sha256sum -c`.
    Checksum,
    /// Facts about the artifact, as JSON.
    Manifest,
    /// Empty, and last.
    Done,
}

/// Proof of one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// `host:port`, or the local base directory.
    pub address: String,
    /// Final path of the data file; of the first one in a file group.
    pub path: String,
    /// Digest of the artifact; of a file group, of all its files in order.
    pub bytes: u64,
    pub sha256: String,
    /// The files of a file group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ReceivedFile>,
    /// The server's key, `SHA256:…`; `None` for local directories.
    pub host_key: Option<String>,
    /// Verification method: `size`, `read_back`, or the reason why there was none.
    pub verified: String,
    /// Publishing method: `posix-rename`, `rename`, `remove+rename`, `direct`, `link`, or `found` after a
    /// crash.
    pub published: String,
    /// The beginning of a webhook receiver's response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Refusals that did not fail the delivery (a mode, a modification time, fsync), and what became of the files that it
    /// replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the receiver answered for the rows, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Box<RowCounts>>,
}

/// One published file of a file group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedFile {
    /// Its final path.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Intent {
    /// Returns the data files, in order.
    pub fn data(&self) -> impl Iterator<Item = &IntendedFile> {
        self.files.iter().filter(|file| file.role == Role::Data)
    }
}

impl IntendedFile {
    /// Returns true if the temporary name is the final one (`publish: direct`).
    pub fn is_direct(&self) -> bool {
        self.temporary == self.final_path
    }

    /// Returns true if the file and another one have a path in common.
    fn meets(&self, other: &Self) -> bool {
        [&self.temporary, &self.final_path].iter().any(|path| **path == other.temporary || **path == other.final_path)
    }
}

/// Result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered(Receipt),
    /// Nothing to do by the destination's rule (`existing: keep`).
    Skipped {
        reason: String,
    },
    /// Refused by the other side: stop, and alert.
    Rejected {
        reason: String,
        hint: Option<String>,
    },
    /// Refused, but servers refuse this temporarily too: retried slowly if deliveries succeeded here before.
    Refused {
        what: Refused,
        reason: String,
        hint: Option<String>,
    },
    /// The server's key is unknown, or not the pinned one: stop all deliveries to it, and alert.
    HostKeyMismatch {
        reason: String,
        hint: Option<String>,
        /// The key to accept; `None` if it is revoked.
        offered: Option<OfferedKey>,
    },
    /// The destination is gone for good: no deliveries to it until a person resumes them.
    Gone {
        reason: String,
    },
    /// Nothing was published: retry.
    Retryable {
        reason: String,
        wait: Option<Duration>,
    },
    /// Contact was lost after publishing began: inspect first.
    Unknown {
        reason: String,
    },
    /// The final name is taken, and the delivery waits for it (`existing: wait`). Nothing was published.
    NameTaken {
        reason: String,
    },
    /// Contact was lost after a request that must not be sent twice: stop, until a person decides.
    Unconfirmed {
        reason: String,
    },
    /// All was sent, and more rows were refused or not answered for than is allowed: stop, and alert.
    Partial {
        reason: String,
    },
}

/// A host key that a server offered and that nobody accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedKey {
    /// The destination as `trust` takes it: a jump host is `NAME --jump`.
    pub server: String,
    pub fingerprint: String,
}

/// A refusal that may be temporary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Sign-in by key: a server that is restarting, or has lost its account directory, refuses everyone. Never a refused
    /// password, because repeated passwords lock accounts.
    SignIn,
    /// A missing directory: the share behind it may not be mounted.
    Directory,
}

impl Verdict {
    /// Returns why nothing was delivered; empty on success.
    pub fn reason(&self) -> &str {
        match self {
            Verdict::Rejected { reason, .. }
            | Verdict::Refused { reason, .. }
            | Verdict::HostKeyMismatch { reason, .. }
            | Verdict::Retryable { reason, .. }
            | Verdict::Unknown { reason }
            | Verdict::Gone { reason }
            | Verdict::Unconfirmed { reason }
            | Verdict::NameTaken { reason }
            | Verdict::Partial { reason }
            | Verdict::Skipped { reason } => reason,
            Verdict::Delivered(_) => "",
        }
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Verdict::Rejected { hint, .. } | Verdict::Refused { hint, .. } | Verdict::HostKeyMismatch { hint, .. } => {
                hint.as_deref()
            }
            _ => None,
        }
    }

    /// Returns the host key to accept, if that is what it takes.
    pub fn offered_key(&self) -> Option<&OfferedKey> {
        match self {
            Verdict::HostKeyMismatch { offered, .. } => offered.as_ref(),
            _ => None,
        }
    }

    /// Returns the same failure for a data file that already has its final name, so that it no longer claims that nothing
    /// was published.
    fn after_data(self) -> Verdict {
        const PUBLISHED: &str = "the data file is published, a companion file is not";
        match self {
            Verdict::Retryable { reason, .. } | Verdict::Unknown { reason } | Verdict::NameTaken { reason } => {
                Verdict::Unknown { reason: format!("{PUBLISHED}: {reason}") }
            }
            Verdict::Skipped { reason } => Verdict::Rejected { reason: format!("{PUBLISHED}: {reason}"), hint: None },
            Verdict::Rejected { reason, hint } | Verdict::Refused { reason, hint, .. } => {
                Verdict::Rejected { reason: format!("{PUBLISHED}: {reason}"), hint }
            }
            other @ (Verdict::Delivered(_)
            | Verdict::HostKeyMismatch { .. }
            | Verdict::Gone { .. }
            | Verdict::Unconfirmed { .. }
            | Verdict::Partial { .. }) => other,
        }
    }
}
