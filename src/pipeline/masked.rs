//! The columns whose values must not be shown: those that a `mask` or a keyed hash hides, before it does, and what is made
//! of them.

use std::collections::BTreeSet;

use super::plan::{
    Aggregate, AggregateColumn, Delta, Expression, Fill, Number, Pivot, Rename, StepKind, TransformStep, Unpivot,
};

/// The names of such columns before each step, and after the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskedColumns(Vec<BTreeSet<String>>);

/// The text in place of a value that must not be shown.
pub const MASKED: &str = "(masked)";

impl MaskedColumns {
    /// Follows the masked columns back to the source, and what is made of them forward.
    pub fn of(steps: &[TransformStep]) -> Self {
        let mut before = vec![BTreeSet::new(); steps.len() + 1];
        for (index, step) in steps.iter().enumerate().rev() {
            before[index] = origins(&step.kind, &before[index + 1]);
        }
        for (index, step) in steps.iter().enumerate() {
            let made = results(&step.kind, &before[index]);
            before[index + 1].extend(made);
        }
        Self(before)
    }

    /// Returns a set without steps.
    pub fn only(columns: BTreeSet<String>) -> Self {
        Self(vec![columns])
    }

    /// Returns the columns before the step with this index; those of the source before the first one.
    pub fn before(&self, step: usize) -> &BTreeSet<String> {
        &self.0[step]
    }

    /// Returns the names of all of them.
    pub fn all(&self) -> BTreeSet<String> {
        self.0.iter().flatten().cloned().collect()
    }
}

/// Returns the columns before a step that are masked in it, or become one of `after`.
fn origins(kind: &StepKind, after: &BTreeSet<String>) -> BTreeSet<String> {
    let mut before = after.clone();
    let mut replace = |made: &str, of: &mut dyn Iterator<Item = &String>| {
        if before.remove(made) {
            before.extend(of.cloned());
        }
    };
    match kind {
        StepKind::Rename(renames) => {
            // All at once: a new name may be the old one of another column.
            before.retain(|name| !renames.iter().any(|rename| rename.to.name == *name));
            let renamed = renames.iter().filter(|rename| after.contains(&rename.to.name));
            before.extend(renamed.map(|rename| rename.from.name.clone()));
        }
        StepKind::Set(assigns) => {
            before.retain(|name| !assigns.iter().any(|assign| assign.column == *name));
            let made = assigns.iter().filter(|assign| after.contains(&assign.column));
            before.extend(made.flat_map(|assign| shown_by(&assign.value)));
            before.extend(assigns.iter().flat_map(|assign| hidden_by(&assign.value)));
        }
        StepKind::Map(map) => replace(&map.to.name, &mut std::iter::once(&map.column.name)),
        StepKind::Mask(masks) => before.extend(masks.iter().map(|mask| mask.column.name.clone())),
        StepKind::Number(Number { column, .. }) => replace(&column.name, &mut std::iter::empty()),
        StepKind::Unpivot(Unpivot { columns, name, value, nulls: _ }) => {
            replace(&value.name, &mut columns.iter().map(|column| &column.name));
            replace(&name.name, &mut std::iter::empty());
        }
        // Columns of another table are none of the source, but for those that must be equal to one.
        StepKind::Join(join) => {
            for Rename { to, from } in join.renames() {
                replace(&to.name, &mut join.equal_to(from).map(|column| &column.name));
            }
        }
        StepKind::Aggregate(Aggregate { by: _, columns }) => {
            for column in columns {
                let argument: Vec<String> = column.argument.iter().flat_map(shown_by).collect();
                replace(&column.column.name, &mut argument.iter());
            }
            let arguments = columns.iter().filter_map(|column| column.argument.as_ref());
            before.extend(arguments.flat_map(hidden_by));
        }
        StepKind::Pivot(Pivot { values, columns, .. }) => {
            for column in columns {
                replace(&column.column.name, &mut std::iter::once(&values.name));
            }
        }
        StepKind::Delta(Delta { op, .. }) => replace(&op.name, &mut std::iter::empty()),
        StepKind::Select(_) | StepKind::Drop(_) | StepKind::Filter(_) | StepKind::Sort(_) | StepKind::Fill(_) => {}
        StepKind::Dedupe(_) | StepKind::Limit(_) => {}
    }
    before
}

