//! slot → extract: requests, awaits and fetches the report, continuing from where an earlier process stopped.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{RunError, RunExecution, Stop, blocking, failed};
use crate::extract::{ExecutionId, Extract, ExtractError, Sent, Source, Stored, continues};
use crate::ledger::record::{ExtractFacts, Run};
use crate::ledger::state::RunState;
use crate::ledger::{Ledger, LedgerError, RunEvent};
use crate::pipeline::plan;

/// The number of exports started per run at a time; a person may `retry` for more.
const STARTS_MAX: u32 = 3;

/// One source of a run, and where its extract is saved.
pub(super) struct Pulled<'a> {
    /// `None` for the main source.
    pub name: Option<&'a str>,
    pub source: &'a plan::Source,
    pub into: PathBuf,
}

impl Pulled<'_> {
    fn extract<'a>(&self, run: &'a Run) -> Option<&'a ExtractFacts> {
        match self.name {
            None => run.extract.as_ref(),
            Some(name) => run.others.get(name)?.extract.as_ref(),
        }
    }

    fn execution_id(&self, run: &Run) -> Option<String> {
        match self.name {
            None => run.execution_id.clone(),
            Some(name) => run.others.get(name)?.execution_id.clone(),
        }
    }

    async fn note_execution_id(&self, ledger: &Ledger, run: &mut Run, id: Option<&str>) -> Result<(), LedgerError> {
        match self.name {
            None => ledger.note_execution_id(run, id).await,
            Some(name) => ledger.note_other_execution_id(run, name, id).await,
        }
    }

    async fn note_extract(&self, ledger: &Ledger, run: &mut Run, facts: ExtractFacts) -> Result<(), LedgerError> {
        match self.name {
            None => ledger.note_extract(run, facts).await,
            Some(name) => ledger.note_other_extract(run, name, facts).await,
        }
    }
}

