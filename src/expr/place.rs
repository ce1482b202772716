//! Places in an expression's text: the parser's lines and columns → byte offsets.

mod extent;

use sqlparser::ast::{Expr, InTarget, Spanned};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span, Token, TokenizerError};

use super::ExprProblem;
use crate::expr::shorten;

pub(super) struct Places<'a> {
    pub(super) text: &'a str,
}

impl<'a> Places<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text }
    }

    /// Returns the byte at a line and column, both counted from 1, columns in characters.
    pub(super) fn byte_of(&self, location: Location) -> usize {
        let line = location.line.saturating_sub(1) as usize;
        let start: usize = self.text.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = self.text.get(start..).unwrap_or_default();
        let column = location.column.saturating_sub(1) as usize;
        start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    }

    pub(super) fn whole(&self, what: impl Into<String>) -> ExprProblem {
        ExprProblem { offset: 0, len: self.text.len(), what: what.into(), hint: None }
    }

    pub(super) fn at(&self, location: Location, what: impl Into<String>) -> ExprProblem {
        if location.line == 0 {
            return self.whole(what);
        }
        // One character; at the end of the text, the last one.
        let mut offset = self.byte_of(location);
        if offset >= self.text.len() {
            offset = self.text.char_indices().next_back().map_or(0, |(at, _)| at);
        }
        let len = self.text[offset..].chars().next().map_or(0, char::len_utf8);
        ExprProblem { offset, len, what: what.into(), hint: None }
    }

    pub(super) fn span(&self, span: Span, what: impl Into<String>) -> ExprProblem {
        if span.start.line == 0 {
            return self.whole(what);
        }
        let offset = self.byte_of(span.start);
        let end = self.byte_of(span.end);
        if end <= offset {
            return self.at(span.start, what);
        }
        ExprProblem { offset, len: end - offset, what: what.into(), hint: None }
    }

    /// Reports a problem of a whole tree, from its first character to its last, as far as it is found in the text.
    pub(super) fn tree(&self, tree: &Expr, what: impl Into<String>) -> ExprProblem {
        match (extent::left_of(self, tree), extent::right_of(self, tree)) {
            (Some(offset), Some(end)) if offset < end => {
                ExprProblem { offset, len: end - offset, what: what.into(), hint: None }
            }
            _ => self.span(place_of(tree), what),
        }
    }

    pub(super) fn of_tokenizer(&self, error: &TokenizerError) -> ExprProblem {
        let mut problem = self.at(error.location, tokenizer_message(&error.message));
        let hint = "a quote inside of a text is doubled, as in 'O''Neil'";
        problem.hint = error.message.starts_with("Unterminated").then(|| hint.to_owned());
        problem
    }

    /// Reports the parser's own message, which ends with its place: ` at Line: 1, Column: 8`.
    pub(super) fn of_parser(&self, error: &ParserError) -> ExprProblem {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.as_str(),
            ParserError::RecursionLimitExceeded => return self.whole("the expression is nested too deeply"),
        };
        let (what, location) = match message.rsplit_once(" at Line: ") {
            Some((what, place)) => (what, read_place(place)),
            None => (message, None),
        };
        if let Some(location) = location.filter(|_| what.starts_with("No infix parser")) {
            return self.at(location, "this operator cannot be used").hint("write `and`, `or`, `||` between texts");
        }
        let what = match what.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: ")) {
            Some((expected, _)) if expected.starts_with("[NOT]") => {
                let what = "`is` is followed by null, true, false or unknown, with or without `not`";
                return location
                    .map_or_else(|| self.whole(what), |location| self.at(location, what))
                    .hint("values are compared with `=` and `<>`");
            }
            Some((expected, "EOF")) => format!("the expression breaks off where {expected} should follow"),
            Some((expected, found)) => format!("{:?} is written where {expected} is expected", shorten(found)),
            None => tokenizer_message(what).to_owned(),
        };
        let hint = if what.ends_with("is written where ( is expected") {
            Some("a list is written as in `in ('a', 'b')`".to_owned())
        } else {
            let is_turned = ["\"<\" is written", "\">\" is written"].iter().any(|start| what.starts_with(start));
            is_turned.then(|| "the comparisons are = <> < <= > >=".to_owned())
        };
        let problem = match location {
            Some(location) => self.at(location, what),
            // A parser message without a place concerns the end of the text.
            None => self.at(Location { line: u64::MAX, column: 1 }, what),
        };
        ExprProblem { hint, ..problem }
    }
}

