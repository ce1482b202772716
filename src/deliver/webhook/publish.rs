//! Sends all requests of one delivery: its rows in batches, its file, or a notice.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};

use super::WebhookTarget;
use super::api::{self, RequestRows};
use super::batch::{BatchReader, Content, Outgoing, envelope};
use super::body::Body;
use super::error::WebhookError;
use super::request::{Sender, blocking};
use super::response::Accepted;
use super::signature::Key;
use crate::attempt::Repeats;
use crate::deliver::rate_limit::TOO_LONG;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{Batching, Intent, Receipt, Verdict};
use crate::progress::Meter;
use crate::settings::WebhookBody;

/// Batches whose acknowledgements are recorded together.
const GROUP: usize = 64;

/// The acknowledged batches of one delivery.
pub struct AckedBatches<'a> {
    /// Acknowledged in earlier attempts.
    pub numbers: BTreeSet<u64>,
    /// Records further ones durably. Its error is text; those batches may be sent again.
    pub record: &'a (dyn Fn(Vec<u64>) -> BoxFuture<'a, Result<(), String>> + Sync),
    /// Decides whether a failed batch is sent again within the attempt.
    pub repeats: Repeats,
    /// True after an earlier attempt, which may have sent some of the others.
    pub is_repeat: bool,
}

impl WebhookTarget {
    /// Sends what is not acknowledged yet.
    pub async fn publish(
        self: &Arc<Self>,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        acked: AckedBatches<'_>,
        meter: &Meter,
    ) -> Verdict {
        let Some(id) = intent.files.first().map(|file| file.final_path.as_str()) else {
            return Verdict::Rejected { reason: "the intent names no file".to_owned(), hint: None };
        };
        let sender = Sender { target: self, delivery, id, meter };
        let sending = async {
            let size = match (&delivery.plan.request, self.webhook.body) {
                (Some(request), _) => (request.rows, request.bytes),
                (None, WebhookBody::Rows { rows, bytes }) => (rows, bytes),
                (None, WebhookBody::File) => return sender.file().await.map(Some),
                (None, WebhookBody::Notice) => return sender.notice().await.map(Some),
            };
            let batching = intent.batching.unwrap_or(Batching { rows: size.0, bytes: size.1, generation: 1 });
            sender.batches(batching, &acked).await
        };
        let sent = match delivery.until {
            None => sending.await,
            Some(until) => tokio::time::timeout_at(until.into(), sending)
                .await
                .unwrap_or_else(|_| Err(Verdict::Unknown { reason: TOO_LONG.to_owned() })),
        };
        sent.map_or_else(|verdict| verdict, |accepted| Verdict::Delivered(self.receipt(delivery, id, accepted)))
    }

    fn receipt(&self, delivery: &DeliveryRequest<'_>, id: &str, accepted: Option<Accepted>) -> Receipt {
        Receipt {
            address: self.address.clone(),
            path: self.url.path().to_owned(),
            bytes: delivery.artifact.bytes,
            sha256: delivery.artifact.sha256.clone(),
            files: Vec::new(),
            host_key: None,
            // A crash after the last acknowledgement leaves nothing to send.
            verified: match &accepted {
                Some(accepted) => format!("status {}", accepted.status),
                None if delivery.artifact.rows == 0 => "no rows, so no request".to_owned(),
                None => "all batches were acknowledged in earlier attempts".to_owned(),
            },
            published: format!("webhook-id {id}"),
            answer: accepted.map(|accepted| accepted.message).filter(|message| !message.is_empty()),
            notes: Vec::new(),
        }
    }
}

