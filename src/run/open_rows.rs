//! The files of rows that were sent and not accepted, and what follows from such rows.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::spool;
use crate::deliver::webhook::open_rows;
use crate::deliver::{OpenRow, RowCounts, RowOutcome};
use crate::disk;
use crate::encode::Artifact;
use crate::ledger::{Ledger, LedgerError};
use crate::pipeline::plan::{Header, RefusedRows};

/// The rows of a delivery that were not accepted, in the ledger and in the spool.
pub(super) struct OpenRowsPlace<'a> {
    pub ledger: &'a Ledger,
    /// The data folder.
    pub data: &'a Path,
    pub run: &'a str,
    pub destination: &'a str,
}

impl OpenRowsPlace<'_> {
    /// Returns why a delivery that was sent as a whole does not count as delivered. `may_resend`: rows can be sent again alone.
    pub(super) fn shortfall(
        &self,
        counts: RowCounts,
        rows: u64,
        RefusedRows(max): RefusedRows,
        may_resend: bool,
    ) -> Option<String> {
        if counts.sent() != rows {
            return Some(format!("{counts}, and the artifact has {rows} rows"));
        }
        let is_allowed = max.allows(counts.refused(), rows);
        if counts.unanswered() == 0 && is_allowed {
            return None;
        }
        let mut reason = counts.to_string();
        if !is_allowed {
            reason += &format!(", more than the {max} of `refused_rows`");
        }
        let of = [(RowOutcome::Refused, counts.refused()), (RowOutcome::NoAnswer, counts.unanswered())];
        for (outcome, count) in of.into_iter().filter(|(_, count)| *count > 0) {
            let (run, name, file) = (self.run, outcome.name(), self.file(outcome));
            let next = match (may_resend, outcome) {
                (true, RowOutcome::Refused) => {
                    format!("fix what the receiver names, then `retry {run} --rows {name}` sends them again alone")
                }
                (true, RowOutcome::NoAnswer) => format!(
                    "look at the receiver: if it does not have them, `retry {run} --rows {name}` sends them again alone"
                ),
                (false, RowOutcome::Refused) => {
                    "fix what the reader names, run the pipeline for a new slot, and `dismiss` this run".to_owned()
                }
                (false, RowOutcome::NoAnswer) => "ask whoever runs the reader".to_owned(),
            };
            reason += &format!("; the {count} {name} rows are in {}: {next}", file.display());
        }
        Some(reason)
    }

    fn file(&self, outcome: RowOutcome) -> PathBuf {
        self.data.join(spool::open_rows(self.run, self.destination, outcome))
    }

    /// Writes the files of the rows. One that cannot be written is logged: the ledger has the rows.
    pub(super) async fn write_files(&self, artifact: &Arc<Artifact>) -> Result<(), LedgerError> {
        for outcome in RowOutcome::ALL {
            if let Err(error) = self.write_file(artifact, outcome).await? {
                let (run, destination, reason) = (self.run, self.destination, error.to_string());
                tracing::warn!(run, destination, reason, "the file of {} rows cannot be written", outcome.name());
            }
        }
        Ok(())
    }

    /// Writes the file of the rows with an outcome; removes it if there are none.
    async fn write_file(&self, artifact: &Arc<Artifact>, outcome: RowOutcome) -> Result<io::Result<()>, LedgerError> {
        let path = self.file(outcome);
        let (mut after, mut file) = (0, None);
        loop {
            let page = self.ledger.open_rows(self.run, self.destination, outcome, after).await?;
            let Some(last) = page.last() else { break };
            after = last.row;
            let (artifact, path) = (artifact.clone(), path.clone());
            let written = blocking(move || {
                let mut file = match file {
                    Some(file) => file,
                    None => OpenRowsFile::create(&artifact, path)?,
                };
                file.append(&page)?;
                Ok(file)
            });
            file = match written.await {
                Ok(written) => Some(written),
                Err(error) => return Ok(Err(error)),
            };
        }
        let finished = blocking(move || match file {
            Some(file) => file.finish(),
            None => match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            },
        });
        Ok(finished.await)
    }
}

/// Runs blocking work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    // A panic message may hold anything and is not kept.
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(io::Error::other("a bug in reportferry")))
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
