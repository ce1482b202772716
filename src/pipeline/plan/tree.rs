//! The plan of a tree of values: a JSON or XML document, or a request's body.

use std::collections::BTreeSet;

use super::Expression;
use crate::yaml::problem::Place;

/// A value for each row.
pub enum Tree {
    Literal(Literal),
    Object(Vec<NamedTree>),
    List(Vec<Tree>),
    Value(Box<TreeValue>),
}

/// A member of an object: its name and its value.
pub type NamedTree = (String, Tree);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    Null,
    Boolean(bool),
    /// A number as JSON writes it.
    Number(String),
    Text(String),
}

/// The value of an expression.
pub struct TreeValue {
    pub expression: Expression,
    /// The place of the expression.
    pub at: Place,
    /// A null is left out.
    pub omit_null: bool,
    /// The columns that it reads whose values must not be shown.
    pub masked: BTreeSet<String>,
}

/// A written tree.
pub enum Body {
    /// One value for each row.
    Rows(Tree),
    Document(Document),
}

/// One value that has those of all rows in it.
pub struct Document {
    /// What the rows are in, from the outside to the inside. Nothing there reads columns.
    pub around: Vec<Around>,
    pub row: Tree,
}

/// An object or list, and what is before and after the one of its values that has the rows.
pub enum Around {
    Object { before: Vec<NamedTree>, name: String, after: Vec<NamedTree> },
    List { before: Vec<Tree>, after: Vec<Tree> },
}

impl Tree {
    /// Calls `visit` with each value of an expression.
    pub fn each_value<'a>(&'a self, visit: &mut dyn FnMut(&'a TreeValue)) {
        match self {
            Self::Literal(_) => {}
            Self::Object(members) => members.iter().for_each(|(_, value)| value.each_value(visit)),
            Self::List(items) => items.iter().for_each(|item| item.each_value(visit)),
            Self::Value(value) => visit(value),
        }
    }
}

impl Document {
    /// Returns the values around the rows.
    pub fn outer(&self) -> impl Iterator<Item = &Tree> {
        self.around.iter().flat_map(|around| {
            let (members, items): (Vec<&NamedTree>, Vec<&Tree>) = match around {
                Around::Object { before, name: _, after } => (before.iter().chain(after).collect(), Vec::new()),
                Around::List { before, after } => (Vec::new(), before.iter().chain(after).collect()),
            };
            members.into_iter().map(|(_, value)| value).chain(items)
        })
    }
}

impl Body {
    /// Returns the value of each row.
    pub fn row(&self) -> &Tree {
        match self {
            Self::Rows(row) | Self::Document(Document { row, .. }) => row,
        }
    }
}
