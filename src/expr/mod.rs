//! SQL scalar expressions, parsed once and compiled to a row program.
//!
//! The semantics are DuckDB's, with these intended differences, each tested against DuckDB:
//!
//! | here | DuckDB | because |
//! |---|---|---|
//! | an empty cell is null | an empty string is a value | a CSV cannot distinguish the two |
//! | text `=` number: the text becomes an exact number | it becomes the number's own type (`'1.50' = 2` is true) | nothing may be rounded silently |
//! | text `>` number and text `+` number read the text as a number | are refused | all cells are text |
//! | `integer` and literals have 64 bits | 32 | one kind of integer, fewer surprises |
//! | division by zero, and any double that is not finite, is a row error | `inf`, or null | a file with `inf` in it is silently wrong |
//! | `inf`, `nan`, `0x10`, `1_000` are not numbers | are numbers | the same |
//! | times are of ISO form only | also `2026/1/5` | an ambiguous date is a wrong date |
//! | `varchar(5)` cuts to 5 characters, as in PostgreSQL | is `varchar` | the length is meant |
//! | `floor(integer)` is an integer | a double | whole numbers stay exact |
//! | a time with an offset becomes UTC in `cast(… as timestamp)` | the offset is dropped | the instant was meant |
//! | text functions take any value as text | take text only | all cells are text |
//! | positions of `substr` have 64 bits | 32 | the same |
//! | names are case-sensitive | are not | headers may differ by case only |
//! | `greatest`, `least`: a text among numbers or times is read as one | is refused | as in comparisons |
//! | text is read as a timestamp by date functions and `+ interval` | is refused | all cells are text |
//! | a result outside of the years 1 to 9999 is a row error | years up to 294,246 | receivers read years of four digits |
//! | `date_diff('week', …)` counts Mondays | whole weeks of seven days | `date_trunc` and ISO weeks begin on Monday |
//! | an interval has whole numbers and full names of units | also `1.5 days`, `1 d`, `01:30:00` | one way to write it |
//! | patterns, replacements and flags are literals | may come from the row | they are checked before there are rows |
//! | `\d`, `\w`, `\s`, `\b` know all scripts | ASCII only | names have letters of all scripts; as in `expect` |
//! | a group that the pattern lacks, and an unknown `\x` in a replacement, is a problem | gives an empty text, or the text unchanged | it is a mistake |
//! | `split_part(x, s, 0)` is a problem or a row error | an empty text | it is a mistake |
//! | `chr(0)` is a row error | a NUL | no cell has a NUL |
//! | `reverse` keeps a mark behind its letter | whole grapheme clusters, as flags and joined emoji | `length` counts characters |
//! | numbers in JSON are written as in cells: `1.50`, `1e+20` | as doubles: `1.5` | decimals stay exact |
//! | JSON that is not directly an argument (`coalesce(json_array(…), …)`) is a text | stays JSON | there is no type of JSON |
//! | `iif`, `uuid5`, `hmac_sha256`, `format_time`, `parse_time` | do not exist | |
//!
//! Decimals are exact up to 38 digits; `/` and anything with an exponent is a double.

pub mod aggregate;
pub(crate) mod bound;
mod build;
mod calendar;
mod call;
mod cast;
mod chars;
mod condition;
mod convert;
mod dates;
pub(crate) mod decimal;
mod dialects;
pub(crate) mod eval;
mod explain;
pub(crate) mod hmac;
pub(crate) mod json;
mod like;
mod lint;
mod moment;
mod node;
mod place;
mod refuse;
mod regex;
pub(crate) mod time;
mod unit;
mod uuid;
pub(crate) mod value;
pub(crate) mod value_source;
mod vars;

use std::sync::Arc;

use jiff::tz::TimeZone;
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use node::{Node, Typed};
use place::Places;
use value::Type;

/// The number of characters of a value that an error shows.
pub const SHOWN_CHARS_MAX: usize = 40;

