//! Secrets that are written out in a file: finds them and masks them in the text.

use std::ops::Range;

use super::mistakes;
use super::problem::{Place, Problem};
use super::tree::{Node, NodeKind, Origin};

/// Keys whose text is a secret wherever they are; so are all below `secrets`.
pub const SECRET_KEYS: [&str; 8] =
    ["client_secret", "password", "passphrase", "key", "secret", "bearer", "slack", "token"];

/// Masks each secret's characters, byte for byte, so that all positions stay valid.
pub(super) fn blank(text: String, parsed: &(Option<Node>, Vec<Problem>)) -> String {
    let mut bytes = text.clone().into_bytes();
    let mut blank = |span: Range<usize>| {
        bytes.iter_mut().take(span.end).skip(span.start).filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    };
    match parsed {
        (Some(node), problems) if problems.is_empty() => secret_spans(&text, node, "", &mut blank),
        _ => suspected_spans(&text, &mut blank),
    }
    address_spans(&text, &mut blank);
    String::from_utf8(bytes).unwrap_or_default()
}

/// Masks user and password in an address: `postgres://user:password@host`.
fn address_spans(text: &str, blank: &mut impl FnMut(Range<usize>)) {
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let end =
            text[start..].find(|c: char| c.is_whitespace() || "\"'/,}]".contains(c)).unwrap_or(text.len() - start);
        if let Some(user) = text[start..start + end].rfind('@') {
            blank(start..start + user);
        }
    }
}

fn secret_spans(text: &str, node: &Node, key: &str, blank: &mut impl FnMut(Range<usize>)) {
    match (&node.kind, &node.origin) {
        (NodeKind::Scalar(scalar), Origin::File(place)) if is_secret(key, place) => {
            // Text cut off by a `#` or a comma may be the rest of the secret.
            let rest = mistakes::comment_after(text, place.span.end).map_or(0, str::len);
            blank(place.span.start..place.span.end + rest);
            if mistakes::has_open_parenthesis(&scalar.text) {
                let line = text[place.span.start..].find('\n').unwrap_or(text.len() - place.span.start);
                blank(place.span.start..place.span.start + line);
            }
        }
        // A space is missing: `password:hunter2`. `key::integer` in an expression is a cast.
        (NodeKind::Scalar(scalar), Origin::File(place))
            if scalar.text.split_once(':').is_some_and(|(key, rest)| {
                is_secret_key(key) && !(rest.starts_with(':') && is_of_columns(&place.key))
            }) =>
        {
            blank(place.span.clone());
        }
        (NodeKind::Table(entries), _) => {
            entries.iter().for_each(|(key, value)| secret_spans(text, value, &key.text, blank))
        }
        (NodeKind::List(items), _) => items.iter().for_each(|item| secret_spans(text, item, key, blank)),
        _ => {}
    }
}

/// Returns true if a part of a text that cannot be parsed may be a secret.
pub(super) fn may_be_secret(text: &str, range: &Range<usize>) -> bool {
    let mut overlaps = false;
    suspected_spans(text, &mut |span| overlaps |= span.start < range.end && range.start < span.end);
    overlaps
}

/// Returns true for a key whose text is a secret, misspelt ones too.
pub(super) fn is_secret_key(key: &str) -> bool {
    let near = |known: &str| strsim::damerau_levenshtein(known, &key.to_lowercase()) <= known.len() / 4;
    SECRET_KEYS.iter().any(|known| near(known))
}

/// Returns true for a secret's key. Misspelt keys count: their lines are the ones shown.
fn is_secret(key: &str, place: &Place) -> bool {
    (is_secret_key(key) && !names_a_column(&place.key))
        || place.key.starts_with("secrets.") && !["env", "file"].contains(&key)
        // Anyone who knows a channel's address can post to it.
        || place.key.starts_with("alerts.channels.") && ["url", "webhook"].contains(&key)
}

/// Returns true for a path in the parts of a file that speak of columns and cells.
fn is_of_columns(path: &str) -> bool {
    // Each of several artifacts has steps and expectations of its own.
    let of_artifact = path.strip_prefix("artifacts.").and_then(|rest| rest.split_once('.'));
    let path = of_artifact.map_or(path, |(_, path)| path);
    ["transform[", "expect.", "tests["].iter().any(|part| path.starts_with(part))
}

/// Tables in those parts whose keys are names of columns, or values of cells: `set: {key: id}`, `match: {id: key}`. Below
/// `file`, `key` names a column of a CSV.
const BY_COLUMN: [&str; 11] =
    ["rename", "set", "mask", "columns", "match", "values", "file", "types", "range", "length", "references"];

/// Returns true for the path of a key that is a column's name, as `transform[0].set.key`, or that names one.
fn names_a_column(path: &str) -> bool {
    let parent = path.rsplit('.').nth(1).map(|part| part.split('[').next().unwrap_or(part));
    match parent {
        None | Some("secrets") => false,
        // Cells of rows.
        Some(_) if path.starts_with("tests[") => true,
        Some(parent) => is_of_columns(path) && BY_COLUMN.contains(&parent),
    }
}

/// Masks secrets in a file that cannot be parsed: everything after a secret's key on its line, on the more deeply
/// indented lines below, and below `secrets`.
fn suspected_spans(text: &str, blank: &mut impl FnMut(Range<usize>)) {
    let mut offset = 0;
    let mut within: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        within = within.filter(|outer| indent > *outer || line.trim().is_empty());
        if within.is_some() {
            let value = line.find(": ").map_or(indent, |colon| colon + 2);
            blank(offset + value..offset + line.len());
        } else if let Some((key, start)) = secret_key(line) {
            blank(offset + start..offset + line.len());
            within = (["secrets", "slack"].contains(&key)
                || line[start..].trim_start().starts_with(['|', '>', '"', '\'']))
            .then_some(indent);
        }
        offset += line.len();
    }
}

/// Returns the first secret's key on a line, and the start of its value.
fn secret_key(line: &str) -> Option<(&str, usize)> {
    let keys = SECRET_KEYS.iter().copied().chain(["secrets"]);
    let found = keys.filter_map(|key| {
        let at = line.match_indices(key).map(|(at, _)| at).find(|at| {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let rest = line[at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
            !line[..*at].ends_with(word) && rest.starts_with(':')
        })?;
        Some((key, at + line[at..].find(':')? + 1))
    });
    found.min_by_key(|(_, start)| *start).filter(|(_, start)| *start <= line.len())
}
