//! Problems, drawn for people with the line and a caret, and as JSON for programs.
//!
//! A secret that is written out in a settings file is blanked in the lines that are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError, MietteSpanContents, Report,
    SourceCode, SourceSpan, SpanContents, ThemeStyles,
};
use serde_json::{Value, json};

use super::problem::{Place, Problem, Severity};
use super::tree::{self, Kind, Node, Origin};

/// Every problem with its `file:line:column`, the line and a caret; `width` in columns of the terminal.
pub fn render(problems: &[Problem], color: bool, width: usize) -> String {
    let mut theme = GraphicalTheme::unicode();
    theme.styles = if color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(width.max(40)).with_context_lines(1).with_links(false);
    let mut texts: BTreeMap<Arc<std::path::PathBuf>, Option<String>> = BTreeMap::new();
    let mut out = String::new();
    for problem in problems {
        let text = problem.place.as_ref().and_then(|place| {
            texts
                .entry(place.file.clone())
                .or_insert_with(|| super::open::text(&place.file).ok().map(|text| blanked(&place.file, text)))
                .clone()
        });
        let report = report(problem, text);
        if handler.render_report(&mut out, report.as_ref()).is_err() {
            out.push_str(&format!("{problem}\n"));
        }
    }
    out
}

fn report(problem: &Problem, text: Option<String>) -> Report {
    let mut diagnostic = MietteDiagnostic::new(problem.what.clone()).with_severity(match problem.severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
    });
    if let Some(hint) = &problem.hint {
        diagnostic = diagnostic.with_help(hint.clone());
    }
    let Some(place) = &problem.place else { return Report::new(diagnostic) };
    match text {
        Some(text) => {
            let label = LabeledSpan::underline(shown_span(place, &text));
            Report::new(diagnostic.with_label(label)).with_source_code(OneLine { place: place.clone(), text })
        }
        None => Report::new(MietteDiagnostic { message: format!("{place}: {}", diagnostic.message), ..diagnostic }),
    }
}

/// Characters of a line that are shown on each side of a place: a line of 10 kB is no help.
const SIDE_CHARS_MAX: usize = 100;

/// Shows the problem's line and no other, the part around the place where it is long: miette shows either a bare span or
/// the lines around it too.
#[derive(Debug)]
struct OneLine {
    place: Place,
    text: String,
}

impl SourceCode for OneLine {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        _lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let start = span.offset().min(self.text.len());
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |newline| start + newline);
        // Without context, miette asks where the span is; with context, for what to draw.
        let (range, column) = match lines_before {
            0 => (start..(start + span.len()).min(line_end), self.place.column.saturating_sub(1) as usize),
            _ => {
                let before = self.text[line_start..start].char_indices().rev().nth(SIDE_CHARS_MAX);
                let end = (start + span.len()).min(line_end);
                let after = self.text[end..line_end].char_indices().nth(SIDE_CHARS_MAX);
                (before.map_or(line_start, |(at, _)| line_start + at)..after.map_or(line_end, |(at, _)| end + at), 0)
            }
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.place.file.display().to_string(),
            &self.text.as_bytes()[range.clone()],
            (range.start, range.len()).into(),
            self.place.line.saturating_sub(1) as usize,
            column,
            1,
        )))
    }
}

/// At least one character, at most to the end of its line: a caret marks a place, not a paragraph.
fn shown_span(place: &Place, text: &str) -> std::ops::Range<usize> {
    let start = place.span.start.min(text.len());
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let one = text[start..].chars().next().map_or(0, char::len_utf8);
    let most = text[start..line_end].char_indices().nth(SIDE_CHARS_MAX).map_or(line_end, |(at, _)| start + at);
    start..place.span.end.clamp((start + one).min(line_end), most.max(start))
}

