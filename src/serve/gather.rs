//! Gauges, looked up when they are asked for: a few indexed queries, and sizes on disk once a minute.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::Sources;
use crate::ledger::LedgerError;
use crate::measure::{self, set, set_of, set_of_pipeline};
use crate::run::prune;
use crate::schedule::zone::zones;

/// The spool is walked at most this often.
const SIZES_EVERY: SignedDuration = SignedDuration::from_secs(60);

#[derive(Default)]
pub(super) struct Gather {
    /// When sizes were last looked at. Held while gauges are looked up: askers wait for each other.
    sizes: Mutex<Option<(Timestamp, Sizes)>>,
}

#[derive(Clone, Copy)]
struct Sizes {
    spool: u64,
    ledger: u64,
}

impl Gather {
    /// Sets every gauge: one that is not set is left out of the answer, as its pipeline is gone.
    pub async fn all(&self, from: &Sources) -> Result<(), LedgerError> {
        let mut sizes = self.sizes.lock().await;
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
        for (pipeline, since_ms) in late {
            set_of_pipeline("reportferry_late_seconds", &pipeline, seconds(since_ms));
        }
        set("reportferry_pipelines_paused", from.ledger.paused_count().await? as f64);
        for tenant in from.settings.tenants.keys() {
            let left = from.tenants.remaining(tenant).map(|remaining| remaining.at_once);
            let left = left.unwrap_or_else(|| from.settings.tenants[tenant].budget.per_minute);
            set_of("reportferry_budget_requests", "tenant", tenant, f64::from(left));
        }
        for counts in from.ledger.pickup_counts().await? {
            set_of("reportferry_pickups_awaited", "destination", &counts.destination, counts.awaited as f64);
            set_of("reportferry_pickups_overdue", "destination", &counts.destination, counts.overdue as f64);
        }
        let known = sizes.filter(|(at, _)| now.duration_since(*at) < SIZES_EVERY);
        let (at, looked) = match known {
            Some(known) => known,
            None => (now, look(from).await),
        };
        *sizes = Some((at, looked));
        set("reportferry_spool_bytes", looked.spool as f64);
        set("reportferry_ledger_bytes", looked.ledger as f64);
        Ok(())
    }
}

/// Walks the spool, which may hold much: off the async threads.
async fn look(from: &Sources) -> Sizes {
    let (spool, ledger) = (from.settings.data.join("spool"), from.settings.ledger.clone());
    let looked =
        tokio::task::spawn_blocking(move || Sizes { spool: prune::size(&spool), ledger: ledger_size(&ledger) });
    looked.await.unwrap_or(Sizes { spool: 0, ledger: 0 })
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
