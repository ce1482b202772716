//! A preview as text: tables that fit the screen, and the file with its bytes visible.

use super::super::grid::{Color, Grid, GridCell, GridRow, Screen, cut, visible, visible_line};
use super::super::text::rows as rows_text;
use super::Document;
use crate::run::preview::{ShownColumn, ShownRow, Table};

/// Lines of the artifact that are shown.
const LINES_MAX: usize = 6;

pub(super) fn text(document: &Document, screen: Screen) -> String {
    let Document { pipeline, source, rows, complete, step, before, after, artifact, notes } = document;
    let mut text = format!("{pipeline}  rows of {source}\n");
    if let (Some(step), Some(before)) = (step, before) {
        text.push_str(&format!("\nbefore step {}, {}{}\n", step.number, step.kind, shown_of(before, *complete)));
        text.push_str(&table(before, screen));
        text.push_str(&format!("\nafter step {}, {}{}\n", step.number, step.kind, shown_of(after, *complete)));
    } else {
        text.push_str(&format!("\nresult{}\n", shown_of(after, *complete)));
    }
    text.push_str(&table(after, screen));
    let legend = legend(before.as_ref(), after);
    if !legend.is_empty() {
        text.push_str(&format!("\n{legend}\n"));
    }
    let more = if *complete { "" } else { "; more records follow, which were not read" };
    text.push_str(&format!("\nrows  {}{more}\n", rows_text(rows)));
    if let Some(artifact) = artifact {
        text.push_str(&format!("\nfile  {}\n", visible(&artifact.name)));
        for line in artifact.lines.iter().take(LINES_MAX) {
            text.push_str(&format!("  {}\n", file_line(line, screen.width.saturating_sub(2))));
        }
    }
    for note in notes {
        text.push_str(&format!("\nnote: {note}\n"));
    }
    text
}

fn shown_of(table: &Table, is_whole: bool) -> String {
    let counted = |count: u64| if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
    match (table.rows.len() as u64, table.seen) {
        (shown, seen) if shown == seen => format!(": {}", counted(seen)),
        (shown, seen) if is_whole => format!(": the first {shown} of {}", counted(seen)),
        (shown, seen) => format!(": the first {shown} of {} that were read", counted(seen)),
    }
}

fn table(table: &Table, screen: Screen) -> String {
    if table.columns.is_empty() {
        return String::new();
    }
    let described = |column: &ShownColumn| {
        let masked = column.masked.then_some("masked");
        let new = column.is_new.then_some("new");
        let removed = column.is_removed.then_some("removed");
        let was = column.was.as_ref().map(|was| format!("was {}", visible(was)));
        let parts = [Some(column.inferred.name()), masked, new, removed, was.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    };
    let names = table.columns.iter().map(|column| visible(&column.name)).collect();
    let types = table.columns.iter().map(described).collect();
    Grid { head: vec![names, types], rows: table.rows.iter().map(row).collect() }.render(2, screen)
}

fn row(row: &ShownRow) -> GridRow {
    let (sign, color) = match (row.is_dropped, row.is_added) {
        (true, _) => ("-", Color::Red),
        (_, true) => ("+", Color::Green),
        _ => ("", Color::None),
    };
    let cell = |(at, cell): (usize, &Option<String>)| {
        GridCell::of(cell.as_deref().unwrap_or_default(), row.changed.contains(&at))
    };
    GridRow { label: format!("{sign}{}", row.record), cells: row.cells.iter().enumerate().map(cell).collect(), color }
}

/// Explains the signs that occur.
fn legend(before: Option<&Table>, after: &Table) -> String {
    let rows = || before.iter().flat_map(|before| &before.rows).chain(&after.rows);
    let columns = || before.iter().flat_map(|before| &before.columns).chain(&after.columns);
    let signs = [
        (rows().any(|row| row.is_dropped), "- row that the step drops or merges"),
        (rows().any(|row| row.is_added), "+ row that the step adds"),
        (rows().any(|row| !row.changed.is_empty()), "* cell that the step changes"),
        (rows().any(|row| row.cells.iter().any(Option::is_none)), "∅ empty (null)"),
        (columns().any(|column| column.masked), "••• hidden by a later step"),
    ];
    signs.into_iter().filter(|(occurs, _)| *occurs).map(|(_, text)| text).collect::<Vec<_>>().join("   ")
}

/// Returns a line of the file with its end, also where it is cut.
fn file_line(line: &str, width: usize) -> String {
    let end = line.trim_end_matches(['\r', '\n']).len();
    let (content, end) = (visible_line(&line[..end]), visible_line(&line[end..]));
    format!("{}{end}", cut(&content, width.saturating_sub(end.chars().count())))
}
