//! The history of a run: typed events, stored as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One entry of a run's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub at_ms: i64,
    pub event: RunEvent,
}

/// An event of a run. Some move the run to another state: see [`RunState::after`](super::state::RunState::after).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEvent {
    Entered {
        slot: String,
    },
    /// Entered by a person, with the rows of a file in place of the source's.
    EnteredFile {
        slot: String,
        path: String,
        sha256: String,
    },
    Backfilled {
        by: String,
    },
    ReplayOf {
        run: String,
        slot: String,
    },
    Retried {
        by: String,
    },
    Released {
        by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person accepted its header or the account's assignments as the baseline of later runs.
    Accepted {
        kind: String,
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It failed by an expectation: its artifact and extract are not used again.
    ArtifactDiscarded {
        reason: String,
    },
    Extracting,
    ExportStarted {
        execution_id: String,
    },
    ExportExpired,
    ExtractDelayed {
        reason: String,
    },
    ExtractDamaged {
        reason: String,
    },
    Requests {
        sent: String,
    },
    Extracted {
        bytes: u64,
        sha256: String,
    },
    Transforming,
    /// A step of the transform dropped, merged or added rows.
    RowsChanged {
        step: usize,
        kind: String,
        share: String,
        rows: u64,
        /// The artifact, if there are several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        artifact: Option<String>,
    },
    Transformed {
        name: String,
        rows: u64,
        bytes: u64,
        sha256: String,
    },
    Delivering {
        reason: Option<String>,
    },
    AttemptEnded {
        destination: String,
        number: u32,
        verdict: String,
        reason: Option<String>,
    },
    PickedUp {
        destination: String,
        reason: String,
    },
    PickupOverdue {
        destination: String,
        reason: String,
    },
    PickupSuperseded {
        destination: String,
        reason: String,
    },
    Delivered,
    Skipped {
        reason: String,
    },
    Held {
        reason: String,
    },
    Blocked {
        reason: String,
    },
    Failed {
        reason: String,
    },
    /// A destination refused the artifact for good.
    Rejected {
        reason: String,
    },
    /// A person rejected it.
    RejectedBy {
        by: String,
        reason: String,
    },
    Cancelled {
        by: String,
        reason: String,
    },
    /// A person marked it as needing nothing more; its state stays.
    Dismissed {
        by: String,
        reason: String,
    },
    /// The export of a source besides the main one.
    OtherExportStarted {
        source: String,
        execution_id: String,
    },
    OtherExportExpired {
        source: String,
    },
    OtherExtracted {
        source: String,
        bytes: u64,
        sha256: String,
    },
    /// Its receipt made its rows the ones that later runs of a `delta` are compared with.
    BaselineMoved {
        destination: String,
        sha256: String,
        keys: u64,
    },
    /// It was delivered, but later runs are compared with another one's rows.
    BaselineKept {
        destination: String,
        reason: String,
    },
    /// The reader of a delivered file refused more rows than is allowed, or did not answer for some.
    RowsRefused {
        destination: String,
        reason: String,
    },
}

impl RunEvent {
    /// Returns what happened in a word or two: `export started`.
    pub fn name(&self) -> String {
        self.parts().0.replace('_', " ")
    }

    /// Returns the details: `bytes 15048, sha256 3d6f…`, or only the text if there is no other field.
    pub fn detail(&self) -> String {
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields: Vec<_> = self.parts().1.into_iter().filter(|(_, value)| !value.is_null()).collect();
        match &fields[..] {
            [(_, value)] => shown(value),
            fields => {
                let named = fields.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), shown(value)));
                named.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// Name and fields, as stored.
    fn parts(&self) -> (String, Map<String, Value>) {
        match serde_json::to_value(self) {
            Ok(Value::Object(event)) => match event.into_iter().next() {
                Some((name, Value::Object(fields))) => (name, fields),
                _ => Default::default(), // each has one key, and under it its fields
            },
            Ok(Value::String(name)) => (name, Map::new()),
            _ => Default::default(),
        }
    }
}
