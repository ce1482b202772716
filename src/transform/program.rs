//! Steps and a header → a row program: consecutive row operators, fused. Renames and projections are resolved at
//! compile time and cost nothing per row.

use std::collections::BTreeMap;
use std::ops::Range;

use tracing::warn;

use super::error::RowError;
use super::record::Record;
use crate::expr::bound::Bound;
use crate::expr::eval::Fault;
use crate::expr::hmac::{HmacKey, KEY_BYTES_MIN};
use crate::expr::shorten;
use crate::expr::value::{CellRef, Span, Value};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Expression, StepKind, TransformStep};
use crate::secret::Secret;
use crate::yaml::problem::{Place, Problem, did_you_mean};

/// Consecutive row operators, compiled against their input columns.
#[derive(Default)]
pub(super) struct Program {
    operations: Vec<Operation>,
    outputs: Vec<CellRef>,
    /// The cells computed in this row, and their bytes.
    made: Vec<Span>,
    arena: Vec<u8>,
    /// The rows that each step dropped which may drop some.
    counts: Vec<u64>,
}

struct Operation {
    /// The step's key in the pipeline file, for errors.
    key: String,
    expression: Bound,
    action: Action,
}

enum Action {
    /// Keeps the rows for which the expression is true. Adds the others to this count.
    Filter { count: usize },
    /// Computes this cell, of the column of this name.
    Set { made: usize, column: String },
}

/// A transformed row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    outputs: &'a [CellRef],
    made: &'a [Span],
    arena: &'a [u8],
    record: Record<'a>,
}

/// One cell of a transformed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    pub bytes: &'a [u8],
    /// True if it is known to contain no comma, quote or line end.
    pub is_plain: bool,
}

impl<'a> Row<'a> {
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        let row = *self;
        self.outputs.iter().map(move |output| row.cell_of(*output))
    }

    /// Returns the cell of an output column, by its position.
    #[inline]
    pub(crate) fn cell(&self, column: usize) -> &'a [u8] {
        self.cell_of(self.outputs[column]).bytes
    }

    /// Returns the number and the line of the record that it was made of.
    pub(super) fn origin(&self) -> (u64, u64) {
        (self.record.number, self.record.line)
    }

    #[inline]
    fn cell_of(&self, output: CellRef) -> Cell<'a> {
        let Self { made, arena, record, .. } = *self;
        let span = match output {
            CellRef::Input(column) => {
                return Cell { bytes: record.cell(column as usize), is_plain: record.is_plain };
            }
            CellRef::Made(index) => made[index as usize],
        };
        match span {
            Span::Record { start, end } => {
                Cell { bytes: &record.cells.bytes[start as usize..end as usize], is_plain: record.is_plain }
            }
            Span::Arena { start, end } => Cell { bytes: &arena[start as usize..end as usize], is_plain: false },
            Span::Literal { .. } => Cell { bytes: &[], is_plain: true }, // sets copy literals into the arena
        }
    }
}

impl Program {
    /// Returns the rows that each step of [`Builder::share`] dropped so far.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Transforms one record; `None` if a filter drops it.
    ///
    /// # Errors
    /// A cell for which an expression has no result.
    pub(super) fn row<'a>(&'a mut self, record: Record<'a>) -> Result<Option<Row<'a>>, RowError> {
        self.arena.clear();
        for Operation { key, expression, action } in &mut self.operations {
            match action {
                Action::Filter { count } => {
                    let truth = expression.eval(record.cells, &self.made, &mut self.arena);
                    if truth.map_err(|fault| row_error(&record, key, expression, *fault, "filter"))?
                        != Value::Bool(true)
                    {
                        self.counts[*count] += 1;
                        return Ok(None);
                    }
                }
                Action::Set { made, column } => {
                    let span = expression.eval_to_cell(record.cells, &self.made, &mut self.arena);
                    self.made[*made] = span.map_err(|fault| row_error(&record, key, expression, *fault, column))?;
                }
            }
        }
        Ok(Some(Row { outputs: &self.outputs, made: &self.made, arena: &self.arena, record }))
    }
}

