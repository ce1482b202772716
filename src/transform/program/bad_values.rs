//! Values for which a step has no result, where the step goes on.

use crate::pipeline::plan::{OnError, Severity, TransformStep};
use crate::transform::dropped::{DroppedRow, DroppedRows};
use crate::transform::error::RowError;
use crate::transform::finding::{Examples, StepFinding};

/// The reaction of an operation to a value without a result.
#[derive(Clone, Copy)]
pub(super) enum Reaction {
    Fail,
    /// Counts the value, and makes the cell empty.
    Empty {
        bad: usize,
    },
    /// Counts the value, and drops the row.
    Drop {
        bad: usize,
        count: usize,
    },
}

/// The values of one step without a result.
#[derive(Clone)]
pub(super) struct BadValues {
    /// The index of the step, and its key in the pipeline file.
    step: usize,
    key: String,
    severity: Option<Severity>,
    examples: Examples,
    dropped: DroppedRows,
}

/// Formats the line of a record; a row of a baseline has none.
fn line_text(line: u64) -> String {
    if line == 0 { "-".to_owned() } else { line.to_string() }
}

impl BadValues {
    /// Returns a step's, unless it fails with the first one.
    pub(super) fn of(step: &TransformStep, index: usize) -> Option<Self> {
        let severity = match step.policy() {
            OnError::Fail => return None,
            OnError::Hold => Some(Severity::Hold),
            OnError::Empty => Some(Severity::Warn),
            OnError::DropRow => None,
        };
        let columns = ["line", "column", "value", "problem"].map(str::to_owned).into();
        let (examples, dropped) = (Examples::new(columns), DroppedRows::default());
        Some(Self { step: index, key: step.at.key.clone(), severity, examples, dropped })
    }

    #[cold]
    pub(super) fn empty(&mut self, error: RowError) {
        let RowError { number, line, column, value, what, step: _ } = error;
        self.examples.add_cells(number, || vec![line_text(line), column, value, what]);
    }

    #[cold]
    pub(super) fn drop_row(&mut self, error: RowError) {
        let RowError { number, line, column, value: _, what, step: _ } = error;
        self.dropped.add(|| DroppedRow { record: number, line, step: self.step, column, reason: what });
    }

    /// Returns those so far, and begins anew.
    pub(super) fn take(&mut self) -> Self {
        let Self { step, key, severity, examples, .. } = &*self;
        let (examples, dropped) = (Examples::new(examples.columns.clone()), DroppedRows::default());
        let empty = Self { step: *step, key: key.clone(), severity: *severity, examples, dropped };
        std::mem::replace(self, empty)
    }

    /// Adds values of later records.
    pub(super) fn append(&mut self, later: Self) {
        self.examples.append(later.examples);
        self.dropped.append(later.dropped);
    }

    /// Returns what a person should know, and the rows that the step dropped.
    pub(super) fn finish(&mut self) -> (Option<StepFinding>, DroppedRows) {
        let examples = std::mem::take(&mut self.examples);
        let finding = self.severity.filter(|_| examples.total > 0).map(|severity| {
            let message = match examples.total {
                1 => "1 value has no result, and is taken as empty".to_owned(),
                total => format!("{total} values have no result, and are taken as empty"),
            };
            StepFinding { key: self.key.clone(), severity, message, examples }
        });
        (finding, std::mem::take(&mut self.dropped))
    }
}
