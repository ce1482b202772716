//! Steps and a header → a row program: consecutive row operators, fused. Renames and projections are resolved at
//! compile time and cost nothing per row.

mod bad_values;
mod hidden;
mod map;
mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tracing::warn;

use self::bad_values::{BadValues, Reaction};
use self::map::MapCells;
pub use self::row::{Cell, Encode, Row};
use super::dropped::DroppedRows;
use super::error::RowError;
use super::finding::StepFinding;
use super::record::Record;
use crate::expr::bound::Bound;
use crate::expr::eval::Fault;
use crate::expr::hmac::{HmacKey, KEY_BYTES_MIN};
use crate::expr::shorten;
use crate::expr::value::{CellRef, Span, Value};
use crate::pipeline::columns::Columns;
use crate::pipeline::masked::MASKED;
use crate::pipeline::plan::{Assign, Expression, Fill, FillWith, Mask, OnError, StepKind, TransformStep};
use crate::secret::Secret;
use crate::yaml::problem::{Place, Problem, did_you_mean};

/// Consecutive row operators, compiled against their input columns.
#[derive(Clone, Default)]
pub(super) struct Program {
    operations: Vec<Operation>,
    outputs: Vec<CellRef>,
    /// The cells computed in this row, and their bytes.
    made: Vec<Span>,
    arena: Vec<u8>,
    /// The rows that each step dropped which may drop some.
    counts: Vec<u64>,
    /// The values without a result, of each step that goes on after them.
    bad: Vec<BadValues>,
}

#[derive(Clone)]
struct Operation {
    /// The step's key in the pipeline file, for errors.
    key: String,
    reaction: Reaction,
    action: Action,
}

#[derive(Clone)]
enum Action {
    /// Keeps the rows for which the expression is true. Adds the others to this count.
    Filter { expression: Computed, count: usize },
    /// Computes this cell, of the column of this name.
    Set { expression: Computed, made: usize, column: String },
    /// Computes this cell where the cell of the condition is true; elsewhere it is empty.
    Argument { expression: Computed, made: usize, column: String, condition: Option<usize> },
    /// Looks this cell up.
    Map { map: MapCells, made: usize },
}

/// An expression of a step.
#[derive(Clone)]
struct Computed {
    bound: Bound,
    /// The columns that it reads whose values must not be shown.
    masked: BTreeSet<String>,
}

/// The part of a program's findings that some records made.
pub(super) struct Found {
    counts: Vec<u64>,
    bad: Vec<BadValues>,
}

/// A cell without text.
const EMPTY: Span = Span::Arena { start: 0, end: 0 };

impl Program {
    /// Returns its rows for the cells and bytes that [`Row::keep_made`] kept.
    #[inline]
    pub(super) fn row_of<'a>(&'a self, record: Record<'a>, made: &'a [Span], arena: &'a [u8]) -> Row<'a> {
        Row { outputs: &self.outputs, made, arena, record }
    }

    /// Returns the number of cells that the program computes for a row.
    pub(super) fn made_cells(&self) -> usize {
        self.made.len()
    }

    /// Returns what it found in the records since the last call.
    pub(super) fn take_found(&mut self) -> Found {
        let zeros = vec![0; self.counts.len()];
        let counts = std::mem::replace(&mut self.counts, zeros);
        Found { counts, bad: self.bad.iter_mut().map(BadValues::take).collect() }
    }

    /// Adds what the same program found elsewhere, in later records.
    pub(super) fn add_found(&mut self, found: Found) {
        let Found { counts, bad } = found;
        self.counts.iter_mut().zip(counts).for_each(|(count, more)| *count += more);
        self.bad.iter_mut().zip(bad).for_each(|(bad, more)| bad.append(more));
    }

