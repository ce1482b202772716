//! Findings as lines of text for people, and as they may leave this machine.

use super::{Difference, EarlierRows, Finding, OffendingRow, OffendingRows};
use crate::pipeline::plan::Severity;

/// Characters of a cell or a name in a text.
const CELL_CHARS_MAX: usize = 24;
/// Columns of offending rows in a text, those that the expectation names first.
const COLUMNS_MAX: usize = 6;
/// Names or changes of one kind in a text.
const NAMES_MAX: usize = 20;
/// Earlier runs in a text.
const EARLIER_MAX: usize = 5;

impl Finding {
    /// Returns what it does to the run, before its expectation: `held by`.
    pub fn label(&self) -> &'static str {
        match self.severity {
            Severity::Warn => "warning",
            Severity::Hold => "held by",
            Severity::Fail => "failed by",
        }
    }

    /// Returns the difference in a few lines; none if the message says it all.
    pub fn lines(&self) -> Vec<String> {
        match &self.difference {
            None => Vec::new(),
            Some(Difference::Header { added, removed, moved, .. }) => {
                let marked = [("+ ", added, ""), ("- ", removed, ""), ("~ ", moved, " (moved)")];
                marked.into_iter().flat_map(|(sign, names, end)| listed(sign, names, end)).collect()
            }
            Some(Difference::Scope { changes }) => listed("", changes, ""),
            Some(Difference::Rows { rows, usual, earlier }) => compared(*rows, *usual, earlier),
            Some(Difference::Offending(offending)) => table(offending),
        }
    }

    /// Returns the option of `accept` that makes what was found the baseline, if it is about one and stops the run.
    pub fn accept_option(&self) -> Option<&'static str> {
        match &self.difference {
            _ if self.severity < Severity::Hold => None,
            Some(Difference::Header { listed: false, .. }) => Some("--header"),
            Some(Difference::Scope { changes }) if !changes.is_empty() => Some("--scope"),
            _ => None,
        }
    }

    /// Returns the finding as alerts carry it: of offending rows only their numbers and the columns that the expectation
    /// names, and of long lists the beginning.
    pub fn for_alert(&self) -> Self {
        let mut finding = self.clone();
        match &mut finding.difference {
            Some(Difference::Header { added, removed, moved, .. }) => {
                [added, removed, moved].into_iter().for_each(|names| names.truncate(NAMES_MAX));
            }
            Some(Difference::Scope { changes }) => changes.truncate(NAMES_MAX),
            Some(Difference::Rows { earlier, .. }) => earlier.truncate(EARLIER_MAX),
            Some(Difference::Offending(offending)) => *offending = checked_columns_of(offending),
            None => {}
        }
        finding
    }
}

/// Returns the rows with the checked columns alone, and their cells as a text shows them.
fn checked_columns_of(offending: &OffendingRows) -> OffendingRows {
    let is_checked = |column: &String| offending.checked_columns.contains(column);
    let kept: Vec<usize> = (0..offending.columns.len()).filter(|at| is_checked(&offending.columns[*at])).collect();
    let row = |row: &OffendingRow| OffendingRow {
        number: row.number,
        cells: kept.iter().map(|at| visible(row.cells.get(*at).map_or("", String::as_str))).collect(),
    };
    OffendingRows {
        total: offending.total,
        columns: kept.iter().map(|at| offending.columns[*at].clone()).collect(),
        checked_columns: offending.checked_columns.clone(),
        rows: offending.rows.iter().map(row).collect(),
    }
}

fn listed(sign: &str, names: &[String], end: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        names.iter().take(NAMES_MAX).map(|name| format!("{sign}{}{end}", shown(name))).collect();
    if names.len() > NAMES_MAX {
        lines.push(format!("{sign}… and {} more", names.len() - NAMES_MAX));
    }
    lines
}

fn compared(rows: u64, usual: u64, earlier: &[EarlierRows]) -> Vec<String> {
    let mut lines = vec![format!("{rows} rows, usually {usual}; compared with")];
    let width = earlier.iter().map(|run| run.rows.to_string().len()).max().unwrap_or_default();
    let line = |run: &EarlierRows| format!("  {}  {:>width$} rows  run {}", run.slot, run.rows, run.run);
    lines.extend(earlier.iter().take(EARLIER_MAX).map(line));
    if earlier.len() > EARLIER_MAX {
        lines.push(format!("  and {} earlier ones", earlier.len() - EARLIER_MAX));
    }
    lines
}