/// Returns the columns after a step that have values of `before`, or are made of them.
fn results(kind: &StepKind, before: &BTreeSet<String>) -> BTreeSet<String> {
    let mut after = before.clone();
    match kind {
        StepKind::Rename(renames) => {
            after.retain(|name| !renames.iter().any(|rename| rename.from.name == *name));
            let renamed = renames.iter().filter(|rename| before.contains(&rename.from.name));
            after.extend(renamed.map(|rename| rename.to.name.clone()));
        }
        StepKind::Select(columns) => after.retain(|name| columns.iter().any(|column| column.name == *name)),
        StepKind::Drop(columns) => after.retain(|name| !columns.iter().any(|column| column.name == *name)),
        StepKind::Set(assigns) => {
            after.retain(|name| !assigns.iter().any(|assign| assign.column == *name));
            let made = assigns.iter().filter(|assign| shown_by(&assign.value).any(|name| before.contains(&name)));
            after.extend(made.map(|assign| assign.column.clone()));
        }
        StepKind::Map(map) => {
            after.remove(&map.to.name);
            after.extend(before.contains(&map.column.name).then(|| map.to.name.clone()));
        }
        StepKind::Mask(masks) => after.retain(|name| !masks.iter().any(|mask| mask.column.name == *name)),
        StepKind::Number(Number { column, .. }) => drop(after.remove(&column.name)),
        StepKind::Unpivot(Unpivot { columns, name, value, nulls: _ }) => {
            after.retain(|name| !columns.iter().any(|column| column.name == *name));
            after.remove(&name.name);
            let is_masked = columns.iter().any(|column| before.contains(&column.name));
            after.extend(is_masked.then(|| value.name.clone()));
        }
        StepKind::Join(join) => {
            after.retain(|name| !join.added().any(|column| column.name == *name));
            let is_masked = |rename: &&Rename| join.equal_to(&rename.from).any(|column| before.contains(&column.name));
            after.extend(join.renames().iter().filter(is_masked).map(|rename| rename.to.name.clone()));
        }
        StepKind::Aggregate(Aggregate { by, columns }) => {
            after.retain(|name| by.iter().any(|column| column.name == *name));
            let is_masked = |column: &&AggregateColumn| {
                column.argument.iter().flat_map(shown_by).any(|name| before.contains(&name))
            };
            after.extend(columns.iter().filter(is_masked).map(|column| column.column.name.clone()));
        }
        StepKind::Pivot(Pivot { by, values, columns, .. }) => {
            after.retain(|name| by.iter().any(|column| column.name == *name));
            let made = columns.iter().filter(|_| before.contains(&values.name));
            after.extend(made.map(|column| column.column.name.clone()));
        }
        StepKind::Delta(Delta { op, .. }) => drop(after.remove(&op.name)),
        StepKind::Filter(_) | StepKind::Sort(_) | StepKind::Fill(Fill { .. }) => {}
        StepKind::Dedupe(_) | StepKind::Limit(_) => {}
    }
    after
}

/// Returns the columns that the result is made of, in a way that may show their values.
fn shown_by(expression: &Expression) -> impl Iterator<Item = String> {
    expression.expr.unhashed_columns().map(str::to_owned)
}

