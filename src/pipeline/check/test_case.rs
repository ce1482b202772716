//! The tests of a pipeline file → the plan's.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Check;
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::*;
use crate::pipeline::table_file;
use crate::pipeline::tests_file::{BalanceFile, ExpectedFile, InputRows, RowList, TestFile};
use crate::secret::Secret;
use crate::settings::SecretRef;
use crate::yaml::problem::did_you_mean;
use crate::yaml::read::{At, Lenient, Named, list};

/// The facts about a pipeline that its tests are checked against.
pub(super) struct Facts {
    pub zone: TimeZone,
    /// The names of the secrets that it uses.
    pub secrets: Vec<String>,
    /// The columns of the source and of the artifact, where they are known.
    pub source: Option<Vec<String>>,
    /// The names of the other sources.
    pub others: Vec<String>,
    pub delivered: Option<Vec<String>>,
    /// True if one of the steps is a `delta`, or may be.
    pub has_delta: bool,
}

impl Facts {
    /// Returns the facts about rows whose steps have no `delta`.
    pub(super) fn new(
        zone: &TimeZone,
        source: Option<&Source>,
        others: &[NamedSource],
        secrets: &BTreeMap<String, SecretRef>,
        delivered: Option<Vec<String>>,
    ) -> Self {
        Self {
            zone: zone.clone(),
            secrets: secrets.keys().cloned().collect(),
            source: source.and_then(|source| Columns::of_source(source).names()),
            others: others.iter().map(|other| other.name.clone()).collect(),
            delivered,
            has_delta: false,
        }
    }
}

/// The slot of a test that names none, in the pipeline's zone.
const SLOT: &str = "2026-01-05T06:00:00";

