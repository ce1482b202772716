//! The intent of a delivery: its id, and the batching of its rows.

use super::WebhookTarget;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{Batching, IntendedFile, Intent, Role};
use crate::settings::WebhookBody;

impl WebhookTarget {
    /// Returns what will be sent, without contacting the receiver. Keeps the batching of an earlier attempt, unless
    /// `allow_rebatch` is set and the settings have changed.
    pub fn prepare(&self, delivery: &DeliveryRequest<'_>, earlier: Option<Batching>, allow_rebatch: bool) -> Intent {
        let file = IntendedFile {
            role: Role::Data,
            of: None,
            temporary: String::new(),
            final_path: format!("{}-{}", delivery.run, self.name),
            bytes: delivery.artifact.bytes,
            sha256: delivery.artifact.sha256.clone(),
        };
        let size = match (&delivery.plan.request, self.webhook.body) {
            (Some(request), _) => Some((request.rows, request.bytes)),
            (None, WebhookBody::Rows { rows, bytes }) => Some((rows, bytes)),
            (None, WebhookBody::File | WebhookBody::Notice) => None,
        };
        let batching = size.map(|(rows, bytes)| match earlier {
            None => Batching { rows, bytes, generation: 1 },
            Some(kept) if !allow_rebatch || (kept.rows, kept.bytes) == (rows, bytes) => kept,
            Some(kept) => Batching { rows, bytes, generation: kept.generation + 1 },
        });
        Intent { files: vec![file], batching, acks: Vec::new() }
    }
}
