//! The columns of an `aggregate`.

use crate::pipeline::columns::Columns;
use crate::pipeline::plan::Aggregate;

pub(super) fn columns(Aggregate { by, columns: computed }: &Aggregate, columns: &mut Columns) {
    for column in computed {
        column.argument.iter().chain(&column.filter).for_each(|expression| columns.read(expression));
    }
    columns.select(by);
    for column in computed {
        columns.add(&column.column, "give it another name: its groups have that column");
    }
}