impl Check<'_> {
    /// Checks the tests. `facts` are those of the artifact, or of each of several by its key.
    pub(super) fn tests(
        &mut self,
        written: Vec<Lenient<TestFile>>,
        facts: &[(Option<String>, Facts)],
    ) -> Vec<TestCase> {
        let mut names = BTreeSet::new();
        let mut tests = Vec::new();
        for test in written.into_iter().filter_map(|part| part.0) {
            if !names.insert(test.name.value.clone()) {
                let what = format!("there is a test {:?} already", test.name.value);
                self.problems.push(test.name.origin.error(what).hint("give each test a name of its own"));
            }
            tests.extend(self.test(test, facts));
        }
        tests
    }

    /// Returns the artifact that a test is of, by the position of its facts.
    fn tested(
        &mut self,
        test: &At<String>,
        artifact: Option<&At<String>>,
        facts: &[(Option<String>, Facts)],
    ) -> Option<usize> {
        let keys: Vec<&str> = facts.iter().filter_map(|(key, _)| key.as_deref()).collect();
        let problem = match artifact {
            None if facts.len() == 1 => return Some(0),
            None if keys.is_empty() => return None, // none of them is valid
            None => {
                let what = format!("the test {:?} does not name the artifact that it is of", test.value);
                test.origin.error(what).hint(format!("write `artifact: {}`, or another of {}", keys[0], list(&keys)))
            }
            Some(artifact) => match facts.iter().position(|(key, _)| key.as_deref() == Some(&artifact.value)) {
                Some(found) => return Some(found),
                None => {
                    let what = format!("there is no artifact `{}` with rows", artifact.value);
                    let near = did_you_mean(&artifact.value, keys.iter().copied());
                    artifact.origin.error(what).hint(near.unwrap_or_else(|| match keys.as_slice() {
                        [] => "the pipeline has one artifact: remove this".to_owned(),
                        keys => format!("there are {}", list(keys)),
                    }))
                }
            },
        };
        self.problems.push(problem);
        None
    }

    fn test(&mut self, written: TestFile, all: &[(Option<String>, Facts)]) -> Option<TestCase> {
        let TestFile { name, slot, rows, sources, secrets, expect, baseline, artifact } = written;
        let (artifact, facts) = &all[self.tested(&name, artifact.as_ref(), all)?];
        let artifact = artifact.clone();
        let at = self.place(&name.origin);
        let slot = match slot {
            None => slot_of(SLOT, &facts.zone)?,
            Some(slot) => self.test_slot(&slot, &facts.zone)?,
        };
        let mut input = self.input(rows, facts.source.as_deref());
        let mut baseline = baseline.and_then(|baseline| self.baseline(baseline, facts));
        if let (Some(TestInput::Rows(rows)), Some(TestInput::Rows(before))) = (&mut input, &mut baseline) {
            add_columns_of(before, rows);
            add_columns_of(rows, before);
        }
        let others = self.other_sources(&name, sources.unwrap_or(Named(Vec::new())), facts);
        let secrets = self.test_secrets(secrets.unwrap_or(Named(Vec::new())), facts);
        let expected = expect.0.and_then(|expect| self.expected(&name, expect, facts));
        Some(TestCase {
            at,
            name: name.value,
            slot,
            input: input?,
            others,
            secrets,
            expected: expected?,
            baseline,
            artifact,
        })
    }

    /// Returns the rows that `delta` compares with, and reports them where there is no `delta`.
    fn baseline(&mut self, At { value: rows, origin }: At<InputRows>, facts: &Facts) -> Option<TestInput> {
        if !facts.has_delta {
            let problem = origin.error("no step compares with a baseline: this pipeline has no `delta`");
            self.problems.push(problem.hint("remove `baseline`, or add a `delta` step"));
            return None;
        }
        self.input(rows, facts.source.as_deref())
    }

    fn test_slot(&mut self, written: &At<String>, zone: &TimeZone) -> Option<Timestamp> {
        let slot = slot_of(&written.value, zone);
        if slot.is_none() {
            let problem = written.origin.error(format!("{:?} is not a time", written.value));
            self.problems.push(problem.hint("write it as `2026-11-23T05:30:00-05:00`"));
        }
        slot
    }

    /// Returns the rows of every other source, and reports those that are missing or unknown.
    fn other_sources(
        &mut self,
        test: &At<String>,
        written: Named<InputRows>,
        facts: &Facts,
    ) -> BTreeMap<String, TestInput> {
        let mut others = BTreeMap::new();
        for (key, rows) in written.0 {
            if !facts.others.contains(&key.text) {
                // Without settings, sources of tenants are not known.
                if self.settings.is_none() {
                    continue;
                }
                let near = did_you_mean(&key.text, facts.others.iter().map(String::as_str));
                let what = format!("no step reads rows of a source {:?}", key.text);
                self.problems.push(key.origin.error(what).hint(near.unwrap_or_else(|| "remove it".to_owned())));
            } else if let Some(input) = self.input(rows, None) {
                others.insert(key.text, input);
            }
        }
        for name in facts.others.iter().filter(|name| !others.contains_key(*name)) {
            let what = format!("the test {:?} has no rows of the source {name:?}", test.value);
            let hint = format!(
                "write `sources: {{{name}: [{{…}}]}}`, or name a CSV: `sources: {{{name}: {{file: {name}.csv}}}}`"
            );
            self.problems.push(test.origin.error(what).hint(hint));
        }
        others
    }

    fn input(&mut self, written: InputRows, columns: Option<&[String]>) -> Option<TestInput> {
        match written {
            InputRows::File(file) => {
                let path = self.test_path(&file)?;
                if !path.path.is_file() {
                    let what = format!("there is no file {}: the test fails", path.path.display());
                    let problem = file.origin.warning(what);
                    self.problems.push(problem.hint("a path is relative to the pipeline file's folder"));
                }
                Some(TestInput::File(path))
            }
            InputRows::List(list) => {
                let rows = self.rows_of(&list, columns, "the source");
                if rows.columns.is_empty() {
                    let problem = list.origin.error("the rows of the source have no columns here");
                    self.problems.push(problem.hint("write a row, or name a CSV with a header: `{file: rows.csv}`"));
                }
                Some(TestInput::Rows(rows))
            }
        }
    }

    /// Returns the rows with their columns, and reports a column that is not among `known`.
    fn rows_of(&mut self, list: &RowList, known: Option<&[String]>, of: &str) -> TestRows {
        let mut columns: Vec<String> = Vec::new();
        for (key, _) in list.rows.iter().flatten() {
            if columns.contains(&key.text) {
                continue;
            }
            columns.push(key.text.clone());
            if let Some(known) = known.filter(|known| !known.contains(&key.text)) {
                let near = did_you_mean(&key.text, known.iter().map(String::as_str));
                let hint = near.unwrap_or_else(|| format!("there are {}", known.join(", ")));
                self.problems.push(key.origin.error(format!("{of} has no column {:?}", key.text)).hint(hint));
            }
        }
        let cell = |row: &[(crate::yaml::tree::Key, String)], column: &String| {
            row.iter().find(|(key, _)| key.text == *column).map(|(_, cell)| cell.clone())
        };
        let rows = list.rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
        TestRows { columns, rows, span: list.span.clone() }
    }

    fn test_path(&mut self, written: &At<String>) -> Option<TestPath> {
        match table_file::path_inside(self.file, written) {
            Ok(path) => Some(TestPath { name: written.value.clone(), path }),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Returns a value for each secret that the pipeline uses.
    fn test_secrets(&mut self, written: Named<At<String>>, facts: &Facts) -> BTreeMap<String, Secret> {
        let fixed = |name: &String| (name.clone(), test_secret(name));
        let mut secrets: BTreeMap<String, Secret> = facts.secrets.iter().map(fixed).collect();
        for (key, value) in written.0 {
            match secrets.get_mut(&key.text) {
                Some(secret) => *secret = Secret::new(value.value),
                None if self.settings.is_none() => {} // the secrets are unknown
                None => {
                    let near = did_you_mean(&key.text, facts.secrets.iter().map(String::as_str));
                    let problem = key.origin.error(format!("no step of this pipeline uses a secret {:?}", key.text));
                    self.problems.push(problem.hint(near.unwrap_or_else(|| "remove it".to_owned())));
                }
            }
        }
        secrets
    }

    fn expected(&mut self, name: &At<String>, written: ExpectedFile, facts: &Facts) -> Option<Expected> {
        let ExpectedFile { rows, file, error, findings, row_count, columns, contains, balance, text } = written;
        let whole =
            [("rows", rows.is_some()), ("file", file.is_some()), ("text", text.is_some()), ("error", error.is_some())];
        let mut written = whole.iter().filter(|(_, is_written)| *is_written).map(|(key, _)| *key);
        if let (Some(first), Some(second)) = (written.next(), written.next()) {
            let what = format!("`{first}` and `{second}` are mutually exclusive in the test {:?}", name.value);
            self.problems.push(name.origin.error(what).hint("keep one of them, or write two tests"));
        }
        let asserts =
            findings.is_some() || row_count.is_some() || columns.is_some() || contains.is_some() || balance.is_some();
        if let Some(error) = error {
            if asserts {
                let what = format!("a run that fails has no result: the test {:?} expects both", name.value);
                self.problems.push(error.origin.error(what).hint("keep `error` alone, or remove it"));
            }
            return Some(Expected::Error(error.value));
        }
        if rows.is_none() && file.is_none() && text.is_none() && !asserts {
            let problem = name.origin.error(format!("the test {:?} expects nothing", name.value));
            let hint =
                "write `rows`, `file`, `text`, `error`, `findings`, `row_count`, `columns`, `contains` or `balance`";
            self.problems.push(problem.hint(hint));
            return None;
        }
        if let (Some(columns), Some(known)) = (&columns, &facts.delivered)
            && columns != known
        {
            let what = format!("the artifact of the test {:?} has the columns {}", name.value, known.join(", "));
            self.problems.push(name.origin.error(what).hint("change `columns`, or the steps"));
        }
        let delivered = facts.delivered.as_deref();
        let data = match (rows, file, text) {
            (Some(rows), ..) => Some(ExpectedData::Rows(self.rows_of(&rows, delivered, "the artifact"))),
            (None, Some(file), _) => Some(ExpectedData::File(self.test_path(&file)?)),
            (None, None, text) => text.map(|text| ExpectedData::Text(text.value)),
        };
        Some(Expected::Output(Box::new(ExpectedOutput {
            data,
            findings: findings.map(|keys| keys.0.into_iter().map(|key| key.value).collect()),
            row_count: row_count.map(|count| count.0),
            columns,
            contains: contains.map(|rows| self.rows_of(&rows, delivered, "the artifact")),
            balance: balance.map(balance_of).unwrap_or_default(),
        })))
    }
}

/// Adds the columns that only `other` has, with empty cells: both are rows of one source.
fn add_columns_of(other: &TestRows, rows: &mut TestRows) {
    let added: Vec<String> = other.columns.iter().filter(|name| !rows.columns.contains(name)).cloned().collect();
    rows.rows.iter_mut().for_each(|row| row.resize(row.len() + added.len(), None));
    rows.columns.extend(added);
}

fn balance_of(written: BalanceFile) -> ExpectedBalance {
    let BalanceFile { extracted, dropped, merged, added, written } = written;
    ExpectedBalance {
        extracted: extracted.map(|count| count.0),
        dropped: dropped.map(|count| count.0),
        merged: merged.map(|count| count.0),
        added: added.map(|count| count.0),
        written: written.map(|count| count.0),
    }
}

/// Returns the moment that is written, in the zone where it has no offset.
fn slot_of(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let local: DateTime = text.parse().ok()?;
    zone.to_timestamp(local).ok()
}