/// Returns the beginning of a value, followed by `…` if it is longer.
pub(crate) fn shorten(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARS_MAX) {
        None => value.to_owned(),
        Some(_) => value.chars().take(SHOWN_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

/// The largest text of an expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// The largest number of tokens of an expression: bounds the depth of the parser's tree and thereby the stack.
pub const TOKENS_MAX: usize = 2_000;

/// The reason a text is not a valid expression: place, problem and fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct ExprProblem {
    /// Byte offset in the expression's text.
    pub offset: usize,
    /// Number of bytes that are wrong; at least 1 unless the text is empty.
    pub len: usize,
    pub what: String,
    pub hint: Option<String>,
}

impl ExprProblem {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a hint if texts that are subtracted cannot be parsed as numbers: the difference is most likely a name.
    fn with_subtraction_hint(mut self, hyphenated: &[String]) -> Self {
        if let (Some(name), true, None) =
            (hyphenated.first(), self.what.contains("is not a ") && self.what.ends_with("number"), &self.hint)
        {
            self.hint = Some(format!("if {name} is a column, write `\"{name}\"`: without quotes it is a difference"));
        }
        self
    }
}

/// A parsed expression: its functions, arities, literals and formats are valid; its columns are still names.
#[derive(Clone)]
pub struct Expr(Arc<Checked>);

/// The expression's tree and the lists that its nodes index into.
pub(crate) struct Checked {
    /// The expression as written.
    pub(crate) text: String,
    pub(crate) root: Typed,
    pub(crate) columns: Vec<String>,
    /// Columns in the argument of a keyed hash.
    hashed: Vec<String>,
    /// Columns anywhere else; a column may be in both.
    unhashed: Vec<String>,
    /// Columns written in double quotes.
    pub(crate) quoted: Vec<String>,
    /// Differences that may be intended as names: `employee-id`.
    pub(crate) hyphenated: Vec<String>,
    pub(crate) secrets: Vec<String>,
    /// Names of `var` whose values are not known yet.
    unset_vars: Vec<String>,
    pub(crate) zones: Vec<TimeZone>,
    pub(crate) patterns: Vec<::regex::bytes::Regex>,
    pub(crate) literals: Vec<u8>,
    /// Valid expressions that are most likely unintended.
    pub(crate) warnings: Vec<ExprProblem>,
}

/// The SQL dialect of expressions: names, numbers, texts in single quotes, names in double quotes.
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

    /// Returns the precedence as PostgreSQL and DuckDB do: `||` binds less tightly than `+` and more tightly than
    /// `between`, `in` and `like`, which bind more tightly than comparisons.
    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Period => 200,
            Precedence::DoubleColon => 140,
            Precedence::AtTz => 110,
            Precedence::MulDivModOp => 100,
            Precedence::PlusMinus => 90,
            Precedence::Xor | Precedence::Ampersand | Precedence::Caret => 85,
            Precedence::Pipe | Precedence::Colon | Precedence::PgOther => 80,
            Precedence::Between | Precedence::Like => 60,
            Precedence::Eq => 50,
            Precedence::Is => 40,
            Precedence::UnaryNot => 30,
            Precedence::And => 20,
            Precedence::Or => 10,
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let is_concatenation = parser.peek_token_ref().token == Token::StringConcat;
        is_concatenation.then(|| Ok(self.prec_value(Precedence::PgOther)))
    }
}

impl Expr {
    /// Parses a text as one SQL scalar expression.
    ///
    /// ```
    /// use reportferry::expr::Expr;
    ///
    /// let expr = Expr::parse(r#"lower("E-mail") || '@acme.example'"#).unwrap();
    /// assert_eq!(expr.columns().collect::<Vec<_>>(), ["E-mail"]);
    /// assert!(Expr::parse("lowr(email)").is_err_and(|problem| problem.to_string().contains("lower")));
    /// ```
    ///
    /// # Errors
    /// The first problem in it: syntax, an unknown function, a wrong number of arguments, an unusable format, zone or
    /// pattern, incompatible types, or SQL that is not a scalar expression.
    pub fn parse(text: &str) -> Result<Self, ExprProblem> {
        Self::parse_with(text, &|_| None)
    }

