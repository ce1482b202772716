//! The rows of deliveries that receivers answer for: batches that were begun, and rows that were not accepted.

use super::history::RunEvent;
use super::next::PartialRows;
use super::pickups::picked_up;
use super::runs::{next_run_at, record};
use super::state::{DeliveryEvent, DeliveryState, RunState, legal_in};
use super::store::{Durability, Row, Tx, params};
use super::{Ledger, LedgerError};
use crate::deliver::webhook::BatchRows;
use crate::deliver::{OpenRow, RowCounts, RowOutcome};
use crate::fault::FaultStep;

super::store::named_column!(RowOutcome);

/// Batches and rows that earlier attempts of a delivery left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenBatches {
    /// Begun and not acknowledged: they may have been taken.
    pub in_doubt: Vec<BatchRows>,
    /// Begun and not acknowledged, and a person wants them sent.
    pub wanted: Vec<u64>,
    /// Rows to send again alone, ascending.
    pub resend: Vec<u64>,
    /// Those of them whose request was begun: they may have been taken.
    pub resend_begun: Vec<u64>,
    /// How often a person had rows sent again.
    pub resends: u32,
}

/// Rows that are read at once.
const PAGE: i64 = 1_000;

impl Ledger {
    /// Returns what earlier attempts of a delivery left open.
    pub async fn open_batches(&self, run_id: &str, destination: &str) -> Result<OpenBatches, LedgerError> {
        let (run, destination) = (run_id.to_owned(), destination.to_owned());
        self.read("read the batches that were begun", move |tx| {
            let mut open = OpenBatches::default();
            let begun = tx.query(
                "SELECT number, first_row, row_count, resend FROM batches WHERE run_id = $1 AND destination = $2 \
                 AND acked_ms IS NULL ORDER BY number",
                params![&run, &destination],
            )?;
            for row in &begun {
                let (number, first, count): (u64, u64, u64) =
                    (row.get("number")?, row.get("first_row")?, row.get("row_count")?);
                match row.get::<bool>("resend")? {
                    true => open.wanted.push(number),
                    false => {
                        let last = (first + count).saturating_sub(1);
                        open.in_doubt.push(BatchRows { number: Some(number), first, last, count });
                    }
                }
            }
            let rows = tx.query(
                "SELECT number, resend FROM open_rows WHERE run_id = $1 AND destination = $2 AND resend <> 0 \
                 ORDER BY number",
                params![&run, &destination],
            )?;
            for row in &rows {
                open.resend.push(row.get("number")?);
                if row.get::<i64>("resend")? == 2 {
                    open.resend_begun.push(row.get("number")?);
                }
            }
            const RESENDS: &str = "SELECT resends FROM deliveries WHERE run_id = $1 AND destination = $2";
            if let Some(row) = tx.query_opt(RESENDS, params![&run, &destination])? {
                open.resends = row.get("resends")?;
            }
            Ok(open)
        })
        .await
    }

    /// Records that a batch is about to be sent. `is_durable`: a power failure must not undo it.
    pub async fn begin_batch(
        &self,
        run_id: &str,
        destination: &str,
        sha256: &str,
        batch: BatchRows,
        is_durable: bool,
    ) -> Result<(), LedgerError> {
        let (run, destination, sha256) = (run_id.to_owned(), destination.to_owned(), sha256.to_owned());
        let durability = if is_durable { Durability::Synced } else { Durability::Ordered };
        self.write_as(durability, FaultStep::new("ledger.begin"), "record a batch that is begun", move |tx| {
            let BatchRows { number, first, last, count } = batch;
            match number {
                Some(number) => tx.execute(
                    "INSERT INTO batches (run_id, destination, number, sha256, first_row, row_count) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run_id, destination, number) DO UPDATE SET resend = 0",
                    params![&run, &destination, number, &sha256, first, count],
                ),
                None => set_resend(tx, (&run, &destination), (first, last), (1, 2)),
            }
            .map(|_| ())
        })
        .await
    }

