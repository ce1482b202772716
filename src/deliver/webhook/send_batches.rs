//! Sends the rows of one delivery in batches, and records what became of each.

use std::collections::BTreeSet;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::answers::{AnswerReader, SentRows};
use super::api::{self, RequestRows};
use super::batch::{BatchReader, Content, Outgoing, RowSelection, envelope};
use super::error::{RETRY, WebhookError};
use super::request::{Sender, blocking};
use super::response::Accepted;
use crate::attempt::Repeats;
use crate::deliver::{Batching, OpenRow, Verdict};
use crate::digest;
use crate::pipeline::plan::Request;

/// Batches whose acknowledgements are recorded together.
const GROUP: usize = 64;

/// The batches of one delivery that earlier attempts sent, and the record of what this one does.
pub struct AckedBatches<'a> {
    /// Acknowledged in earlier attempts.
    pub numbers: BTreeSet<u64>,
    /// Begun in earlier attempts, which may have been taken.
    pub begun: BTreeSet<u64>,
    /// Rows of acknowledged batches that a person wants sent again alone, ascending.
    pub resend: Arc<[u64]>,
    /// How often a person wanted that.
    pub resends: u32,
    /// Records an event durably. Its error is text; what it was about may be sent again.
    pub record: &'a (dyn Fn(BatchEvent) -> BoxFuture<'a, Result<(), String>> + Sync),
    /// Decides whether a failed batch is sent again within the attempt.
    pub repeats: Repeats,
}

/// An event of batches.
#[derive(Clone, Debug)]
pub enum BatchEvent {
    /// Before its first byte is sent, where a repeat must not be mistaken for it.
    Begun(BatchRows),
    /// It was begun, and is known not to have been taken.
    NotTaken(BatchRows),
    Acked(Vec<AckedBatch>),
}

/// The rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRows {
    /// Its number among those of all rows, from 1; `None` for rows that are sent again alone.
    pub number: Option<u64>,
    pub first: u64,
    pub last: u64,
    pub count: u64,
}

/// An acknowledged batch, with its rows that were not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckedBatch {
    pub rows: BatchRows,
    pub open: Vec<OpenRow>,
}

/// A batch that is sent.
struct Batch {
    /// The request's id, the same in every attempt.
    id: String,
    rows: BatchRows,
    outgoing: Outgoing,
    /// All its rows may be there.
    may_be_there: bool,
    is_logged: bool,
}

/// A batch that failed.
struct FailedBatch {
    number: u64,
    /// Its rows, if they may have been taken.
    in_doubt: Vec<(u64, u64)>,
    error: WebhookError,
}