impl RunExecution<'_> {
    /// Returns the extract of the main source.
    pub(super) async fn extract_main(&self, run: &mut Run) -> Result<Extract, Stop> {
        self.extract(run, &Pulled { name: None, source: self.source, into: self.spool.path().to_owned() }).await
    }

    /// Returns a source's extract: saved by an earlier process, or of the export that it started, or of a new one.
    pub(super) async fn extract(&self, run: &mut Run, pulled: &Pulled<'_>) -> Result<Extract, Stop> {
        if let Some(facts) = pulled.extract(run).filter(|facts| facts.file.is_none()) {
            let extract =
                Extract::saved(&pulled.into, facts.form(), facts.bytes, facts.sha256.clone(), facts.source.clone());
            let saved = extract.clone();
            if blocking(move || saved.is_intact()).await? {
                return Ok(extract);
            }
        }
        self.context.ledger.advance(run, RunState::Extracting, None).await?;
        let source = Source::new(pulled.source, &self.context.settings.limits, &self.context.tenants).await;
        let source = source.map_err(|error| failed(describe(&error)))?;
        let extract = self.fetch(run, pulled, &source).await;
        if let Some(sent) = summarize(pulled.source, &source.sent()) {
            self.context.ledger.note(&run.id, RunEvent::Requests { sent }).await?;
        }
        extract
    }

    async fn fetch(&self, run: &mut Run, pulled: &Pulled<'_>, source: &Source) -> Result<Extract, Stop> {
        let ledger = &self.context.ledger;
        let mut starts = 0;
        let mut failures = 0;
        loop {
            let execution_id = if source.has_exports() { pulled.execution_id(run) } else { Some(String::new()) };
            let outcome = match execution_id {
                Some(execution_id) => {
                    let execution_id = ExecutionId(execution_id);
                    let collect = source.collect(&execution_id, &pulled.into, &self.context.progress);
                    self.within_deadline(collect).await?
                }
                None if starts == STARTS_MAX => {
                    return Err(failed(format!("{STARTS_MAX} exports were started and none gave the report")));
                }
                None => match source.start(self.watermark(pulled).await?.as_deref()).await {
                    Ok(execution_id) => {
                        starts += 1;
                        pulled.note_execution_id(ledger, run, Some(&execution_id.0)).await?;
                        continue;
                    }
                    Err(error) => {
                        starts += u32::from(matches!(error, ExtractError::StartUnconfirmed { .. }));
                        Err(error)
                    }
                },
            };
            match outcome {
                Ok(extract) => {
                    // What was read in place is recorded with the artifact that was made of it.
                    if let Stored::Spool { sha256 } = &extract.stored {
                        pulled.note_extract(ledger, run, ExtractFacts::of(&extract, sha256)).await?;
                    }
                    return Ok(extract);
                }
                Err(error) => {
                    failures += 1;
                    self.wait_to_retry(run, pulled, error, failures).await?;
                }
            }
        }
    }

    /// Returns the moment up to which the newest delivered run read the same records.
    async fn watermark(&self, pulled: &Pulled<'_>) -> Result<Option<String>, Stop> {
        match continues(pulled.source) {
            Some(digest) => Ok(self.context.ledger.watermark(&self.plan.name, &digest).await?),
            None => Ok(None),
        }
    }

    /// Waits before the next attempt, or fails if there is none.
    async fn wait_to_retry(
        &self,
        run: &mut Run,
        pulled: &Pulled<'_>,
        error: ExtractError,
        failures: u32,
    ) -> Result<(), Stop> {
        let why = describe(&error);
        if matches!(error, ExtractError::DiskFull { .. }) {
            return Err(Stop::Error(RunError::DiskFull(why)));
        }
        let (poll, retry) = match pulled.source {
            plan::Source::Docebo(docebo) => (docebo.tenant.poll, docebo.tenant.retry),
            plan::Source::File(_) => return Err(failed(why)),
        };
        let min_wait = match error {
            ExtractError::Refused { .. } | ExtractError::DiskFull { .. } => return Err(failed(why)),
            ExtractError::Later { wait, .. } => wait,
            // The export whose start was not confirmed may be running, so the next start must wait.
            ExtractError::StartUnconfirmed { .. } => Some(poll.initial),
            ExtractError::Expired { .. } => {
                pulled.note_execution_id(&self.context.ledger, run, None).await?;
                None
            }
        };
        let wait = retry.wait(failures, min_wait);
        let due =
            self.context.clock.now().saturating_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX));
        if due.unwrap_or(Timestamp::MAX) > self.extract_until {
            return Err(failed(format!("{why}; `retry` continues from here")));
        }
        tracing::warn!(run = run.id, pipeline = run.pipeline, reason = why, "extract not done yet");
        self.context.ledger.note(&run.id, RunEvent::ExtractDelayed { reason: why }).await?;
        self.unless_stopped(self.context.clock.sleep(wait)).await
    }

    /// Cancels work at the extract's deadline. The export continues on the server, and a retry can still fetch it.
    async fn within_deadline<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let left = self.extract_deadline.duration_since(self.context.clock.now());
        let late = self.context.clock.sleep(Duration::try_from(left).unwrap_or_default());
        tokio::select! {
            done = self.unless_stopped(work) => done,
            () = late => Err(failed("the extract exceeded work.deadlines.extract; `retry` continues from here")),
        }
    }
}

/// Summarizes the requests and their responses in one line.
fn summarize(source: &plan::Source, sent: &[Sent]) -> Option<String> {
    let plan::Source::Docebo(docebo) = source else { return None };
    let kinds: Vec<String> = sent
        .iter()
        .map(|Sent { method, path, status, count }| {
            let status = status.map_or("no response".to_owned(), |status| status.to_string());
            format!("{count} x {method} {path} {status}")
        })
        .collect();
    let total: u64 = sent.iter().map(|sent| sent.count).sum();
    (total > 0).then(|| format!("{total} to tenant {}: {}", docebo.tenant.name, kinds.join(", ")))
}

/// Describes an extract's error with its hint.
fn describe(error: &ExtractError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
