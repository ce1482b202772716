//! Problems as text for people, with the source line and a caret, and as JSON for programs.
//!
//! Secrets written out in a settings file are masked in the lines shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError, MietteSpanContents, Report,
    SourceCode, SourceSpan, SpanContents, ThemeStyles,
};
use serde_json::{Value, json};

use super::problem::{Place, Problem, Severity};
use super::{open, parse, redact};

/// Renders every problem with its `file:line:column`, the line and a caret; `width` in columns of the terminal.
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
                .or_insert_with(|| {
                    let text = open::text(&place.file).ok()?;
                    let parsed = parse::document(&place.file, &text);
                    Some(redact::blank(text, &parsed))
                })
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

/// The largest number of characters of a line shown on each side of a place: a line of 10 kB is useless.
const SIDE_CHARS_MAX: usize = 100;

/// Shows the problem's line only, truncated around the place, which miette has no option for.
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
        // Without context, miette requests the span's position; with context, the text to draw.
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

/// Returns a span of at least one character, at most to the end of its line: a caret marks a place, not a paragraph.
fn shown_span(place: &Place, text: &str) -> std::ops::Range<usize> {
    let start = place.span.start.min(text.len());
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let one = text[start..].chars().next().map_or(0, char::len_utf8);
    let most = text[start..line_end].char_indices().nth(SIDE_CHARS_MAX).map_or(line_end, |(at, _)| start + at);
    start..place.span.end.clamp((start + one).min(line_end), most.max(start))
}

/// Returns one problem as `check --json` prints it.
pub fn json(problem: &Problem) -> Value {
    let place = problem.place.as_ref();
    json!({
        "file": place.map(|place| place.file.display().to_string()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "key": place.map(|place| place.key.clone()),
        "message": problem.what,
        "hint": problem.hint,
        "severity": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
    })
}
