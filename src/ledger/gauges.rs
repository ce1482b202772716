//! Figures for metrics: few reads of indexes, of all pipelines at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::operate::late;
use super::state::RunState;
use super::store::Row;
use super::{Ledger, LedgerError};
use crate::expect::Checked;

/// A pipeline that has slots, as metrics show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineFigures {
    pub pipeline: String,
    /// Time of the last delivery; `None` if there was none.
    pub delivered_ms: Option<i64>,
    /// Its first slot.
    pub first_slot_ms: i64,
    /// Since when a slot is late.
    pub late_ms: Option<i64>,
    /// Failed or rejected runs of slots after the last delivered one.
    pub failed: u64,
    pub held: u64,
    pub blocked: u64,
}

impl Ledger {
    /// Returns the figures of every pipeline that has a schedule and a slot.
    pub async fn pipeline_figures(&self) -> Result<Vec<PipelineFigures>, LedgerError> {
        let now = self.clock.now_ms();
        self.read("read the pipelines' figures", move |tx| {
            let late: HashMap<String, i64> = late(tx, now)?.into_iter().collect();
            // Few runs are in these states, and an index finds them.
            let mut counts: HashMap<(String, RunState), u64> = HashMap::new();
            let bad = tx.query(
                "SELECT r.pipeline, r.state, CAST(COUNT(*) AS BIGINT) AS count FROM runs r \
                 WHERE r.state IN ('held', 'blocked') OR (r.state IN ('failed', 'rejected') AND r.rejected_by IS NULL \
                 AND r.dismissed_ms IS NULL \
                 AND r.origin <> 'person' AND NOT EXISTS (SELECT 1 FROM runs d WHERE d.state = 'delivered' \
                 AND d.pipeline = r.pipeline AND d.slot_ms > r.slot_ms)) GROUP BY r.pipeline, r.state",
                &[],
            )?;
            for row in bad {
                counts.insert((row.get("pipeline")?, row.get("state")?), row.get("count")?);
            }
            let rows = tx.query(
                "SELECT p.name, f.first_ms, (SELECT d.updated_ms FROM runs d WHERE d.state = 'delivered' \
                 AND d.pipeline = p.name AND d.input_sha256 = '' ORDER BY d.slot_ms DESC LIMIT 1) AS delivered_ms FROM pipelines p \
                 JOIN (SELECT pipeline, CAST(MIN(slot_ms) AS BIGINT) AS first_ms FROM runs GROUP BY pipeline) f \
                 ON f.pipeline = p.name WHERE p.schedule IS NOT NULL ORDER BY p.name",
                &[],
            )?;
            let figures = |row: &Row| {
                let pipeline: String = row.get("name")?;
                let count = |state| counts.get(&(pipeline.clone(), state)).copied().unwrap_or_default();
                Ok(PipelineFigures {
                    delivered_ms: row.get("delivered_ms")?,
                    first_slot_ms: row.get("first_ms")?,
                    late_ms: late.get(&pipeline).copied(),
                    failed: count(RunState::Failed) + count(RunState::Rejected),
                    held: count(RunState::Held),
                    blocked: count(RunState::Blocked),
                    pipeline,
                })
            };
            rows.iter().map(figures).collect()
        })
        .await
    }

    /// Returns the number of held runs by the expectation that holds them; a run may be held by several.
    pub async fn held_by(&self) -> Result<BTreeMap<String, u64>, LedgerError> {
        self.read("count the held runs", |tx| {
            let mut counts = BTreeMap::new();
            for row in tx.query("SELECT checked_json FROM runs WHERE state = 'held'", &[])? {
                let checked: Checked = row.json("checked_json")?.unwrap_or_default();
                let keys: BTreeSet<&str> = checked.stopped_by().map(|finding| finding.expectation.as_str()).collect();
                for key in keys {
                    *counts.entry(key.to_owned()).or_default() += 1;
                }
            }
            Ok(counts)
        })
        .await
    }

    /// Returns the number of runs in each state in which the worker or a person still has something to do.
    pub async fn open_runs(&self) -> Result<Vec<(RunState, u64)>, LedgerError> {
        use RunState as S;
        self.read("count the runs", |tx| {
            let rows = tx.query(
                "SELECT state, CAST(COUNT(*) AS BIGINT) AS count FROM runs \
                 WHERE state IN ('due', 'extracting', 'transforming', 'delivering', 'held', 'blocked') GROUP BY state",
                &[],
            )?;
            let counted = |row: &Row| Ok((row.get("state")?, row.get("count")?));
            let counts: HashMap<S, u64> = rows.iter().map(counted).collect::<Result<_, LedgerError>>()?;
            let open = [S::Due, S::Extracting, S::Transforming, S::Delivering, S::Held, S::Blocked];
            Ok(open.map(|state| (state, counts.get(&state).copied().unwrap_or_default())).to_vec())
        })
        .await
    }
}
