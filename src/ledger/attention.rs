//! Runs that wait for a person: of any day, until somebody has handled them.

use super::next::{Blocker, Need, PartialRows};
use super::record::Run;
use super::rows::partial;
use super::state::{DeliveryState, RunState};
use super::store::{Row, Tx, params};
use super::{Ledger, LedgerError};
use crate::expect::{Checked, Finding};

/// The condition for a run `r` whose content a later one has replaced: the later slot was delivered, and its plan replaces
/// the same paths as a whole.
const SUPERSEDED: &str = "r.replaces IS NOT NULL AND EXISTS (SELECT 1 FROM runs l WHERE l.state = 'delivered' AND l.pipeline = r.pipeline \
                          AND l.slot_ms > r.slot_ms AND l.replaces = r.replaces)";
/// The states in which a run may wait for a person.
const STATES: [RunState; 4] = [RunState::Held, RunState::Blocked, RunState::Failed, RunState::Rejected];
/// Runs named of each pipeline and state; the others are counted.
const NAMED_MAX: i64 = 3;

/// The runs of a pipeline in one state that wait for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRuns {
    pub state: RunState,
    pub count: u64,
    /// The oldest one's slot.
    pub since_ms: i64,
    /// The newest ones, newest first.
    pub newest: Vec<WaitingRun>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRun {
    pub run: String,
    pub slot: String,
    pub slot_ms: i64,
    pub reason: Option<String>,
    /// The expectations that stopped it, by their keys.
    pub expectations: Vec<String>,
    /// Its blocked deliveries.
    pub blockers: Vec<Blocker>,
    /// The rows of its partial deliveries.
    pub partial: Option<PartialRows>,
}

impl WaitingRuns {
    /// Returns what `run` needs.
    pub fn need(&self, run: &WaitingRun) -> Need {
        match self.state {
            RunState::Held => Need::Held,
            RunState::Blocked => Need::Blocked(run.blockers.clone()),
            _ => run.partial.map_or(Need::Failed, Need::Partial),
        }
    }
}

/// The condition for a run `r` that waits for a person.
fn waits() -> String {
    let states = STATES.map(|state| format!("'{}'", state.name())).join(", ");
    format!(
        "r.state IN ({states}) AND r.rejected_by IS NULL AND r.dismissed_ms IS NULL \
         AND (r.state NOT IN ('failed', 'rejected') OR NOT ({SUPERSEDED}))"
    )
}

impl Ledger {
    /// Returns the runs of a pipeline in these states that wait for a person, oldest first.
    pub async fn waiting_runs(&self, pipeline: &str, states: &[RunState]) -> Result<Vec<Run>, LedgerError> {
        let (pipeline, states) = (pipeline.to_owned(), states.to_vec());
        self.read("find the runs that wait", move |tx| {
            let select = format!("SELECT r.id FROM runs r WHERE r.pipeline = $1 AND {} ORDER BY r.slot_ms", waits());
            let mut runs = Vec::new();
            for row in tx.query(&select, params![&pipeline])? {
                runs.extend(super::query::find_run(tx, &row.get::<String>("id")?)?);
            }
            runs.retain(|run| states.contains(&run.state));
            Ok(runs)
        })
        .await
    }

    /// Returns what the run needs from a person, and the later run that replaced its content.
    pub async fn need(&self, run: &Run) -> Result<(Option<Need>, Option<String>), LedgerError> {
        let run = run.clone();
        self.read("find what the run needs", move |tx| {
            let superseded_by = superseded_by(tx, &run)?;
            Ok((Need::of(&run, blockers(tx, &run.id)?, partial(tx, &run.id)?, superseded_by.is_some()), superseded_by))
        })
        .await
    }
}

/// Returns the newest run that replaced the content of this one, if it failed or was rejected.
fn superseded_by(tx: &mut Tx, run: &Run) -> Result<Option<String>, LedgerError> {
    if !matches!(run.state, RunState::Failed | RunState::Rejected) {
        return Ok(None);
    }
    let row = tx.query_opt(
        "SELECT id FROM runs WHERE state = 'delivered' AND pipeline = $1 AND slot_ms > $2 AND replaces = $3 \
         ORDER BY slot_ms DESC LIMIT 1",
        params![&run.pipeline, run.slot_ms, &run.replaces],
    )?;
    row.map(|row| row.get("id")).transpose()
}

/// Returns the blocked deliveries of a run.
pub(super) fn blockers(tx: &mut Tx, run: &str) -> Result<Vec<Blocker>, LedgerError> {
    let rows = tx.query(
        "SELECT destination, offered_key_json FROM deliveries WHERE run_id = $1 AND state = $2 ORDER BY destination",
        params![run, DeliveryState::Blocked.name()],
    )?;
    let blocker =
        |row: &Row| Ok(Blocker { destination: row.get("destination")?, offered: row.json("offered_key_json")? });
    rows.iter().map(blocker).collect()
}

/// Returns what was found about the run's artifact, if that stopped it.
pub(super) fn findings(tx: &mut Tx, run: &str) -> Result<Vec<Finding>, LedgerError> {
    let row = tx.query_opt("SELECT checked_json FROM runs WHERE id = $1", params![run])?;
    let checked: Option<Checked> = row.map_or(Ok(None), |row| row.json("checked_json"))?;
    let checked = checked.unwrap_or_default();
    Ok(if checked.stopped_by().next().is_some() { checked.findings } else { Vec::new() })
}

/// Returns the runs that wait for a person, by pipeline and state.
pub(super) fn waiting(tx: &mut Tx) -> Result<Vec<(String, WaitingRuns)>, LedgerError> {
    let select = format!(
        "SELECT * FROM (SELECT r.pipeline, r.state, r.id, r.slot, r.slot_ms, r.reason, r.checked_json, \
         ROW_NUMBER() OVER (PARTITION BY r.pipeline, r.state ORDER BY r.slot_ms DESC) AS turn, \
         CAST(COUNT(*) OVER (PARTITION BY r.pipeline, r.state) AS BIGINT) AS count, \
         CAST(MIN(r.slot_ms) OVER (PARTITION BY r.pipeline, r.state) AS BIGINT) AS since_ms \
         FROM runs r WHERE {}) AS waiting WHERE turn <= $1 ORDER BY pipeline, state, slot_ms DESC",
        waits()
    );
    let mut found: Vec<(String, WaitingRuns)> = Vec::new();
    for row in tx.query(&select, params![NAMED_MAX])? {
        let (pipeline, state): (String, RunState) = (row.get("pipeline")?, row.get("state")?);
        let run: String = row.get("id")?;
        let blockers = if state == RunState::Blocked { blockers(tx, &run)? } else { Vec::new() };
        let partial = if state == RunState::Failed { partial(tx, &run)? } else { None };
        let (slot, slot_ms, reason) = (row.get("slot")?, row.get("slot_ms")?, row.get("reason")?);
        let checked: Checked = row.json("checked_json")?.unwrap_or_default();
        let expectations = checked.stopped_by().map(|finding| finding.expectation.clone()).collect();
        let waiting = WaitingRun { run, slot, slot_ms, reason, expectations, blockers, partial };
        match found.last_mut().filter(|(of, group)| *of == pipeline && group.state == state) {
            Some((_, group)) => group.newest.push(waiting),
            None => {
                let (count, since_ms) = (row.get("count")?, row.get("since_ms")?);
                found.push((pipeline, WaitingRuns { state, count, since_ms, newest: vec![waiting] }));
            }
        }
    }
    Ok(found)
}
