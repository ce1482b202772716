//! SQL scalar expressions, parsed once and compiled to a row program.
//!
//! The meaning is DuckDB's, with these intended differences, each tested beside its oracle:
//!
//! | here | DuckDB | because |
//! |---|---|---|
//! | an empty cell is null | an empty string is a value | a CSV cannot tell the two apart |
//! | text `=` number: the text becomes an exact number | it becomes the number's own type (`'1.50' = 2` is true) | nothing may be rounded unseen |
//! | text `>` number and text `+` number read the text as a number | are refused | all cells are text |
//! | `integer` has 64 bits, and so have literals | 32 | one kind of integer, fewer surprises |
//! | division by zero, and any double that is not finite, is a row error | `inf`, or null | a file with `inf` in it is wrong quietly |
//! | `inf`, `nan`, `0x10`, `1_000` are no numbers | are numbers | the same |
//! | times are `YYYY-MM-DD[ T]HH:MM:SS…` only | also `2026/1/5`, `10:00` | an ambiguous date is a wrong date |
//! | a time with an offset becomes UTC in `cast(… as timestamp)` | the offset is dropped | the instant is what was meant |
//! | text functions take any value as text | take text only | all cells are text |
//! | positions of `substr` have 64 bits | 32 | the same |
//! | names are case-sensitive | are not | the header says what it says |
//!
//! Decimals are exact up to 38 digits; `/` and anything with an exponent is a double.

mod arithmetic;
mod build;
mod call;
mod condition;
mod convert;
mod decimal;
pub(crate) mod eval;
mod like;
mod moment;
mod node;
mod place;
mod text;
pub(crate) mod value;

use std::sync::Arc;

use jiff::tz::TimeZone;
use sqlparser::dialect::Dialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use node::Typed;
use place::Places;
use value::Type;

/// The longest text of an expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// The most words, signs and literals of an expression: bounds the parser's tree, whose depth costs stack.
pub const TOKENS_MAX: usize = 2_000;

/// Why a text is no expression: where, what, and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct ExprProblem {
    /// Bytes into the expression's text.
    pub offset: usize,
    /// Bytes that are wrong; at least 1 unless the text is empty.
    pub len: usize,
    pub what: String,
    pub hint: Option<String>,
}

/// A parsed expression: its functions, arities, literals and formats are right; its columns are names still.
#[derive(Clone)]
pub struct Expr(Arc<Checked>);

/// The expression's tree and the lists that its nodes count into.
pub(crate) struct Checked {
    pub(crate) root: Typed,
    pub(crate) columns: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) zones: Vec<TimeZone>,
    pub(crate) literals: Vec<u8>,
}

/// The little SQL that an expression needs: names, numbers, texts in single quotes, names in double quotes.
#[derive(Debug)]
struct Scalar;

impl Dialect for Scalar {
    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }
    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }
    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '"'
    }
    fn supports_comma_separated_trim(&self) -> bool {
        true
    }
}

impl Expr {
    /// Reads a text that is one SQL scalar expression.
    ///
    /// # Errors
    /// The first thing wrong in it: syntax, an unknown function, a wrong number of arguments, a format, zone or
    /// pattern that cannot be used, types that do not go together, or SQL that is no scalar expression.
    pub fn parse(text: &str) -> Result<Self, ExprProblem> {
        let places = Places::of(text);
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("the expression has {} bytes; the most is {TEXT_BYTES_MAX}", text.len());
            return Err(places.whole(what));
        }
        if text.trim().is_empty() {
            return Err(places.whole("the expression is empty"));
        }
        let dialect = Scalar;
        let tokens = Tokenizer::new(&dialect, text)
            .tokenize_with_location()
            .map_err(|error| places.at(error.location, place::in_our_words(&error.message)))?;
        let count = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count();
        if count > TOKENS_MAX {
            let what = format!("the expression has {count} words, signs and literals; the most is {TOKENS_MAX}");
            return Err(places.whole(what));
        }
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
        let tree = parser.parse_expr().map_err(|error| places.of_parser(&error))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            let mut problem =
                places.span(next.span, format!("the expression ends before {:?}", next.token.to_string()));
            problem.hint = place::hint_for_token(&next.token);
            return Err(problem);
        }
        build::build(&tree, &places).map(|checked| Self(Arc::new(checked)))
    }

    /// The columns that it reads, each once.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.columns.iter().map(String::as_str)
    }

    /// The named secrets that it uses, each once.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.secrets.iter().map(String::as_str)
    }

    /// Whether it is true or false of a row, so that a filter can stand on it.
    pub fn is_condition(&self) -> bool {
        matches!(self.0.root.kind, Type::Bool | Type::Null)
    }

    /// What it yields, in a word: `text`, `boolean`, `integer`, …
    pub fn yields(&self) -> &'static str {
        self.0.root.kind.word()
    }

    pub(crate) fn checked(&self) -> &Arc<Checked> {
        &self.0
    }
}

#[cfg(test)]
mod tests;
