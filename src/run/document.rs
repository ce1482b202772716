//! The JSON document of one run, printed by `run` and `show`. Its names are an interface.

use std::collections::BTreeMap;

use serde::Serialize;

use super::spool::{DROPPED_ROWS, dropped_rows_of, open_rows};
use crate::deliver::{ReceivedFile, RowCounts, RowOutcome};
use crate::encode::GroupFile;
use crate::expect::{DeltaFacts, DroppedExample, DroppedFacts, Finding, PartFacts};
use crate::extract::SourceFacts;
use crate::ledger::next::{Need, Runs, next_command};
use crate::ledger::record::{ArtifactFacts, Delivery, Pickup, Run};
use crate::ledger::state::{DeliveryState, PickupState, RunState};
use crate::ledger::{Event, Ledger, LedgerError, RunEvent};
use crate::schedule::slot::InputFile;

#[derive(Clone, Debug, Serialize)]
pub struct Document {
    pub run: String,
    pub pipeline: String,
    /// RFC 3339 in the pipeline's zone.
    pub slot: String,
    pub state: RunState,
    pub reason: Option<String>,
    /// The file that was run in place of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<InputFile>,
    /// `schedule`, `person` or `backfill`; only for text output.
    #[serde(skip)]
    pub origin: &'static str,
    /// The changes of records that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsDocument>,
    /// The row balance of the transform, and the number of delivered rows.
    pub rows: Option<serde_json::Value>,
    /// The rows that steps dropped by `on_error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_rows: Option<DroppedDocument>,
    /// The rows that steps of several artifacts dropped, by the artifact's key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped_rows_of: BTreeMap<String, DroppedDocument>,
    pub artifact: Option<ArtifactDocument>,
    /// The changes since the last delivered file, if the pipeline delivers only those, and what they were compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<DeltaFacts>,
    /// What was found about the artifact, the most severe first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The person who released or rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionDocument>,
    pub deliveries: Vec<DeliveryDocument>,
    /// A person's mark that nothing more is to be done for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dismissed: Option<DismissalDocument>,
    /// The later run that replaced its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// The next command; null where nothing is left to do.
    pub next: Option<String>,
}

/// Times are RFC 3339, UTC.
#[derive(Clone, Debug, Serialize)]
pub struct RecordsDocument {
    /// The moment since which records had changed; null for all records.
    pub updated_from: Option<String>,
    /// The moment up to which changes were read: the next run continues there once this one is delivered.
    pub watermark: String,
}

