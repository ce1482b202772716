//! The findings about an artifact, as the ledger keeps them and people read them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::pipeline::plan::{Severity, TransformStep};
use crate::pipeline::step_name;
use crate::transform::{DroppedRow, DroppedRows, Example, StepFinding};

/// The result of checking one artifact, and what later runs compare with. The ledger keeps both with the artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The most severe first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The reason not to deliver the artifact, by the pipeline's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    #[serde(default)]
    pub facts: Facts,
    /// The rows that steps dropped for their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_rows: Option<DroppedFacts>,
    /// The facts of each of several artifacts, by its key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, PartFacts>,
}

/// The facts of one of several artifacts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFacts {
    /// Its rows.
    pub rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_rows: Option<DroppedFacts>,
}

impl Checked {
    /// Adds what was found about one of several artifacts. Its key is part of each finding.
    pub fn add(&mut self, artifact: &str, of_part: Self) {
        let Self { findings, skip, facts, dropped_rows, artifacts: _ } = of_part;
        self.findings.extend(findings.into_iter().map(|finding| Finding {
            expectation: format!("{} of {artifact}", finding.expectation),
            message: format!("{artifact}: {}", finding.message),
            ..finding
        }));
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.skip = self.skip.take().or(skip.map(|reason| format!("{artifact}: {reason}")));
        self.facts.rows += facts.rows;
        self.artifacts.insert(artifact.to_owned(), PartFacts { rows: facts.rows, dropped_rows });
    }
}

/// Rows that steps dropped by `on_error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedFacts {
    pub total: u64,
    /// Those that the run's folder has, with their cells.
    pub kept: u64,
    /// The first ones.
    pub first: Vec<DroppedExample>,
}

/// A dropped row, without its cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedExample {
    /// The record number in the extract, from 1.
    pub record: u64,
    pub line: u64,
    /// The step, as `set in step 2`.
    pub step: String,
    pub column: String,
    pub reason: String,
}

/// The number of dropped rows that are shown.
const DROPPED_SHOWN_MAX: usize = 5;

impl DroppedFacts {
    /// Returns the facts about dropped rows; `None` if there are none.
    pub fn of(dropped: &DroppedRows, steps: &[TransformStep]) -> Option<Self> {
        let example = |row: &DroppedRow| DroppedExample {
            record: row.record,
            line: row.line,
            step: steps.get(row.step).map(|step| step_name::of_key(&step.at.key)).unwrap_or_default(),
            column: row.column.clone(),
            reason: row.reason.clone(),
        };
        let first = dropped.rows.iter().take(DROPPED_SHOWN_MAX).map(example).collect();
        (dropped.total > 0).then_some(Self { total: dropped.total, kept: dropped.rows.len() as u64, first })
    }
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The key in the pipeline file, `unique` or `rows.change`, or the step, as `map in step 2`.
    pub expectation: String,
    pub severity: Severity,
    /// What was expected and what was found, in one sentence.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

impl Finding {
    /// Returns what a step of the transform found.
    pub(super) fn of_step(found: StepFinding) -> Self {
        let StepFinding { key, severity, message, examples } = found;
        let row = |example: &Example| OffendingRow { number: example.number, cells: example.cells.clone() };
        let rows = examples.rows().map(row).collect();
        let (total, columns) = (examples.total, examples.columns);
        let rows = OffendingRows { total, columns, checked_columns: Vec::new(), rows };
        let difference = (total > 0).then_some(Difference::Offending(rows));
        Self { expectation: step_name::of_key(&key), severity, message, difference }
    }
}

/// The difference that a person decides on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The source's columns against the accepted ones.
    Header {
        added: Vec<String>,
        removed: Vec<String>,
        moved: Vec<String>,
        /// The pipeline file lists the expected columns: there is nothing to accept.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        listed: bool,
    },
    /// The number of rows against earlier runs, newest first.
    Rows { rows: u64, usual: u64, earlier: Vec<EarlierRows> },
    /// Rows that do not meet the expectation.
    Offending(OffendingRows),
    /// The account's assignments against the accepted ones.
    Scope { changes: Vec<String> },
}

/// The rows of one delivered run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierRows {
    pub run: String,
    /// RFC 3339 in the pipeline's zone.
    pub slot: String,
    pub rows: u64,
}

/// The first and the last offending rows, [`OFFENDING_ROWS_MAX`] at most, as they would be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffendingRows {
    /// All offending rows, shown or not.
    pub total: u64,
    pub columns: Vec<String>,
    /// Those of the columns that the expectation names. What leaves this machine, as alerts do, has no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked_columns: Vec<String>,
    pub rows: Vec<OffendingRow>,
}

/// The number of offending rows kept for one finding.
pub const OFFENDING_ROWS_MAX: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffendingRow {
    /// The number in the artifact, from 1, without the header; for a step's finding, that of the record in the extract,
    /// or 0 for a row that `delta` takes from its baseline.
    pub number: u64,
    pub cells: Vec<String>,
}

/// Facts that later runs of the pipeline are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The source's columns, in order.
    #[serde(default)]
    pub header: Vec<String>,
    /// The rows of the artifact.
    #[serde(default)]
    pub rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<AccountScope>,
    /// The comparison with the last delivered file, if the pipeline delivers changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<DeltaFacts>,
}

/// The comparison of a `delta`, and the baseline that its receipt makes current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaFacts {
    /// The baseline that was current; `None` before the first delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_with: Option<ComparedWith>,
    /// The baseline of this run's rows; `None` for a run that never makes one current, as a run of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineFile>,
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
    pub unchanged: u64,
    /// Rows that are no longer there, of which nothing is sent and which stay in the baseline.
    pub kept: u64,
}

/// The run whose rows were compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedWith {
    pub run: String,
    /// RFC 3339 in the pipeline's zone.
    pub slot: String,
    /// The digest of its baseline.
    pub sha256: String,
}

/// The file of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineFile {
    pub sha256: String,
    pub keys: u64,
}

/// The assignments of the source's account, as far as it may read them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountScope {
    pub username: String,
    /// The platform's word for its level.
    pub level: String,
    /// Assigned resources by kind: `users`, `courses`, `branches`, `groups`.
    pub assigned: BTreeMap<String, u64>,
    /// Sorted.
    pub permissions: Vec<String>,
}

/// The earlier runs of the pipeline that an artifact is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The accepted header; `None` before the first delivered run.
    pub header: Option<Vec<String>>,
    pub scope: Option<AccountScope>,
    /// Rows of delivered runs, newest slot first, at most [`EARLIER_RUNS_MAX`].
    pub rows: Vec<EarlierRows>,
    /// Those rows of each of several artifacts, by its key.
    pub artifacts: BTreeMap<String, Vec<EarlierRows>>,
}

impl Baseline {
    /// Returns the baseline of one of several artifacts: of what a person accepts, it has nothing.
    pub fn of_part(&self, artifact: &str) -> Self {
        let rows = self.artifacts.get(artifact).cloned().unwrap_or_default();
        Self { rows, ..Self::default() }
    }
}

/// The number of delivered runs that a baseline has: enough for five of the same weekday of a daily pipeline.
pub const EARLIER_RUNS_MAX: usize = 60;
