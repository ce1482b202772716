//! Metrics and their names (Prometheus: base units, `_total` for counters).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Maximum pipelines with a series of their own; all others share one series.
pub const PIPELINES_MAX: usize = 10_000;
const OTHERS: &str = "(others)";

/// Histogram buckets in seconds for stages and lateness: from a small file to a day.
pub const SECONDS: [f64; 14] =
    [0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 43_200.0, 86_400.0];

/// A timed part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Extract,
    Transform,
    Deliver,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Transform => "transform",
            Self::Deliver => "deliver",
        }
    }
}

/// Describes each metric to the recorder.
pub fn describe() {
    describe_counter!("reportferry_slots_total", "Slots that ended, by outcome.");
    describe_counter!("reportferry_rows_total", "Rows, extracted and delivered.");
    describe_counter!("reportferry_delivered_bytes_total", Unit::Bytes, "Bytes of artifacts delivered.");
    describe_counter!("reportferry_attempts_total", "Attempts at deliveries, by verdict.");
    describe_counter!("reportferry_pickups_total", "Deliveries picked up, or overdue, as the worker found it.");
    describe_counter!("reportferry_alerts_total", "Attempts to send alerts, by channel and outcome.");
    describe_counter!("reportferry_log_lines_lost_total", "Log lines lost: standard error could not be written.");
    describe_histogram!("reportferry_stage_duration_seconds", Unit::Seconds, "How long a stage of a run took.");
    describe_histogram!("reportferry_lateness_seconds", Unit::Seconds, "How long after its slot a run started.");
    for (name, unit, text) in GAUGES {
        match unit {
            Some(unit) => describe_gauge!(*name, *unit, *text),
            None => describe_gauge!(*name, *text),
        }
    }
}

/// Gauges, collected on request.
const GAUGES: &[(&str, Option<Unit>, &str)] = &[
    ("reportferry_build_info", None, "1, with the version of the program and of its time zone rules."),
    ("reportferry_pipelines", None, "Active pipelines."),
    ("reportferry_pipelines_with_problems", None, "Pipelines whose file cannot be used now."),
    ("reportferry_pipelines_paused", None, "Pipelines that a person has paused."),
    ("reportferry_runs", None, "Runs that have not ended, and those that are held, by state."),
    ("reportferry_runs_active", None, "Runs that the worker is working on."),
    ("reportferry_last_delivery_age_seconds", Some(Unit::Seconds), "Time since the pipeline last delivered."),
    (
        "reportferry_never_delivered_seconds",
        Some(Unit::Seconds),
        "Time since the first slot of a pipeline that never delivered.",
    ),
    ("reportferry_late_seconds", Some(Unit::Seconds), "Time since the pipeline's expected_by passed without delivery."),
    ("reportferry_runs_failed", None, "Failed or rejected runs of the pipeline since it last delivered."),
    ("reportferry_runs_held", None, "Held runs of the pipeline."),
    ("reportferry_runs_held_by_expectation", None, "Held runs by the expectation that holds them."),
    ("reportferry_runs_blocked", None, "Blocked runs of the pipeline."),
    ("reportferry_heartbeat_age_seconds", Some(Unit::Seconds), "Time since the worker's event loop last ran."),
    ("reportferry_pipelines_late", None, "Pipelines with a slot that is late."),
    ("reportferry_pickups_pending", None, "Deliveries with a pending pickup."),
    ("reportferry_pickups_overdue", None, "Overdue deliveries that are still checked."),
    ("reportferry_budget_requests", None, "Requests that may be sent to the tenant at once."),
    ("reportferry_ledger_bytes", Some(Unit::Bytes), "Size of the ledger's files."),
    ("reportferry_spool_bytes", Some(Unit::Bytes), "Size of the spool, measured once a minute."),
    (
        "reportferry_free_space_bytes",
        Some(Unit::Bytes),
        "Free space for the data folder and the ledger's file, by folder.",
    ),
];

/// Counts a slot that ended or was skipped.
pub fn slot_ended(state: &'static str, count: u64) {
    counter!("reportferry_slots_total", "state" => state).increment(count);
}

pub fn stage(stage: Stage, took: Duration) {
    histogram!("reportferry_stage_duration_seconds", "stage" => stage.name()).record(took.as_secs_f64());
}

/// Records how long after its slot a run started.
pub fn lateness(late: Duration) {
    histogram!("reportferry_lateness_seconds").record(late.as_secs_f64());
}

/// Counts rows that were extracted, written to an artifact, or delivered.
pub fn rows(kind: &'static str, rows: u64) {
    counter!("reportferry_rows_total", "kind" => kind).increment(rows);
}

pub fn attempt(destination: &str, verdict: &'static str) {
    counter!("reportferry_attempts_total", "destination" => destination.to_owned(), "verdict" => verdict).increment(1);
}

pub fn delivered(destination: &str, bytes: u64) {
    counter!("reportferry_delivered_bytes_total", "destination" => destination.to_owned()).increment(bytes);
}

/// Counts a pickup that the worker observed, or that missed its deadline.
pub fn pickup(destination: &str, state: &'static str) {
    counter!("reportferry_pickups_total", "destination" => destination.to_owned(), "state" => state).increment(1);
}

/// Counts alerts by outcome: `sent`, `retried` or `given_up`.
pub fn alerts(channel: &str, how: &'static str, count: usize) {
    counter!("reportferry_alerts_total", "channel" => channel.to_owned(), "outcome" => how).increment(count as u64);
}

/// Sets the number of log lines lost so far.
pub fn log_lines_lost(lost: u64) {
    counter!("reportferry_log_lines_lost_total").absolute(lost);
}

/// Sets a gauge with one value.
pub fn set(name: &'static str, value: f64) {
    gauge!(name).set(value);
}

/// Sets a gauge of a state, a tenant, ….
pub fn set_of(name: &'static str, label: &'static str, of: &str, value: f64) {
    gauge!(name, label => of.to_owned()).set(value);
}

/// Sets the build information.
pub fn build(version: &'static str, zones: &str) {
    gauge!("reportferry_build_info", "version" => version, "zones" => zones.to_owned()).set(1.0);
}

/// Gauges by pipeline. The first [`PIPELINES_MAX`] pipelines have series of their own; the others share one with the
/// highest of their values.
#[derive(Debug, Default)]
pub struct PipelineGauges {
    own: BTreeSet<String>,
    others: BTreeMap<&'static str, f64>,
}

impl PipelineGauges {
    /// Begins anew: every gauge is set again.
    pub fn begin(&mut self) {
        self.others.clear();
    }

    /// Sets a pipeline's gauge.
    pub fn set(&mut self, name: &'static str, pipeline: &str, value: f64) {
        if self.own.len() < PIPELINES_MAX {
            self.own.insert(pipeline.to_owned());
        }
        if self.own.contains(pipeline) {
            gauge!(name, "pipeline" => pipeline.to_owned()).set(value);
        } else {
            let highest = self.others.entry(name).or_insert(value);
            *highest = highest.max(value);
            gauge!(name, "pipeline" => OTHERS).set(*highest);
        }
    }
}
