//! Gauges, looked up when they are asked for: a few indexed queries, and sizes on disk once a minute.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::Sources;
use crate::ledger::LedgerError;
use crate::measure::{self, set, set_of, set_of_pipeline};
use crate::run::prune;
use crate::schedule::zone::zones;

/// The spool is walked at most this often.
const SPOOL_EVERY: SignedDuration = SignedDuration::from_secs(60);

#[derive(Default)]
pub(super) struct Gather {
    /// When the spool was last walked. Held while gauges are looked up: askers wait for each other.
    walked: Mutex<Option<Timestamp>>,
    /// Pipelines that were late at the last look.
    late: Mutex<BTreeSet<String>>,
}

impl Gather {
    pub async fn all(&self, from: &Sources) -> Result<(), LedgerError> {
        let mut walked = self.walked.lock().await;
        let now = from.clock.now();
        measure::build(env!("CARGO_PKG_VERSION"), &zones().version);
        let (pipelines, problems) = from.board.pipelines();
        set("reportferry_pipelines", pipelines as f64);
        set("reportferry_pipelines_with_problems", problems as f64);
        set("reportferry_runs_in_hand", from.board.in_hand() as f64);
        for (state, count) in from.ledger.unended().await? {
            set_of("reportferry_runs", "state", state.name(), count as f64);
        }
        let seconds = |since_ms: i64| (now.as_millisecond() - since_ms).max(0) as f64 / 1000.0;
        for (pipeline, at_ms) in from.ledger.last_deliveries().await? {
            set_of_pipeline("reportferry_last_delivery_age_seconds", &pipeline, seconds(at_ms));
        }
        let late = from.ledger.late().await?;
        set("reportferry_pipelines_late", late.len() as f64);
        let mut was_late = self.late.lock().await;
        for pipeline in std::mem::take(&mut *was_late) {
            set_of_pipeline("reportferry_late_seconds", &pipeline, 0.0);
        }
        for (pipeline, since_ms) in late {
            set_of_pipeline("reportferry_late_seconds", &pipeline, seconds(since_ms));
            was_late.insert(pipeline);
        }
        set("reportferry_pipelines_paused", from.ledger.paused_count().await? as f64);
        for tenant in from.settings.tenants.keys() {
            let left = from.tenants.remaining(tenant).map(|remaining| remaining.at_once);
            let left = left.unwrap_or_else(|| from.settings.tenants[tenant].budget.per_minute);
            set_of("reportferry_budget_requests", "tenant", tenant, f64::from(left));
        }
        if walked.is_none_or(|at| now.duration_since(at) >= SPOOL_EVERY) {
            let (spool, ledger) = (from.settings.data.join("spool"), from.settings.ledger.clone());
            let sizes = tokio::task::spawn_blocking(move || (prune::size(&spool), ledger_size(&ledger))).await;
            if let Ok((spool, ledger)) = sizes {
                set("reportferry_spool_bytes", spool as f64);
                set("reportferry_ledger_bytes", ledger as f64);
            }
            *walked = Some(now);
        }
        Ok(())
    }
}

/// Bytes of the SQLite file and what lies beside it.
fn ledger_size(path: &Path) -> u64 {
    ["", "-wal", "-shm"]
        .iter()
        .map(|ending| {
            let mut file = path.as_os_str().to_owned();
            file.push(ending);
            std::fs::metadata(file).map_or(0, |meta| meta.len())
        })
        .sum()
}