    fn parse_with(text: &str, var: &dyn Fn(&str) -> Option<String>) -> Result<Self, ExprProblem> {
        let places = Places::of(text);
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("the expression has {} bytes; the most is {TEXT_BYTES_MAX}", text.len());
            return Err(places.whole(what));
        }
        if text.trim().is_empty() {
            return Err(places.whole("the expression is empty"));
        }
        chars::refuse(text)?;
        let dialect = Scalar;
        let tokens =
            Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|error| places.of_tokenizer(&error))?;
        let count = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count();
        if count > TOKENS_MAX {
            let what = format!("the expression has {count} words, signs and literals; the most is {TOKENS_MAX}");
            return Err(places.whole(what));
        }
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens.clone());
        let tree = parser.parse_expr().map_err(|error| places.of_parser(&error))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            let mut problem =
                places.span(next.span, format!("the expression ends before {:?}", shorten(&next.token.to_string())));
            let is_before = |token: &&TokenWithSpan| token.span.start < next.span.start;
            let before = tokens.iter().take_while(is_before).map(|token| &token.token);
            let before = before.filter(|token| !matches!(token, Token::Whitespace(_))).last();
            problem.hint = place::hint_for_token(before, &next.token);
            return Err(problem);
        }
        let hyphenated = chars::hyphenated(text);
        match build::build(&tree, &places, var) {
            Ok(checked) => Ok(Self(Arc::new(Checked { text: text.to_owned(), hyphenated, ..checked }))),
            Err(problem) => Err(problem.with_subtraction_hint(&hyphenated)),
        }
    }

    /// Returns problems that do not prevent the expression from being used.
    pub fn warnings(&self) -> &[ExprProblem] {
        &self.0.warnings
    }

    /// Returns the fix for a missing column: a text in the wrong quotes, or a part of a name with a minus.
    pub fn hint_for_missing(&self, column: &str) -> Option<String> {
        let part_of = self.0.hyphenated.iter().find(|name| name.split('-').any(|part| part == column));
        if let Some(name) = part_of {
            return Some(format!("a name with a minus is written in double quotes: `\"{name}\"`"));
        }
        let is_quoted = self.0.quoted.iter().any(|name| name == column);
        is_quoted.then(|| format!("a text is written in single quotes: `'{}'`", column.replace('\'', "''")))
    }

    /// Returns the expression as written.
    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the columns that it reads, each once.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.columns.iter().map(String::as_str)
    }

    /// Returns the columns whose values it hides: those in the argument of a keyed hash.
    pub fn hashed_columns(&self) -> impl Iterator<Item = &str> {
        self.0.hashed.iter().map(String::as_str)
    }

    /// Returns the columns that it reads outside of keyed hashes.
    pub fn unhashed_columns(&self) -> impl Iterator<Item = &str> {
        self.0.unhashed.iter().map(String::as_str)
    }

    /// Returns the named secrets that it uses, each once.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.secrets.iter().map(String::as_str)
    }

    /// Returns the reason it cannot be a filter and a hint, or `None` if it is a condition.
    pub(crate) fn not_a_condition(&self) -> Option<(String, &'static str)> {
        let hint = match self.0.root.kind {
            Type::Bool => return None,
            Type::Null => "null is never true, so every row would be dropped",
            _ => "compare it with something, or write `… is true`",
        };
        Some((format!("the filter yields {}, not a condition", self.yields()), hint))
    }

    /// Returns the column that it is, if it is nothing else.
    pub(crate) fn as_column(&self) -> Option<&str> {
        match self.0.root.node {
            Node::Column(column) => self.0.columns.get(column).map(String::as_str),
            _ => None,
        }
    }

    /// Returns the type that it yields: `text`, `boolean`, `integer`, …
    pub fn yields(&self) -> &'static str {
        self.0.root.kind.word()
    }

    /// Returns the format of an expression that is a `format_time` whose texts are not in the order of time: its largest
    /// unit is not first, or a number has no fixed width. Texts made by it cannot be sorted as texts.
    pub fn unsortable_format(&self) -> Option<&str> {
        lint::unsortable_format(&self.0.root.node)
    }

    pub(crate) fn checked(&self) -> &Arc<Checked> {
        &self.0
    }
}

#[cfg(test)]
pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
    call::FUNCTIONS.iter().map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests;

/// Parses `true`, `t`, `yes`, `y`, `1` and their opposites, in any case.
pub(crate) fn read_boolean(text: &[u8]) -> Option<bool> {
    match convert::read(text, Type::Bool) {
        Some(value::Value::Bool(truth)) => Some(truth),
        _ => None,
    }
}