impl Sender<'_> {
    /// Sends the batches that are not acknowledged yet, then the rows to send again. Returns the last response; `None` if
    /// there was nothing to send.
    pub(super) async fn batches(
        &self,
        batching: Batching,
        acked: &AckedBatches<'_>,
    ) -> Result<Option<Accepted>, Verdict> {
        let sent = self.pass(batching, acked, RowSelection::All).await?;
        if acked.resend.is_empty() {
            return Ok(sent);
        }
        let again = self.pass(batching, acked, RowSelection::Only(acked.resend.clone())).await?;
        Ok(again.or(sent))
    }

    async fn pass(
        &self,
        batching: Batching,
        acked: &AckedBatches<'_>,
        selection: RowSelection,
    ) -> Result<Option<Accepted>, Verdict> {
        let webhook = &self.target.webhook;
        let artifact = self.delivery.artifact.clone();
        let content = match &self.delivery.plan.request {
            Some(request) => Content::Request(Box::new(RequestRows::compile(request, &artifact.columns)?)),
            None => Content::Envelope(envelope(self.delivery, "reportferry.rows")),
        };
        let is_resend = matches!(selection, RowSelection::Only(_));
        let numbers = if is_resend { BTreeSet::new() } else { acked.numbers.clone() };
        let (compress, mut done) = (webhook.compress, numbers.len() as u64);
        let reader = blocking(move || BatchReader::open(&artifact, batching, content, compress, (numbers, selection)));
        let reader = reader.await.map_err(unreadable)?;
        let (total, generation) = (reader.total, batching.generation);
        // A delivery of one batch is acknowledged as a whole, by its receipt, unless its rows are counted.
        let is_recorded = total > 1 || self.delivery.plan.request.is_some();
        // After a failure, start no further batch and wait for those in flight, so that they need not be sent again.
        let failed = AtomicBool::new(false);
        let groups = bodies(reader)
            .take_while(|_| std::future::ready(!failed.load(Relaxed)))
            .map(|outgoing| async {
                let batch = outgoing.map(|outgoing| match is_resend {
                    true => self.resent_batch(outgoing, acked),
                    false => self.numbered_batch(outgoing, (total, generation), batching.rows, acked),
                });
                self.batch(batch, acked, &failed).await
            })
            .buffer_unordered(webhook.in_flight)
            .ready_chunks(GROUP);
        let mut groups = pin!(groups);
        let (mut last, mut verdict, mut in_doubt) = (None, None, Vec::new());
        while let Some(group) = groups.next().await {
            let (mut batches, mut failure) = (Vec::new(), None);
            for outcome in group {
                match outcome {
                    Ok((batch, accepted)) => {
                        batches.push(batch);
                        last = Some(accepted);
                    }
                    Err(failed) => {
                        in_doubt.extend_from_slice(&failed.in_doubt);
                        failure = failure.or(Some(failed));
                    }
                }
            }
            if !batches.is_empty() {
                done += batches.len() as u64;
                if is_recorded && let Err(reason) = (acked.record)(BatchEvent::Acked(batches)).await {
                    verdict = verdict.or(Some(Verdict::Unknown { reason }));
                }
            }
            self.meter.set(self.delivery.artifact.bytes * done / total.max(1));
            if let Some(FailedBatch { number, error, in_doubt: _ }) = failure {
                verdict = verdict.or(Some(error.verdict(&format!("batch {number} of {total}: "))));
            }
            failed.store(verdict.is_some(), Relaxed);
        }
        in_doubt.sort_unstable();
        match verdict {
            Some(verdict) if self.delivery.plan.holds_unanswered() && !in_doubt.is_empty() => {
                Err(api::unanswered(in_doubt, verdict.reason()))
            }
            Some(verdict) => Err(verdict),
            None => Ok(last),
        }
    }

    /// Returns a batch of all rows. `rows_max` are the most rows of one.
    fn numbered_batch(
        &self,
        outgoing: Outgoing,
        (total, generation): (u64, u32),
        rows_max: usize,
        acked: &AckedBatches<'_>,
    ) -> Batch {
        let Outgoing { number, rows, ref sent, .. } = outgoing;
        let id = match generation {
            1 => format!("{}-{number}-of-{total}", self.id),
            // The receiver has this number for other rows.
            generation => format!("{}-{number}-of-{total}-cut-{generation}", self.id),
        };
        let reads_repeat = |request: &Request| !request.resends() || !request.response.already_accepted.is_empty();
        let is_logged = self
            .delivery
            .plan
            .request
            .as_ref()
            .is_some_and(|request| !request.resends() || (reads_repeat(request) && rows_max > 1));
        // A request of one row may be there from another run.
        let may_be_there = rows == 1 || acked.begun.contains(&number);
        Batch { id, rows: rows_of(Some(number), sent, rows), outgoing, may_be_there, is_logged }
    }

    /// Returns a batch of rows that are sent again alone. Its id depends on these.
    fn resent_batch(&self, outgoing: Outgoing, acked: &AckedBatches<'_>) -> Batch {
        let Outgoing { rows, ref sent, .. } = outgoing;
        let listed: Vec<String> = sent.numbers.iter().map(u64::to_string).collect();
        let digest = digest::hex(&Sha256::digest(listed.join(",").as_bytes()));
        let id = format!("{}-again-{}-{}", self.id, acked.resends, &digest[..16]);
        Batch { id, rows: rows_of(None, sent, rows), outgoing, may_be_there: rows == 1, is_logged: true }
    }

    /// Sends one batch. Repeats it after a failure while others are accepted, until the attempt is over (`failed`).
    async fn batch(
        &self,
        batch: io::Result<Batch>,
        acked: &AckedBatches<'_>,
        failed: &AtomicBool,
    ) -> Result<(AckedBatch, Accepted), FailedBatch> {
        let not_sent = |number, error| FailedBatch { number, in_doubt: Vec::new(), error };
        let batch = batch.map_err(|error| not_sent(0, WebhookError::unreadable(error)))?;
        let Batch { id, rows, outgoing: Outgoing { number, sent, path, body, rows: _ }, mut may_be_there, is_logged } =
            batch;
        if is_logged && let Err(reason) = (acked.record)(BatchEvent::Begun(rows)).await {
            failed.store(true, Relaxed);
            return Err(not_sent(number, RETRY.because(reason)));
        }
        let repeats = &acked.repeats;
        let (mut failures, mut may_be_taken) = (0, false);
        loop {
            repeats.ready().await;
            let error = match self.post(&id, "application/json", &path, &body, may_be_there).await {
                Ok(accepted) => {
                    repeats.succeeded();
                    let open = self.open_rows(&accepted, sent).await;
                    return Ok((AckedBatch { rows, open }, accepted));
                }
                Err(error) => error,
            };
            failures += 1;
            may_be_there |= error.may_be_taken;
            may_be_taken |= error.may_be_taken;
            let is_again = match error.retry_after() {
                _ if error.is_unanswered() && self.delivery.plan.holds_unanswered() => false,
                Some(wait) => !failed.load(Relaxed) && repeats.again(failures, wait).await && !failed.load(Relaxed),
                None => false,
            };
            if !is_again {
                // Immediately: the next batch starts before this failure is handled.
                failed.store(true, Relaxed);
                if is_logged && !may_be_taken && !rows.number.is_some_and(|number| acked.begun.contains(&number)) {
                    // Left as begun, it is taken for one that may be there.
                    let _ = (acked.record)(BatchEvent::NotTaken(rows)).await;
                }
                let in_doubt = if error.is_unanswered() { ranges(&sent.numbers) } else { Vec::new() };
                return Err(FailedBatch { number, in_doubt, error });
            }
            tracing::debug!(id, failures, reason = error.reason, "batch sent again");
        }
    }

    /// Returns the rows of an accepted request that its response does not accept.
    async fn open_rows(&self, accepted: &Accepted, sent: SentRows) -> Vec<OpenRow> {
        let rules = self.delivery.plan.request.as_ref().and_then(|request| request.response_rows.clone());
        match (&accepted.body, rules) {
            (Some(Ok(body)), Some(rules)) => {
                let (body, secrets, rows) = (body.clone(), self.target.secrets.clone(), sent.clone());
                let read = blocking(move || Ok(AnswerReader::new(&rules, &secrets).open_rows(&body, &rows)));
                read.await.unwrap_or_else(|error| sent.unanswered(&error.to_string()))
            }
            (Some(Err(reason)), _) => sent.unanswered(reason),
            (Some(Ok(_)) | None, _) => Vec::new(),
        }
    }
}

fn rows_of(number: Option<u64>, sent: &SentRows, rows: usize) -> BatchRows {
    let (first, last) = sent.numbers.first().zip(sent.numbers.last()).unwrap_or((&0, &0));
    BatchRows { number, first: *first, last: *last, count: rows as u64 }
}

/// Returns the ranges of ascending numbers.
fn ranges(numbers: &[u64]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges
}

/// Reads bodies in order on a blocking thread, a few batches ahead.
fn bodies(reader: BatchReader) -> impl stream::Stream<Item = io::Result<Outgoing>> {
    let read = async |reader: Option<BatchReader>| {
        let mut reader = reader?;
        let ahead = blocking(move || {
            let (bodies, more) = reader.read_ahead()?;
            Ok((bodies, more.then_some(reader)))
        });
        Some(match ahead.await {
            Ok((bodies, reader)) => (bodies.into_iter().map(Ok).collect(), reader),
            Err(error) => (vec![Err(error)], None),
        })
    };
    stream::unfold(Some(reader), read).flat_map(stream::iter)
}

pub(super) fn unreadable(error: io::Error) -> Verdict {
    WebhookError::unreadable(error).verdict("")
}