/// Returns the message for a text that ends too early.
pub(super) fn tokenizer_message(message: &str) -> &str {
    if message.starts_with("Unterminated") { "this quote is never closed" } else { message }
}

/// Returns the span of a tree, from its first name or literal to its last. Unlike the parser's own `span` it does not
/// walk the whole tree: a long chain of operators is as deep as it is long.
pub(super) fn place_of(tree: &Expr) -> Span {
    match (edge(tree, |left, _| left), edge(tree, |_, right| right)) {
        (Some(first), Some(last)) => Span::new(first.start, last.end),
        _ => Span::empty(), // the whole text
    }
}

fn edge<'a>(tree: &'a Expr, choose: fn(&'a Expr, &'a Expr) -> &'a Expr) -> Option<Span> {
    let mut at = tree;
    loop {
        at = match at {
            Expr::BinaryOp { left, right, .. } => choose(left, right),
            Expr::Between { expr, high, .. } => choose(expr, high),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => choose(left, right),
            Expr::Interval(interval) => &interval.value,
            Expr::Like { expr, pattern, .. }
            | Expr::RLike { expr, pattern, .. }
            | Expr::ILike { expr, pattern, .. } => choose(expr, pattern),
            Expr::In { expr, target: InTarget::List(list), .. } => choose(expr, list.last().unwrap_or(expr)),
            Expr::Nested(expr)
            | Expr::In { expr, .. }
            | Expr::UnaryOp { expr, .. }
            | Expr::Cast { expr, .. }
            | Expr::Substring { expr, .. }
            | Expr::Trim { expr, .. }
            | Expr::IsNull(expr)
            | Expr::IsNotNull(expr)
            | Expr::IsTrue(expr)
            | Expr::IsNotTrue(expr)
            | Expr::IsFalse(expr)
            | Expr::IsNotFalse(expr)
            | Expr::IsUnknown(expr)
            | Expr::IsNotUnknown(expr)
            | Expr::Floor { expr, .. }
            | Expr::Ceil { expr, .. }
            | Expr::Extract { expr, .. }
            | Expr::Position { expr, .. } => expr,
            Expr::Case { case_token, end_token, .. } => {
                return Some(Span::new(case_token.0.span.start, end_token.0.span.end));
            }
            Expr::Function(function) => return Some(function.name.span()),
            Expr::Identifier(name) => return Some(name.span),
            Expr::Value(value) => return Some(value.span),
            Expr::TypedString(typed) => return Some(typed.value.span),
            Expr::CompoundIdentifier(names) => {
                return Some(Span::new(names.first()?.span.start, names.last()?.span.end));
            }
            _ => return None,
        };
    }
}

fn read_place(place: &str) -> Option<Location> {
    let (line, column) = place.split_once(", Column: ")?;
    Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}

/// Returns a hint for syntax of other languages, where an expression ends before a token.
pub(super) fn hint_for_token(before: Option<&Token>, token: &Token) -> Option<String> {
    let is_word = |words: &[&str]| {
        let Some(Token::Word(word)) = before else { return false };
        words.iter().any(|known| word.value.eq_ignore_ascii_case(known))
    };
    let hint = match token {
        _ if is_word(&["case", "when", "then", "else", "end", "if"]) => "write case when … then … else … end",
        _ if is_word(&["select"]) => "one expression, without `select`",
        _ if is_word(&["and", "or", "in", "like", "between", "is"]) => {
            "this operator is written where a value is expected: a column, a text or a number"
        }
        Token::RParen => "there is one closing parenthesis too many",
        Token::Question | Token::Placeholder(_) => "write case when … then … else … end",
        Token::Word(word) if word.value.eq_ignore_ascii_case("not") => "`not` is followed by in, like or between",
        Token::Word(word) if word.value.eq_ignore_ascii_case("when") => "write case when … then … else … end",
        Token::SemiColon => "one expression, without a semicolon",
        Token::Comma => "one expression; list several under `set`",
        Token::Word(word) if word.value.eq_ignore_ascii_case("isnull") => "write `is null`",
        Token::Word(word) if word.value.eq_ignore_ascii_case("notnull") => "write `is not null`",
        Token::Word(word) if word.value.eq_ignore_ascii_case("as") => "the column is named by the key, not with `as`",
        Token::Word(_) => "a column whose name has spaces is written in double quotes",
        _ => return None,
    };
    Some(hint.to_owned())
}
