//! The formats `json` and `ndjson` in a pipeline file. Names and comments here are part of the editor's schema.

use super::tree_file::TreeFile;

crate::table! {
    pub struct JsonFile {
        /// The document, or the value of each line: texts, numbers, objects and lists, `{expr: …}` for a value, and
        /// `{each_row: …}` in a document for the values of all rows. Default: an object of all columns for each row.
        tree: Option<TreeFile>,
        /// Leaves out values that are null. Default: false.
        omit_null: Option<bool>,
    }
}
