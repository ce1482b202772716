//! Steps on whole tables in sentences.

use super::{Content, Fact, Named, names};
use crate::pipeline::plan::{Column, Dedupe, Direction, Keep, NullsPosition, Sort, SortKey, Unpivot, UnpivotNulls};
use crate::pipeline::value_type::ValueType;

pub(super) fn sort(number: usize, Sort { keys }: &Sort) -> Vec<Fact> {
    let what = format!("Step {number}: the rows are sorted");
    let equal = Fact::new("Rows that are equal in this keep their order.");
    vec![ordered(&what, keys), equal]
}

/// Describes an order, in one sentence or in a list.
fn ordered(what: &str, keys: &[SortKey]) -> Fact {
    match keys {
        [one] => Fact::new(format!("{what} by {}.", key(one))),
        keys => Fact::list(format!("{what} by these columns, the first one first:"), keys.iter().map(key)),
    }
}

fn key(SortKey { column: Column { name, at: _ }, value_type, direction, nulls }: &SortKey) -> String {
    let values = match value_type {
        ValueType::Text => "as text, byte by byte".to_owned(),
        ValueType::Integer | ValueType::Decimal => "as numbers".to_owned(),
        ValueType::Boolean => "false before true".to_owned(),
        ValueType::Date(None) => "as dates such as 2026-11-23".to_owned(),
        ValueType::Datetime(None) => "as dates with a time, such as 2026-11-23 05:30:00".to_owned(),
        ValueType::Date(Some(format)) | ValueType::Datetime(Some(format)) => {
            format!("as times that {:?} writes", format.0.text())
        }
    };
    let direction = match direction {
        Direction::Ascending => "ascending",
        Direction::Descending => "descending",
    };
    let nulls = match nulls {
        NullsPosition::First => "empty ones first",
        NullsPosition::Last => "empty ones last",
    };
    format!("{name:?} ({direction}, {values}, {nulls})")
}

pub(super) fn dedupe(number: usize, Dedupe { by, keep, order }: &Dedupe) -> Vec<Fact> {
    let which = match keep {
        Keep::First => "first",
        Keep::Last => "last",
    };
    let of = format!("Step {number}: of rows with the same {}, the {which} one remains", names(by));
    match order.as_slice() {
        [] => vec![Fact::new(format!("{of}."))],
        keys => vec![Fact::new(format!("{of}, in the order that follows.")), ordered("They are compared", keys)],
    }
}

pub(super) fn limit(number: usize, most: u64) -> Vec<Fact> {
    vec![Fact::new(format!("Step {number}: ONLY THE FIRST {} ROWS remain.", most))]
}

pub(super) fn unpivot(
    number: usize,
    Unpivot { columns, name, value, nulls }: &Unpivot,
    named: &mut Named,
) -> Vec<Fact> {
    let nulls = match nulls {
        UnpivotNulls::Drop => "An empty cell becomes no row.",
        UnpivotNulls::Keep => "An empty cell becomes a row too.",
    };
    let described: Vec<String> = columns.iter().map(|column| named.describe(&column.name)).collect();
    named.columns.retain(|(known, _)| !columns.iter().any(|column| column.name == *known));
    named.put(&name.name, Content::Computed(format!("the name of one of the columns {}", names(columns))));
    named.put(&value.name, Content::Computed(format!("the cell of that column, one of {}", described.join(", "))));
    vec![
        Fact::new(format!(
            "Step {number}: each row becomes one for each of the columns {}, with the column's name in {:?} and its cell in {:?}.",
            names(columns),
            name.name,
            value.name
        )),
        Fact::new(nulls),
    ]
}
