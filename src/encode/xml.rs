//! XML: a document with an element for each row.

use std::io;

use super::RowFormat;
use super::pool::Pool;
use super::row_values::{NoRow, RowValue, RowValues, check_values, problem_of};
use crate::pipeline::plan::{Around, Literal, NamedTree, TEXT, Tree, Xml};
use crate::transform::{Row, RowError};
use crate::yaml::problem::Problem;

/// Encodes rows as elements of a document. Each is on a line.
pub(super) struct XmlFormat {
    head: Vec<u8>,
    tail: Vec<u8>,
    writers: Pool<(Vec<Node>, RowValues)>,
}

#[derive(Clone)]
enum Node {
    Element {
        name: String,
        attributes: Vec<(String, Leaf)>,
        children: Vec<Node>,
    },
    /// An element with a text alone.
    Leaf {
        name: String,
        text: Leaf,
    },
    Text(Leaf),
}

/// A text, or the value of an expression.
#[derive(Clone)]
enum Leaf {
    Text(String),
    Value(Box<RowValue>),
}

/// The place of a text: what is escaped there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    Text,
    Attribute,
}

impl XmlFormat {
    pub(super) fn new(xml: &Xml, columns: &[String]) -> Result<Self, Vec<Problem>> {
        let Xml { root, namespace, namespaces, declaration, document } = xml;
        check_values(&document.row, columns)?;
        let mut head = match declaration {
            true => b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec(),
            false => Vec::new(),
        };
        let default = namespace.iter().map(|namespace| ("xmlns".to_owned(), Leaf::Text(namespace.clone())));
        let prefixed = namespaces.iter().map(|(prefix, uri)| (format!("xmlns:{prefix}"), Leaf::Text(uri.clone())));
        let mut declared: Vec<_> = default.chain(prefixed).collect();
        let (mut name, mut tails, mut values) = (root.as_str(), Vec::new(), RowValues::default());
        values.begin(&NoRow);
        for around in &document.around {
            let mut tail = Vec::new();
            match around {
                Around::Object { before, name: next, after } => {
                    let (attributes, first) = content_of(before, &[], &mut values);
                    let (more, last) = content_of(after, &[], &mut values);
                    let attributes = std::mem::take(&mut declared).into_iter().chain(attributes).chain(more);
                    open(name, &mut attributes.collect::<Vec<_>>(), &mut values, &mut head).map_err(problem_of)?;
                    head.push(b'>');
                    write_all(first, &mut values, &mut head)?;
                    write_all(last, &mut values, &mut tail)?;
                    close(name, &mut tail);
                    name = next;
                }
                Around::List { before, after } => {
                    for (items, out) in [(before, &mut head), (after, &mut tail)] {
                        let nodes: Vec<_> =
                            items.iter().flat_map(|item| nodes_of(name, item, &[], &mut values)).collect();
                        write_all(nodes, &mut values, out)?;
                    }
                }
            }
            tails.push(tail);
        }
        head.push(b'\n');
        let mut tail: Vec<u8> = tails.into_iter().rev().flatten().collect();
        tail.push(b'\n');
        let mut values = RowValues::default();
        let nodes = nodes_of(name, &document.row, columns, &mut values);
        Ok(Self { head, tail, writers: Pool::new((nodes, values)) })
    }
}

impl RowFormat for XmlFormat {
    fn head(&self, _: &[String], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&self.head);
        Ok(())
    }

    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.writers.with(|(nodes, values)| {
            values.begin(row);
            nodes.iter_mut().try_for_each(|node| node.write(values, out))
        })?;
        out.push(b'\n');
        Ok(())
    }

    fn tail(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tail);
    }
}

/// Returns the elements of a value: one, or one of each item of a list.
fn nodes_of(name: &str, tree: &Tree, columns: &[String], values: &mut RowValues) -> Vec<Node> {
    let name = name.to_owned();
    vec![match tree {
        Tree::List(items) => return items.iter().flat_map(|item| nodes_of(&name, item, columns, values)).collect(),
        Tree::Object(members) => {
            let (attributes, children) = content_of(members, columns, values);
            Node::Element { name, attributes, children }
        }
        Tree::Literal(_) | Tree::Value(_) => Node::Leaf { name, text: Leaf::of(tree, columns, values) },
    }]
}

/// Returns the attributes and the content of an element.
fn content_of(members: &[NamedTree], columns: &[String], values: &mut RowValues) -> (Vec<(String, Leaf)>, Vec<Node>) {
    let (mut attributes, mut nodes) = (Vec::new(), Vec::new());
    for (name, value) in members {
        match name.strip_prefix('@') {
            Some(name) => attributes.push((name.to_owned(), Leaf::of(value, columns, values))),
            None if name == TEXT => nodes.push(Node::Text(Leaf::of(value, columns, values))),
            None => nodes.extend(nodes_of(name, value, columns, values)),
        }
    }
    (attributes, nodes)
}

