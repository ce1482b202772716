//! An expected result and the actual one → their differences, as data.

use serde::Serialize;

use super::Output;
use super::align::{Edit, align};
use crate::expect::Finding;
use crate::pipeline::operator::RowShare;
use crate::pipeline::plan::{Expected, ExpectedBalance, ExpectedData, ExpectedOutput, Severity, TestPath, TestRows};

/// One difference between an expected result and the actual one. Its names in JSON are an interface.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// The run fails, or does not fail as expected.
    Error { expected: Option<String>, actual: Option<String> },
    /// The names of the delivered columns.
    Columns { expected: Vec<String>, actual: Vec<String> },
    /// The delivered rows; those that are equal are among them.
    Rows { columns: Vec<String>, rows: Vec<RowChange> },
    /// Rows that should be among the delivered ones; cells that are not compared are `None`.
    NotContained { columns: Vec<String>, rows: Vec<Vec<Option<String>>> },
    /// The lines of the artifact, compared with those of a file or of `text`.
    File { file: String, lines: Vec<LineChange> },
    /// The expected file cannot be read.
    NoFile { file: String, error: String },
    /// A number of rows, by its key.
    Count { key: &'static str, expected: u64, actual: u64 },
    /// A finding that would stop the run, and is not expected.
    Finding(Finding),
    /// An expected finding that there is not.
    NoFinding { key: String, found: Vec<String> },
    /// The rows of `baseline` have no result.
    Baseline { error: String },
}

/// One row of an alignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "row", rename_all = "snake_case")]
pub enum RowChange {
    Same { cells: Vec<String> },
    Changed { expected: Vec<String>, actual: Vec<String> },
    Missing { expected: Vec<String> },
    Extra { actual: Vec<String> },
}

/// One line of an alignment of files, with its line end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "line", content = "text", rename_all = "snake_case")]
pub enum LineChange {
    Same(String),
    Missing(String),
    Extra(String),
}

/// Findings about the number of rows, which a test has few of: they count only where the test names them.
const OF_FEW_ROWS: [&str; 3] = ["rows.min", "rows.change", "when_empty"];

/// Returns the difference of a run that failed.
pub(super) fn error(expected: &Expected, actual: &str) -> Option<Difference> {
    let expected = match expected {
        Expected::Error(part) if actual.contains(part.as_str()) => return None,
        Expected::Error(part) => Some(part.clone()),
        Expected::Output(_) => None,
    };
    Some(Difference::Error { expected, actual: Some(actual.to_owned()) })
}

/// Returns the differences of a run that made an artifact.
pub(super) fn output(expected: &Expected, output: &Output) -> Vec<Difference> {
    let expected = match expected {
        Expected::Output(expected) => expected,
        Expected::Error(part) => return vec![Difference::Error { expected: Some(part.clone()), actual: None }],
    };
    let ExpectedOutput { data, findings, row_count, columns, contains, balance } = &**expected;
    let mut differences = Vec::new();
    if let Some(columns) = columns.as_ref().filter(|columns| **columns != output.columns) {
        differences.push(Difference::Columns { expected: columns.clone(), actual: output.columns.clone() });
    }
    match data {
        None => {}
        Some(ExpectedData::Rows(rows)) => differences.extend(all_rows(rows, output)),
        Some(ExpectedData::File(file)) => differences.extend(self::file(file, &output.bytes)),
        Some(ExpectedData::Text(text)) => {
            differences.extend(bytes("`text`".to_owned(), text.as_bytes(), &output.bytes))
        }
    }
    differences.extend(contains.as_ref().and_then(|rows| not_contained(rows, output)));
    differences.extend(row_count.and_then(|expected| count("row_count", Some(expected), output.rows.len() as u64)));
    differences.extend(counts(balance, output));
    differences.extend(self::findings(findings.as_deref(), output));
    differences
}

fn count(key: &'static str, expected: Option<u64>, actual: u64) -> Option<Difference> {
    expected.filter(|expected| *expected != actual).map(|expected| Difference::Count { key, expected, actual })
}