impl RecordsDocument {
    fn of(source: &SourceFacts) -> Option<Self> {
        // The ledger keeps times as the platform writes them.
        let rfc_3339 = |time: &String| format!("{}Z", time.replacen(' ', "T", 1));
        let updated_from = source.updated_from.as_ref().map(rfc_3339);
        Some(Self { updated_from, watermark: rfc_3339(source.watermark.as_ref()?) })
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct DismissalDocument {
    /// RFC 3339, UTC.
    pub at: String,
    pub by: String,
    pub because: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct DecisionDocument {
    /// `released` or `rejected`.
    pub decision: &'static str,
    /// RFC 3339, UTC.
    pub at: String,
    pub by: String,
    pub because: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DroppedDocument {
    pub rows: u64,
    /// Those in the file: at most 100,000.
    pub kept: u64,
    /// The file, below the data folder, for as long as the artifact is kept.
    pub file: String,
    /// The first ones.
    pub first: Vec<DroppedExample>,
}

impl DroppedDocument {
    fn of(run: &Run, facts: Option<&DroppedFacts>, file: &str) -> Option<Self> {
        let DroppedFacts { total: rows, kept, first } = facts.cloned()?;
        Some(Self { rows, kept, file: format!("spool/{}/{file}", run.id), first })
    }

    fn of_parts(run: &Run) -> BTreeMap<String, Self> {
        let parts = run.checked.artifacts.iter();
        let part = |(key, part): (&String, &PartFacts)| {
            Some((key.clone(), Self::of(run, part.dropped_rows.as_ref(), &dropped_rows_of(key))?))
        };
        parts.filter_map(part).collect()
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct ArtifactDocument {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    /// Its files, if it is split, or the artifacts of one run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<GroupFile>,
    /// The files in it, if it is a ZIP of several artifacts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<GroupFile>,
}

impl ArtifactDocument {
    fn of(artifact: &ArtifactFacts) -> Self {
        let in_set = |is_archive| {
            let set = artifact.set.as_ref().filter(|set| set.is_archive == is_archive);
            set.map_or(Vec::new(), |set| set.files.clone())
        };
        Self {
            name: artifact.name.clone(),
            bytes: artifact.bytes,
            sha256: artifact.sha256.clone(),
            files: in_set(false),
            entries: in_set(true),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct DeliveryDocument {
    pub destination: String,
    pub state: DeliveryState,
    pub attempts: u32,
    pub reason: Option<String>,
    /// What the receiver answered for the rows, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsDocument>,
    pub receipt: Option<ReceiptDocument>,
    /// The state of its pickup, if it is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pickup: Option<PickupDocument>,
}

/// `sent` is the sum of the others.
#[derive(Clone, Debug, Serialize)]
pub struct RowsDocument {
    pub sent: u64,
    pub accepted: u64,
    pub refused: u64,
    pub unanswered: u64,
    /// The files of refused and of unanswered rows, below the data folder, for as long as the artifact is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl RowsDocument {
    fn of(delivery: &Delivery) -> Option<Self> {
        let counts = delivery.rows?;
        let file = |outcome| open_rows(&delivery.run_id, &delivery.destination, outcome).display().to_string();
        let of = [(RowOutcome::Refused, counts.refused()), (RowOutcome::NoAnswer, counts.unanswered())];
        Some(Self {
            sent: counts.sent(),
            accepted: counts.accepted(),
            refused: counts.refused(),
            unanswered: counts.unanswered(),
            files: of.into_iter().filter(|(_, count)| *count > 0).map(|(outcome, _)| file(outcome)).collect(),
        })
    }
}

/// Times are RFC 3339, UTC.
#[derive(Clone, Debug, Serialize)]
pub struct PickupDocument {
    /// `pending`, `picked_up`, `overdue` or `superseded`.
    pub state: PickupState,
    /// The deadline; null if there is none.
    pub due: Option<String>,
    /// The time at which this state was observed.
    pub at: Option<String>,
    /// The evidence for the state, or why it could not be checked.
    pub reason: Option<String>,
}

impl From<Pickup> for PickupDocument {
    fn from(pickup: Pickup) -> Self {
        Self { state: pickup.state, due: pickup.due_ms.map(utc), at: pickup.at_ms.map(utc), reason: pickup.reason }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct ReceiptDocument {
    pub address: String,
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    /// RFC 3339, UTC.
    pub at: String,
    pub host_key: Option<String>,
    /// The files of a split artifact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ReceivedFile>,
    /// What the receiver answered for the rows, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCounts>,
    /// Refusals by the destination that are not failures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Document {
    /// Reads the document of a run.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn of(ledger: &Ledger, run: &Run) -> Result<Self, LedgerError> {
        let deliveries = ledger.deliveries(&run.id).await?;
        let delivered = deliveries.iter().filter_map(|delivery| Some(delivery.receipt.as_ref()?.rows)).max();
        let (need, superseded_by) = ledger.need(run).await?;
        let is_decided = run.released_by.is_some() || run.rejected_by.is_some();
        let decision = if is_decided { decision(&ledger.events(&run.id).await?) } else { None };
        let mut rows = run.rows.clone();
        if let Some(serde_json::Value::Object(rows)) = &mut rows {
            rows.insert("delivered".to_owned(), delivered.unwrap_or(0).into());
        }
        Ok(Self {
            run: run.id.clone(),
            pipeline: run.pipeline.clone(),
            slot: run.slot.clone(),
            state: run.state,
            reason: run.reason.clone(),
            input: run.input.clone(),
            origin: run.origin.name(),
            records: run.extract.as_ref().and_then(|extract| RecordsDocument::of(&extract.source)),
            rows,
            dropped_rows: DroppedDocument::of(run, run.checked.dropped_rows.as_ref(), DROPPED_ROWS),
            dropped_rows_of: DroppedDocument::of_parts(run),
            artifact: run.artifact.as_ref().map(ArtifactDocument::of),
            delta: run.checked.facts.delta.clone(),
            findings: run.checked.findings.clone(),
            decision,
            next: need
                .or_else(|| overdue_pickup(&deliveries))
                .map(|need| next_command(&need, &run.pipeline, Runs::One(&run.id))),
            deliveries: deliveries.into_iter().map(DeliveryDocument::from).collect(),
            dismissed: run.dismissed.clone().map(|mark| DismissalDocument {
                at: utc(mark.at_ms),
                by: mark.by,
                because: mark.because,
            }),
            superseded_by,
        })
    }
}

/// Returns the last decision about a held run.
fn decision(events: &[Event]) -> Option<DecisionDocument> {
    events.iter().rev().find_map(|Event { at_ms, event }| {
        let (decision, by, because) = match event {
            RunEvent::Released { by, reason } => ("released", by, reason.as_ref()),
            RunEvent::RejectedBy { by, reason } => ("rejected", by, Some(reason)),
            _ => return None,
        };
        let because = because.filter(|because| !because.is_empty()).cloned();
        Some(DecisionDocument { decision, at: utc(*at_ms), by: by.clone(), because })
    })
}

fn overdue_pickup(deliveries: &[Delivery]) -> Option<Need> {
    let is_overdue =
        |delivery: &&Delivery| delivery.pickup.as_ref().is_some_and(|pickup| pickup.state == PickupState::Overdue);
    let overdue = deliveries.iter().find(is_overdue)?;
    Some(Need::PickupOverdue { destination: overdue.destination.clone() })
}

impl From<Delivery> for DeliveryDocument {
    fn from(delivery: Delivery) -> Self {
        Self {
            rows: RowsDocument::of(&delivery),
            destination: delivery.destination,
            state: delivery.state,
            attempts: delivery.attempts,
            reason: delivery.reason,
            receipt: delivery.receipt.map(|stored| ReceiptDocument {
                at: utc(stored.ended_ms),
                address: stored.receipt.address,
                path: stored.receipt.path,
                bytes: stored.receipt.bytes,
                sha256: stored.receipt.sha256,
                host_key: stored.receipt.host_key,
                files: stored.receipt.files,
                rows: stored.receipt.rows.map(|rows| *rows),
                notes: stored.receipt.notes,
            }),
            pickup: delivery.pickup.map(PickupDocument::from),
        }
    }
}

/// Formats milliseconds since the epoch as RFC 3339 in UTC.
pub fn utc(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}
