//! The columns of a `pivot`.

use crate::pipeline::columns::Columns;
use crate::pipeline::plan::Pivot;

pub(super) fn columns(pivot: &Pivot, columns: &mut Columns) {
    columns.require(&pivot.names);
    columns.require(&pivot.values);
    columns.select(&pivot.by);
    for made in &pivot.columns {
        columns.add(&made.column, "give it another name: `columns: {new name: name}`");
    }
}
