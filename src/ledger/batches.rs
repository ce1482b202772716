//! Writes for deliveries in batches, and for destinations that are gone.

use std::collections::BTreeSet;

use super::store::params;
use super::{Ledger, LedgerError};
use crate::fault::FaultStep;

impl Ledger {
    /// The acknowledged batches of a delivery.
    pub async fn parts(&self, run_id: &str, destination: &str) -> Result<BTreeSet<u64>, LedgerError> {
        let (run, destination) = (run_id.to_owned(), destination.to_owned());
        self.read("read the acknowledged batches", move |tx| {
            const SELECT: &str = "SELECT number FROM acked_batches WHERE run_id = $1 AND destination = $2";
            tx.query(SELECT, params![&run, &destination])?.iter().map(|row| row.get("number")).collect()
        })
        .await
    }

    /// A destination that already has some batches of the run's artifact.
    pub async fn partly_delivered(&self, run_id: &str) -> Result<Option<String>, LedgerError> {
        let run = run_id.to_owned();
        self.read("read the acknowledged batches", move |tx| {
            const SELECT: &str = "SELECT destination FROM acked_batches WHERE run_id = $1 LIMIT 1";
            tx.query_opt(SELECT, params![&run])?.map(|row| row.get("destination")).transpose()
        })
        .await
    }

    /// Records acknowledged batches. Resets the delivery's failures in a row to one: it progresses, but has failed before.
    pub async fn acknowledge(
        &self,
        run_id: &str,
        destination: &str,
        sha256: &str,
        parts: &[u64],
    ) -> Result<(), LedgerError> {
        let (run, destination, sha256) = (run_id.to_owned(), destination.to_owned(), sha256.to_owned());
        let (batches, now) = (parts.to_vec(), self.clock.now_ms());
        self.write(FaultStep::new("ledger.parts"), "record the acknowledged batches", move |tx| {
            for batch in &batches {
                tx.execute(
                    "INSERT INTO acked_batches (run_id, destination, number, sha256, acked_ms) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                    params![&run, &destination, *batch, &sha256, now],
                )?;
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