/// Converts a fault to an error of the record; `default` is its column if the value came from none.
#[cold]
fn row_error(record: &Record<'_>, step: &str, expression: &Bound, fault: Fault, default: &str) -> RowError {
    RowError {
        number: record.number,
        line: record.line,
        column: expression.column_of(&fault).unwrap_or(default).to_owned(),
        value: shorten(&fault.value),
        what: fault.what,
        step: step.to_owned(),
    }
}

/// The operations of consecutive row operators so far.
pub(super) struct Builder<'a> {
    secrets: &'a BTreeMap<String, Secret>,
    operations: Vec<Operation>,
    counts: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(secrets: &'a BTreeMap<String, Secret>) -> Self {
        Self { secrets, operations: Vec::new(), counts: 0 }
    }

    /// Adds the operations of a row operator, which reads `columns`. Returns the indexes of its counts.
    pub(super) fn row_operator(&mut self, step: &TransformStep, columns: &mut Columns) -> Range<usize> {
        let first = self.counts;
        match &step.kind {
            StepKind::Filter(condition) => {
                self.counts += 1;
                self.operation(&step.at, condition, Action::Filter { count: first }, columns);
            }
            StepKind::Set(assigns) => {
                for (assign, made) in assigns.iter().zip(columns.made()..) {
                    let action = Action::Set { made: made as usize, column: assign.column.clone() };
                    self.operation(&assign.at, &assign.value, action, columns);
                }
            }
            // Resolved by the columns alone, or an operator on whole tables.
            StepKind::Rename(_) | StepKind::Select(_) | StepKind::Drop(_) | StepKind::Sort(_) | StepKind::Delta(_) => {}
        }
        first..self.counts
    }

    /// Returns the program, whose rows have the cells of `outputs`, and begins the next one. `made` is the number of cells
    /// that its operators make.
    pub(super) fn finish(&mut self, made: u32, outputs: Vec<CellRef>) -> Program {
        let made = vec![Span::Arena { start: 0, end: 0 }; made as usize];
        let (operations, counts) = (std::mem::take(&mut self.operations), vec![0; std::mem::take(&mut self.counts)]);
        Program { operations, outputs, made, arena: Vec::new(), counts }
    }

    fn operation(
        &mut self,
        at: &Place,
        Expression { expr, columns: read }: &Expression,
        action: Action,
        columns: &mut Columns,
    ) {
        let cells = read.iter().map(|column| columns.cell(&column.name)).collect();
        let keys = expr.secrets().filter_map(|name| self.key(name, at, columns)).collect();
        self.operations.push(Operation { key: at.key.clone(), expression: Bound::new(expr, cells, keys), action });
    }

    /// Returns a secret as a key. Reports one that is missing or cannot be a key.
    fn key(&self, name: &str, at: &Place, columns: &mut Columns) -> Option<HmacKey> {
        let Some(secret) = self.secrets.get(name) else {
            let near = did_you_mean(name, self.secrets.keys().map(String::as_str));
            let hint = near.unwrap_or_else(|| "declare it under `secrets` in the settings".to_owned());
            columns.report(Problem::error(at.clone(), format!("there is no secret {name:?}")).hint(hint));
            return None;
        };
        if secret.expose().len() < KEY_BYTES_MIN {
            warn!(secret = name, "the key of hmac_sha256 is shorter than {KEY_BYTES_MIN} bytes and can be guessed");
        }
        let key = HmacKey::new(secret);
        if let Err(cause) = &key {
            let hint = "check its source under `secrets` in the settings";
            columns.report(Problem::error(at.clone(), format!("the secret {name:?} {cause}")).hint(hint));
        }
        key.ok()
    }
}

#[cfg(test)]
mod tests;
