//! The answers for single rows in the body of a response.

use std::collections::HashMap;

use serde_json::Value;

use super::message::redact;
use crate::deliver::answers::{AnswerCondition, OpenRow, RowOutcome};
use crate::expr::shorten;
use crate::pipeline::plan::{AnswerMatch, ResponseRows};

/// Unknown keys that a reason names.
const UNKNOWN_MAX: usize = 3;

/// The rows of a request, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SentRows {
    /// Their numbers in the artifact, ascending.
    pub numbers: Vec<u64>,
    /// The values by which answers find their rows, if they do so by a key.
    pub keys: Vec<String>,
}

impl SentRows {
    /// Returns the rows without any answer.
    pub(super) fn unanswered(&self, reason: &str) -> Vec<OpenRow> {
        self.numbers.iter().map(|row| OpenRow::new(*row, RowOutcome::NoAnswer, reason)).collect()
    }
}

/// Reads the answers of one response after another.
pub(super) struct AnswerReader<'a> {
    rules: &'a ResponseRows,
    accepted: AnswerCondition,
    secrets: &'a [String],
}

impl<'a> AnswerReader<'a> {
    /// `secrets` are redacted where the receiver repeats them.
    pub(super) fn new(rules: &'a ResponseRows, secrets: &'a [String]) -> Self {
        Self { rules, accepted: AnswerCondition::new(&rules.accepted), secrets }
    }

    /// Returns the rows that the response does not accept. Each row is accepted by an answer, or among them.
    pub(super) fn open_rows(&mut self, body: &[u8], rows: &SentRows) -> Vec<OpenRow> {
        let document: Value = match serde_json::from_slice(body) {
            Ok(document) => document,
            Err(error) => return rows.unanswered(&format!("the response is not JSON: {error}")),
        };
        let at = &self.rules.at;
        let Some(answers) = document.pointer(at).and_then(Value::as_array) else {
            return rows.unanswered(&format!("the response has no list of answers at {at:?}"));
        };
        match &self.rules.matched {
            AnswerMatch::Position if answers.len() == rows.numbers.len() => {
                let each = rows.numbers.iter().zip(answers);
                each.filter_map(|(row, answer)| self.open_row(*row, answer)).collect()
            }
            AnswerMatch::Position => {
                let (answers, rows_sent) = (answers.len(), rows.numbers.len());
                rows.unanswered(&format!("the response has {answers} answers for {rows_sent} rows"))
            }
            AnswerMatch::Key { ours: _, theirs } => self.by_key(answers, theirs, rows),
        }
    }

    fn by_key(&mut self, answers: &[Value], theirs: &str, rows: &SentRows) -> Vec<OpenRow> {
        let mut known: HashMap<&str, Option<&Value>> = rows.keys.iter().map(|key| (key.as_str(), None)).collect();
        let (mut unknown, mut repeated) = (Vec::new(), Vec::new());
        for answer in answers {
            let key = answer.pointer(theirs).map(text).unwrap_or_default();
            match known.get_mut(key.as_str()) {
                Some(found) if found.is_none() => *found = Some(answer),
                Some(_) => repeated.push(key),
                None => unknown.push(key),
            }
        }
        let mut missing = "the response has no answer for this row".to_owned();
        if !unknown.is_empty() {
            let named = unknown.iter().take(UNKNOWN_MAX).map(|key| format!("{:?}", shorten(key)));
            let named: Vec<String> = named.collect();
            let count = unknown.len();
            missing += &format!(", and {count} for keys that no row of the request has: {}", named.join(", "));
            tracing::warn!(count, keys = self.redacted(&named.join(", ")), "answers for rows that were not sent");
        }
        let missing = self.redacted(&missing);
        let each = rows.numbers.iter().zip(&rows.keys);
        each.filter_map(|(row, key)| match known.get(key.as_str()).copied().flatten() {
            Some(_) if repeated.contains(key) => {
                Some(OpenRow::new(*row, RowOutcome::NoAnswer, "the response has several answers for this row"))
            }
            Some(answer) => self.open_row(*row, answer),
            None => Some(OpenRow::new(*row, RowOutcome::NoAnswer, &missing)),
        })
        .collect()
    }

