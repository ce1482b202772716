//! What the ledger keeps, as types.

use serde::{Deserialize, Serialize};

use super::state::{DeliveryState, PickupState, RunState};
use crate::deliver::{Intent, Receipt, Sign};
use crate::encode::{Artifact, FileSet};
use crate::extract::{Extract, Form};
use crate::pipeline::plan::CsvDialect;

/// Who asked for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Schedule,
    Person,
    Backfill,
}

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

/// One run: the work done for one slot.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    pub pipeline: String,
    pub slot_ms: i64,
    /// RFC 3339 in the pipeline's zone.
    pub slot: String,
    pub state: RunState,
    pub reason: Option<String>,
    /// Who let it pass a hold.
    pub released_by: Option<String>,
    /// Who said that it is never to be delivered.
    pub rejected_by: Option<String>,
    pub plan_digest: String,
    /// The source's execution, written down before it was first asked about.
    pub ticket: Option<String>,
    pub extract: Option<ExtractFacts>,
    pub rows: Option<serde_json::Value>,
    pub artifact: Option<ArtifactFacts>,
    pub origin: Origin,
    /// When there is next something to do for the worker.
    pub wake_ms: Option<i64>,
    /// When it is late.
    pub deadline_ms: Option<i64>,
    pub entered_ms: i64,
    pub updated_ms: i64,
}

/// A run for which there is something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awake {
    pub run: String,
    pub pipeline: String,
    pub slot_ms: i64,
    pub state: RunState,
    /// A person asked for it by `run`; maybe of a file that lies elsewhere.
    pub by_person: bool,
}

/// What is needed to recognise an extract in the spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractFacts {
    pub zip: bool,
    pub bytes: u64,
    pub sha256: String,
}

impl ExtractFacts {
    pub fn of(extract: &Extract) -> Self {
        Self { zip: extract.form == Form::Zip, bytes: extract.bytes, sha256: extract.sha256.clone() }
    }

    pub fn form(&self) -> Form {
        if self.zip { Form::Zip } else { Form::Csv }
    }
}

/// What is needed to recognise an artifact in the spool, and to prove it afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFacts {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    pub rows: u64,
    #[serde(default)]
    pub columns: Vec<String>,
    /// What an older ledger does not say is read as the pipeline says now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<CsvDialect>,
    /// Its files, where it is split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<FileSet>,
}

impl ArtifactFacts {
    pub fn of(artifact: &Artifact) -> Self {
        Self {
            name: artifact.name.clone(),
            bytes: artifact.bytes,
            sha256: artifact.sha256.clone(),
            rows: artifact.rows,
            columns: artifact.columns.clone(),
            dialect: Some(artifact.dialect.clone()),
            set: artifact.set.clone(),
        }
    }
}

/// One artifact to one destination.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub run_id: String,
    pub destination: String,
    pub required: bool,
    pub state: DeliveryState,
    pub reason: Option<String>,
    /// Attempts begun, ever.
    pub attempts: u32,
    /// Failures in a row since the retry schedule began.
    pub failures: u32,
    /// When the retry schedule began.
    pub since_ms: Option<i64>,
    /// When the next attempt is due.
    pub due_ms: Option<i64>,
    pub intent: Option<Intent>,
    pub receipt: Option<StoredReceipt>,
    /// Where its reader picks it up.
    pub pickup: Option<Pickup>,
}

/// Whether a delivery was picked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pickup {
    pub sign: Sign,
    pub state: PickupState,
    /// When the reader's time is over; `None` where nobody waits.
    pub due_ms: Option<i64>,
    /// When the worker looks next.
    pub look_ms: Option<i64>,
    /// When it came to the state that it is in.
    pub at_ms: Option<i64>,
    /// How that is known, or why it could not be looked at.
    pub reason: Option<String>,
}

/// A receipt with what the ledger knows of its making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    pub receipt: Receipt,
    pub attempt: u32,
    pub rows: u64,
    pub started_ms: i64,
    pub ended_ms: i64,
}

/// One try at a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub destination: String,
    pub number: u32,
    pub started_ms: i64,
    pub ended_ms: Option<i64>,
    pub verdict: Option<String>,
    pub reason: Option<String>,
}

/// One line of a run's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub at_ms: i64,
    pub what: String,
    pub detail: String,
}
