//! Requests to receivers with an API of their own: rows → bodies and paths, and the meaning of statuses.

use reqwest::Url;

use super::error::{ErrorKind, WebhookError};
use crate::deliver::{Verdict, describe_rows};
use crate::encode::{JsonTree, RowCells};
use crate::expr::shorten;
use crate::pipeline::masked::MASKED;
use crate::pipeline::plan::{AnswerMatch, PathPart, Request};
use crate::transform::RowError;

/// The body and the path of requests, bound to the columns of the artifact.
#[derive(Clone)]
pub(super) struct RequestRows {
    tree: JsonTree,
    path: Vec<PathPiece>,
    /// The position of the column by which answers find their rows.
    key: Option<usize>,
}

#[derive(Clone)]
enum PathPiece {
    Literal(String),
    Cell { index: usize, column: String, is_masked: bool, key: String },
}

/// A row of the artifact, and its number.
struct NumberedRow<'a> {
    record: &'a csv::StringRecord,
    number: u64,
    line: u64,
}

impl RowCells for NumberedRow<'_> {
    fn cell(&self, column: usize) -> &[u8] {
        self.record.get(column).unwrap_or_default().as_bytes()
    }

    fn origin(&self) -> (u64, u64) {
        (self.number, self.line)
    }
}

impl RequestRows {
    /// # Errors
    /// `Rejected`: the request reads columns that the artifact does not have.
    pub(super) fn compile(request: &Request, columns: &[String]) -> Result<Self, Verdict> {
        let tree = JsonTree::compile(&request.body, columns).map_err(|problems| {
            let what: Vec<String> = problems.into_iter().map(|problem| problem.what).collect();
            super::rejected(format!("the request: {}", what.join("; ")))
        })?;
        let piece = |part: &PathPart| match part {
            PathPart::Literal(text) => Ok(PathPiece::Literal(text.clone())),
            PathPart::Column { column, is_masked } => {
                let index = columns.iter().position(|name| *name == column.name);
                let index = index.ok_or_else(|| super::rejected(format!("the path: no column {:?}", column.name)))?;
                let (column, key) = (column.name.clone(), column.at.key.clone());
                Ok(PathPiece::Cell { index, column, is_masked: *is_masked, key })
            }
        };
        let key = match request.response_rows.as_ref().map(|rows| &rows.matched) {
            Some(AnswerMatch::Key { ours, theirs: _ }) => {
                let index = columns.iter().position(|name| *name == ours.name);
                Some(index.ok_or_else(|| super::rejected(format!("the answers: no column {:?}", ours.name)))?)
            }
            Some(AnswerMatch::Position) | None => None,
        };
        Ok(Self { key, tree, path: request.path.iter().map(piece).collect::<Result<_, Verdict>>()? })
    }

    /// Returns the value by which the answer finds the row, if it does so by one.
    pub(super) fn key<'a>(&self, record: &'a csv::StringRecord) -> Option<&'a str> {
        self.key.map(|index| record.get(index).unwrap_or_default())
    }

    /// Appends a row's JSON. Returns its path.
    ///
    /// # Errors
    /// The [`RowError`] of a value without a result, or that cannot be in a path.
    pub(super) fn row(
        &mut self,
        record: &csv::StringRecord,
        number: u64,
        out: &mut Vec<u8>,
    ) -> Result<String, RowError> {
        let line = record.position().map_or(0, csv::Position::line);
        let row = NumberedRow { record, number, line };
        self.tree.row(&row, out)?;
        self.path_of(&row)
    }

    fn path_of(&self, row: &NumberedRow<'_>) -> Result<String, RowError> {
        let mut path = String::new();
        let mut blamed = None;
        for piece in &self.path {
            match piece {
                PathPiece::Literal(text) => path.push_str(text),
                PathPiece::Cell { index, .. } => {
                    let cell = row.record.get(*index).unwrap_or_default();
                    path.push_str(&path_encoded(cell));
                    if matches!(cell, "" | "." | "..") {
                        blamed = blamed.or(Some(piece));
                    }
                }
            }
        }
        let is_dots = |segment: &str| matches!(segment, "" | "." | "..");
        let leaves = path.split('/').skip(1).any(is_dots) && path != "/";
        let last = self.path.iter().rev().find(|piece| matches!(piece, PathPiece::Cell { .. }));
        match (leaves, blamed.or(last)) {
            (true, Some(PathPiece::Cell { index, column, is_masked, key })) => Err(RowError {
                number: row.number,
                line: row.line,
                column: column.clone(),
                value: match is_masked {
                    true => MASKED.to_owned(),
                    false => shorten(row.record.get(*index).unwrap_or_default()),
                },
                what: "makes a segment of the path empty, `.` or `..`".to_owned(),
                step: key.clone(),
            }),
            _ => Ok(path),
        }
    }

    /// Returns the body of a request whose rows, separated by commas, are `rows`.
    pub(super) fn body(&self, rows: &[u8]) -> Vec<u8> {
        let (before, after) = self.tree.surroundings();
        [before, rows, after].concat()
    }
}

