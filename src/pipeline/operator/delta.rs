//! `delta`: its declaration.

use super::{Declaration, RowShare};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Delta, RemovedRows};

pub(super) fn declaration(delta: &Delta) -> Declaration<'_> {
    Declaration {
        kind: "delta",
        rows: match delta.words.removed {
            RemovedRows::Send(_) => &[RowShare::Dropped, RowShare::Added],
            RemovedRows::Keep => &[RowShare::Dropped],
        },
        columns: Box::new(|after| columns(delta, after)),
    }
}

/// Requires the compared columns, and adds the one for what happened to a row.
fn columns(delta: &Delta, columns: &mut Columns) {
    columns.require_each_once(&delta.by);
    columns.require_each_once(delta.compare.as_deref().unwrap_or_default());
    columns.add(&delta.op, "drop or rename that one first");
}
