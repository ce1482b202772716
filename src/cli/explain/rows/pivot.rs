//! A `pivot` in sentences.

use super::{Content, Fact, Named, names};
use crate::pipeline::plan::{Column, Pivot, PivotColumn};

pub(super) fn pivot(number: usize, pivot: &Pivot, named: &mut Named) -> Vec<Fact> {
    let Pivot { by, names: name, values, columns, first_of_many, drop_others } = pivot;
    let (name, value) = (named.describe(&name.name), named.describe(&values.name));
    let of = |PivotColumn { column: _, name: wanted }: &PivotColumn| format!("{value} where {name} is {wanted:?}");
    let items = columns.iter().map(|made| format!("{:?} is {}", made.column.name, of(made)));
    let first = format!("Step {number}: the rows with the same {} become one, with these columns:", names(by));
    let rules = match (drop_others, first_of_many) {
        (true, true) => "Rows with another name are left out; of several values, the first one remains.",
        (true, false) => "Rows with another name are left out; a second value fails the run.",
        (false, true) => "A row with another name fails the run; of several values, the first one remains.",
        (false, false) => "A row with another name fails the run, and so does a second value.",
    };
    let facts = vec![Fact::list(first, items), Fact::new(rules)];
    let kept = by.iter().map(|Column { name, at: _ }| (name.clone(), named.content(name)));
    let made = columns.iter().map(|made| (made.column.name.clone(), Content::Computed(of(made))));
    named.columns = kept.chain(made).collect();
    named.is_closed = true;
    facts
}
