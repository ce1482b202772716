//! The plan of an XML file.

use super::Document;

pub struct Xml {
    /// The name of the root element.
    pub root: String,
    /// The namespace of names without a prefix.
    pub namespace: Option<String>,
    /// Prefixes and their namespaces, in the order of the file.
    pub namespaces: Vec<(String, String)>,
    pub declaration: bool,
    /// The content of the root element. All names in it are names of elements, `@` and the name of an attribute, or
    /// [`TEXT`]; lists are values of names, and attributes and texts are neither objects nor lists.
    pub document: Document,
}

/// The name of an element's text.
pub const TEXT: &str = "#text";
