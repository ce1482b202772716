//! The columns of a `pivot`.

use super::{Declaration, RowShare};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::Pivot;

pub(super) fn declaration(pivot: &Pivot) -> Declaration<'_> {
    Declaration {
        kind: "pivot",
        rows: &[RowShare::Dropped, RowShare::Merged],
        columns: Box::new(|after| columns(pivot, after)),
    }
}

fn columns(pivot: &Pivot, columns: &mut Columns) {
    columns.require(&pivot.names);
    columns.require(&pivot.values);
    columns.select(&pivot.by);
    for made in &pivot.columns {
        columns.add(&made.column, "give it another name: `columns: {new name: name}`");
    }
}
