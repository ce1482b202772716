//! Steps and a header → a row program. Renames and projections are settled here and cost a row nothing.

use std::collections::BTreeMap;

use tracing::warn;

use super::bound::Bound;
use super::error::RowError;
use super::expr::Expr;
use super::expr::hmac::{HmacKey, KEY_BYTES_MIN};
use super::expr::value::{CellRef, Span, Value};
use super::record::Record;
use crate::pipeline::plan::{Assign, Column, Rename, Step, StepKind};
use crate::pipeline::problem::{Place, Problem, did_you_mean};
use crate::secret::Secret;

/// The steps of a pipeline, compiled against one header.
pub struct Program {
    operations: Vec<Operation>,
    outputs: Vec<CellRef>,
    names: Vec<String>,
    /// What the sets made in this row, and where the bytes are.
    made: Vec<Span>,
    arena: Vec<u8>,
    /// Rows dropped, by step.
    dropped: Vec<u64>,
}

enum Operation {
    Filter { step: usize, condition: Bound },
    Set { made: usize, column: String, value: Bound },
}

/// A shaped row.
pub struct Row<'a> {
    outputs: &'a [CellRef],
    made: &'a [Span],
    arena: &'a [u8],
    record: Record<'a>,
}

/// One cell of a shaped row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    pub bytes: &'a [u8],
    /// Known to hold no comma, quote or line end.
    pub is_plain: bool,
}

impl<'a> Row<'a> {
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        let (record, arena, made) = (self.record, self.arena, self.made);
        self.outputs.iter().map(move |output| match output {
            CellRef::Input(column) => {
                let (start, end) = record.bounds[*column as usize];
                Cell { bytes: &record.bytes[start as usize..end as usize], is_plain: record.is_plain }
            }
            CellRef::Made(index) => match made[*index as usize] {
                Span::Arena { start, end } => Cell { bytes: &arena[start as usize..end as usize], is_plain: false },
                Span::Record { start, end } => {
                    Cell { bytes: &record.bytes[start as usize..end as usize], is_plain: record.is_plain }
                }
                Span::Literal { .. } => Cell { bytes: &[], is_plain: true }, // sets copy literals into the arena
            },
        })
    }
}

impl Program {
    /// # Errors
    /// Every column that a step names and the rows do not have, or have twice; filters that are no conditions;
    /// secrets that are not there; names that would stand twice in the output.
    pub fn compile(
        steps: &[Step],
        header: &[String],
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, Vec<Problem>> {
        let columns = header.iter().zip(0..).map(|(name, at)| (name.clone(), CellRef::Input(at))).collect();
        let mut compiler = Compiler { columns, operations: Vec::new(), made: 0, problems: Vec::new(), secrets };
        for (index, step) in steps.iter().enumerate() {
            compiler.step(index, step);
        }
        compiler.refuse_doubles(steps.last().map(|step| &step.at));
        if !compiler.problems.is_empty() {
            return Err(compiler.problems);
        }
        let (names, outputs) = compiler.columns.into_iter().unzip();
        Ok(Self {
            operations: compiler.operations,
            outputs,
            names,
            made: vec![Span::Arena { start: 0, end: 0 }; compiler.made],
            arena: Vec::new(),
            dropped: vec![0; steps.len()],
        })
    }

    /// The names of the columns that come out.
    pub fn output_columns(&self) -> &[String] {
        &self.names
    }

    /// Rows that each step dropped so far.
    pub(crate) fn dropped(&self) -> &[u64] {
        &self.dropped
    }

    /// Shapes one record; `None` if a filter drops it.
    ///
    /// # Errors
    /// A cell for which an expression has no result.
    pub fn row<'a>(&'a mut self, record: Record<'a>) -> Result<Option<Row<'a>>, RowError> {
        self.arena.clear();
        for operation in &mut self.operations {
            match operation {
                Operation::Filter { step, condition } => {
                    let truth = condition.eval(&record, &self.made, &mut self.arena);
                    if truth.map_err(|fault| condition.error(&record, *fault, "filter"))? != Value::Bool(true) {
                        self.dropped[*step] += 1;
                        return Ok(None);
                    }
                }
                Operation::Set { made, column, value } => {
                    let span = value.eval_to_cell(&record, &self.made, &mut self.arena);
                    self.made[*made] = span.map_err(|fault| value.error(&record, *fault, column))?;
                }
            }
        }
        Ok(Some(Row { outputs: &self.outputs, made: &self.made, arena: &self.arena, record }))
    }
}

/// The columns as they stand between two steps, and what is to be done so far.
struct Compiler<'a> {
    columns: Vec<(String, CellRef)>,
    operations: Vec<Operation>,
    made: usize,
    problems: Vec<Problem>,
    secrets: &'a BTreeMap<String, Secret>,
}