impl Sender<'_> {
    /// Sends the batches that are not acknowledged yet. Returns the last response; `None` if there was nothing to send.
    async fn batches(&self, batching: Batching, acked: &AckedBatches<'_>) -> Result<Option<Accepted>, Verdict> {
        let webhook = &self.target.webhook;
        let artifact = self.delivery.artifact.clone();
        let content = match &self.delivery.plan.request {
            Some(request) => Content::Request(Box::new(RequestRows::compile(request, &artifact.columns)?)),
            None => Content::Envelope(envelope(self.delivery, "reportferry.rows")),
        };
        let (compress, numbers) = (webhook.compress, acked.numbers.clone());
        let reader = blocking(move || BatchReader::open(&artifact, batching, content, compress, numbers));
        let reader = reader.await.map_err(unreadable)?;
        let (total, generation) = (reader.total, batching.generation);
        // After a failure, start no further batch and wait for those in flight, so that they need not be sent again.
        let failed = AtomicBool::new(false);
        let groups = bodies(reader)
            .take_while(|_| std::future::ready(!failed.load(Relaxed)))
            .map(|batch| self.batch(batch, total, generation, acked, &failed))
            .buffer_unordered(webhook.in_flight)
            .ready_chunks(GROUP);
        let mut groups = pin!(groups);
        let (mut done, mut last, mut verdict) = (acked.numbers.len() as u64, None, None);
        let mut unanswered = BTreeSet::new();
        while let Some(group) = groups.next().await {
            let (mut numbers, mut failure) = (Vec::new(), None);
            for outcome in group {
                match outcome {
                    Ok((number, accepted)) => {
                        numbers.push(number);
                        last = Some(accepted);
                    }
                    Err((number, error)) => {
                        if error.is_unanswered() {
                            unanswered.insert(number);
                        }
                        failure = failure.or(Some((number, error)));
                    }
                }
            }
            if !numbers.is_empty() {
                done += numbers.len() as u64;
                // A delivery of one batch is acknowledged as a whole, by its receipt.
                if total > 1
                    && let Err(reason) = (acked.record)(numbers).await
                {
                    verdict = verdict.or(Some(Verdict::Unknown { reason }));
                }
            }
            self.meter.set(self.delivery.artifact.bytes * done / total.max(1));
            if let Some((number, error)) = failure {
                verdict = verdict.or(Some(error.verdict(&format!("batch {number} of {total}: "))));
            }
            failed.store(verdict.is_some(), Relaxed);
        }
        match verdict {
            Some(verdict) if self.delivery.plan.holds_unanswered() && !unanswered.is_empty() => {
                Err(api::unanswered(&unanswered, batching.rows, verdict.reason()))
            }
            Some(verdict) => Err(verdict),
            None => Ok(last),
        }
    }

    /// Sends one batch. Repeats it after a failure while others are accepted, until the attempt is over (`failed`).
    async fn batch(
        &self,
        batch: io::Result<Outgoing>,
        total: u64,
        generation: u32,
        acked: &AckedBatches<'_>,
        failed: &AtomicBool,
    ) -> Result<(u64, Accepted), (u64, WebhookError)> {
        let Outgoing { number, rows, path, body } = batch.map_err(|error| (0, WebhookError::unreadable(error)))?;
        let repeats = &acked.repeats;
        let id = match generation {
            1 => format!("{}-{number}-of-{total}", self.id),
            // The receiver has this number for other rows.
            generation => format!("{}-{number}-of-{total}-cut-{generation}", self.id),
        };
        // A request of one row may be there from another run.
        let (mut failures, mut may_be_there) = (0, acked.is_repeat || rows == 1);
        loop {
            repeats.ready().await;
            let error = match self.post(&id, "application/json", &path, &body, may_be_there).await {
                Ok(accepted) => {
                    repeats.succeeded();
                    return Ok((number, accepted));
                }
                Err(error) => error,
            };
            failures += 1;
            may_be_there |= error.is_unanswered();
            let is_again = match error.retry_after() {
                _ if error.is_unanswered() && self.delivery.plan.holds_unanswered() => false,
                Some(wait) => !failed.load(Relaxed) && repeats.again(failures, wait).await && !failed.load(Relaxed),
                None => false,
            };
            if !is_again {
                // Immediately: the next batch starts before this failure is handled.
                failed.store(true, Relaxed);
                return Err((number, error));
            }
            tracing::debug!(id, failures, reason = error.reason, "batch sent again");
        }
    }

    async fn file(&self) -> Result<Accepted, Verdict> {
        let target = self.target;
        if target.keys.iter().any(Key::needs_whole_message) {
            let reason = "an ed25519 signature needs the whole body at once, and a file may be of any size".to_owned();
            return Err(Verdict::Rejected { reason, hint: Some("use a `whsec_` secret with `body: file`".to_owned()) });
        }
        let (path, bytes, compress) =
            (self.delivery.artifact.path.clone(), self.delivery.artifact.bytes, target.webhook.compress);
        let body = blocking(move || Body::from_file(File::open(path)?, bytes, compress)).await.map_err(unreadable)?;
        let kind = match self.delivery.artifact.name.rsplit_once('.') {
            Some((_, "csv" | "txt")) => "text/csv; charset=utf-8",
            Some((_, "json")) => "application/json",
            Some((_, "ndjson" | "jsonl")) => "application/x-ndjson",
            Some((_, "xml")) => "application/xml",
            Some((_, "parquet")) => "application/vnd.apache.parquet",
            Some((_, "xlsx")) => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            _ => "application/octet-stream",
        };
        self.single(kind, &body).await
    }

    async fn notice(&self) -> Result<Accepted, Verdict> {
        let mut notice = envelope(self.delivery, "reportferry.notice");
        let delivered_to = self.delivery.about.delivered_to.iter().map(|(destination, address, path)| {
            serde_json::json!({"destination": destination, "address": address, "path": path})
        });
        notice["data"]["delivered_to"] = delivered_to.collect();
        let body = Body::in_memory(notice.to_string().into_bytes(), self.target.webhook.compress);
        self.single("application/json", &body.map_err(unreadable)?).await
    }

    /// Sends the only request of a delivery.
    async fn single(&self, kind: &'static str, body: &Body) -> Result<Accepted, Verdict> {
        let accepted = self.post(self.id, kind, "", body, false).await.map_err(|error| error.verdict(""))?;
        self.meter.set(self.delivery.artifact.bytes);
        Ok(accepted)
    }
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

fn unreadable(error: io::Error) -> Verdict {
    WebhookError::unreadable(error).verdict("")
}