fn write_all(nodes: Vec<Node>, values: &mut RowValues, out: &mut Vec<u8>) -> Result<(), Vec<Problem>> {
    nodes.into_iter().try_for_each(|mut node| node.write(values, out)).map_err(problem_of)
}

/// Appends `<name` and the attributes.
fn open(
    name: &str,
    attributes: &mut [(String, Leaf)],
    values: &mut RowValues,
    out: &mut Vec<u8>,
) -> Result<(), RowError> {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    for (name, value) in attributes {
        let start = out.len();
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        if value.write(Escape::Attribute, values, out)? {
            out.push(b'"');
        } else {
            out.truncate(start);
        }
    }
    Ok(())
}

fn close(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

impl Node {
    /// Appends the element, as `<name/>` if it is empty. One whose text is left out is left out itself.
    fn write(&mut self, values: &mut RowValues, out: &mut Vec<u8>) -> Result<(), RowError> {
        let start = out.len();
        match self {
            Self::Text(text) => text.write(Escape::Text, values, out).map(drop),
            Self::Element { name, attributes, children } => {
                open(name, attributes, values, out)?;
                let content = out.len();
                out.push(b'>');
                children.iter_mut().try_for_each(|child| child.write(values, out))?;
                end(name, content, out);
                Ok(())
            }
            Self::Leaf { name, text } => {
                open(name, &mut [], values, out)?;
                let content = out.len();
                out.push(b'>');
                match text.write(Escape::Text, values, out)? {
                    true => end(name, content, out),
                    false => out.truncate(start),
                }
                Ok(())
            }
        }
    }
}

/// Ends an element whose content begins after a `>` at `content`.
fn end(name: &str, content: usize, out: &mut Vec<u8>) {
    if out.len() == content + 1 {
        out.truncate(content);
        out.extend_from_slice(b"/>");
    } else {
        close(name, out);
    }
}

impl Leaf {
    fn of(tree: &Tree, columns: &[String], values: &mut RowValues) -> Self {
        match tree {
            Tree::Value(value) => Self::Value(Box::new(values.bind(value, columns))),
            Tree::Literal(Literal::Number(text) | Literal::Text(text)) => Self::Text(text.clone()),
            Tree::Literal(Literal::Boolean(truth)) => Self::Text(truth.to_string()),
            // Objects and lists are elements.
            Tree::Literal(Literal::Null) | Tree::Object(_) | Tree::List(_) => Self::Text(String::new()),
        }
    }

    /// Appends the text. Returns false, and appends nothing, for a null that is left out.
    fn write(&mut self, place: Escape, values: &mut RowValues, out: &mut Vec<u8>) -> Result<bool, RowError> {
        match self {
            // The characters of texts in pipeline files are checked before.
            Self::Text(text) => Ok(escape(text.as_bytes(), place, out).is_ok()),
            Self::Value(value) => {
                let origin = values.origin();
                let text = values.text(value)?;
                if text.is_empty() && value.omit_null {
                    return Ok(false);
                }
                match escape(text, place, out) {
                    Ok(()) => Ok(true),
                    Err(what) => Err(value.refuse(origin, text, what)),
                }
            }
        }
    }
}

/// Appends a text in which markup is escaped, and what a parser would change: line ends, and in attributes white space.
///
/// # Errors
/// A character that XML cannot have; the text follows the value in a message.
fn escape(text: &[u8], place: Escape, out: &mut Vec<u8>) -> Result<(), String> {
    let is_attribute = place == Escape::Attribute;
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' if is_attribute => out.extend_from_slice(b"&quot;"),
            b'\t' if is_attribute => out.extend_from_slice(b"&#9;"),
            b'\n' if is_attribute => out.extend_from_slice(b"&#10;"),
            b'\r' => out.extend_from_slice(b"&#13;"),
            b'\t' | b'\n' => out.push(byte),
            0..0x20 => return Err(format!("has the character U+{byte:04X}, which XML 1.0 cannot have")),
            // U+FFFE and U+FFFF.
            0xEF if matches!(text.get(index + 1..index + 3), Some([0xBF, 0xBE | 0xBF])) => {
                return Err("has the character U+FFFE or U+FFFF, which XML 1.0 cannot have".to_owned());
            }
            _ => out.push(byte),
        }
    }
    Ok(())
}