/// Stands for a column that is not there, so that one mistake is told once.
const MISSING: CellRef = CellRef::Made(u32::MAX);

impl Compiler<'_> {
    fn step(&mut self, index: usize, step: &Step) {
        match &step.kind {
            StepKind::Rename(renames) => self.rename(renames),
            StepKind::Select(columns) => {
                self.columns = columns.iter().map(|column| (column.name.clone(), self.find(column))).collect();
            }
            StepKind::Drop(columns) => {
                for column in columns {
                    self.find(column);
                }
                self.columns.retain(|(name, _)| !columns.iter().any(|column| column.name == *name));
            }
            StepKind::Filter(condition) => {
                if let Some((what, hint)) = condition.not_a_condition() {
                    self.problems.push(Problem::error(step.at.clone(), what).hint(hint));
                }
                let condition = self.bind(condition, &step.at);
                self.operations.push(Operation::Filter { step: index, condition });
            }
            StepKind::Set(assigns) => self.set(assigns),
        }
    }

    /// All at once: `{a: b, b: a}` swaps.
    fn rename(&mut self, renames: &[Rename]) {
        let mut columns = self.columns.clone();
        for rename in renames {
            if self.find(&rename.from) == MISSING {
                columns.push((rename.to.clone(), MISSING));
                continue;
            }
            for (new, old) in columns.iter_mut().zip(&self.columns) {
                if old.0 == rename.from.name {
                    new.0.clone_from(&rename.to);
                }
            }
        }
        for rename in renames {
            if columns.iter().filter(|(name, _)| *name == rename.to).count() > 1 {
                let what = format!("there would be two columns {:?}", rename.to);
                let hint = "rename or drop the other one first";
                self.problems.push(Problem::error(rename.from.at.clone(), what).hint(hint));
            }
        }
        self.columns = columns;
    }

    /// Each assignment sees the values before the step.
    fn set(&mut self, assigns: &[Assign]) {
        let mut columns = self.columns.clone();
        for assign in assigns {
            let value = self.bind(&assign.expr, &assign.at);
            let made = self.made;
            self.made += 1;
            self.operations.push(Operation::Set { made, column: assign.column.clone(), value });
            let cell = CellRef::Made(made as u32);
            let mut places = columns.iter_mut().filter(|(name, _)| *name == assign.column);
            match (places.next(), places.next()) {
                (Some(place), None) => place.1 = cell,
                (Some(_), Some(_)) => self.problems.push(doubled(&assign.column, &assign.at)),
                (None, _) => columns.push((assign.column.clone(), cell)),
            }
        }
        self.columns = columns;
    }

    fn find(&mut self, column: &Column) -> CellRef {
        self.find_name(&column.name, &column.at, None)
    }

    fn find_name(&mut self, name: &str, at: &Place, hint: Option<&str>) -> CellRef {
        let mut found = self.columns.iter().filter(|(known, _)| known == name).map(|(_, cell)| *cell);
        match (found.next(), found.next()) {
            (Some(cell), None) => return cell,
            (Some(_), Some(_)) => self.problems.push(doubled(name, at)),
            (None, _) => {
                let known = self.columns.iter().map(|(known, _)| known.as_str());
                let near = nearest(name, known.clone());
                let there = format!("there are {}", list(known));
                let hint = [near.as_deref(), hint, Some(there.as_str())].into_iter().flatten().collect::<Vec<_>>();
                let what = format!("there is no column {name:?}");
                self.problems.push(Problem::error(at.clone(), what).hint(hint.join("; ")));
            }
        }
        MISSING
    }

    fn bind(&mut self, expression: &Expr, at: &Place) -> Bound {
        let quotes = "a text is written in single quotes, a column in double quotes or none";
        let columns = expression.columns().map(|name| {
            let hint = expression.hint_for_missing(name);
            self.find_name(name, at, Some(hint.as_deref().unwrap_or(quotes)))
        });
        let columns = columns.collect();
        let mut keys = Vec::new();
        for name in expression.secrets() {
            let secret = self.secrets.get(name);
            if secret.is_some_and(|secret| secret.expose().len() < KEY_BYTES_MIN) {
                warn!(secret = name, "the key of hmac_sha256 is shorter than {KEY_BYTES_MIN} bytes: it can be guessed");
            }
            match secret.map(HmacKey::new) {
                Some(Ok(key)) => keys.push(key),
                Some(Err(cause)) => {
                    let what = format!("the secret {name:?} {cause}");
                    let hint = "look at where the settings take it from, under `secrets`";
                    self.problems.push(Problem::error(at.clone(), what).hint(hint));
                }
                None => {
                    let near = did_you_mean(name, self.secrets.keys().map(String::as_str));
                    let hint = near.unwrap_or_else(|| "name it under `secrets` in the settings".to_owned());
                    self.problems.push(Problem::error(at.clone(), format!("there is no secret {name:?}")).hint(hint));
                }
            }
        }
        Bound::new(expression, columns, keys, at.key.clone())
    }

    /// No name stands twice in the output, and there is an output.
    fn refuse_doubles(&mut self, at: Option<&Place>) {
        if self.columns.is_empty() {
            self.problems.push(Problem::error(at.cloned(), "no column is left"));
        }
        if !self.problems.is_empty() {
            return;
        }
        let mut names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let mut twice: Vec<&str> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        twice.dedup();
        let problems = twice.into_iter().map(|name| {
            if name.is_empty() {
                return Problem::error(at.cloned(), "the output would have more than one column without a name")
                    .hint("a delimiter at the end of the header line makes one: `select` the columns that are wanted");
            }
            Problem::error(at.cloned(), format!("the output would have more than one column {name:?}"))
                .hint("`select` the columns that are wanted: each of its names must stand once in the header")
        });
        self.problems.extend(problems.collect::<Vec<_>>());
    }
}

fn doubled(name: &str, at: &Place) -> Problem {
    Problem::error(at.clone(), format!("the header has more than one column {name:?}"))
        .hint("give the columns of the report different names in the LMS")
}

/// The column that is most likely meant; one that differs by spaces around it or by case comes first.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let plain = |name: &str| name.trim().to_lowercase();
    let same = known.clone().find(|known| plain(known) == plain(name));
    let Some(same) = same else { return did_you_mean(name, known) };
    let spaces = if same.trim() == same { "" } else { " with the spaces that the header has" };
    Some(format!("did you mean {same:?}{spaces}?"))
}

/// Names for a hint, not more than fit on a line or two.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 30;
    let names: Vec<&str> = names.collect();
    let described = |name: &&str| match name.is_empty() {
        true => "one without a name (a delimiter at the end of the header line makes one)".to_owned(),
        false => format!("{name:?}"),
    };
    let mut shown = names.iter().take(SHOWN_MAX).map(described).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        shown.push_str(&format!(" and {} more", names.len() - SHOWN_MAX));
    }
    shown
}

#[cfg(test)]
mod tests;