    /// Returns the row with its reason, unless the answer accepts it.
    fn open_row(&mut self, row: u64, answer: &Value) -> Option<OpenRow> {
        let accepted = self.accepted.holds(|name, out| {
            if let Some(member) = answer.get(name) {
                out.extend_from_slice(text(member).as_bytes());
            }
        });
        match accepted {
            Ok(true) => None,
            Ok(false) => {
                let reason = answer.pointer(&self.rules.reason).map(text).unwrap_or_default();
                Some(OpenRow::new(row, RowOutcome::Refused, &self.redacted(&reason)))
            }
            Err(reason) => Some(OpenRow::new(row, RowOutcome::NoAnswer, &self.redacted(&reason))),
        }
    }

    fn redacted(&self, text: &str) -> String {
        redact(text, self.secrets)
    }
}

/// Returns a value as a cell: a null is empty, lists and objects are JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Expr;
    use crate::pipeline::plan::Column;
    use crate::yaml::tree::place;

    fn rules(matched: AnswerMatch) -> ResponseRows {
        let accepted = Expr::parse("status = 'inserted' or status = 'updated'").unwrap();
        ResponseRows { at: "/result".into(), accepted, reason: "/message".into(), matched, bytes_max: 1 << 20 }
    }

    fn by_key() -> AnswerMatch {
        let at = place(&std::sync::Arc::new("p.yaml".into()), "", 0..0, "ours");
        AnswerMatch::Key { ours: Column { name: "key".into(), at }, theirs: "/id".into() }
    }

    fn rows() -> SentRows {
        SentRows { numbers: vec![4, 5, 9], keys: ["a", "b", "c"].map(str::to_owned).to_vec() }
    }

    /// Each open row: its number, `r` or `u`, and its reason.
    fn open(rules: &ResponseRows, body: &str) -> Vec<String> {
        let open = AnswerReader::new(rules, &["hunter2".to_owned()]).open_rows(body.as_bytes(), &rows());
        open.iter().map(|open| format!("{}{} {}", open.row, &open.outcome.name()[..1], open.reason)).collect()
    }

    #[test]
    fn answers_by_position_are_for_all_rows_or_none() {
        let rules = rules(AnswerMatch::Position);
        let answer = |status: &str| format!(r#"{{"status":"{status}","message":"no hunter2"}}"#);
        let body = |statuses: &[&str]| {
            let answers: Vec<String> = statuses.iter().map(|status| answer(status)).collect();
            format!(r#"{{"result":[{}]}}"#, answers.join(","))
        };
        assert_eq!(open(&rules, &body(&["inserted", "updated", "inserted"])), [""; 0]);
        assert_eq!(open(&rules, &body(&["inserted", "error", "updated"])), ["5r no …"]);
        for (body, why) in [
            (body(&["inserted", "inserted"]), "2 answers for 3 rows"),
            ("<html>".to_owned(), "not JSON"),
            (r#"{"result":{}}"#.to_owned(), "no list of answers at \"/result\""),
        ] {
            let open = open(&rules, &body);
            assert!(open.len() == 3 && open.iter().all(|row| row.contains("u ") && row.contains(why)), "{open:?}");
        }
    }

    #[test]
    fn answers_by_key_find_their_rows_in_any_order() {
        let rules = rules(by_key());
        let body = r#"{"result":[{"id":"c","status":"inserted"},{"id":"b","status":"error","message":"full"},
            {"id":"x","status":"inserted"}]}"#;
        let found = open(&rules, body);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("4u") && found[0].contains("1 for keys that no row of the request has: \"x\""));
        assert_eq!(found[1], "5r full");
        let twice = r#"{"result":[{"id":"a","status":"inserted"},{"id":"a","status":"inserted"}]}"#;
        assert!(open(&rules, twice)[0].contains("several answers"));
    }
}
