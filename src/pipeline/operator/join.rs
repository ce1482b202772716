//! The columns of a `join`.

use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Join, JoinKind};

pub(super) fn columns(join: &Join, columns: &mut Columns) {
    for pair in &join.matches {
        columns.require(&pair.ours);
    }
    match &join.kind {
        JoinKind::Left(lookup) | JoinKind::Inner(lookup) => {
            for added in &lookup.columns {
                columns.add(&added.to, "give it another name: `columns: {new name: their name}`");
            }
        }
        JoinKind::Semi | JoinKind::Anti => {}
    }
}
