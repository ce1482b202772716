//! The rows of a delivery that were not accepted: counted, kept with their reasons, and decided on.

use futures_util::future::BoxFuture;

use super::DeliveryTask;
use crate::deliver::webhook::BatchEvent;
use crate::deliver::{Receipt, Verdict, describe_rows};
use crate::ledger::{LedgerError, OpenBatches};
use crate::run::Requester;
use crate::run::open_rows::OpenRowsPlace;

/// The reason of rows that a person decided not to send again.
const LOST: &str = "the response was lost, and it was not sent again";

/// The consequence of what earlier attempts left open.
pub(super) enum Standing {
    GoOn(OpenBatches),
    /// Rows may have been taken, and no person has decided yet.
    InDoubt(Verdict),
}

impl DeliveryTask {
    /// Returns what earlier attempts left open. What may have been taken and must not be sent twice blocks the delivery; with
    /// a person's retry, it is unanswered, and the rest is sent.
    pub(super) async fn standing(&self) -> Result<Standing, LedgerError> {
        let (ledger, destination) = (&self.context.ledger, self.destination());
        let open = ledger.open_batches(&self.run, destination).await?;
        let is_in_doubt = !open.in_doubt.is_empty() || !open.resend_begun.is_empty();
        if !is_in_doubt || !self.delivery().holds_unanswered() {
            return Ok(Standing::GoOn(open));
        }
        if self.requester == Requester::Retry {
            ledger.settle_in_doubt(&self.run, destination, LOST).await?;
            return Ok(Standing::GoOn(ledger.open_batches(&self.run, destination).await?));
        }
        let reason = "no response was recorded for them";
        Ok(Standing::InDoubt(Verdict::Unconfirmed {
            reason: format!("{} may have been taken: {reason}", doubtful(&open)),
        }))
    }

    /// Records an event of batches.
    pub(super) fn record(&self, event: BatchEvent) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let (ledger, destination, sha256) = (&self.context.ledger, self.destination(), &self.artifact.sha256);
            let recorded = match event {
                BatchEvent::Begun(rows) => {
                    let is_durable = self.delivery().holds_unanswered();
                    ledger.begin_batch(&self.run, destination, sha256, rows, is_durable).await
                }
                BatchEvent::NotTaken(rows) => ledger.withdraw_batch(&self.run, destination, rows).await,
                BatchEvent::Acked(batches) => ledger.acknowledge(&self.run, destination, sha256, &batches).await,
            };
            recorded.map_err(|error| error.to_string())
        })
    }

    /// Counts the rows by their outcome, and writes the files of those that were not accepted. Returns the verdict that this
    /// leads to.
    pub(super) async fn settle_rows(&self, verdict: Verdict) -> Result<Verdict, LedgerError> {
        if self.delivery().request.is_none() {
            return Ok(verdict);
        }
        let counts = self.context.ledger.count_rows(&self.run, self.destination()).await?;
        let place = OpenRowsPlace {
            ledger: &self.context.ledger,
            data: &self.context.settings.data,
            run: &self.run,
            destination: self.destination(),
        };
        place.write_files(&self.artifact).await?;
        Ok(match verdict {
            Verdict::Delivered(receipt) => {
                match place.shortfall(counts, self.artifact.rows, self.delivery().refused_rows, true) {
                    Some(reason) => Verdict::Partial { reason },
                    None => Verdict::Delivered(Receipt { rows: Some(Box::new(counts)), ..receipt }),
                }
            }
            Verdict::Unknown { reason } if self.delivery().holds_unanswered() => {
                let open = self.context.ledger.open_batches(&self.run, self.destination()).await?;
                match open.in_doubt.is_empty() && open.resend_begun.is_empty() {
                    true => Verdict::Unknown { reason },
                    false => {
                        let reason = format!("{} may have been taken: {reason}", doubtful(&open));
                        Verdict::Unconfirmed { reason }
                    }
                }
            }
            verdict => verdict,
        })
    }
}

/// Names the rows that may have been taken.
fn doubtful(open: &OpenBatches) -> String {
    let begun = open.resend_begun.iter().map(|row| (*row, *row));
    let mut ranges: Vec<(u64, u64)> = open.in_doubt.iter().map(|rows| (rows.first, rows.last)).chain(begun).collect();
    ranges.sort_unstable();
    describe_rows(ranges)
}
