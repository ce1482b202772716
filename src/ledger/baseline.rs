//! The baseline of a run: accepted headers and assignments, and the rows of delivered runs.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::record::Run;
use super::store::{Row, Tx, params};
use super::{Ledger, LedgerError};
use crate::expect::{Baseline, Checked, Difference, EARLIER_RUNS_MAX, EarlierRows, Facts};
use crate::pipeline::plan::Severity;

/// A fact of delivered runs that later ones are compared with until another is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaselineKind {
    Header,
    Scope,
}

/// The header or the assignments that count now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted<T> {
    pub value: T,
    pub at_ms: i64,
    pub run: String,
    /// The person who accepted it, and why; `None` if a delivered run set it.
    pub by: Option<String>,
    pub because: Option<String>,
}

impl BaselineKind {
    pub const ALL: [Self; 2] = [Self::Header, Self::Scope];

    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Scope => "scope",
        }
    }

    /// Returns the run's fact of this kind, if it has one.
    pub(super) fn of(self, facts: &Facts) -> Option<Value> {
        match self {
            Self::Header if facts.header.is_empty() => None,
            Self::Header => serde_json::to_value(&facts.header).ok(),
            Self::Scope => facts.scope.as_ref().and_then(|scope| serde_json::to_value(scope).ok()),
        }
    }

    /// Returns true if a difference of this kind held the run, or failed it.
    fn stopped(self, checked: &Checked) -> bool {
        let is_its = |difference: &Difference| match self {
            Self::Header => matches!(difference, Difference::Header { .. }),
            Self::Scope => matches!(difference, Difference::Scope { .. }),
        };
        let mut findings = checked.findings.iter();
        findings.any(|finding| finding.severity >= Severity::Hold && finding.difference.as_ref().is_some_and(is_its))
    }
}

impl Ledger {
    /// Returns what a run's artifact is compared with. Runs of later slots and runs of files count for nothing.
    pub async fn baseline(&self, run: &Run) -> Result<Baseline, LedgerError> {
        let (pipeline, slot_ms) = (run.pipeline.clone(), run.slot_ms);
        self.read("read the baseline", move |tx| {
            let header = newest(tx, &pipeline, BaselineKind::Header)?.map(|accepted| accepted.value);
            let scope = newest(tx, &pipeline, BaselineKind::Scope)?.map(|accepted| accepted.value);
            let found = tx.query(
                "SELECT id, slot, checked_json FROM runs WHERE state = 'delivered' AND pipeline = $1 AND slot_ms < $2 \
                 AND input_sha256 = '' AND checked_json IS NOT NULL ORDER BY slot_ms DESC LIMIT $3",
                params![&pipeline, slot_ms, EARLIER_RUNS_MAX as i64],
            )?;
            let (mut rows, mut artifacts) = (Vec::new(), BTreeMap::<String, Vec<EarlierRows>>::new());
            for row in found {
                let checked: Checked = row.json("checked_json")?.unwrap_or_default();
                let (run, slot): (String, String) = (row.get("id")?, row.get("slot")?);
                let earlier = |rows| EarlierRows { run: run.clone(), slot: slot.clone(), rows };
                for (key, facts) in &checked.artifacts {
                    artifacts.entry(key.clone()).or_default().push(earlier(facts.rows));
                }
                rows.push(earlier(checked.facts.rows));
            }
            Ok(Baseline { header, scope, rows, artifacts })
        })
        .await
    }

    /// Returns the value of this kind that was accepted last; `None` before the first delivered run.
    pub async fn accepted<T>(&self, pipeline: &str, kind: BaselineKind) -> Result<Option<Accepted<T>>, LedgerError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let pipeline = pipeline.to_owned();
        self.read("read what was accepted", move |tx| newest(tx, &pipeline, kind)).await
    }
}

/// Makes the facts of a run that is delivered now the baseline of later ones: the first of each kind, and then those that
/// the pipeline does not hold on, so that a change is a warning once. A person accepts the others.
pub(super) fn follow(tx: &mut Tx, run: &str, now: i64) -> Result<(), LedgerError> {
    const SELECT: &str = "SELECT pipeline, slot_ms, checked_json FROM runs \
                          WHERE id = $1 AND input_sha256 = '' AND checked_json IS NOT NULL";
    let Some(row) = tx.query_opt(SELECT, params![run])? else { return Ok(()) };
    let (pipeline, slot_ms): (String, i64) = (row.get("pipeline")?, row.get("slot_ms")?);
    let checked: Checked = row.json("checked_json")?.unwrap_or_default();
    for kind in BaselineKind::ALL {
        let Some(value) = kind.of(&checked.facts) else { continue };
        if let Some(earlier) = newest::<Value>(tx, &pipeline, kind)?
            && (earlier.value == value || kind.stopped(&checked) || is_older(tx, &pipeline, slot_ms, &earlier.run)?)
        {
            continue;
        }
        let accepted = Accepted { value, at_ms: now, run: run.to_owned(), by: None, because: None };
        insert(tx, (&pipeline, kind), &accepted)?;
    }
    Ok(())
}

/// Returns true if the baseline, or a delivered run, is of a later slot: an older one must not replace it.
fn is_older(tx: &mut Tx, pipeline: &str, slot_ms: i64, accepted: &str) -> Result<bool, LedgerError> {
    const LATER: &str = "SELECT id FROM runs WHERE pipeline = $1 AND slot_ms > $2 AND input_sha256 = '' \
                         AND checked_json IS NOT NULL AND (state = 'delivered' OR id = $3) LIMIT 1";
    Ok(tx.query_opt(LATER, params![pipeline, slot_ms, accepted])?.is_some())
}

/// Inserts what counts from now on. It is later than what counted before, also where the clock was set back.
pub(super) fn insert(tx: &mut Tx, of: (&str, BaselineKind), accepted: &Accepted<Value>) -> Result<(), LedgerError> {
    let (pipeline, kind) = (of.0, of.1.name());
    tx.execute(
        "INSERT INTO accepted (pipeline, kind, at_ms, run_id, accepted_by, because, value_json) \
         SELECT $1, $2, CASE WHEN MAX(at_ms) >= $3 THEN MAX(at_ms) + 1 ELSE $3 END, $4, $5, $6, $7 \
         FROM accepted WHERE pipeline = $1 AND kind = $2",
        params![
            pipeline,
            kind,
            accepted.at_ms,
            &accepted.run,
            &accepted.by,
            &accepted.because,
            &accepted.value.to_string()
        ],
    )
    .map(|_| ())
}

/// Returns the value of this kind that counts now.
pub(super) fn newest<T: DeserializeOwned>(
    tx: &mut Tx,
    pipeline: &str,
    kind: BaselineKind,
) -> Result<Option<Accepted<T>>, LedgerError> {
    const SELECT: &str = "SELECT value_json, at_ms, run_id, accepted_by, because FROM accepted \
                          WHERE pipeline = $1 AND kind = $2 ORDER BY at_ms DESC, run_id LIMIT 1";
    let missing = || LedgerError::Unreadable { what: format!("an accepted {} that is NULL", kind.name()) };
    let accepted = |row: Row| {
        Ok(Accepted {
            value: row.json("value_json")?.ok_or_else(missing)?,
            at_ms: row.get("at_ms")?,
            run: row.get("run_id")?,
            by: row.get("accepted_by")?,
            because: row.get("because")?,
        })
    };
    tx.query_opt(SELECT, params![pipeline, kind.name()])?.map(accepted).transpose()
}
