//! ⑦ An artifact → a receipt: SFTP and local drops.
//!
//! A delivery is done by one thread from beginning to end: [`Session`] is blocking, and moves between the blocking
//! pool and the run that writes the ledger between its steps:
//! `connect → prepare → (intent in the ledger) → look → publish → (receipt in the ledger)`.
//!
//! [`Session::look`] is for what may have been published before: after a crash, or a verdict of [`Verdict::Unknown`].

mod about;
pub mod doctor;
mod files;
mod found;
pub mod local;
mod names;
mod paced;
mod pickup;
mod session;
mod sessions;
pub mod sftp;
mod side;
pub mod webhook;

pub use about::{About, Parts, Whole};
pub use found::{FinalName, Seen, SeenFile};
pub use pickup::{Ack, Collected, Lies, Sign, Stamp};
pub use session::{FAULT_STEPS, LOCAL_FAULT_STEPS, Put, SIDE_FAULT_STEPS, SPLIT_FAULT_STEPS, Session};
pub use sessions::{Coming, Sessions};

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether a directory, as a pipeline's `path` says it, would leave the destination's base.
pub fn leads_out(directory: &str) -> bool {
    names::components(directory).is_err()
}

/// What is about to be published, written down before the first byte: enough to recognise it after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// In publishing order: the data first, the done file last.
    pub files: Vec<IntendedFile>,
    /// How the rows are cut, where they go in batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutting: Option<Cutting>,
    /// What the reader will write, where it acknowledges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acks: Vec<Ack>,
}

/// How rows are cut into batches. It stands for the whole delivery: a batch's number means something under it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutting {
    /// Rows of a batch, at most.
    pub rows: usize,
    /// Bytes of a batch, about.
    pub bytes: usize,
    /// 1, and one more each time that a person had a delivery cut anew of which nothing was acknowledged.
    pub edition: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntendedFile {
    pub role: Role,
    /// Which file of a set it is, or stands beside; none where it is, or stands for, the whole artifact.
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
    /// A line that `sha256sum -c` reads.
    Checksum,
    /// What is known of the artifact, as JSON.
    Manifest,
    /// Empty, and last.
    Done,
}

/// Proof of one delivery, as the destination knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// `host:port`, or the local base directory.
    pub address: String,
    /// Final path of the data file; of a set, of its first one.
    pub path: String,
    /// Of the artifact: of a set, of all its files one after the other.
    pub bytes: u64,
    pub sha256: String,
    /// The files of a set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ReceivedFile>,
    /// The server's key, `SHA256:…`; none for local drops.
    pub host_key: Option<String>,
    /// What the size or digest check said: `size`, `read_back`, or why none could be made.
    pub verified: String,
    /// How the final name came to be: `posix-rename`, `rename`, `remove+rename`, `direct`, `link`, or `found` after a crash.
    pub published: String,
    /// The beginning of what a webhook's receiver answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What the destination refused and is no failure: a mode, a modification time, fsync.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One file of a set, as it was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedFile {
    /// Its final path.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Intent {
    /// The data files, in their order.
    pub fn data(&self) -> impl Iterator<Item = &IntendedFile> {
        self.files.iter().filter(|file| file.role == Role::Data)
    }
}

impl IntendedFile {
    /// Whether the temporary name is the final one: `publish: direct`.
    pub fn is_direct(&self) -> bool {
        self.temporary == self.final_path
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered(Receipt),
    /// The destination's rule says that nothing is to be done (`existing: keep`).
    Skipped {
        reason: String,
    },
    /// The other side understood and refused: stop, tell.
    Rejected {
        reason: String,
        hint: Option<String>,
    },
    /// As `Rejected`, where servers refuse in passing too: tried again slowly where deliveries have succeeded before.
    Refused {
        what: Refused,
        reason: String,
        hint: Option<String>,
    },
    /// The server is not the one that was pinned, or is not known: stop all deliveries there, tell.
    Distrusted {
        reason: String,
        hint: Option<String>,
    },
    /// The destination says that it is gone for good: nothing goes there until a person says so.
    Gone {
        reason: String,
    },
    /// Nothing was published: try again.
    Unreached {
        reason: String,
        wait: Option<Duration>,
    },
    /// Contact was lost once publishing had begun: look first.
    Unknown {
        reason: String,
    },
}

/// What was refused that may be accepted another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A sign-in by key: a server that is being restarted, or whose directory of accounts is away, knows nobody. Never a
    /// password that was refused, because passwords lock accounts.
    SignIn,
    /// A directory that is not there: the share behind it may not be mounted.
    Directory,
}

impl Verdict {
    /// Why it is not delivered; nothing where it is.
    pub fn into_reason(self) -> String {
        match self {
            Verdict::Rejected { reason, .. }
            | Verdict::Refused { reason, .. }
            | Verdict::Distrusted { reason, .. }
            | Verdict::Unreached { reason, .. }
            | Verdict::Unknown { reason }
            | Verdict::Gone { reason }
            | Verdict::Skipped { reason } => reason,
            Verdict::Delivered(_) => String::new(),
        }
    }

    /// The same failure once the data file is at its final name: "nothing was published" is no longer true.
    fn after_data(self) -> Verdict {
        const PUBLISHED: &str = "the data file is published, a file beside it is not";
        match self {
            Verdict::Unreached { reason, .. } | Verdict::Unknown { reason } => {
                Verdict::Unknown { reason: format!("{PUBLISHED}: {reason}") }
            }
            Verdict::Skipped { reason } => Verdict::Rejected { reason: format!("{PUBLISHED}: {reason}"), hint: None },
            Verdict::Rejected { reason, hint } | Verdict::Refused { reason, hint, .. } => {
                Verdict::Rejected { reason: format!("{PUBLISHED}: {reason}"), hint }
            }
            other @ (Verdict::Delivered(_) | Verdict::Distrusted { .. } | Verdict::Gone { .. }) => other,
        }
    }
}