/// One problem as `check --json` prints it.
pub fn json(problem: &Problem) -> Value {
    let place = problem.place.as_ref();
    json!({
        "file": place.map(|place| place.file.display().to_string()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "key": place.map(|place| place.key.clone()),
        "what": problem.what,
        "hint": problem.hint,
        "severity": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
    })
}

/// Keys whose text is a secret, wherever they stand; all below `secrets` are.
const SECRET_KEYS: [&str; 5] = ["client_secret", "password", "passphrase", "key", "secret"];

/// The text with each secret's characters replaced, byte for byte, so that all positions stay true.
fn blanked(file: &Arc<std::path::PathBuf>, text: String) -> String {
    let mut bytes = text.clone().into_bytes();
    let mut blank = |span: std::ops::Range<usize>| {
        bytes.iter_mut().take(span.end).skip(span.start).filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    };
    match tree::parse(file, &text) {
        (Some(node), problems) if problems.is_empty() => secret_spans(&text, &node, "", &mut blank),
        _ => suspected_spans(&text, &mut blank),
    }
    address_spans(&text, &mut blank);
    String::from_utf8(bytes).unwrap_or_default()
}

/// A user and password in an address: `postgres://user:password@host`.
fn address_spans(text: &str, blank: &mut impl FnMut(std::ops::Range<usize>)) {
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let end =
            text[start..].find(|c: char| c.is_whitespace() || "\"'/,}]".contains(c)).unwrap_or(text.len() - start);
        if let Some(user) = text[start..start + end].rfind('@') {
            blank(start..start + user);
        }
    }
}

fn secret_spans(text: &str, node: &Node, key: &str, blank: &mut impl FnMut(std::ops::Range<usize>)) {
    match (&node.kind, &node.origin) {
        (Kind::Scalar(scalar), Origin::File(place)) if is_secret(key, place) => {
            // What a `#` or a comma cut off may be the rest of it.
            let behind = super::slips::comment_behind(text, place.span.end).map_or(0, str::len);
            blank(place.span.start..place.span.end + behind);
            if super::slips::has_open_parenthesis(&scalar.text) {
                let line = text[place.span.start..].find('\n').unwrap_or(text.len() - place.span.start);
                blank(place.span.start..place.span.start + line);
            }
        }
        // A space is missing: `password:hunter2`.
        (Kind::Scalar(scalar), Origin::File(place))
            if scalar.text.split_once(':').is_some_and(|(key, _)| is_secret_key(key)) =>
        {
            blank(place.span.clone());
        }
        (Kind::Table(entries), _) => {
            entries.iter().for_each(|(key, value)| secret_spans(text, value, &key.text, blank))
        }
        (Kind::List(items), _) => items.iter().for_each(|item| secret_spans(text, item, key, blank)),
        _ => {}
    }
}

/// Returns true where a part of a text that cannot be parsed may be a secret.
pub(super) fn may_be_secret(text: &str, range: &std::ops::Range<usize>) -> bool {
    let mut overlaps = false;
    suspected_spans(text, &mut |span| overlaps |= span.start < range.end && range.start < span.end);
    overlaps
}

/// Returns true for a key whose text is a secret, misspelt ones too.
pub(super) fn is_secret_key(key: &str) -> bool {
    let near = |known: &str| strsim::damerau_levenshtein(known, &key.to_lowercase()) <= known.len() / 4;
    SECRET_KEYS.iter().any(|known| near(known))
}

/// Misspelt keys are near enough: theirs are the lines that are shown.
fn is_secret(key: &str, place: &Place) -> bool {
    is_secret_key(key) || place.key.starts_with("secrets.") && !["env", "file"].contains(&key)
}

/// Where a file cannot be parsed: all that follows a secret's key on its line, on the lines below that are indented
/// deeper, and below `secrets`.
fn suspected_spans(text: &str, blank: &mut impl FnMut(std::ops::Range<usize>)) {
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
            within =
                (key == "secrets" || line[start..].trim_start().starts_with(['|', '>', '"', '\''])).then_some(indent);
        }
        offset += line.len();
    }
}

/// The first secret's key on a line, and where its value begins.
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
