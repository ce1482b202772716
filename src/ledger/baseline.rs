//! The baseline of a run: accepted headers and assignments, and the rows of delivered runs.

use super::record::Run;
use super::store::{Tx, params};
use super::{Ledger, LedgerError};
use crate::expect::{Baseline, Checked, EARLIER_RUNS_MAX, EarlierRows};

impl Ledger {
    /// Returns what a run's artifact is compared with. Runs of later slots and runs of files count for nothing.
    pub async fn baseline(&self, run: &Run) -> Result<Baseline, LedgerError> {
        let (pipeline, slot_ms) = (run.pipeline.clone(), run.slot_ms);
        self.read("read the baseline", move |tx| {
            let header = accepted(tx, &pipeline, "header")?;
            let scope = accepted(tx, &pipeline, "scope")?;
            let found = tx.query(
                "SELECT id, slot, checked_json FROM runs WHERE state = 'delivered' AND pipeline = $1 AND slot_ms < $2 \
                 AND input_sha256 = '' AND checked_json IS NOT NULL ORDER BY slot_ms DESC LIMIT $3",
                params![&pipeline, slot_ms, EARLIER_RUNS_MAX as i64],
            )?;
            let mut rows = Vec::new();
            for row in found {
                let checked: Checked = row.json("checked_json")?.unwrap_or_default();
                rows.push(EarlierRows { run: row.get("id")?, slot: row.get("slot")?, rows: checked.facts.rows });
            }
            Ok(Baseline { header, scope, rows })
        })
        .await
    }
}

/// Returns the value of this kind that was accepted last.
fn accepted<T: serde::de::DeserializeOwned>(tx: &mut Tx, pipeline: &str, kind: &str) -> Result<Option<T>, LedgerError> {
    const SELECT: &str =
        "SELECT value_json FROM accepted WHERE pipeline = $1 AND kind = $2 ORDER BY at_ms DESC, run_id LIMIT 1";
    tx.query_opt(SELECT, params![pipeline, kind])?.map_or(Ok(None), |row| row.json("value_json"))
}