/// Percent-encodes all but the unreserved characters (RFC 3986, 2.3).
fn path_encoded(cell: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    cell.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Returns the address of a path below a receiver's address, whose query is kept.
pub(super) fn url_below(base: &Url, path: &str) -> Result<Url, WebhookError> {
    if path.is_empty() {
        return Ok(base.clone());
    }
    let mut url = base.clone();
    let expected = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(&expected);
    match url.path() == expected {
        true => Ok(url),
        false => {
            let reason = format!("the path {path:?} cannot be below the destination's address");
            Err(ErrorKind::Rejected { hint: None }.because(reason))
        }
    }
}

/// The meaning of a status for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Accepted,
    /// The receiver has one of its rows, which does not mean that it has the others.
    PartlyThere,
    /// It is to be sent again: nothing was done.
    Retry,
    /// It may have been done.
    Unknown,
    /// As with any webhook.
    Usual,
}

/// Returns the meaning of a status. `may_be_there` is true if all that the request carries may have been taken before.
pub(super) fn meaning(request: &Request, status: u16, may_be_there: bool) -> Meaning {
    let rules = &request.response;
    let is_accepted = match rules.accepted.is_empty() {
        true => (200..=299).contains(&status),
        false => rules.accepted.contains(&status),
    };
    match status {
        _ if is_accepted => Meaning::Accepted,
        _ if rules.already_accepted.contains(&status) => match may_be_there {
            true => Meaning::Accepted,
            false => Meaning::PartlyThere,
        },
        _ if rules.retry.contains(&status) => Meaning::Retry,
        // Only of 503 among these is it known that the request was not handled (RFC 9110, 15.6).
        500..=599 if status != 503 && !request.resends() => Meaning::Unknown,
        _ => Meaning::Usual,
    }
}

/// Returns the verdict on a delivery some of whose requests have no response. `rows` are ascending ranges.
pub(super) fn unanswered(rows: impl IntoIterator<Item = (u64, u64)>, reason: &str) -> Verdict {
    Verdict::Unconfirmed { reason: format!("{} may have been taken: {reason}", describe_rows(rows)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_encoded_by_rfc_3986() {
        assert_eq!(path_encoded("aZ0-._~ /?#%ü:@+"), "aZ0-._~%20%2F%3F%23%25%C3%BC%3A%40%2B");
    }

    #[test]
    fn a_path_stays_below_the_address() {
        let base: Url = "https://lrs.example/xapi/?key=1".parse().unwrap();
        assert_eq!(url_below(&base, "/statements").unwrap().as_str(), "https://lrs.example/xapi/statements?key=1");
        assert_eq!(url_below(&base, "").unwrap(), base);
        assert_eq!(url_below(&base, "/a%2Fb").unwrap().path(), "/xapi/a%2Fb");
        for path in ["/..", "/../x", "/a/../../x", "/%2e%2e/x", "/.%2E"] {
            assert!(url_below(&base, path).is_err(), "{path}");
        }
    }
}
