//! Pipelines as the worker read their files: schedules, cursors, problems, and the last valid texts.

use super::store::{Row, params};
use super::waiting::note_waiting;
use super::{Ledger, LedgerError};
use crate::fault::FaultStep;

/// Pipelines written in one transaction.
const PIPELINES_MAX: usize = 500;

/// A problem of a pipeline's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// The problem, with its place and fix.
    pub what: String,
    /// Why the pipeline is stopped; `None` while the last valid text is in effect.
    pub stopped: Option<String>,
    /// Since when that is so.
    pub since_ms: i64,
}

impl FileProblem {
    /// Returns what the worker does with the pipeline meanwhile, and the problem.
    pub fn describe(&self) -> String {
        match &self.stopped {
            None => format!("its file cannot be used, its last valid version stays in use: {}", self.what),
            Some(why) => format!("its file cannot be used, and it does not run, because {why}: {}", self.what),
        }
    }
}

/// A pipeline as the worker last recorded it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownPipeline {
    pub name: String,
    /// Cron expression and zone; `None` without a schedule or file.
    pub schedule: Option<String>,
    pub cursor_ms: i64,
    /// Its slots wait while an earlier slot's run is held.
    pub waits_while_held: bool,
    pub problem: Option<FileProblem>,
    /// The SHA-256 of the last valid text of its file; `None` if there was none, or no file.
    pub valid_sha256: Option<String>,
    /// The text itself, if it is to be recorded.
    pub valid_text: Option<String>,
}

impl Ledger {
    /// Returns all pipelines that a worker has recorded.
    pub async fn known_pipelines(&self) -> Result<Vec<KnownPipeline>, LedgerError> {
        self.read("read the pipelines", |tx| {
            let known = |row: &Row| {
                Ok(KnownPipeline {
                    name: row.get("name")?,
                    schedule: row.get("schedule")?,
                    cursor_ms: row.get("cursor_ms")?,
                    waits_while_held: row.get("waits_while_held")?,
                    problem: problem_from(row)?,
                    valid_sha256: row.get("valid_sha256")?,
                    valid_text: None,
                })
            };
            const SELECT: &str =
                "SELECT name, schedule, cursor_ms, waits_while_held, problem, stopped_reason, problem_ms, valid_sha256 FROM pipelines";
            tx.query(SELECT, &[])?.iter().map(known).collect()
        })
        .await
    }

    /// Returns the last valid text of a pipeline's file, if there was one.
    pub async fn valid_text(&self, pipeline: &str) -> Result<Option<String>, LedgerError> {
        let pipeline = pipeline.to_owned();
        self.read("read a pipeline's last valid text", move |tx| {
            const SELECT: &str = "SELECT valid_text FROM pipelines WHERE name = $1";
            tx.query_opt(SELECT, params![&pipeline])?.map_or(Ok(None), |row| row.get("valid_text"))
        })
        .await
    }

    /// Records schedule, cursor, problem and last valid text of pipelines. A text stays while its digest does, and is
    /// forgotten without one.
    pub async fn record_pipelines(&self, pipelines: &[KnownPipeline]) -> Result<(), LedgerError> {
        for portion in pipelines.chunks(PIPELINES_MAX) {
            let (portion, now) = (portion.to_vec(), self.clock.now_ms());
            self.write(FaultStep::new("ledger.pipelines"), "record the pipelines", move |tx| {
                for known in &portion {
                    let problem = known.problem.as_ref();
                    tx.execute(
                        "INSERT INTO pipelines (name, schedule, cursor_ms, problem, stopped_reason, problem_ms, \
                         valid_sha256, valid_text, waits_while_held) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $10) \
                         ON CONFLICT (name) DO UPDATE SET schedule = excluded.schedule, cursor_ms = excluded.cursor_ms, \
                         waits_while_held = excluded.waits_while_held, \
                         problem = excluded.problem, stopped_reason = excluded.stopped_reason, \
                         problem_ms = excluded.problem_ms, valid_sha256 = excluded.valid_sha256, \
                         valid_text = CASE WHEN excluded.valid_sha256 IS NULL THEN NULL \
                         ELSE COALESCE(excluded.valid_text, pipelines.valid_text) END, \
                         valid_ms = CASE WHEN excluded.problem IS NOT NULL OR excluded.valid_sha256 IS NULL THEN NULL \
                         WHEN pipelines.problem IS NOT NULL THEN $9 ELSE pipelines.valid_ms END",
                        params![
                            &known.name,
                            &known.schedule,
                            known.cursor_ms,
                            problem.map(|problem| problem.what.as_str()),
                            problem.and_then(|problem| problem.stopped.as_deref()),
                            problem.map(|problem| problem.since_ms),
                            &known.valid_sha256,
                            &known.valid_text,
                            now,
                            known.waits_while_held,
                        ],
                    )?;
                    note_waiting(tx, &known.name)?;
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

pub(super) fn problem_from(row: &Row) -> Result<Option<FileProblem>, LedgerError> {
    let (stopped, since_ms) = (row.get("stopped_reason")?, row.get::<Option<i64>>("problem_ms")?.unwrap_or_default());
    Ok(row.get::<Option<String>>("problem")?.map(|what| FileProblem { what, stopped, since_ms }))
}