fn counts(expected: &ExpectedBalance, output: &Output) -> Vec<Difference> {
    let ExpectedBalance { extracted, dropped, merged, added, written } = *expected;
    let balance = &output.balance;
    let sum = |share: RowShare| balance.steps.iter().filter(|step| step.share == share).map(|step| step.rows).sum();
    [
        count("balance.extracted", extracted, balance.extracted),
        count("balance.dropped", dropped, sum(RowShare::Dropped)),
        count("balance.merged", merged, sum(RowShare::Merged)),
        count("balance.added", added, sum(RowShare::Added)),
        count("balance.written", written, balance.written),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn findings(expected: Option<&[String]>, output: &Output) -> Vec<Difference> {
    let checked = &output.checked;
    let skipped = checked.skip.as_ref().map(|_| "when_empty".to_owned());
    let found: Vec<String> =
        checked.findings.iter().map(|finding| finding.expectation.clone()).chain(skipped).collect();
    let expected = expected.unwrap_or_default();
    let is_expected = |finding: &&Finding| {
        let key = finding.expectation.as_str();
        expected.iter().any(|expected| expected == key)
            || finding.severity == Severity::Warn
            || OF_FEW_ROWS.contains(&key)
    };
    let unexpected = checked.findings.iter().filter(|finding| !is_expected(finding)).cloned();
    let missing = expected.iter().filter(|key| !found.contains(key));
    let missing = missing.map(|key| Difference::NoFinding { key: key.clone(), found: found.clone() });
    unexpected.map(Difference::Finding).chain(missing).collect()
}

/// Compares all rows, in their order. A cell that the test leaves out is empty.
fn all_rows(expected: &TestRows, output: &Output) -> Vec<Difference> {
    let mut differences = Vec::new();
    let has = |columns: &[String], name: &String| columns.contains(name);
    let is_same_set = expected.columns.iter().all(|name| has(&output.columns, name))
        && output.columns.iter().all(|name| has(&expected.columns, name));
    if !expected.rows.is_empty() && !is_same_set {
        differences.push(Difference::Columns { expected: expected.columns.clone(), actual: output.columns.clone() });
    }
    // Only what both have is compared cell by cell.
    let columns: Vec<String> = match expected.rows.is_empty() {
        true => output.columns.clone(),
        false => output.columns.iter().filter(|name| has(&expected.columns, name)).cloned().collect(),
    };
    let position = |names: &[String], name: &String| names.iter().position(|known| known == name);
    let wanted: Vec<Vec<String>> = expected
        .rows
        .iter()
        .map(|row| {
            let cell = |name: &String| row[position(&expected.columns, name)?].clone();
            columns.iter().map(|name| cell(name).unwrap_or_default()).collect()
        })
        .collect();
    let at: Vec<usize> = columns.iter().filter_map(|name| position(&output.columns, name)).collect();
    let actual: Vec<Vec<String>> =
        output.rows.iter().map(|row| at.iter().map(|&at| row[at].clone()).collect()).collect();
    if wanted != actual {
        differences.push(Difference::Rows { rows: changes(&wanted, &actual), columns });
    }
    differences
}

fn changes(expected: &[Vec<String>], actual: &[Vec<String>]) -> Vec<RowChange> {
    let distance = |row: usize, column: usize| {
        let (expected, actual) = (&expected[row], &actual[column]);
        let different = expected.iter().zip(actual).filter(|(one, other)| one != other).count();
        match different {
            0 => Some(0),
            // Rows without a common cell are two rows, unless there is only one column.
            all if all == expected.len() && all > 1 => None,
            some => u32::try_from(1000 * some / expected.len()).ok(),
        }
    };
    let change = |edit: Edit| match edit {
        Edit::Same(row, _) => RowChange::Same { cells: expected[row].clone() },
        Edit::Changed(row, column) => {
            RowChange::Changed { expected: expected[row].clone(), actual: actual[column].clone() }
        }
        Edit::Missing(row) => RowChange::Missing { expected: expected[row].clone() },
        Edit::Extra(column) => RowChange::Extra { actual: actual[column].clone() },
    };
    align(expected.len(), actual.len(), distance).into_iter().map(change).collect()
}

/// Compares the cells that the test writes, wherever the row is.
fn not_contained(expected: &TestRows, output: &Output) -> Option<Difference> {
    let positions: Vec<Option<usize>> =
        expected.columns.iter().map(|name| output.columns.iter().position(|known| known == name)).collect();
    let fits = |wanted: &[Option<String>], row: &[String]| {
        wanted.iter().zip(&positions).all(|(cell, position)| match (cell, position) {
            (None, _) => true,
            (Some(cell), Some(position)) => row[*position] == *cell,
            (Some(_), None) => false,
        })
    };
    let is_missing = |wanted: &&Vec<Option<String>>| !output.rows.iter().any(|row| fits(wanted, row));
    let rows: Vec<_> = expected.rows.iter().filter(is_missing).cloned().collect();
    (!rows.is_empty()).then(|| Difference::NotContained { columns: expected.columns.clone(), rows })
}

fn file(expected: &TestPath, actual: &[u8]) -> Option<Difference> {
    let file = expected.name.clone();
    match super::read(&expected.path) {
        Ok(wanted) => bytes(file, &wanted, actual),
        Err(error) => Some(Difference::NoFile { file, error: error.to_string() }),
    }
}

/// Compares the artifact with the bytes that `file` names.
fn bytes(file: String, wanted: &[u8], actual: &[u8]) -> Option<Difference> {
    if wanted == actual {
        return None;
    }
    let (wanted, actual) = (lines(wanted), lines(actual));
    let distance = |row: usize, column: usize| (wanted[row] == actual[column]).then_some(0);
    let change = |edit: Edit| match edit {
        Edit::Same(row, _) | Edit::Changed(row, _) => LineChange::Same(wanted[row].clone()),
        Edit::Missing(row) => LineChange::Missing(wanted[row].clone()),
        Edit::Extra(column) => LineChange::Extra(actual[column].clone()),
    };
    let lines = align(wanted.len(), actual.len(), distance).into_iter().map(change).collect();
    Some(Difference::File { file, lines })
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}