/// Returns the columns whose values it hides: those of which it makes a keyed hash.
fn hidden_by(expression: &Expression) -> impl Iterator<Item = String> {
    expression.expr.hashed_columns().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::expr::Expr;
    use crate::expr::aggregate::Function;
    use crate::pipeline::plan::{Assign, Column, Join, JoinKind, Lookup, Mask, MaskMethod, Match, OnError, TableRef};
    use crate::yaml::problem::Place;

    fn place() -> Place {
        Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key: String::new() }
    }

    fn column(name: &str) -> Column {
        Column { name: name.to_owned(), at: place() }
    }

    fn expression(text: &str) -> Expression {
        Expression::new(Expr::parse(text).unwrap(), |_| place())
    }

    /// Parses a join: our column and the table's that must be equal, then the columns that it adds.
    fn join(text: &str) -> StepKind {
        let mut pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
        let matches = pairs.by_ref().take(1).map(|(ours, theirs)| Match { ours: column(ours), theirs: column(theirs) });
        let matches = matches.collect();
        let columns = pairs.map(|(to, from)| Rename { to: column(to), from: column(from) }).collect();
        let kind = JoinKind::Left(Lookup { columns, many: false, hold: false });
        StepKind::Join(Join { with: TableRef::Source("t".to_owned()), matches, kind })
    }

    fn aggregate(name: &str, argument: &str) -> StepKind {
        let (function, argument) = (Function::First, Some(expression(argument)));
        let computed = AggregateColumn { column: column(name), function, argument, filter: None, at: place() };
        StepKind::Aggregate(Aggregate { by: Vec::new(), columns: vec![computed] })
    }

    /// Parses words: `rename b=a`, `set b=EXPRESSION`, `mask a`, `select a b`, `drop a`, `number a`, `join a=Key b=Name`,
    /// `aggregate b=EXPRESSION`.
    fn steps(text: &str) -> Vec<TransformStep> {
        let step = |line: &str| {
            let (word, rest) = line.trim().split_once(' ').unwrap();
            let columns = || rest.split(' ').map(column).collect::<Vec<_>>();
            let kind = match (word, rest.split_once('=')) {
                ("rename", _) => StepKind::Rename(
                    rest.split(' ')
                        .map(|pair| pair.split_once('=').unwrap())
                        .map(|(to, from)| Rename { to: column(to), from: column(from) })
                        .collect(),
                ),
                ("set", Some((to, value))) => {
                    StepKind::Set(vec![Assign { column: to.to_owned(), value: expression(value), at: place() }])
                }
                ("mask", _) => {
                    let mask = |column| Mask { column, method: MaskMethod::Redact, value: expression("'***'") };
                    StepKind::Mask(columns().into_iter().map(mask).collect())
                }
                ("join", _) => join(rest),
                ("aggregate", Some((name, argument))) => aggregate(name, argument),
                ("select", _) => StepKind::Select(columns()),
                ("drop", _) => StepKind::Drop(columns()),
                ("number", _) => StepKind::Number(Number { column: column(rest), start: 1 }),
                other => panic!("{other:?}"),
            };
            TransformStep { at: place(), kind, on_error: OnError::Fail }
        };
        text.lines().map(step).collect()
    }

    /// Returns the columns before each step and after the last one: `a b, b, `.
    fn masked(text: &str) -> String {
        let steps = steps(text);
        let masked = MaskedColumns::of(&steps);
        let at = |index| masked.before(index).iter().cloned().collect::<Vec<_>>().join(" ");
        (0..=steps.len()).map(at).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn masked_columns_are_followed_to_the_source_and_forward() {
        assert_eq!(masked("select a\nset b=upper(a)"), ", , ");
        assert_eq!(masked("rename b=a\nmask b"), "a, b, ");
        assert_eq!(masked("rename b=a a=b\nmask b"), "a, b, ", "both at once");
        assert_eq!(masked("set c=a || b\nmask c"), "a b, a b c, a b", "what it is made of stays hidden");
        assert_eq!(masked("set b=lower(a)\nmask a"), "a, a b, b", "and what is made of it");
        assert_eq!(masked("set a='x'\nmask a"), ", a, ");
        assert_eq!(masked("set b=a\ndrop b\nmask a"), "a, a b, a, ");
        assert_eq!(masked("set b=a\nnumber b\nmask a\nselect a"), "a, a b, a, , ");
    }

    #[test]
    fn a_keyed_hash_masks_what_it_reads() {
        assert_eq!(masked("rename b=a\nset h=hmac_sha256(lower(b), 's')"), "a, b, b");
        assert_eq!(masked("set b=a\nset a=hmac_sha256(a, 's')"), "a, a b, b", "a copy stays hidden, the hash is shown");
        assert_eq!(masked("set h=c || hmac_sha256(a, 's')"), "a, a", "what is beside it is shown");
        assert_eq!(masked("set h=a || hmac_sha256(a, 's')\ndrop a"), "a, a h, h", "and so is nothing of it");
        assert_eq!(masked("set h=b || hmac_sha256(a, 's')\nmask b"), "a b, a b h, a h");
        assert_eq!(masked("set b=sha256(a)"), ", ", "a hash without a key hides nothing");
    }

    #[test]
    fn masked_columns_are_followed_through_joins_and_aggregates() {
        assert_eq!(masked("join a=Key b=Key c=Name\nmask b c"), "a, a b c, a");
        assert_eq!(masked("join a=Key b=Key c=Name\nmask a"), "a, a b, b", "the columns are equal");
        assert_eq!(masked("join a=Key b=Key\nset h=hmac_sha256(b, 's')\nselect h"), "a, a b, a b, ");
        let aggregate = |argument: &str| masked(&format!("aggregate n={argument}\nset m=n"));
        assert_eq!(aggregate("hmac_sha256(a, 's')"), "a, , ");
        assert_eq!(aggregate("a || hmac_sha256(a, 's')"), "a, n, m n");
    }
}
