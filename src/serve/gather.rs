//! Gauges, read when metrics are requested: a few indexed queries, and sizes on disk once a minute.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::Sources;
use crate::disk;
use crate::ledger::{LedgerError, PipelineFigures};
use crate::measure::{self, PipelineGauges, set, set_of};
use crate::run::prune;
use crate::schedule::zone::zones;
use crate::settings::{LedgerSettings, Settings};
use crate::telemetry;

/// The spool is walked at most this often.
const SIZES_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Longest wait for the disks' free space.
const DISK_MAX: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Gather {
    /// Held while gauges are collected: concurrent requests wait.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    by_pipeline: PipelineGauges,
    /// Time of the last measurement of sizes.
    sizes: Option<(Timestamp, Sizes)>,
}

#[derive(Clone, Copy)]
struct Sizes {
    spool: u64,
    ledger: u64,
}

impl Gather {
    /// Sets every gauge: one that is not set is left out of the response, because its pipeline was removed.
    pub(super) async fn all(&self, from: &Sources) -> Result<(), LedgerError> {
        let mut last = self.last.lock().await;
        let now = from.clock.now();
        measure::log_lines_lost(telemetry::lost());
        for (folder, free) in free_space(&from.settings).await {
            set_of("reportferry_free_space_bytes", "folder", &folder, free as f64);
        }
        measure::build(env!("CARGO_PKG_VERSION"), &zones().version);
        let (pipelines, problems) = from.health.pipelines();
        set("reportferry_pipelines", pipelines as f64);
        set("reportferry_pipelines_with_problems", problems as f64);
        set("reportferry_heartbeat_age_seconds", from.health.beat_age_ms(now) as f64 / 1000.0);
        set("reportferry_runs_active", from.health.active() as f64);
        for (state, count) in from.ledger.open_runs().await? {
            set_of("reportferry_runs", "state", state.name(), count as f64);
        }
        for (expectation, count) in from.ledger.held_by().await? {
            set_of("reportferry_runs_held_by_expectation", "expectation", &expectation, count as f64);
        }
        let figures = from.ledger.pipeline_figures().await?;
        set("reportferry_pipelines_late", figures.iter().filter(|figures| figures.late_ms.is_some()).count() as f64);
        last.by_pipeline.begin();
        for figures in &figures {
            set_figures(&mut last.by_pipeline, figures, now);
        }
        set("reportferry_pipelines_paused", from.ledger.paused_count().await? as f64);
        for tenant in from.settings.tenants.keys() {
            let left = from.tenants.remaining(tenant).map(|remaining| remaining.at_once);
            let left = left.unwrap_or_else(|| from.settings.tenants[tenant].budget.per_minute);
            set_of("reportferry_budget_requests", "tenant", tenant, f64::from(left));
        }
        for counts in from.ledger.pickup_counts().await? {
            set_of("reportferry_pickups_pending", "destination", &counts.destination, counts.pending as f64);
            set_of("reportferry_pickups_overdue", "destination", &counts.destination, counts.overdue as f64);
        }
        let known = last.sizes.filter(|(at, _)| now.duration_since(*at) < SIZES_EVERY);
        let (at, looked) = match known {
            Some(known) => known,
            None => (now, sizes_on_disk(from).await?),
        };
        last.sizes = Some((at, looked));
        set("reportferry_spool_bytes", looked.spool as f64);
        set("reportferry_ledger_bytes", looked.ledger as f64);
        Ok(())
    }
}

/// Sets a pipeline's gauges, all of them: alerts and dashboards find a series from its first slot on.
fn set_figures(gauges: &mut PipelineGauges, figures: &PipelineFigures, now: Timestamp) {
    let seconds = |since_ms: i64| (now.as_millisecond() - since_ms).max(0) as f64 / 1000.0;
    let pipeline = &figures.pipeline;
    if let Some(delivered_ms) = figures.delivered_ms {
        gauges.set("reportferry_last_delivery_age_seconds", pipeline, seconds(delivered_ms));
    }
    let never = if figures.delivered_ms.is_some() { 0.0 } else { seconds(figures.first_slot_ms) };
    gauges.set("reportferry_never_delivered_seconds", pipeline, never);
    gauges.set("reportferry_late_seconds", pipeline, figures.late_ms.map_or(0.0, seconds));
    gauges.set("reportferry_runs_failed", pipeline, figures.failed as f64);
    gauges.set("reportferry_runs_held", pipeline, figures.held as f64);
    gauges.set("reportferry_runs_blocked", pipeline, figures.blocked as f64);
}

/// Returns the free space for the data folder and the ledger's file. A folder that does not respond in time is left out.
async fn free_space(settings: &Settings) -> Vec<(String, u64)> {
    let mut folders = vec![("data".to_owned(), settings.data.clone())];
    if let LedgerSettings::Sqlite(path) = &settings.ledger {
        folders.extend(path.parent().map(|folder| ("ledger".to_owned(), folder.to_owned())));
    }
    let measured = move || {
        let measured = folders.into_iter().filter_map(|(name, folder)| Some((name, disk::space(&folder).ok()?.free)));
        measured.collect()
    };
    let measured = tokio::time::timeout(DISK_MAX, tokio::task::spawn_blocking(measured)).await;
    measured.ok().and_then(Result::ok).unwrap_or_default()
}

/// Measures the spool on a blocking thread: it may hold many files.
async fn sizes_on_disk(from: &Sources) -> Result<Sizes, LedgerError> {
    let spool = from.settings.data.join("spool");
    let spool = tokio::task::spawn_blocking(move || prune::size(&spool)).await.unwrap_or_default();
    Ok(Sizes { spool, ledger: from.ledger.bytes().await? })
}