    /// Records that a batch that was begun was not taken.
    pub async fn withdraw_batch(&self, run_id: &str, destination: &str, batch: BatchRows) -> Result<(), LedgerError> {
        let (run, destination) = (run_id.to_owned(), destination.to_owned());
        self.write(FaultStep::new("ledger.withdraw"), "record a batch that was not taken", move |tx| {
            let BatchRows { number, first, last, count: _ } = batch;
            match number {
                Some(number) => tx.execute(
                    "DELETE FROM batches WHERE run_id = $1 AND destination = $2 AND number = $3 AND acked_ms IS NULL",
                    params![&run, &destination, number],
                ),
                None => set_resend(tx, (&run, &destination), (first, last), (2, 1)),
            }
            .map(|_| ())
        })
        .await
    }

    /// Gives up the batches and rows that may have been taken: they are not sent again, and their rows are unanswered.
    pub async fn settle_in_doubt(&self, run_id: &str, destination: &str, reason: &str) -> Result<(), LedgerError> {
        let (run, destination, reason) = (run_id.to_owned(), destination.to_owned(), reason.to_owned());
        let now = self.clock.now_ms();
        self.write(FaultStep::new("ledger.settle"), "record rows that may have been taken", move |tx| {
            let begun = tx.query(
                "SELECT first_row, row_count FROM batches WHERE run_id = $1 AND destination = $2 \
                 AND acked_ms IS NULL AND resend = 0",
                params![&run, &destination],
            )?;
            for row in &begun {
                let (first, count): (u64, u64) = (row.get("first_row")?, row.get("row_count")?);
                for row in first..first + count {
                    let open = OpenRow { row, outcome: RowOutcome::NoAnswer, reason: reason.clone() };
                    note_open_row(tx, (&run, &destination), &open)?;
                }
            }
            tx.execute(
                "UPDATE batches SET acked_ms = $3 WHERE run_id = $1 AND destination = $2 AND acked_ms IS NULL \
                 AND resend = 0",
                params![&run, &destination, now],
            )?;
            tx.execute(
                "UPDATE open_rows SET outcome = $3, reason = $4, resend = 0 WHERE run_id = $1 AND destination = $2 \
                 AND resend = 2",
                params![&run, &destination, RowOutcome::NoAnswer.name(), &reason],
            )
            .map(|_| ())
        })
        .await
    }

    /// Marks the rows of a run's unsettled deliveries with this outcome, to be sent again alone. Returns how many there are.
    pub async fn resend_rows(&self, run_id: &str, outcome: RowOutcome) -> Result<u64, LedgerError> {
        let run = run_id.to_owned();
        self.write(FaultStep::new("ledger.resend"), "mark the rows to send again", move |tx| {
            let retried = DeliveryEvent::Retried.legal_in();
            let of = |table: &str| {
                format!(
                    "{table}.run_id = $1 AND EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = {table}.run_id \
                     AND d.destination = {table}.destination AND d.state IN ({retried})) \
                     AND NOT EXISTS (SELECT 1 FROM receipts c WHERE c.run_id = {table}.run_id \
                     AND c.destination = {table}.destination)"
                )
            };
            let mut marked = tx.execute(
                &format!("UPDATE open_rows SET resend = 1 WHERE {} AND outcome = $2", of("open_rows")),
                params![&run, outcome.name()],
            )?;
            if outcome == RowOutcome::NoAnswer {
                let batches = of("batches");
                let count = tx.query_one(
                    &format!(
                        "SELECT CAST(COALESCE(SUM(row_count), 0) AS BIGINT) AS count FROM batches WHERE {batches} \
                         AND acked_ms IS NULL"
                    ),
                    params![&run],
                )?;
                marked += count.get::<u64>("count")?;
                let update = format!("UPDATE batches SET resend = 1 WHERE {batches} AND acked_ms IS NULL");
                tx.execute(&update, params![&run])?;
            }
            tx.execute(
                "UPDATE deliveries SET resends = resends + 1 WHERE run_id = $1 AND EXISTS (SELECT 1 FROM open_rows o \
                 WHERE o.run_id = deliveries.run_id AND o.destination = deliveries.destination AND o.resend = 1)",
                params![&run],
            )?;
            Ok(marked)
        })
        .await
    }