/// Renders rows as an aligned table; the columns that the expectation names come first.
fn table(offending: &OffendingRows) -> Vec<String> {
    let mut order: Vec<usize> = (0..offending.columns.len()).collect();
    order.sort_by_key(|at| !offending.checked_columns.contains(&offending.columns[*at]));
    let more = order.len().saturating_sub(COLUMNS_MAX);
    order.truncate(COLUMNS_MAX);
    let head = order.iter().map(|at| visible(&offending.columns[*at]));
    let mut rows = vec![std::iter::once("row".to_owned()).chain(head).collect::<Vec<_>>()];
    for row in &offending.rows {
        let cells = order.iter().map(|at| visible(row.cells.get(*at).map_or("", String::as_str)));
        let number = if row.number == 0 { "baseline".to_owned() } else { row.number.to_string() };
        rows.push(std::iter::once(number).chain(cells).collect());
    }
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..=order.len()).map(|at| width(at).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let shown = offending.rows.len();
    let rows = (offending.total > shown as u64)
        .then(|| format!("{shown} of {} rows, the first and the last", offending.total));
    let columns = (more > 0).then(|| format!("{more} more columns in --json"));
    let rest: Vec<String> = rows.into_iter().chain(columns).collect();
    if !rest.is_empty() {
        lines.push(rest.join(", "));
    }
    lines
}

/// Returns a cell of the data as text: shortened, with whatever a terminal would act on or not show escaped.
fn visible(text: &str) -> String {
    shorten(text, CELL_CHARS_MAX)
}

/// Returns a name or a change, which may be longer than a cell.
fn shown(text: &str) -> String {
    shorten(text, 4 * CELL_CHARS_MAX)
}

fn shorten(text: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == chars_max {
            shown.push('…');
            break;
        }
        match character {
            // Without width, or reversing the text that follows.
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                shown.extend(character.escape_unicode());
            }
            character if character.is_control() => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(difference: Difference) -> Finding {
        let (expectation, message) = ("unique".to_owned(), "2 of 9 rows".to_owned());
        Finding { expectation, severity: Severity::Hold, message, difference: Some(difference) }
    }

    fn offending(total: u64) -> Finding {
        let row = |number, id: &str, note: &str| OffendingRow { number, cells: vec![note.into(), id.into()] };
        finding(Difference::Offending(OffendingRows {
            total,
            columns: vec!["note".into(), "id".into()],
            checked_columns: vec!["id".into()],
            rows: vec![row(2, "007", "a\tb\u{202e}"), row(11, "007", &"x".repeat(30))],
        }))
    }

    #[test]
    fn offending_rows_are_an_aligned_table_with_the_checked_columns_first() {
        let expected = [
            "row  id   note".to_owned(),
            r"2    007  a\tb\u{202e}".to_owned(),
            format!("11   007  {}…", "x".repeat(24)),
        ];
        assert_eq!(offending(2).lines(), expected);
        assert_eq!(offending(1204).lines()[3], "2 of 1204 rows, the first and the last");
    }

    #[test]
    fn wide_rows_are_cut() {
        let columns: Vec<String> = (0..9).map(|at| format!("c{at}")).collect();
        let rows = vec![OffendingRow { number: 1, cells: columns.clone() }];
        let checked_columns = vec!["c8".to_owned()];
        let lines = finding(Difference::Offending(OffendingRows { total: 1, columns, checked_columns, rows })).lines();
        assert_eq!(lines[0], "row  c8  c0  c1  c2  c3  c4");
        assert_eq!(lines[2], "3 more columns in --json");
    }

    #[test]
    fn an_alert_has_no_columns_but_the_checked_ones() {
        let Some(Difference::Offending(sent)) = offending(2).for_alert().difference else { panic!() };
        assert_eq!((sent.columns, sent.rows[1].cells.clone()), (vec!["id".to_owned()], vec!["007".to_owned()]));
        let many: Vec<String> = (0..100).map(|at| at.to_string()).collect();
        let header =
            finding(Difference::Header { added: many.clone(), removed: many, moved: Vec::new(), listed: false });
        assert_eq!(header.lines().len(), 2 * (NAMES_MAX + 1));
        assert_eq!(header.for_alert().lines().len(), 2 * NAMES_MAX);
    }

    #[test]
    fn headers_rows_and_assignments_are_lines() {
        let names = |name: &str| vec![name.to_owned()];
        let header =
            Difference::Header { added: names("Region"), removed: names("Team"), moved: names("Email"), listed: false };
        assert_eq!(finding(header).lines(), ["+ Region", "- Team", "~ Email (moved)"]);
        assert_eq!(finding(Difference::Scope { changes: names("courses: 12, now 9") }).lines(), ["courses: 12, now 9"]);
        let run = |rows| EarlierRows { run: "1ce96314".into(), slot: "2026-11-16T05:30:00-05:00".into(), rows };
        let lines = finding(Difference::Rows { rows: 40, usual: 118, earlier: vec![run(118), run(99)] }).lines();
        assert_eq!(lines[0], "40 rows, usually 118; compared with");
        assert_eq!(lines[2], "  2026-11-16T05:30:00-05:00   99 rows  run 1ce96314");
    }

    #[test]
    fn only_what_stops_a_run_is_to_be_accepted() {
        let scope = finding(Difference::Scope { changes: vec!["courses: 12, now 9".into()] });
        assert_eq!(scope.accept_option(), Some("--scope"));
        assert_eq!(Finding { severity: Severity::Warn, ..scope }.accept_option(), None);
        assert_eq!(offending(1).accept_option(), None);
        let listed = Difference::Header { added: Vec::new(), removed: Vec::new(), moved: Vec::new(), listed: true };
        assert_eq!(finding(listed).accept_option(), None);
    }
}
