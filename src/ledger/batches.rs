//! Writes for deliveries in batches, and for destinations that are gone.

use std::collections::BTreeSet;

use super::rows::note_open_row;
use super::store::params;
use super::{Ledger, LedgerError};
use crate::deliver::webhook::AckedBatch;
use crate::fault::FaultStep;

impl Ledger {
    /// The acknowledged batches of a delivery.
    pub async fn parts(&self, run_id: &str, destination: &str) -> Result<BTreeSet<u64>, LedgerError> {
        let (run, destination) = (run_id.to_owned(), destination.to_owned());
        self.read("read the acknowledged batches", move |tx| {
            const SELECT: &str =
                "SELECT number FROM batches WHERE run_id = $1 AND destination = $2 AND acked_ms IS NOT NULL";
            tx.query(SELECT, params![&run, &destination])?.iter().map(|row| row.get("number")).collect()
        })
        .await
    }

    /// A destination that already has some batches of the run's artifact.
    pub async fn partly_delivered(&self, run_id: &str) -> Result<Option<String>, LedgerError> {
        let run = run_id.to_owned();
        self.read("read the acknowledged batches", move |tx| {
            const SELECT: &str = "SELECT destination FROM batches WHERE run_id = $1 LIMIT 1";
            tx.query_opt(SELECT, params![&run])?.map(|row| row.get("destination")).transpose()
        })
        .await
    }

    /// Records acknowledged batches, and their rows that were not accepted. Resets the delivery's failures in a row to one: it
    /// progresses, but has failed before.
    pub async fn acknowledge(
        &self,
        run_id: &str,
        destination: &str,
        sha256: &str,
        acked: &[AckedBatch],
    ) -> Result<(), LedgerError> {
        let (run, destination, sha256) = (run_id.to_owned(), destination.to_owned(), sha256.to_owned());
        let (batches, now) = (acked.to_vec(), self.clock.now_ms());
        self.write(FaultStep::new("ledger.parts"), "record the acknowledged batches", move |tx| {
            for AckedBatch { rows, open } in &batches {
                match rows.number {
                    Some(number) => tx.execute(
                        "INSERT INTO batches (run_id, destination, number, sha256, first_row, row_count, acked_ms) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (run_id, destination, number) \
                         DO UPDATE SET acked_ms = COALESCE(batches.acked_ms, excluded.acked_ms), resend = 0",
                        params![&run, &destination, number, &sha256, rows.first, rows.count, now],
                    )?,
                    // All rows between its first and its last one that are sent again are in it.
                    None => tx.execute(
                        "DELETE FROM open_rows WHERE run_id = $1 AND destination = $2 AND number BETWEEN $3 AND $4 \
                         AND resend = 2",
                        params![&run, &destination, rows.first, rows.last],
                    )?,
                };
                for row in open {
                    note_open_row(tx, (&run, &destination), row)?;
                }
            }
            tx.execute(
                "UPDATE deliveries SET failures = 1 WHERE run_id = $1 AND destination = $2 AND failures > 1",
                params![&run, &destination],
            )
            .map(|_| ())
        })
        .await
    }

    /// Records that a destination is gone; with `None`, that it may be tried again.
    pub async fn note_gone(&self, destination: &str, reason: Option<&str>) -> Result<(), LedgerError> {
        let (destination, reason, now) = (destination.to_owned(), reason.map(str::to_owned), self.clock.now_ms());
        self.write(FaultStep::new("ledger.gone"), "record whether the destination is gone", move |tx| {
            const INSERT: &str =
                "INSERT INTO gone (destination, since_ms, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            let changed = match &reason {
                Some(reason) => tx.execute(INSERT, params![&destination, now, reason]),
                None => tx.execute("DELETE FROM gone WHERE destination = $1", params![&destination]),
            };
            changed.map(|_| ())
        })
        .await
    }
}
