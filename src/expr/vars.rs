//! `var('ukprn')`: values of a pipeline's own in expressions.

use sqlparser::ast::Expr as Tree;

use super::build::{Builder, Built, index_in};
use super::node::{Node, Typed};
use super::value::Type;
use super::{Expr, ExprProblem};

impl Expr {
    /// Returns the names of `var` that have no value yet, each once.
    pub fn unset_vars(&self) -> impl Iterator<Item = &str> {
        self.0.unset_vars.iter().map(String::as_str)
    }

    /// Returns the expression with the values in place; `value` returns the value of a name.
    ///
    /// # Errors
    /// The expression cannot be built with a value.
    pub(crate) fn with_vars(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<Self, ExprProblem> {
        match self.0.unset_vars.is_empty() {
            true => Ok(self.clone()),
            false => Self::parse_with(self.text(), value),
        }
    }
}

impl Builder<'_> {
    /// Builds a value as a text, whatever it looks like: its type, and so what is valid, depends on no value.
    pub(super) fn var(&mut self, name: &Tree) -> Built {
        let name = self.required_text("var", "name", name)?;
        let value = (self.var)(&name);
        if value.is_none() {
            index_in(&mut self.checked.unset_vars, &name);
        }
        let text = self.text_literal(&value.unwrap_or_default());
        Ok(Typed::new(Node::Concat(vec![text.node]), Type::Text))
    }
}
