//! The rows of a delivery that were not accepted: counted, kept with their reasons, and decided on.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::DeliveryTask;
use crate::deliver::webhook::{BatchEvent, open_rows};
use crate::deliver::{OpenRow, Receipt, RowCounts, RowOutcome, Verdict, describe_rows};
use crate::disk;
use crate::encode::Artifact;
use crate::ledger::{LedgerError, OpenBatches};
use crate::pipeline::plan::{Header, RefusedRows};
use crate::run::{Requester, spool};

/// The reason of rows that a person decided not to send again.
const LOST: &str = "the response was lost, and it was not sent again";

/// What earlier attempts left, and what follows.
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
        for outcome in RowOutcome::ALL {
            if let Err(error) = self.write_open_rows(outcome).await? {
                let (run, destination, reason) = (&self.run, self.destination(), error.to_string());
                tracing::warn!(run, destination, reason, "the file of {} rows cannot be written", outcome.name());
            }
        }
        Ok(match verdict {
            Verdict::Delivered(receipt) => match self.shortfall(counts) {
                Some(reason) => Verdict::Partial { reason },
                None => Verdict::Delivered(Receipt { rows: Some(counts), ..receipt }),
            },
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

    /// Returns why a delivery that was sent as a whole does not count as delivered.
    fn shortfall(&self, counts: RowCounts) -> Option<String> {
        let RefusedRows(max) = self.delivery().refused_rows;
        let rows = self.artifact.rows;
        if counts.sent() != rows {
            return Some(format!("{counts}, and the artifact has {rows} rows"));
        }
        if counts.unanswered() == 0 && max.allows(counts.refused(), rows) {
            return None;
        }
        let mut reason = counts.to_string();
        if !max.allows(counts.refused(), rows) {
            reason += &format!(", more than the {max} of `refused_rows`");
        }
        let (data, run) = (&self.context.settings.data, &self.run);
        for (outcome, count) in [(RowOutcome::Refused, counts.refused()), (RowOutcome::Unanswered, counts.unanswered())]
            .into_iter()
            .filter(|(_, count)| *count > 0)
        {
            let file = data.join(spool::open_rows(run, self.destination(), outcome));
            let what = match outcome {
                RowOutcome::Refused => "fix what the receiver names, then",
                RowOutcome::Unanswered => "look at the receiver: if it does not have them,",
            };
            reason += &format!(
                "; the {count} {} rows are in {}: {what} `retry {run} --rows {}` sends them again alone",
                outcome.name(),
                file.display(),
                outcome.name()
            );
        }
        Some(reason)
    }

    /// Writes the file of the rows with an outcome; removes it if there are none.
    async fn write_open_rows(&self, outcome: RowOutcome) -> Result<io::Result<()>, LedgerError> {
        let path = self.context.settings.data.join(spool::open_rows(&self.run, self.destination(), outcome));
        let (mut after, mut file) = (0, None);
        loop {
            let page = self.context.ledger.open_rows(&self.run, self.destination(), outcome, after).await?;
            let Some(last) = page.last() else { break };
            after = last.row;
            let (artifact, path) = (self.artifact.clone(), path.clone());
            let written = tokio::task::spawn_blocking(move || {
                let mut file = match file {
                    Some(file) => file,
                    None => OpenRowsFile::create(&artifact, path)?,
                };
                file.append(&page)?;
                Ok(file)
            });
            file = match written.await.unwrap_or_else(|_| Err(io::Error::other("a bug in reportferry"))) {
                Ok(written) => Some(written),
                Err(error) => return Ok(Err(error)),
            };
        }
        let finished = tokio::task::spawn_blocking(move || match file {
            Some(file) => file.finish(),
            None => match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            },
        });
        Ok(finished.await.unwrap_or_else(|_| Err(io::Error::other("a bug in reportferry"))))
    }
}

/// Names the rows that may have been taken.
fn doubtful(open: &OpenBatches) -> String {
    let begun = open.resend_begun.iter().map(|row| (*row, *row));
    let mut ranges: Vec<(u64, u64)> = open.in_doubt.iter().map(|rows| (rows.first, rows.last)).chain(begun).collect();
    ranges.sort_unstable();
    describe_rows(ranges)
}

/// A CSV of rows of the artifact: the row's number, its cells, and the reason.
struct OpenRowsFile {
    rows: csv::Reader<Box<dyn io::Read + Send>>,
    record: csv::StringRecord,
    /// The number of the row in `record`.
    number: u64,
    writer: csv::Writer<std::fs::File>,
    path: PathBuf,
}

impl OpenRowsFile {
    fn create(artifact: &Arc<Artifact>, path: PathBuf) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            disk::create_private_folder(folder)?;
        }
        let (rows, dialect) = open_rows(artifact)?;
        let rows = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .has_headers(dialect.header != Header::None)
            .from_reader(rows);
        let file = disk::private_file().create(true).truncate(true).write(true).open(path.with_extension("part"))?;
        let mut writer = csv::Writer::from_writer(file);
        let columns = artifact.columns.iter().map(String::as_str);
        writer.write_record(["row"].into_iter().chain(columns).chain(["reason"]))?;
        Ok(Self { rows, record: csv::StringRecord::new(), number: 0, writer, path })
    }

    /// Appends rows, which follow those before.
    fn append(&mut self, open: &[OpenRow]) -> io::Result<()> {
        for OpenRow { row, reason, outcome: _ } in open {
            while self.number < *row {
                if !self.rows.read_record(&mut self.record)? {
                    return Err(io::Error::other(format!("the artifact has no row {row}")));
                }
                self.number += 1;
            }
            let number = row.to_string();
            let cells = [number.as_str()].into_iter().chain(&self.record).chain([reason.as_str()]);
            self.writer.write_record(cells)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        std::fs::rename(self.path.with_extension("part"), &self.path)
    }
}