    /// Counts the rows of a delivery that were sent, by their outcome, and records that.
    pub async fn count_rows(&self, run_id: &str, destination: &str) -> Result<RowCounts, LedgerError> {
        let (run, destination) = (run_id.to_owned(), destination.to_owned());
        self.write(FaultStep::new("ledger.count"), "count the rows by their outcome", move |tx| {
            let sent = tx.query_one(
                "SELECT CAST(COALESCE(SUM(row_count), 0) AS BIGINT) AS sent, CAST(COALESCE(SUM(CASE WHEN acked_ms IS NULL \
                 THEN row_count ELSE 0 END), 0) AS BIGINT) AS doubtful FROM batches \
                 WHERE run_id = $1 AND destination = $2",
                params![&run, &destination],
            )?;
            let open = tx.query_one(
                "SELECT CAST(COUNT(*) AS BIGINT) AS count, CAST(COALESCE(SUM(CASE WHEN outcome = 'unanswered' \
                 OR resend = 2 THEN 1 ELSE 0 END), 0) AS BIGINT) AS unanswered FROM open_rows \
                 WHERE run_id = $1 AND destination = $2",
                params![&run, &destination],
            )?;
            let (sent, doubtful): (u64, u64) = (sent.get("sent")?, sent.get("doubtful")?);
            let (open, unanswered): (u64, u64) = (open.get("count")?, open.get("unanswered")?);
            let counts = RowCounts::of_sent(sent, open - unanswered, unanswered + doubtful);
            let counts = counts.ok_or_else(|| LedgerError::Unreadable { what: "more open rows than rows".to_owned() })?;
            set_counts(tx, (&run, &destination), counts)?;
            Ok(counts)
        })
        .await
    }

    /// Records rows that a reader did not accept. `is_first`: in place of all that is recorded.
    pub async fn note_open_rows(
        &self,
        run_id: &str,
        destination: &str,
        open: &[OpenRow],
        is_first: bool,
    ) -> Result<(), LedgerError> {
        let (run, destination, open) = (run_id.to_owned(), destination.to_owned(), open.to_vec());
        self.write(FaultStep::new("ledger.open_rows"), "record the rows that a reader refused", move |tx| {
            if is_first {
                const DELETE: &str = "DELETE FROM open_rows WHERE run_id = $1 AND destination = $2";
                tx.execute(DELETE, params![&run, &destination])?;
            }
            open.iter().try_for_each(|row| note_open_row(tx, (&run, &destination), row))
        })
        .await
    }

    /// Records that a reader has answered for the rows of a delivery: the pickup, the counts, and with a `reason` that the
    /// delivery is partial and its run failed; all or nothing.
    pub async fn settle_ack(
        &self,
        run_id: &str,
        destination: &str,
        sha256: &str,
        counts: RowCounts,
        how: &str,
        reason: Option<&str>,
    ) -> Result<(), LedgerError> {
        let (run, destination, sha256) = (run_id.to_owned(), destination.to_owned(), sha256.to_owned());
        let (how, reason, now) = (how.to_owned(), reason.map(str::to_owned), self.clock.now_ms());
        self.write(FaultStep::new("ledger.settle_ack"), "record the answers of a reader", move |tx| {
            tx.execute(
                "INSERT INTO batches (run_id, destination, number, sha256, first_row, row_count, acked_ms) \
                 VALUES ($1, $2, 1, $3, 1, $4, $5) ON CONFLICT DO NOTHING",
                params![&run, &destination, &sha256, counts.sent(), now],
            )?;
            set_counts(tx, (&run, &destination), counts)?;
            picked_up(tx, (&run, &destination), &how, now)?;
            match &reason {
                Some(reason) => refuse_rows(tx, (&run, &destination), reason, now),
                None => Ok(()),
            }
        })
        .await
    }

    /// Returns some of the rows with an outcome, those after row `after`, ascending. An empty list is the end.
    pub async fn open_rows(
        &self,
        run_id: &str,
        destination: &str,
        outcome: RowOutcome,
        after: u64,
    ) -> Result<Vec<OpenRow>, LedgerError> {
        let (run, destination) = (run_id.to_owned(), destination.to_owned());
        self.read("read the rows that were not accepted", move |tx| {
            let rows = tx.query(
                "SELECT number, reason FROM open_rows WHERE run_id = $1 AND destination = $2 AND outcome = $3 \
                 AND number > $4 ORDER BY number LIMIT $5",
                params![&run, &destination, outcome.name(), after, PAGE],
            )?;
            let open = |row: &Row| Ok(OpenRow { row: row.get("number")?, outcome, reason: row.get("reason")? });
            rows.iter().map(open).collect()
        })
        .await
    }
}

