//! The answers for single rows in an acknowledgement file, matched with the artifact's rows.

use std::collections::HashMap;
use std::io::{self, BufRead, Cursor};

use super::answers::{AnswerCondition, OpenRow, RowOutcome};
use super::webhook::open_rows;
use crate::encode::Artifact;
use crate::expr::Expr;
use crate::pipeline::plan::{AckRows, Header};

/// The answers of acknowledgement files, by the value that finds the row: nothing for an accepted row, else the outcome and the
/// reason. Bounded by the size of these files.
#[derive(Debug, Default)]
pub struct AckAnswers(HashMap<String, Option<(RowOutcome, String)>>);

impl AckAnswers {
    /// Adds the answers of a file.
    ///
    /// # Errors
    /// Text: the file has no such columns, or is not text.
    pub fn add(&mut self, file: &[u8], rules: &AckRows) -> Result<(), String> {
        let AckRows { delimiter, columns, skip, lines, theirs, accepted, reason, .. } = rules;
        let condition = |text: &str| {
            let parsed = Expr::parse(text).map_err(|problem| format!("{text:?}: {problem}"));
            parsed.map(|expr| AnswerCondition::new(&expr))
        };
        let mut lines = lines.as_deref().map(condition).transpose()?;
        let mut accepted = condition(accepted)?;
        let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
        let mut csv = csv::ReaderBuilder::new()
            .delimiter(*delimiter as u8)
            .has_headers(false)
            .flexible(true)
            .from_reader(after_lines(file, *skip)?);
        let mut record = csv::StringRecord::new();
        let mut next = |record: &mut csv::StringRecord| csv.read_record(record).map_err(|error| error.to_string());
        let names = match columns {
            Some(names) => names.clone(),
            None => {
                next(&mut record)?;
                record.iter().map(str::to_owned).collect()
            }
        };
        let place = |column: &str| names.iter().position(|name| name == column);
        let known = |column: &str| place(column).ok_or_else(|| format!("the file has no column {column:?}"));
        let (key, reason) = (known(theirs)?, reason.as_deref().map(known).transpose()?);
        for name in lines.iter().chain([&accepted]).flat_map(AnswerCondition::names) {
            known(name)?;
        }
        while next(&mut record)? {
            let cell = |name: &str, out: &mut Vec<u8>| {
                let cell = place(name).and_then(|place| record.get(place)).unwrap_or_default();
                out.extend_from_slice(cell.as_bytes());
            };
            if let Some(lines) = &mut lines
                && !lines.holds(cell)?
            {
                continue;
            }
            let reason = reason.and_then(|reason| record.get(reason)).unwrap_or_default();
            let answer = match accepted.holds(cell) {
                Ok(true) => None,
                Ok(false) => Some((RowOutcome::Refused, reason.to_owned())),
                Err(why) => Some((RowOutcome::NoAnswer, why)),
            };
            let key = record.get(key).unwrap_or_default().to_owned();
            // Of several lines for a row, a refusal counts.
            match self.0.get(&key) {
                Some(Some(_)) => {}
                Some(None) | None => drop(self.0.insert(key, answer)),
            }
        }
        Ok(())
    }
}

/// Returns the file after so many lines.
fn after_lines(file: &[u8], lines: u64) -> Result<Cursor<&[u8]>, String> {
    let mut rest = Cursor::new(file);
    for _ in 0..lines {
        rest.skip_until(b'\n').map_err(|error| error.to_string())?;
    }
    Ok(rest)
}

/// The rows of an artifact, with their answers.
pub struct AnsweredRows {
    rows: csv::Reader<Box<dyn io::Read + Send>>,
    record: csv::StringRecord,
    key: usize,
    /// Rows read.
    pub read: u64,
}

impl AnsweredRows {
    /// Opens the artifact's rows. Blocks, as reading them does.
    ///
    /// # Errors
    /// They cannot be read, or have no such column.
    pub fn open(artifact: &Artifact, rules: &AckRows) -> io::Result<Self> {
        let key = artifact.columns.iter().position(|column| *column == rules.ours);
        let key = key.ok_or_else(|| io::Error::other(format!("the artifact has no column {:?}", rules.ours)))?;
        let (rows, dialect) = open_rows(artifact)?;
        let rows = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .has_headers(dialect.header != Header::None)
            .from_reader(rows);
        Ok(Self { rows, record: csv::StringRecord::new(), key, read: 0 })
    }

    /// Returns the next rows that were not accepted, at most `max`; fewer only at the end.
    ///
    /// # Errors
    /// The rows cannot be read.
    pub fn open_rows(&mut self, answers: &AckAnswers, max: usize) -> io::Result<Vec<OpenRow>> {
        let mut open = Vec::new();
        while open.len() < max && self.rows.read_record(&mut self.record)? {
            self.read += 1;
            match answers.0.get(self.record.get(self.key).unwrap_or_default()) {
                Some(None) => {}
                Some(Some((outcome, reason))) => open.push(OpenRow::new(self.read, *outcome, reason)),
                None => {
                    let why = "the acknowledgement file has no answer for this row";
                    open.push(OpenRow::new(self.read, RowOutcome::NoAnswer, why));
                }
            }
        }
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with the file's name, counts, lines for rows, and a trailer.
    const FILE: &str =
        "H;completions.csv;2026-11-23\nC;3;1\nB;1;u1;OK;\nB;2;u2;NOK;unknown \"user\"\nB;3;u3;OK;\nF;3\n";

    fn rules() -> AckRows {
        let text = str::to_owned;
        AckRows {
            delimiter: ';',
            columns: Some(["kind", "line", "reference", "status", "message"].map(text).to_vec()),
            skip: 1,
            lines: Some(text("kind = 'B'")),
            ours: text("user"),
            theirs: text("reference"),
            accepted: text("status = 'OK'"),
            reason: Some(text("message")),
            bytes_max: 1 << 20,
            refused_max: text("0"),
        }
    }

    #[test]
    fn headers_counts_and_trailers_are_no_answers() {
        let mut answers = AckAnswers::default();
        answers.add(FILE.as_bytes(), &rules()).unwrap();
        let mut found: Vec<_> = answers.0.iter().map(|(key, answer)| (key.as_str(), answer.is_none())).collect();
        found.sort_unstable();
        assert_eq!(found, [("u1", true), ("u2", false), ("u3", true)]);
        let refused = Some((RowOutcome::Refused, "unknown \"user\"".to_owned()));
        assert_eq!(answers.0["u2"], refused);
        answers.add(b"H\nB;9;u2;OK;\nB;9;u1;NOK;late\n", &rules()).unwrap();
        assert_eq!(answers.0["u2"], refused, "a refusal stays one");
        assert!(answers.0["u1"].is_some());
    }

    #[test]
    fn a_file_with_a_header_names_its_columns() {
        let with_header = AckRows { columns: None, skip: 0, lines: None, delimiter: ',', ..rules() };
        let mut answers = AckAnswers::default();
        answers.add(b"status,reference,message\nOK,u1,\n", &with_header).unwrap();
        assert_eq!(answers.0.len(), 1);
        assert!(answers.add(b"state,reference,message\n", &with_header).unwrap_err().contains("\"status\""));
        assert!(answers.add(b"status,reference,message\nOK,\xff,\n", &with_header).is_err());
    }
}
