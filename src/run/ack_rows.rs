//! The answers for single rows in an acknowledgement file: read, counted, kept, and decided on.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::open_rows::{OpenRowsPlace, blocking};
use super::spool;
use crate::deliver::{AckAnswers, AnsweredRows, RowCounts, RowOutcome};
use crate::encode::Artifact;
use crate::ledger::{Ledger, LedgerError};
use crate::pipeline::plan::{AckRows, RefusedRows};

/// The acknowledgement files of a delivery.
pub struct AckFiles<'a> {
    pub ledger: &'a Ledger,
    /// The data folder.
    pub data: &'a Path,
    pub run: &'a str,
    pub destination: &'a str,
    /// The content of each file, and how it is read.
    pub files: Vec<(AckRows, Vec<u8>)>,
    /// The evidence that the reader wrote them.
    pub how: String,
    /// True once the reader's deadline has passed: it answers for no further rows.
    pub is_late: bool,
}

/// The result of reading the files.
pub enum AckResult {
    /// Recorded. The reason is that of a delivery that does not count as delivered.
    Settled { reason: Option<String> },
    /// They do not have answers for all rows yet.
    Incomplete,
    /// They cannot be read, or matched with rows.
    Unreadable { why: String },
}

/// Rows that are recorded together.
const CHUNK: usize = 1_000;

impl AckFiles<'_> {
    /// Matches the answers with the artifact's rows, and records them with the pickup.
    ///
    /// # Errors
    /// The ledger cannot be used; what was recorded is recorded again.
    pub async fn settle(self) -> Result<AckResult, LedgerError> {
        let Self { ledger, data, run, destination, files, how, is_late } = self;
        let Some((rules, _)) = files.first() else { return Ok(AckResult::Settled { reason: None }) };
        let (rules, max) = (rules.clone(), RefusedRows::parse(&rules.refused_max).unwrap_or_default());
        let artifact = ledger.run(run).await?.and_then(|record| record.artifact);
        let Some(facts) = artifact else {
            return Ok(AckResult::Unreadable { why: "the ledger has no artifact of the run".to_owned() });
        };
        let path = data.join(spool::artifact(run));
        let artifact = Arc::new(facts.at(path));
        let read = blocking({
            let (artifact, rules) = (artifact.clone(), rules.clone());
            move || read(&files, &artifact, &rules)
        });
        let (answers, counts) = match read.await {
            Ok(read) => read,
            Err(error) => return Ok(AckResult::Unreadable { why: error.to_string() }),
        };
        if counts.unanswered() > 0 && !is_late {
            return Ok(AckResult::Incomplete);
        }
        let (answers, mut rows, mut is_first) = (Arc::new(answers), None, true);
        loop {
            let (artifact, rules, answers) = (artifact.clone(), rules.clone(), answers.clone());
            let next = blocking(move || {
                let mut rows = match rows {
                    Some(rows) => rows,
                    None => AnsweredRows::open(&artifact, &rules)?,
                };
                let open = rows.open_rows(&answers, CHUNK)?;
                Ok((rows, open))
            });
            let (reader, open) = match next.await {
                Ok(next) => next,
                Err(error) => return Ok(AckResult::Unreadable { why: error.to_string() }),
            };
            ledger.note_open_rows(run, destination, &open, is_first).await?;
            if open.len() < CHUNK {
                break;
            }
            (rows, is_first) = (Some(reader), false);
        }
        let place = OpenRowsPlace { ledger, data, run, destination };
        let reason = place.shortfall(counts, artifact.rows, max, false);
        ledger
            .settle_ack(run, destination, &artifact.sha256, counts, &format!("{how}: {counts}"), reason.as_deref())
            .await?;
        place.write_files(&artifact).await?;
        Ok(AckResult::Settled { reason })
    }
}

/// Reads the answers, and counts the rows by their outcome.
fn read(files: &[(AckRows, Vec<u8>)], artifact: &Artifact, rules: &AckRows) -> io::Result<(AckAnswers, RowCounts)> {
    let mut answers = AckAnswers::default();
    for (rules, file) in files {
        let what = |why| io::Error::other(format!("the acknowledgement file cannot be read: {why}"));
        answers.add(file, rules).map_err(what)?;
    }
    let mut rows = AnsweredRows::open(artifact, rules)?;
    let (mut refused, mut unanswered) = (0, 0);
    loop {
        let open = rows.open_rows(&answers, CHUNK)?;
        for row in &open {
            match row.outcome {
                RowOutcome::Refused => refused += 1,
                RowOutcome::NoAnswer => unanswered += 1,
            }
        }
        if open.len() < CHUNK {
            break;
        }
    }
    let counts = RowCounts::of_sent(rows.read, refused, unanswered);
    Ok((answers, counts.ok_or_else(|| io::Error::other("more answers than rows"))?))
}