fn set_counts(tx: &mut Tx, (run, destination): (&str, &str), counts: RowCounts) -> Result<(), LedgerError> {
    tx.execute(
        "UPDATE deliveries SET accepted_rows = $3, refused_rows = $4, unanswered_rows = $5 \
         WHERE run_id = $1 AND destination = $2",
        params![run, destination, counts.accepted(), counts.refused(), counts.unanswered()],
    )
    .map(|_| ())
}

/// Makes a delivery partial whose reader refused rows, and its run failed if it is required.
fn refuse_rows(tx: &mut Tx, (run, destination): (&str, &str), reason: &str, now: i64) -> Result<(), LedgerError> {
    let moved = tx.query_opt(
        &format!(
            "UPDATE deliveries SET state = $1, reason = $2 WHERE run_id = $3 AND destination = $4 AND state IN ({}) \
             RETURNING required",
            DeliveryEvent::RowsRefused.legal_in()
        ),
        params![DeliveryState::Partial.name(), reason, run, destination],
    )?;
    let Some(moved) = moved else { return Ok(()) };
    let event = RunEvent::RowsRefused { destination: destination.to_owned(), reason: reason.to_owned() };
    if moved.get::<bool>("required")? {
        let legal = legal_in(RunState::ALL, RunState::name, |state| state.after(&event).is_some());
        let to = RunState::Failed;
        tx.execute(
            &format!(
                "UPDATE runs SET state = $2, reason = $3, updated_ms = $4, next_run_at_ms = {} WHERE id = $1 \
                 AND state IN ({legal})",
                next_run_at(to)
            ),
            params![run, to.name(), &format!("{destination}: {reason}"), now],
        )?;
    }
    record(tx, run, now, &event)
}

fn set_resend(
    tx: &mut Tx,
    (run, destination): (&str, &str),
    (first, last): (u64, u64),
    (from, to): (i64, i64),
) -> Result<u64, LedgerError> {
    tx.execute(
        "UPDATE open_rows SET resend = $6 WHERE run_id = $1 AND destination = $2 AND number BETWEEN $3 AND $4 \
         AND resend = $5",
        params![run, destination, first, last, from, to],
    )
}

/// Records a row that was not accepted, in place of an earlier outcome.
pub(super) fn note_open_row(
    tx: &mut Tx,
    (run, destination): (&str, &str),
    OpenRow { row, outcome, reason }: &OpenRow,
) -> Result<(), LedgerError> {
    tx.execute(
        "INSERT INTO open_rows (run_id, destination, number, outcome, reason) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (run_id, destination, number) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason, \
         resend = 0",
        params![run, destination, *row, outcome.name(), reason],
    )
    .map(|_| ())
}

/// Returns the rows of a run's partial deliveries; `None` if it has none.
pub(super) fn partial(tx: &mut Tx, run: &str) -> Result<Option<PartialRows>, LedgerError> {
    let row = tx.query_one(
        "SELECT CAST(COUNT(*) AS BIGINT) AS count, CAST(COALESCE(SUM(refused_rows), 0) AS BIGINT) AS refused, \
         CAST(COALESCE(SUM(unanswered_rows), 0) AS BIGINT) AS unanswered, \
         CAST((SELECT COUNT(*) FROM receipts c JOIN deliveries d ON d.run_id = c.run_id \
         AND d.destination = c.destination WHERE c.run_id = $1 AND d.state = $2) AS BIGINT) AS receipts FROM deliveries \
         WHERE run_id = $1 AND state = $2",
        params![run, DeliveryState::Partial.name()],
    )?;
    let (refused, unanswered): (u64, u64) = (row.get("refused")?, row.get("unanswered")?);
    let rows = PartialRows {
        has_refused: refused > 0,
        has_unanswered: unanswered > 0,
        is_file: row.get::<u64>("receipts")? > 0,
    };
    Ok((row.get::<u64>("count")? > 0).then_some(rows))
}
