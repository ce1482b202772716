//! Steps and a header → a row program: consecutive row operators, fused. Renames and projections are resolved at
//! compile time and cost nothing per row.

use std::collections::BTreeMap;

use tracing::warn;

use super::balance::StepRows;
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

/// The steps of a pipeline, compiled against one header.
pub struct Program {
    operations: Vec<Operation>,
    outputs: Vec<CellRef>,
    names: Vec<String>,
    /// The cells computed in this row, and their bytes.
    made: Vec<Span>,
    arena: Vec<u8>,
    /// The shares of the steps that change the number of rows.
    shares: Vec<StepRows>,
}

struct Operation {
    /// The step's key in the pipeline file, for errors.
    key: String,
    expression: Bound,
    action: Action,
}

enum Action {
    /// Keeps the rows for which the expression is true. Counts the others in the share with this index.
    Filter { share: usize },
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
    /// Compiles the steps.
    ///
    /// # Errors
    /// All columns that a step names and the header lacks or has twice; secrets that are missing or unusable as keys;
    /// names that would occur twice in the output.
    pub fn compile(
        steps: &[TransformStep],
        header: &[String],
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, Vec<Problem>> {
        let mut compiler = Compiler { columns: Columns::of_header(header), secrets, operations: Vec::new() };
        let mut shares = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let declaration = step.kind.declaration();
            if let Some(share) = declaration.rows {
                shares.push(StepRows { step: index + 1, kind: declaration.kind, share, rows: 0 });
            }
            compiler.row_operator(step, shares.len());
            (declaration.columns)(&mut compiler.columns);
        }
        let Compiler { columns, operations, .. } = compiler;
        let made = vec![Span::Arena { start: 0, end: 0 }; columns.made() as usize];
        let (names, outputs) = columns.finish(steps.last().map(|step| &step.at))?;
        Ok(Self { operations, outputs, names, made, arena: Vec::new(), shares })
    }

    /// Returns the names of the output columns.
    pub fn output_columns(&self) -> &[String] {
        &self.names
    }

    /// Returns the steps' shares of the row balance so far.
    pub(crate) fn shares(&self) -> &[StepRows] {
        &self.shares
    }

    /// Transforms one record; `None` if a filter drops it.
    ///
    /// # Errors
    /// A cell for which an expression has no result.
    pub fn row<'a>(&'a mut self, record: Record<'a>) -> Result<Option<Row<'a>>, RowError> {
        self.arena.clear();
        for Operation { key, expression, action } in &mut self.operations {
            match action {
                Action::Filter { share } => {
                    let truth = expression.eval(record.cells, &self.made, &mut self.arena);
                    if truth.map_err(|fault| row_error(&record, key, expression, *fault, "filter"))?
                        != Value::Bool(true)
                    {
                        self.shares[*share].rows += 1;
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

/// The columns between two steps, and the operations so far.
struct Compiler<'a> {
    columns: Columns,
    operations: Vec<Operation>,
    secrets: &'a BTreeMap<String, Secret>,
}

impl Compiler<'_> {
    /// Adds the operations of a step. `shares` is the number of shares, its own included.
    fn row_operator(&mut self, step: &TransformStep, shares: usize) {
        match &step.kind {
            StepKind::Rename(_) | StepKind::Select(_) | StepKind::Drop(_) => {}
            StepKind::Filter(condition) => self.operation(&step.at, condition, Action::Filter { share: shares - 1 }),
            StepKind::Set(assigns) => {
                for (assign, made) in assigns.iter().zip(self.columns.made()..) {
                    let action = Action::Set { made: made as usize, column: assign.column.clone() };
                    self.operation(&assign.at, &assign.value, action);
                }
            }
        }
    }

    fn operation(&mut self, at: &Place, Expression { expr, columns }: &Expression, action: Action) {
        let columns = columns.iter().map(|column| self.columns.cell(&column.name)).collect();
        let keys = expr.secrets().filter_map(|name| self.key(name, at)).collect();
        self.operations.push(Operation { key: at.key.clone(), expression: Bound::new(expr, columns, keys), action });
    }

    /// Returns a secret as a key. Reports one that is missing or cannot be a key.
    fn key(&mut self, name: &str, at: &Place) -> Option<HmacKey> {
        let Some(secret) = self.secrets.get(name) else {
            let near = did_you_mean(name, self.secrets.keys().map(String::as_str));
            let hint = near.unwrap_or_else(|| "declare it under `secrets` in the settings".to_owned());
            self.columns.report(Problem::error(at.clone(), format!("there is no secret {name:?}")).hint(hint));
            return None;
        };
        if secret.expose().len() < KEY_BYTES_MIN {
            warn!(secret = name, "the key of hmac_sha256 is shorter than {KEY_BYTES_MIN} bytes and can be guessed");
        }
        let key = HmacKey::new(secret);
        if let Err(cause) = &key {
            let hint = "check its source under `secrets` in the settings";
            self.columns.report(Problem::error(at.clone(), format!("the secret {name:?} {cause}")).hint(hint));
        }
        key.ok()
    }
}

#[cfg(test)]
mod tests;
