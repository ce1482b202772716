//! The format `xml` in a pipeline file. Names and comments here are part of the editor's schema.

use super::tree_file::TreeFile;
use crate::yaml::read::{At, Named};

crate::table! {
    pub struct XmlFile {
        /// The name of the root element.
        root: At<String>,
        /// The namespace of names without a prefix.
        namespace: Option<At<String>>,
        /// Prefix: its namespace.
        namespaces: Option<Named<At<String>>>,
        /// `<?xml version="1.0" encoding="UTF-8"?>` at the start. Default: true.
        declaration: Option<bool>,
        /// The content of the root element: elements by their names, attributes by `@name`, the text of an element that has
        /// attributes by `#text`, and `{each_row: …}` for an element for each row.
        tree: TreeFile,
        /// Leaves out elements and attributes without a value, which are empty otherwise. Default: false.
        omit_null: Option<bool>,
    }
}
