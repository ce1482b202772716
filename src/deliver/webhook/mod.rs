//! Delivery by webhook: signed POST requests (Standard Webhooks) that carry the rows, the file, or a notice of it.
//!
//! A delivery has one id, and each of its batches another, the same in every attempt: a receiver that has seen an id
//! answers 2xx and does nothing. That is how a lost answer is made good: the same id goes again.

/// What an answer means.
pub mod answer;
/// The rows as JSON, in batches.
pub mod batch;
/// What a body is made of, and whether it moves.
mod body;
mod client;
/// A receiver, tried step by step.
pub mod doctor;
/// Which addresses may be reached.
pub mod guard;
mod send;
/// Signatures.
pub mod sign;

use std::sync::Arc;

use tokio::runtime::Handle;

use super::paced::TOO_LONG;
use super::{Cutting, FinalName, IntendedFile, Intent, Put, Receipt, Role, Seen, SeenFile, Verdict};
use crate::clock::Clock;
use crate::progress::Meter;
use crate::settings::{Destination, DestinationKind, Webhook, WebhookBody};
use answer::Taken;
use client::Receiver;
use guard::admit;
use send::Send;

/// Steps at which the fault tests strike.
pub const WEBHOOK_FAULT_STEPS: &[&str] = &["webhook.send", "ledger.parts"];

/// A receiver that requests can be sent to.
pub struct WebhookDrop {
    destination: Arc<Destination>,
    receiver: Arc<Receiver>,
}

impl WebhookDrop {
    /// Reads secrets and certificates. Nothing is sent.
    ///
    /// # Errors
    /// `Rejected`: settings that cannot work, or an address that may not be reached.
    pub fn open(destination: &Arc<Destination>, webhook: &Webhook) -> Result<Self, Verdict> {
        let receiver = Receiver::of(destination, webhook)?;
        // Addresses that stand in the URL itself are never looked up, so no resolver sees them.
        let host = receiver.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if let (Ok(address), None) = (host.parse(), &webhook.proxy) {
            admit(host, address, webhook.allow)
                .map_err(|refused| Verdict::Rejected { reason: refused.to_string(), hint: None })?;
        }
        Ok(Self { destination: destination.clone(), receiver })
    }

    /// The id of the delivery.
    pub fn prepare(&self, put: &Put<'_>) -> Result<Intent, Verdict> {
        let id = format!("{}-{}", put.run, self.destination.name);
        let artifact = put.artifact;
        let file = IntendedFile {
            role: Role::Data,
            of: None,
            temporary: String::new(),
            final_path: id,
            bytes: artifact.bytes,
            sha256: artifact.sha256.clone(),
        };
        let cutting = match &self.destination.kind {
            DestinationKind::Webhook(webhook) => match webhook.body {
                WebhookBody::Rows { rows, bytes } => Some(cut(rows, bytes, put.cutting, put.may_cut)),
                WebhookBody::File | WebhookBody::Notice => None,
            },
            _ => None,
        };
        Ok(Intent { files: vec![file], cutting, acks: Vec::new() })
    }

    /// There is nothing to look at: the id is what tells a second attempt from a second delivery.
    pub fn look(&self, intent: &Intent) -> Seen {
        let seen = |_: &IntendedFile| SeenFile { final_name: FinalName::Absent, temporary: false };
        Seen { files: intent.files.iter().map(seen).collect() }
    }

    /// What a receiver keeps is its own.
    pub fn hidden(&self, intent: &Intent) -> Seen {
        let why = "a webhook's receiver does not say what it has".to_owned();
        let seen = |_: &IntendedFile| SeenFile { final_name: FinalName::Hidden { why: why.clone() }, temporary: false };
        Seen { files: intent.files.iter().map(seen).collect() }
    }

    /// Sends what is to be sent. Blocks; the runtime that it stands beside does the waiting.
    pub fn publish(&self, put: &Put<'_>, intent: &Intent, meter: &Meter) -> Verdict {
        let id = intent.files.first().map(|file| file.final_path.clone());
        let (DestinationKind::Webhook(webhook), Some(id)) = (&self.destination.kind, id) else {
            return Verdict::Rejected { reason: "this is no webhook's intent".to_owned(), hint: None };
        };
        let send = Send { webhook, receiver: &self.receiver, put, id: &id, clock: Clock::System };
        let sending = async {
            match webhook.body {
                WebhookBody::Rows { rows, bytes } => {
                    send.batches(intent.cutting.unwrap_or(Cutting { rows, bytes, edition: 1 }), meter).await
                }
                WebhookBody::File => send.file(meter).await.map(Some),
                WebhookBody::Notice => send.notice(meter).await.map(Some),
            }
        };
        let sent = Handle::current().block_on(async {
            match put.until {
                None => sending.await,
                Some(until) => tokio::time::timeout_at(until.into(), sending)
                    .await
                    .unwrap_or_else(|_| Err(Verdict::Unknown { reason: TOO_LONG.to_owned() })),
            }
        });
        match sent {
            Ok(taken) => Verdict::Delivered(self.receipt(put, &id, taken)),
            Err(verdict) => verdict,
        }
    }

    fn receipt(&self, put: &Put<'_>, id: &str, taken: Option<Taken>) -> Receipt {
        Receipt {
            address: self.receiver.address.clone(),
            path: self.receiver.url.path().to_owned(),
            bytes: put.artifact.bytes,
            sha256: put.artifact.sha256.clone(),
            files: Vec::new(),
            host_key: None,
            // A crash after the last acknowledgement leaves nothing to send.
            verified: match &taken {
                Some(taken) => format!("status {}", taken.status),
                None => "all batches were acknowledged in earlier attempts".to_owned(),
            },
            published: format!("webhook-id {id}"),
            answer: taken.map(|taken| taken.said).filter(|said| !said.is_empty()),
            notes: Vec::new(),
        }
    }
}

/// The cutting that an earlier attempt began with, unless there was none or it may be given up.
fn cut(rows: usize, bytes: usize, earlier: Option<Cutting>, may_cut: bool) -> Cutting {
    match earlier {
        None => Cutting { rows, bytes, edition: 1 },
        Some(kept) if !may_cut || (kept.rows, kept.bytes) == (rows, bytes) => kept,
        Some(kept) => Cutting { rows, bytes, edition: kept.edition + 1 },
    }
}
