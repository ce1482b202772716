//! The delivery of an artifact to one destination.

use std::sync::Arc;
use std::time::Duration;

use super::{AckRows, Existing, RefusedRows, Request};
use crate::name::NameTemplate;
use crate::name::content::ContentTemplate;
use crate::settings::{Destination, WebhookBody};
use crate::yaml::problem::Place;

/// One destination of the artifact.
pub struct DeliveryPlan {
    pub destination: Arc<Destination>,
    /// The place of the destination's name.
    pub at: Place,
    /// The directory below the destination's base; separated by `/`, never outside the base. If an SFTP destination has
    /// no base, one that begins with `/` is absolute.
    pub directory: String,
    pub existing: Existing,
    /// The name under which the data is written before it gets its final one; a hidden name of ours if unset.
    pub upload_as: Option<NameTemplate>,
    /// `replace: with_gap`: if the server cannot rename over a file, remove it first.
    pub replace_with_gap: bool,
    /// The files of a split artifact are published together, with one companion file of each kind.
    pub publish_together: bool,
    /// A file for `sha256sum -c`. `{name}` in companion files' names is the data file's name, or the file group's.
    pub checksum: Option<NameTemplate>,
    /// A JSON file that describes the data.
    pub manifest: Option<NameTemplate>,
    pub done_file: Option<NameTemplate>,
    /// The content of the done file; empty if unset.
    pub done_content: Option<ContentTemplate>,
    /// True if the run is delivered only with this delivery.
    pub required: bool,
    /// The time after which the delivery sends an alert if it is not done.
    pub alert_after: Option<Duration>,
    /// The requests to a receiver with an API of its own.
    pub request: Option<Request>,
    /// The rows that the receiver may refuse.
    pub refused_rows: RefusedRows,
    /// The answers for single rows in the acknowledgement file of the destination's reader.
    pub ack_rows: Option<AckRows>,
}

impl DeliveryPlan {
    /// Returns true if a request whose response was lost must not be sent again.
    pub fn holds_unanswered(&self) -> bool {
        self.request.as_ref().is_some_and(|request| !request.resends())
    }

    /// Returns true if the rows are needed after the artifact was made: requests carry them, or a reader answers for them.
    pub fn sends_rows(&self) -> bool {
        self.request.is_some()
            || self.ack_rows.is_some()
            || self.destination.webhook().is_some_and(|webhook| matches!(webhook.body, WebhookBody::Rows { .. }))
    }
}