    /// Returns the rows that each step of [`Builder::row_operator`] dropped so far.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Transforms one record; `None` if a step drops it.
    ///
    /// # Errors
    /// A value for which a step has no result, unless it has a policy for it.
    pub(super) fn row<'a>(&'a mut self, record: Record<'a>) -> Result<Option<Row<'a>>, RowError> {
        let Self { operations, outputs, made, arena, counts, bad } = self;
        arena.clear();
        for Operation { key, reaction, action } in operations {
            // The cell that becomes empty where there is no result, or the count of a filter.
            let (error, target) = match action {
                Action::Filter { expression, count } => match expression.bound.eval(record.cells, made, arena) {
                    Ok(Value::Bool(true)) => continue,
                    Ok(_) => {
                        counts[*count] += 1;
                        return Ok(None);
                    }
                    Err(fault) => (expression.row_error(&record, key, *fault, "filter"), Err(*count)),
                },
                Action::Argument { made: cell, condition: Some(condition), .. }
                    if !is_true(made[*condition], arena) =>
                {
                    made[*cell] = EMPTY;
                    continue;
                }
                Action::Set { expression, made: cell, column }
                | Action::Argument { expression, made: cell, column, .. } => {
                    match expression.bound.eval_to_cell(record.cells, made, arena) {
                        Ok(span) => {
                            made[*cell] = span;
                            continue;
                        }
                        Err(fault) => (expression.row_error(&record, key, *fault, column), Ok(*cell)),
                    }
                }
                Action::Map { map, made: cell } => match map.apply(&record, made, arena) {
                    Ok(span) => {
                        made[*cell] = span;
                        continue;
                    }
                    Err(value) => (map_error(&record, key, map, &value), Ok(*cell)),
                },
            };
            match (*reaction, target) {
                (Reaction::Fail, _) => return Err(error),
                (Reaction::Empty { bad: of }, Ok(cell)) => {
                    bad[of].empty(error);
                    made[cell] = EMPTY;
                }
                // A condition that is not known does not keep the row.
                (Reaction::Empty { bad: of }, Err(count)) => {
                    bad[of].empty(error);
                    counts[count] += 1;
                    return Ok(None);
                }
                (Reaction::Drop { bad: of, count }, _) => {
                    bad[of].drop_row(error);
                    counts[count] += 1;
                    return Ok(None);
                }
            }
        }
        Ok(Some(Row { outputs, made, arena, record }))
    }

    /// Returns what a person should know, and the rows that were dropped for their values, after the last row.
    pub(super) fn finish(&mut self) -> impl Iterator<Item = (Option<StepFinding>, DroppedRows)> {
        self.bad.iter_mut().map(BadValues::finish)
    }
}

/// Returns true for the cell of a condition that holds.
#[inline]
fn is_true(cell: Span, arena: &[u8]) -> bool {
    matches!(cell, Span::Arena { start, end } if arena[start as usize..end as usize] == *b"true")
}

impl Computed {
    /// Converts a fault to an error of the record; `default` is its column if the value came from none.
    #[cold]
    fn row_error(&self, record: &Record<'_>, step: &str, fault: Fault, default: &str) -> RowError {
        let column = self.bound.column_of(&fault);
        let is_masked = column.map_or(!self.masked.is_empty(), |column| self.masked.contains(column));
        let column = column.unwrap_or(default).to_owned();
        let (value, what) = match is_masked {
            true => (MASKED.to_owned(), fault.without_value.unwrap_or(fault.what)),
            false => (shorten(&fault.value), fault.what),
        };
        RowError { number: record.number, line: record.line, column, value, what, step: step.to_owned() }
    }
}

#[cold]
fn map_error(record: &Record<'_>, step: &str, map: &MapCells, value: &str) -> RowError {
    let value = if map.is_masked { MASKED.to_owned() } else { shorten(value) };
    let (column, what) = (map.column.clone(), map.what.clone());
    RowError { number: record.number, line: record.line, column, value, what, step: step.to_owned() }
}

/// The operations of consecutive row operators so far.
pub(super) struct Builder<'a> {
    secrets: &'a BTreeMap<String, Secret>,
    operations: Vec<Operation>,
    counts: usize,
    bad: Vec<BadValues>,
}

