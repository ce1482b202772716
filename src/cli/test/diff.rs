//! Differences as text: rows with their changed cells marked, lines of files as a unified diff.

use super::super::grid::{Color, Grid, GridCell, GridRow, Screen, cut, visible, visible_line};
use crate::run::trial::{Difference, LineChange, RowChange};

/// The changed rows or lines of one difference in a text.
const CHANGES_MAX: usize = 20;
/// The equal rows or lines that are shown before and after a change.
const CONTEXT: usize = 2;
/// The indentation of a difference.
const INDENT: usize = 12;

/// Renders a difference in a few lines.
pub(super) fn text(difference: &Difference, screen: Screen) -> String {
    let indent = " ".repeat(INDENT);
    let line = |text: String| format!("{indent}{text}\n");
    match difference {
        Difference::Error { expected: Some(expected), actual: Some(actual) } => {
            line(format!("error: {} is not in: {}", quoted(expected), visible(actual)))
        }
        Difference::Error { expected: Some(expected), actual: None } => {
            line(format!("error: {} expected, but the run does not fail", quoted(expected)))
        }
        Difference::Error { actual, .. } => {
            line(format!("the run fails: {}", visible(actual.as_deref().unwrap_or_default())))
        }
        Difference::Columns { expected, actual } => {
            let names = |names: &[String]| names.iter().map(|name| visible(name)).collect::<Vec<_>>().join(", ");
            line(format!("columns: {} expected, not {}", names(expected), names(actual)))
        }
        Difference::Rows { columns, rows: changes } => rows(columns, changes, screen),
        Difference::NotContained { columns, rows } => not_contained(columns, rows, screen),
        Difference::File { file, lines } => self::file(file, lines, screen),
        Difference::NoFile { file, error } => line(format!("file: cannot read {file}: {error}; `--update` writes it")),
        Difference::Count { key, expected, actual } => line(format!("{key}: {expected} expected, not {actual}")),
        Difference::Finding(finding) => {
            let mut text = line(format!("{} {}: {}", finding.label(), finding.expectation, finding.message));
            for detail in finding.lines() {
                text.push_str(&line(format!("  {detail}")));
            }
            text
        }
        Difference::NoFinding { key, found } => {
            let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
            line(format!("findings: {key} expected, and there is {found}"))
        }
        Difference::Baseline { error } => {
            line(format!("baseline: its rows could not have been delivered: {}", visible(error)))
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", visible(text))
}

/// Returns the changes to show, each with its neighbours, and the number of equal items left out before each.
fn shown<T>(items: &[T], is_same: impl Fn(&T) -> bool) -> (Vec<(usize, &T)>, usize) {
    let changed: Vec<usize> = (0..items.len()).filter(|&at| !is_same(&items[at])).collect();
    let first: Vec<usize> = changed.iter().copied().take(CHANGES_MAX).collect();
    let is_near = |at: usize| first.iter().any(|&change| at.abs_diff(change) <= CONTEXT);
    let end = first.last().map_or(0, |last| last + 1);
    let mut left_out = 0;
    let mut shown = Vec::new();
    for (at, item) in items.iter().enumerate() {
        // Behind the last one shown there may be other changes.
        if is_near(at) && (at < end || is_same(item)) {
            shown.push((std::mem::take(&mut left_out), item));
        } else {
            left_out += 1;
        }
    }
    (shown, changed.len() - first.len())
}

fn rows(columns: &[String], changes: &[RowChange], screen: Screen) -> String {
    let count = |is_kind: fn(&RowChange) -> bool| changes.iter().filter(|change| is_kind(change)).count();
    let changed = count(|change| matches!(change, RowChange::Changed { .. }));
    let missing = count(|change| matches!(change, RowChange::Missing { .. }));
    let extra = count(|change| matches!(change, RowChange::Extra { .. }));
    let (shown, more) = shown(changes, |change| matches!(change, RowChange::Same { .. }));
    let mut rows = Vec::new();
    let row = |label: &str, color, cells: &[String], other: &[String]| {
        let is_changed = |at: usize| other.get(at).is_some_and(|other| *other != cells[at]);
        let cells = cells.iter().enumerate().map(|(at, cell)| GridCell::of(cell, is_changed(at))).collect();
        GridRow { label: label.to_owned(), cells, color }
    };
    for (left_out, change) in shown {
        if left_out > 0 {
            let cells = vec![GridCell::note(&equal(left_out, "row"))];
            rows.push(GridRow { label: String::new(), cells, color: Color::Dim });
        }
        match change {
            RowChange::Same { cells } => rows.push(row(" ", Color::None, cells, &[])),
            RowChange::Missing { expected } => rows.push(row("-", Color::Red, expected, &[])),
            RowChange::Extra { actual } => rows.push(row("+", Color::Green, actual, &[])),
            RowChange::Changed { expected, actual } => {
                rows.push(row("-", Color::Red, expected, actual));
                rows.push(row("+", Color::Green, actual, expected));
            }
        }
    }
    let head = vec![columns.iter().map(|column| visible(column)).collect()];
    let table = Grid { head, rows }.render(INDENT + 2, screen);
    let summary = format!("rows: {changed} changed (*), {missing} missing (-), {extra} extra (+)");
    format!("{0}{summary}\n{table}{1}", " ".repeat(INDENT), more_of(more, "row"))
}

fn equal(count: usize, what: &str) -> String {
    format!("… {count} equal {what}{}", if count == 1 { "" } else { "s" })
}

fn more_of(more: usize, what: &str) -> String {
    match more {
        0 => String::new(),
        1 => format!("{}… and 1 more {what}; --json has all\n", " ".repeat(INDENT + 2)),
        more => format!("{}… and {more} more {what}s; --json has all\n", " ".repeat(INDENT + 2)),
    }
}

fn not_contained(columns: &[String], missing: &[Vec<Option<String>>], screen: Screen) -> String {
    let cell = |cell: &Option<String>| match cell {
        Some(cell) => GridCell::of(cell, false),
        None => GridCell::note("(any)"),
    };
    let rows = missing.iter().take(CHANGES_MAX).map(|row| GridRow {
        label: "-".to_owned(),
        cells: row.iter().map(cell).collect(),
        color: Color::Red,
    });
    let head = vec![columns.iter().map(|column| visible(column)).collect()];
    let table = Grid { head, rows: rows.collect() }.render(INDENT + 2, screen);
    let more = missing.len().saturating_sub(CHANGES_MAX);
    format!("{}contains: not among the rows\n{table}{}", " ".repeat(INDENT), more_of(more, "row"))
}

fn file(file: &str, lines: &[LineChange], screen: Screen) -> String {
    let indent = " ".repeat(INDENT);
    let (shown, more) = shown(lines, |line| matches!(line, LineChange::Same(_)));
    let mut text = format!("{indent}file: the artifact (+) differs from {file} (-)\n");
    if shown.is_empty() {
        text.push_str(&format!("{indent}  in bytes that are not text\n"));
    }
    for (left_out, change) in shown {
        if left_out > 0 {
            text.push_str(&format!("{indent}  {}\n", equal(left_out, "line")));
        }
        let (sign, line) = match change {
            LineChange::Same(line) => (' ', line),
            LineChange::Missing(line) => ('-', line),
            LineChange::Extra(line) => ('+', line),
        };
        let line = cut(&visible_line(line), screen.width.saturating_sub(INDENT + 4));
        text.push_str(format!("{indent}  {sign} {line}").trim_end());
        text.push('\n');
    }
    text + &more_of(more, "line")
}
