//! `json` and `ndjson` → their plan.

use super::table_formats::Types;
use super::tree::TreeRows;
use super::*;
use crate::pipeline::json_file::JsonFile;

/// The layout of a JSON file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonLayout {
    Document,
    Lines,
}

impl Check<'_> {
    /// Returns the content of a JSON file; `None` if it cannot be used.
    pub(super) fn json(
        &mut self,
        written: JsonFile,
        layout: JsonLayout,
        types: Option<Types>,
        rows: &mut TreeRows<'_>,
    ) -> Option<JsonContent> {
        let JsonFile { tree, omit_null } = written;
        let omit_null = omit_null.unwrap_or(false);
        rows.omit_null = omit_null;
        let Some(tree) = tree else {
            let types = types.map(|types| self.column_types(types.value, rows)).unwrap_or_default();
            return Some(JsonContent::Columns(JsonColumns { omit_null, types, masked: rows.masked.clone() }));
        };
        if let Some(types) = types {
            let problem = types.origin.error("`types` are those of columns, and this file has values of its `tree`");
            self.problems.push(problem.hint("write `{expr: cast(score as decimal(9, 2))}` in the tree"));
        }
        let origin = tree.origin.clone();
        let body = self.tree(tree, rows)?;
        let (what, hint) = match (&body, layout) {
            (Body::Rows(_), JsonLayout::Lines) | (Body::Document(_), JsonLayout::Document) => {
                return Some(JsonContent::Tree(body));
            }
            (Body::Rows(_), JsonLayout::Document) => {
                ("the document has no place for the rows", "write `{each_row: …}` around the value of a row")
            }
            (Body::Document(_), JsonLayout::Lines) => {
                ("each line has the value of one row", "leave `each_row` out, or write a document with `json`")
            }
        };
        self.problems.push(origin.error(what).hint(hint));
        None
    }
}
