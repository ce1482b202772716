//! Sends all requests of one delivery: its rows in batches, its file, or a notice.

use std::fs::File;
use std::sync::Arc;

use super::WebhookTarget;
use super::batch::envelope;
use super::body::Body;
use super::request::{Sender, blocking};
use super::response::Accepted;
use super::send_batches::{AckedBatches, unreadable};
use super::signature::Key;
use crate::deliver::rate_limit::TOO_LONG;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{Batching, Intent, Receipt, Verdict};
use crate::progress::Meter;
use crate::settings::WebhookBody;

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
            rows: None,
        }
    }
}

impl Sender<'_> {
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
