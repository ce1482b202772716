//! An `aggregate` in sentences.

use super::{Content, Fact, Named, names};
use crate::expr::aggregate::{Function, ValueOrder};
use crate::pipeline::plan::{Aggregate, AggregateColumn, Column, Expression};

pub(super) fn aggregate(number: usize, Aggregate { by, columns }: &Aggregate, named: &mut Named) -> Vec<Fact> {
    let computed: Vec<(&str, String)> =
        columns.iter().map(|column| (column.column.name.as_str(), value(column, named))).collect();
    let first = match by.is_empty() {
        true => format!("Step {number}: all rows become one."),
        false => format!("Step {number}: the rows with the same {} become one.", names(by)),
    };
    let items: Vec<String> = computed.iter().map(|(name, value)| format!("{name:?} is {value}")).collect();
    let kept = by.iter().map(|Column { name, at: _ }| (name.clone(), named.content(name)));
    let made = computed.into_iter().map(|(name, value)| (name.to_owned(), Content::Computed(value)));
    named.columns = kept.chain(made).collect();
    named.is_closed = true;
    match items.is_empty() {
        true => vec![Fact::new(first)],
        false => vec![Fact::list(first, items)],
    }
}

fn value(column: &AggregateColumn, named: &Named) -> String {
    let AggregateColumn { column: _, function, argument, filter, at: _ } = column;
    let describe = |name: &str| named.describe(name);
    let of = argument.as_ref().map(|Expression { expr, columns: _ }| expr.explain(&describe)).unwrap_or_default();
    let value = match (function, argument) {
        (Function::Count, None) => "the number of its rows".to_owned(),
        (Function::Count, Some(_)) => format!("the number of its rows in which {of} is not empty"),
        (Function::CountDistinct, _) => format!("the number of different values of {of}"),
        (Function::Sum, _) => format!("the sum of {of}"),
        (Function::Avg, _) => format!("the average of {of}"),
        (Function::Min(ValueOrder::Number), _) => format!("the smallest of {of}"),
        (Function::Max(ValueOrder::Number), _) => format!("the largest of {of}"),
        (Function::Min(ValueOrder::Bytes), _) => format!("the first of {of} in the order of texts"),
        (Function::Max(ValueOrder::Bytes), _) => format!("the last of {of} in the order of texts"),
        (Function::First, _) => format!("{of} of its first row"),
        (Function::Last, _) => format!("{of} of its last row"),
        (Function::Only, _) => format!("{of} of its only row"),
    };
    match filter {
        None => value,
        Some(Expression { expr, columns: _ }) => {
            let conditions = expr.explain_conditions(&describe).join(" and ");
            format!("{value}, of the rows for which {conditions}")
        }
    }
}
