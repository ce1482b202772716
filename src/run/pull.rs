//! slot → extract: the report asked for, waited for and fetched, from where an earlier process left it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Stop, Work, blocking, failed};
use crate::extract::{Extract, ExtractError, Sent, Source, Ticket};
use crate::ledger::record::{ExtractFacts, Run};
use crate::ledger::state::RunState;
use crate::pipeline::plan;

/// An export is started at most this often for one run at a time; further ones are for a person to ask for.
const STARTS_MAX: u32 = 3;

impl Work<'_> {
    /// The rows as they came: kept from an earlier process, or the rest of an export that it started, or a new one.
    pub(super) async fn extract(&self, run: &mut Run) -> Result<Extract, Stop> {
        if let Some(facts) = &run.extract {
            let extract = Extract::kept(self.spool.path(), facts.form(), facts.bytes, facts.sha256.clone());
            let kept = extract.clone();
            if blocking(move || kept.is_intact()).await? {
                return Ok(extract);
            }
        }
        self.line.ledger.advance(run, RunState::Extracting, None).await?;
        let source = Source::new(&self.plan.source, &self.line.settings.limits, &self.line.tenants);
        let source = source.map_err(|error| failed(in_words(&error)))?;
        let extract = self.fetch(run, &source).await;
        if let Some(sent) = in_one_line(&self.plan.source, &source.sent()) {
            self.line.ledger.note(&run.id, "requests", &sent).await?;
        }
        extract
    }

    async fn fetch(&self, run: &mut Run, source: &Source) -> Result<Extract, Stop> {
        let mut starts = 0;
        let mut failures = 0;
        loop {
            let outcome = match run.ticket.clone() {
                Some(ticket) => {
                    let ticket = Ticket(ticket);
                    let collect = source.collect(&ticket, self.spool.path(), &self.line.progress);
                    self.in_time(collect).await?
                }
                None if starts == STARTS_MAX => {
                    return Err(failed(format!("{STARTS_MAX} exports were started and none gave the report")));
                }
                None => match source.start().await {
                    Ok(ticket) => {
                        starts += 1;
                        self.line.ledger.note_ticket(run, Some(&ticket.0)).await?;
                        continue;
                    }
                    Err(error) => {
                        starts += u32::from(matches!(error, ExtractError::Unanswered { .. }));
                        Err(error)
                    }
                },
            };
            match outcome {
                Ok(extract) => {
                    let facts = ExtractFacts::of(&extract);
                    self.line.ledger.note_extract(run, facts).await?;
                    return Ok(extract);
                }
                Err(error) => {
                    failures += 1;
                    self.after(run, error, failures).await?;
                }
            }
        }
    }

    /// Waits before the extract is tried again, or says that it is not.
    async fn after(&self, run: &mut Run, error: ExtractError, failures: u32) -> Result<(), Stop> {
        let why = in_words(&error);
        let (poll, retry) = match &self.plan.source {
            plan::Source::Docebo(docebo) => (docebo.tenant.poll, docebo.tenant.retry),
            plan::Source::File(_) => return Err(failed(why)),
        };
        let asked = match error {
            ExtractError::Refused { .. } => return Err(failed(why)),
            ExtractError::Later { wait, .. } => wait,
            // The next start must not come at once: the one that went unanswered may be at work.
            ExtractError::Unanswered { .. } => Some(poll.first),
            ExtractError::Lapsed { .. } => {
                self.line.ledger.note_ticket(run, None).await?;
                None
            }
        };
        let wait = retry.wait(failures, asked);
        let due = self.line.clock.now().saturating_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX));
        if due.unwrap_or(Timestamp::MAX) > self.extract_until {
            return Err(failed(format!("{why}; `retry` goes on from here")));
        }
        tracing::warn!(run = run.id, pipeline = run.pipeline, reason = why, "extract not done yet");
        self.line.ledger.note(&run.id, "extract not done yet", &why).await?;
        self.unless_stopped(self.line.clock.sleep(wait)).await
    }

    /// Breaks off what takes longer than the extract's deadline: the export itself goes on, and so may a retry.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let left = self.extract_deadline.duration_since(self.line.clock.now());
        let late = self.line.clock.sleep(Duration::try_from(left).unwrap_or_default());
        tokio::select! {
            done = self.unless_stopped(work) => done,
            () = late => Err(failed("the extract took longer than work.deadlines.extract; `retry` goes on from here")),
        }
    }
}

/// To whom what was sent and how it was answered, in one line.
fn in_one_line(source: &plan::Source, sent: &[Sent]) -> Option<String> {
    let plan::Source::Docebo(docebo) = source else { return None };
    let kinds: Vec<String> = sent
        .iter()
        .map(|Sent { method, path, status, count }| {
            let status = status.map_or("no answer".to_owned(), |status| status.to_string());
            format!("{count} x {method} {path} {status}")
        })
        .collect();
    let all: u64 = sent.iter().map(|sent| sent.count).sum();
    (all > 0).then(|| format!("{all} to tenant {}: {}", docebo.tenant.name, kinds.join(", ")))
}

/// An extract's failure with its mend.
fn in_words(error: &ExtractError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
