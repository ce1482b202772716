//! `delta`: its effect on the columns.

use crate::pipeline::columns::Columns;
use crate::pipeline::plan::Delta;

/// Requires the compared columns, and adds the one for what happened to a row.
pub(super) fn columns(delta: &Delta, columns: &mut Columns) {
    columns.require_each_once(&delta.by);
    columns.require_each_once(delta.compare.as_deref().unwrap_or_default());
    columns.add(&delta.op, "drop or rename that one first");
}
