//! A tree of values → JSON.

use super::row_values::{NoRow, RowCells, RowValue, RowValues, check_values, problem_of};
use crate::expr::json::escape;
use crate::pipeline::plan::{Around, Body, Document, Literal, NamedTree, Tree};
use crate::transform::RowError;
use crate::yaml::problem::Problem;

/// A tree that is bound to the columns of rows, and the buffers that it writes them with.
#[derive(Clone)]
pub struct JsonTree {
    /// The JSON before and after the rows, if they are in a document.
    before: Vec<u8>,
    after: Vec<u8>,
    row: JsonPart,
    values: RowValues,
}

#[derive(Clone)]
enum JsonPart {
    Literal(Vec<u8>),
    /// `"name":` and the value of each member.
    Object(Vec<(Vec<u8>, JsonPart)>),
    List(Vec<JsonPart>),
    Value(Box<RowValue>),
}

impl JsonTree {
    /// Binds a tree to the columns of the rows.
    ///
    /// # Errors
    /// Columns that do not exist; a value around the rows that has no result.
    pub fn compile(body: &Body, columns: &[String]) -> Result<Self, Vec<Problem>> {
        check_values(body.row(), columns)?;
        let mut values = RowValues::default();
        let row = JsonPart::of(body.row(), columns, &mut values);
        let (before, after) = match body {
            Body::Rows(_) => (Vec::new(), Vec::new()),
            Body::Document(document) => surroundings(document)?,
        };
        Ok(Self { before, after, row, values })
    }

    /// Returns the JSON before the first row and after the last one, if the rows are in a document. Between rows there is a
    /// comma then.
    pub fn surroundings(&self) -> (&[u8], &[u8]) {
        (&self.before, &self.after)
    }

    /// Appends the JSON of a row.
    ///
    /// # Errors
    /// A value without a result.
    pub fn row(&mut self, row: &dyn RowCells, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.values.begin(row);
        if !self.row.write(&mut self.values, out)? {
            // It cannot be left out of anything.
            out.extend_from_slice(if matches!(self.row, JsonPart::Object(_)) { b"{}" } else { b"null" });
        }
        Ok(())
    }

    /// Appends the JSON of some rows: the document with these rows, or else their values, separated by commas.
    ///
    /// # Errors
    /// A value without a result. What was appended is incomplete then.
    pub fn rows<R: RowCells>(&mut self, rows: impl IntoIterator<Item = R>, out: &mut Vec<u8>) -> Result<(), RowError> {
        out.extend_from_slice(&self.before);
        for (index, row) in rows.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.row(&row, out)?;
        }
        out.extend_from_slice(&self.after);
        Ok(())
    }
}

/// Returns the JSON before and after the rows of a document.
fn surroundings(document: &Document) -> Result<(Vec<u8>, Vec<u8>), Vec<Problem>> {
    let (mut before, mut afters) = (Vec::new(), Vec::new());
    let mut values = RowValues::default();
    let mut fixed = |name: Option<&str>, tree: &Tree, out: &mut Vec<u8>| {
        let mut part = JsonPart::of(tree, &[], &mut values);
        values.begin(&NoRow);
        let start = out.len();
        name.into_iter().for_each(|name| write_name(name, out));
        let is_there = part.write(&mut values, out).map_err(problem_of)?;
        if !is_there {
            out.truncate(start);
        }
        Ok::<_, Vec<Problem>>(is_there)
    };
    for around in &document.around {
        let mut after = Vec::new();
        let (open, close) = match around {
            Around::Object { .. } => (b'{', b'}'),
            Around::List { .. } => (b'[', b']'),
        };
        before.push(open);
        let (first, last, name): (Vec<_>, Vec<_>, _) = match around {
            Around::Object { before, name, after } => (named(before), named(after), Some(name)),
            Around::List { before, after } => (unnamed(before), unnamed(after), None),
        };
        for (name, tree) in first {
            if fixed(name, tree, &mut before)? {
                before.push(b',');
            }
        }
        name.into_iter().for_each(|name| write_name(name, &mut before));
        for (name, tree) in last {
            after.push(b',');
            if !fixed(name, tree, &mut after)? {
                after.pop();
            }
        }
        after.push(close);
        afters.push(after);
    }
    before.push(b'[');
    let after = afters.into_iter().rev().fold(vec![b']'], |all, after| [all, after].concat());
    Ok((before, after))
}

fn named(members: &[NamedTree]) -> Vec<(Option<&str>, &Tree)> {
    members.iter().map(|(name, value)| (Some(name.as_str()), value)).collect()
}

fn unnamed(items: &[Tree]) -> Vec<(Option<&str>, &Tree)> {
    items.iter().map(|item| (None, item)).collect()
}

/// Appends `"name":`.
pub(super) fn write_name(name: &str, out: &mut Vec<u8>) {
    write_text(name.as_bytes(), out);
    out.push(b':');
}

/// Appends a text in quotes.
pub(super) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

impl JsonPart {
    fn of(tree: &Tree, columns: &[String], values: &mut RowValues) -> Self {
        match tree {
            Tree::Literal(literal) => {
                let mut json = Vec::new();
                match literal {
                    Literal::Null => json.extend_from_slice(b"null"),
                    Literal::Boolean(truth) => json.extend_from_slice(truth.to_string().as_bytes()),
                    Literal::Number(number) => json.extend_from_slice(number.as_bytes()),
                    Literal::Text(text) => write_text(text.as_bytes(), &mut json),
                }
                Self::Literal(json)
            }
            Tree::Object(members) => {
                let member = |(name, value): &NamedTree| {
                    let mut head = Vec::new();
                    write_name(name, &mut head);
                    (head, Self::of(value, columns, values))
                };
                Self::Object(members.iter().map(member).collect())
            }
            Tree::List(items) => Self::List(items.iter().map(|item| Self::of(item, columns, values)).collect()),
            Tree::Value(value) => Self::Value(Box::new(values.bind(value, columns))),
        }
    }

    /// Appends the JSON. Returns false, and appends nothing, for a null that is left out, and for an object of which every
    /// member is.
    fn write(&mut self, values: &mut RowValues, out: &mut Vec<u8>) -> Result<bool, RowError> {
        match self {
            Self::Literal(json) => out.extend_from_slice(json),
            Self::Value(value) => match values.json(value)? {
                Some(json) => out.extend_from_slice(json),
                None if value.omit_null => return Ok(false),
                None => out.extend_from_slice(b"null"),
            },
            Self::Object(members) => {
                let start = out.len();
                out.push(b'{');
                let has_any = write_all(members.iter_mut().map(|(head, part)| (&**head, part)), values, out)?;
                if !has_any && !members.is_empty() {
                    out.truncate(start);
                    return Ok(false);
                }
                out.push(b'}');
            }
            Self::List(items) => {
                out.push(b'[');
                write_all(items.iter_mut().map(|part| (&b""[..], part)), values, out)?;
                out.push(b']');
            }
        }
        Ok(true)
    }
}

/// Appends parts, each after its head, with commas between them. Returns false if all are left out.
fn write_all<'a>(
    parts: impl Iterator<Item = (&'a [u8], &'a mut JsonPart)>,
    values: &mut RowValues,
    out: &mut Vec<u8>,
) -> Result<bool, RowError> {
    let mut is_first = true;
    for (head, part) in parts {
        let start = out.len();
        if !is_first {
            out.push(b',');
        }
        out.extend_from_slice(head);
        if part.write(values, out)? {
            is_first = false;
        } else {
            out.truncate(start);
        }
    }
    Ok(!is_first)
}

#[cfg(test)]
mod tests;