/// A step, and the columns before it.
pub(super) struct StepInput<'a> {
    pub(super) step: &'a TransformStep,
    pub(super) index: usize,
    /// Those whose values must not be shown.
    pub(super) masked: &'a BTreeSet<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(secrets: &'a BTreeMap<String, Secret>) -> Self {
        Self { secrets, operations: Vec::new(), counts: 0, bad: Vec::new() }
    }

    /// Adds the operations of a row operator, which reads `columns`. Returns the indexes of its counts.
    pub(super) fn row_operator(&mut self, input: &StepInput<'_>, columns: &mut Columns) -> Range<usize> {
        let StepInput { step, index, masked } = *input;
        let first = self.counts;
        self.counts += step.row_shares().len();
        let reaction = match BadValues::of(step, index) {
            None => Reaction::Fail,
            Some(bad) => {
                self.bad.push(bad);
                let bad = self.bad.len() - 1;
                match step.policy() {
                    OnError::DropRow => Reaction::Drop { bad, count: first },
                    OnError::Fail | OnError::Hold | OnError::Empty => Reaction::Empty { bad },
                }
            }
        };
        let mut add = |at: &Place, action| {
            self.operations.push(Operation { key: at.key.clone(), reaction, action });
        };
        let secrets = self.secrets;
        let computed = |at: &Place, expression: &Expression, columns: &mut Columns| {
            computed(secrets, at, expression, masked, columns)
        };
        let made = columns.made() as usize;
        match &step.kind {
            StepKind::Filter(condition) => {
                let expression = computed(&step.at, condition, columns);
                add(&step.at, Action::Filter { expression, count: first });
            }
            StepKind::Set(assigns) => {
                for (Assign { column, value, at }, made) in assigns.iter().zip(made..) {
                    let expression = computed(at, value, columns);
                    add(at, Action::Set { expression, made, column: column.clone() });
                }
            }
            StepKind::Map(map) => {
                let is_masked = masked.contains(&map.column.name);
                let map = MapCells::new(map, columns.cell(&map.column.name), is_masked);
                add(&step.at, Action::Map { map, made });
            }
            StepKind::Mask(masks) => {
                for (Mask { column, method: _, value }, made) in masks.iter().zip(made..) {
                    let expression = computed(&column.at, value, columns);
                    add(&column.at, Action::Set { expression, made, column: column.name.clone() });
                }
            }
            StepKind::Fill(Fill { columns: filled, with: FillWith::Value { text: _, values } }) => {
                for ((column, value), made) in filled.iter().zip(values).zip(made..) {
                    let expression = computed(&step.at, value, columns);
                    add(&step.at, Action::Set { expression, made, column: column.name.clone() });
                }
            }
            // Resolved by the columns alone, or an operator on whole tables.
            StepKind::Rename(_)
            | StepKind::Select(_)
            | StepKind::Drop(_)
            | StepKind::Sort(_)
            | StepKind::Dedupe(_)
            | StepKind::Limit(_)
            | StepKind::Unpivot(_)
            | StepKind::Join(_)
            | StepKind::Aggregate(_)
            | StepKind::Pivot(_)
            | StepKind::Delta(_) => {}
            StepKind::Fill(Fill { with: FillWith::Previous, .. }) | StepKind::Number(_) => {}
        }
        first..self.counts
    }

    /// Returns the program, whose rows have the cells of `outputs`, and begins the next one. `made` is the number of cells
    /// that its operators make.
    pub(super) fn finish(&mut self, made: u32, outputs: Vec<CellRef>) -> Program {
        let Self { secrets: _, operations, counts, bad } = self;
        let made = vec![EMPTY; made as usize];
        let (operations, bad) = (std::mem::take(operations), std::mem::take(bad));
        Program { operations, outputs, made, arena: Vec::new(), counts: vec![0; std::mem::take(counts)], bad }
    }
}

/// Binds an expression to its columns and secrets.
fn computed(
    secrets: &BTreeMap<String, Secret>,
    at: &Place,
    Expression { expr, columns: read }: &Expression,
    masked: &BTreeSet<String>,
    columns: &mut Columns,
) -> Computed {
    let cells = read.iter().map(|column| columns.cell(&column.name)).collect();
    let keys = expr.secrets().filter_map(|name| key(secrets, name, at, columns)).collect();
    let masked = read.iter().filter(|column| masked.contains(&column.name)).map(|column| column.name.clone()).collect();
    Computed { bound: Bound::new(expr, cells, keys), masked }
}

/// Returns a secret as a key. Reports one that is missing or cannot be a key.
fn key(secrets: &BTreeMap<String, Secret>, name: &str, at: &Place, columns: &mut Columns) -> Option<HmacKey> {
    let Some(secret) = secrets.get(name) else {
        let near = did_you_mean(name, secrets.keys().map(String::as_str));
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

#[cfg(test)]
mod tests;
