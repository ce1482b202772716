//! The ledger's records, as types.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::state::{DeliveryState, PickupState, RunState};
use crate::deliver::{Intent, OfferedKey, PickupKind, Receipt, RowCounts};
use crate::encode::{Artifact, FileGroup, RowsPlace};
use crate::expect::Checked;
use crate::extract::{Extract, FileFacts, Form, SourceFacts, Stored};
use crate::schedule::slot::{InputFile, Slot};

/// Origin of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Schedule,
    Person,
    Backfill,
}

super::store::named_column!(Origin, PickupKind);

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Person => "person",
            Self::Backfill => "backfill",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Schedule, Self::Person, Self::Backfill].into_iter().find(|origin| origin.name() == name)
    }
}

/// One run: the work for one slot.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    pub pipeline: String,
    pub slot_ms: i64,
    /// RFC 3339 in the pipeline's zone.
    pub slot: String,
    pub state: RunState,
    pub reason: Option<String>,
    /// Person who released it from a hold.
    pub released_by: Option<String>,
    /// Person who rejected it.
    pub rejected_by: Option<String>,
    /// The mark that nothing more is to be done for it, if a person set it.
    pub dismissed: Option<Dismissal>,
    /// The paths whose whole content its delivery replaces; `None` where it adds to what is there.
    pub replaces: Option<String>,
    pub plan_digest: String,
    /// The file that was run in place of the source.
    pub input: Option<InputFile>,
    /// The source's execution, recorded before the first request about it.
    pub execution_id: Option<String>,
    pub extract: Option<ExtractFacts>,
    /// The other sources, by name.
    pub others: BTreeMap<String, OtherSource>,
    pub rows: Option<serde_json::Value>,
    pub artifact: Option<ArtifactFacts>,
    /// What was found about the artifact.
    pub checked: Checked,
    pub origin: Origin,
    /// Time at which the worker next has something to do.
    pub next_run_at_ms: Option<i64>,
    /// Deadline of the slot.
    pub deadline_ms: Option<i64>,
    pub entered_ms: i64,
    pub updated_ms: i64,
}

/// A person's mark on a run that failed or was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    pub at_ms: i64,
    pub by: String,
    pub because: String,
}

impl Run {
    /// Returns its slot, in the pipeline's zone.
    pub fn slot(&self, zone: TimeZone) -> Slot {
        let at = Timestamp::from_millisecond(self.slot_ms).unwrap_or_default();
        Slot::new(&self.pipeline, at, zone).with_input(self.input.clone())
    }
}

/// A run with something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnableRun {
    pub run: String,
    pub pipeline: String,
    pub slot_ms: i64,
    pub state: RunState,
    pub input: Option<InputFile>,
    /// A person started it with `run`, maybe with a file from elsewhere.
    pub by_person: bool,
}

/// Data to recognise an extract in the spool, or a file that was read in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractFacts {
    pub zip: bool,
    pub bytes: u64,
    pub sha256: String,
    /// The file that was read in place; `None` if the extract is in the spool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<ReadFile>,
    #[serde(default)]
    pub source: SourceFacts,
}

/// The state of a source besides the main one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSource {
    /// Recorded before the first request about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<ExtractFacts>,
}

/// A file that was read where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFile {
    pub path: String,
    #[serde(flatten)]
    pub facts: FileFacts,
}

impl ExtractFacts {
    /// Returns what to record of an extract with this digest.
    pub fn of(extract: &Extract, sha256: &str) -> Self {
        let read_file = |facts: &FileFacts| ReadFile { path: extract.path.display().to_string(), facts: *facts };
        Self {
            zip: extract.form == Form::Zip,
            bytes: extract.bytes,
            sha256: sha256.to_owned(),
            file: if let Stored::InPlace(facts) = &extract.stored { Some(read_file(facts)) } else { None },
            source: extract.source.clone(),
        }
    }

    pub fn form(&self) -> Form {
        if self.zip { Form::Zip } else { Form::Csv }
    }
}

/// Data to recognise an artifact in the spool, and to verify it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFacts {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    pub rows: u64,
    #[serde(default)]
    pub columns: Vec<String>,
    /// The place from which requests read the rows.
    pub rows_in: RowsPlace,
    /// Its files, if it is split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<FileGroup>,
}

impl ArtifactFacts {
    /// Returns the artifact at this path.
    pub fn at(self, path: PathBuf) -> Artifact {
        let Self { name, bytes, sha256, rows, columns, rows_in, set } = self;
        Artifact { path, name, bytes, sha256, rows, columns, rows_in, set }
    }

    pub fn of(artifact: &Artifact) -> Self {
        Self {
            name: artifact.name.clone(),
            bytes: artifact.bytes,
            sha256: artifact.sha256.clone(),
            rows: artifact.rows,
            columns: artifact.columns.clone(),
            rows_in: artifact.rows_in.clone(),
            set: artifact.set.clone(),
        }
    }
}

/// The delivery of one artifact to one destination.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub run_id: String,
    pub destination: String,
    pub required: bool,
    pub state: DeliveryState,
    pub reason: Option<String>,
    /// Attempts started, in total.
    pub attempts: u32,
    /// Failures in a row since the backoff began.
    pub failures: u32,
    /// Start of the backoff.
    pub since_ms: Option<i64>,
    /// Time of the next attempt.
    pub due_ms: Option<i64>,
    pub intent: Option<Intent>,
    /// The host key that blocks it.
    pub offered: Option<OfferedKey>,
    /// What the receiver answered for the rows, if it does.
    pub rows: Option<RowCounts>,
    pub receipt: Option<StoredReceipt>,
    /// Pickup by the reader.
    pub pickup: Option<Pickup>,
}

/// State of a pickup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pickup {
    pub kind: PickupKind,
    pub state: PickupState,
    /// Deadline of the reader; `None` if there is none.
    pub due_ms: Option<i64>,
    /// Time of the worker's next check.
    pub next_poll_ms: Option<i64>,
    /// Time at which it reached its present state.
    pub at_ms: Option<i64>,
    /// Evidence for the state, or the reason why the check failed.
    pub reason: Option<String>,
}

/// A receipt with facts about its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    pub receipt: Receipt,
    pub attempt: u32,
    pub rows: u64,
    pub started_ms: i64,
    pub ended_ms: i64,
}

/// One attempt at a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub destination: String,
    pub number: u32,
    pub started_ms: i64,
    pub ended_ms: Option<i64>,
    pub verdict: Option<String>,
    pub reason: Option<String>,
}
