//! Aggregate calls: `count(distinct course) filter (where score > 50)` → the function and its parts, which are ordinary
//! expressions.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::place::Places;
use super::value::Type;
use super::{Expr, ExprProblem, Scalar, TEXT_BYTES_MAX, call, chars, shorten};
use crate::yaml::problem::did_you_mean;

/// The function of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Counts rows, or values if there is an argument.
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min(ValueOrder),
    Max(ValueOrder),
    /// The value of the first row, which may be null.
    First,
    /// The value of the last row, which may be null.
    Last,
    /// The value of the only row; a second one is an error. Pivots use it.
    Only,
}

/// The order of an argument's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueOrder {
    /// By bytes, which is also the order of ISO dates and times.
    Bytes,
    Number,
}

/// A parsed aggregate.
#[derive(Clone)]
pub struct AggregateCall {
    pub function: Function,
    /// `None` for `count(*)`.
    pub argument: Option<Expr>,
    pub filter: Option<Expr>,
    /// Valid expressions that are most likely unintended.
    pub(crate) warnings: Vec<ExprProblem>,
}

const NAMES: [&str; 7] = ["count", "sum", "avg", "min", "max", "first", "last"];

impl AggregateCall {
    /// Parses a text as one call of an aggregate function.
    ///
    /// ```
    /// use reportferry::expr::aggregate::{AggregateCall, Function};
    ///
    /// let call = AggregateCall::parse("count(distinct course) filter (where score > 50)").unwrap();
    /// assert_eq!(call.function, Function::CountDistinct);
    /// assert_eq!(call.argument.unwrap().columns().collect::<Vec<_>>(), ["course"]);
    /// assert!(AggregateCall::parse("maximum(score)").is_err_and(|problem| problem.to_string().contains("max")));
    /// ```
    ///
    /// # Errors
    /// The first problem in it: another function, a part that is not an expression, a type that the function cannot use.
    pub fn parse(text: &str) -> Result<Self, ExprProblem> {
        let places = Places::of(text);
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("the aggregate has {} bytes; the most is {TEXT_BYTES_MAX}", text.len());
            return Err(places.whole(what));
        }
        chars::refuse(text)?;
        let dialect: &dyn Dialect = &Scalar;
        let tokens =
            Tokenizer::new(dialect, text).tokenize_with_location().map_err(|error| places.of_tokenizer(&error))?;
        let tokens = tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
        Parts { text, places, tokens: tokens.collect(), at: 0 }.call()
    }
}

/// The tokens of a call.
struct Parts<'a> {
    text: &'a str,
    places: Places<'a>,
    tokens: Vec<TokenWithSpan>,
    at: usize,
}

impl Parts<'_> {
    fn call(mut self) -> Result<AggregateCall, ExprProblem> {
        let name = self.name()?;
        let inside = self.parentheses(&name)?;
        let mut warnings = Vec::new();
        let distinct = self.is_word(inside.start, "distinct");
        let is_star = inside.len() == 1 && self.tokens[inside.start].token == Token::Mul;
        if distinct && name != "count" {
            let problem = self.problem(inside.start, format!("`distinct` is for count, not for {name}"));
            return Err(problem.hint("remove `distinct`"));
        }
        if is_star && name != "count" {
            return Err(self.problem(inside.start, format!("{name} needs an expression, as in `{name}(score)`")));
        }
        let argument = match is_star {
            true => None,
            false => Some(self.part(inside.start + usize::from(distinct)..inside.end, &mut warnings)?),
        };
        let (argument, function) = self.typed(&name, distinct, argument, &inside, &mut warnings)?;
        let filter = self.filter(&mut warnings)?;
        if let Some(token) = self.tokens.get(self.at) {
            let what = format!("the aggregate ends before {:?}", shorten(&token.token.to_string()));
            let problem = self.places.span(token.span, what);
            return Err(problem.hint("compute with its result in a `set` step after this one"));
        }
        Ok(AggregateCall { function, argument, filter, warnings })
    }

    fn name(&mut self) -> Result<String, ExprProblem> {
        let hint = format!("the aggregate functions are {}", NAMES.join(", "));
        let Some(Token::Word(word)) = self.tokens.first().map(|token| &token.token) else {
            return Err(self.places.whole("an aggregate begins with its function: `count(*)`").hint(hint));
        };
        let name = word.value.to_lowercase();
        let is_call = self.tokens.get(1).is_some_and(|token| token.token == Token::LParen);
        if is_call && word.quote_style.is_none() && NAMES.contains(&name.as_str()) {
            self.at = 1;
            return Ok(name);
        }
        let is_scalar = call::FUNCTIONS.iter().any(|(known, ..)| *known == name);
        let (what, hint) = match (is_call, is_scalar) {
            (true, true) => (
                format!("{name} is not an aggregate function"),
                format!("write it inside of one, as in `max({name}(…))`, or in a `set` step after this one"),
            ),
            (true, false) => {
                (format!("there is no aggregate function {name}"), did_you_mean(&name, NAMES).unwrap_or(hint))
            }
            (false, _) => (
                format!("{} is one value of each row, not one of the group", shorten(self.text)),
                format!("write it inside of an aggregate function, as in `max({})`, or under `by`", shorten(self.text)),
            ),
        };
        Err(self.problem(0, what).hint(hint))
    }

    /// Returns the tokens between the parenthesis at this point and the one that closes it, and moves behind that.
    fn parentheses(&mut self, after: &str) -> Result<Range<usize>, ExprProblem> {
        if self.tokens.get(self.at).is_none_or(|token| token.token != Token::LParen) {
            return Err(self.places.whole(format!("a parenthesis is missing after `{after}`")));
        }
        let start = self.at + 1;
        let mut depth = 0;
        for (index, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at = index + 1;
                if start == index {
                    return Err(self.problem(index, format!("nothing is written in the parentheses of `{after}`")));
                }
                return Ok(start..index);
            }
        }
        Err(self.problem(self.at, "this parenthesis is not closed"))
    }

    /// Returns the condition after `filter (where`.
    fn filter(&mut self, warnings: &mut Vec<ExprProblem>) -> Result<Option<Expr>, ExprProblem> {
        if !self.is_word(self.at, "filter") {
            return Ok(None);
        }
        self.at += 1;
        let inside = self.parentheses("filter")?;
        if !self.is_word(inside.start, "where") {
            return Err(self.problem(inside.start, "`where` is missing").hint("write `filter (where …)`"));
        }
        let condition = inside.start + 1..inside.end;
        let filter = self.part(condition.clone(), warnings)?;
        if let Some((what, hint)) = filter.not_a_condition() {
            return Err(self.problem_in(condition, what).hint(hint));
        }
        Ok(Some(filter))
    }

    /// Chooses the function, whose argument must have a type that it can use.
    fn typed(
        &self,
        name: &str,
        distinct: bool,
        argument: Option<Expr>,
        inside: &Range<usize>,
        warnings: &mut Vec<ExprProblem>,
    ) -> Result<(Option<Expr>, Function), ExprProblem> {
        let kind = argument.as_ref().map_or(Type::Text, |argument| argument.0.root.kind);
        let order = if kind.is_number() { ValueOrder::Number } else { ValueOrder::Bytes };
        let function = match name {
            "sum" => Function::Sum,
            "avg" => Function::Avg,
            "min" => Function::Min(order),
            "max" => Function::Max(order),
            "first" => Function::First,
            "last" => Function::Last,
            _ if distinct => Function::CountDistinct,
            _ => Function::Count,
        };
        match function {
            Function::Sum | Function::Avg if kind == Type::Text || kind == Type::Null => {
                return Ok((argument.map(Expr::into_number), function));
            }
            Function::Sum | Function::Avg if !kind.is_number() => {
                return Err(self.problem_in(inside.clone(), format!("{name} needs numbers, not {}", kind.word())));
            }
            Function::Count if kind == Type::Bool => {
                let what = "count of a condition also counts the rows for which it is false";
                let hint = "write `count(*) filter (where …)` for those for which it is true";
                warnings.push(self.problem_in(inside.clone(), what.to_owned()).hint(hint));
            }
            _ => {}
        }
        Ok((argument, function))
    }

    /// Parses tokens as an expression of their own.
    fn part(&self, tokens: Range<usize>, warnings: &mut Vec<ExprProblem>) -> Result<Expr, ExprProblem> {
        let Range { start, end } = self.bytes(&tokens);
        let moved = |problem: ExprProblem| ExprProblem { offset: problem.offset + start, ..problem };
        let expr = Expr::parse(&self.text[start..end]).map_err(moved)?;
        warnings.extend(expr.warnings().iter().cloned().map(moved));
        Ok(expr)
    }

    /// Returns the bytes of tokens, with the spaces around them.
    fn bytes(&self, tokens: &Range<usize>) -> Range<usize> {
        let before = tokens.start.checked_sub(1).and_then(|before| self.tokens.get(before));
        let start = before.map_or(0, |token| self.places.byte_of(token.span.end));
        let end = self.tokens.get(tokens.end).map_or(self.text.len(), |token| self.places.byte_of(token.span.start));
        start..end.max(start)
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        matches!(self.tokens.get(at).map(|token| &token.token),
            Some(Token::Word(found)) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    fn problem(&self, at: usize, what: impl Into<String>) -> ExprProblem {
        match self.tokens.get(at) {
            Some(token) => self.places.span(token.span, what),
            None => self.places.whole(what),
        }
    }

    fn problem_in(&self, tokens: Range<usize>, what: String) -> ExprProblem {
        let Range { start, end } = self.bytes(&tokens);
        let written = &self.text[start..end];
        let offset = start + written.len() - written.trim_start().len();
        ExprProblem { offset, len: written.trim().len(), what, hint: None }
    }
}

impl Expr {
    /// Returns the expression with its value read as a number.
    fn into_number(mut self) -> Self {
        if let Some(checked) = Arc::get_mut(&mut self.0) {
            checked.root = checked.root.clone().cast(Type::Number);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the function, the columns of the argument and of the filter, or the problem with the text that is wrong.
    fn told(text: &str) -> String {
        match AggregateCall::parse(text) {
            Ok(AggregateCall { function, argument, filter, warnings }) => {
                let columns = |expr: Option<Expr>| {
                    expr.map_or("-".to_owned(), |expr| expr.columns().collect::<Vec<_>>().join(","))
                };
                let warned = warnings.first().map_or(String::new(), |warning| format!(" warned: {}", warning.what));
                format!("{function:?} {} {}{warned}", columns(argument), columns(filter))
            }
            Err(problem) => {
                let at = problem.offset..problem.offset + problem.len;
                format!("{:?}: {problem}", text.get(at).unwrap_or_default())
            }
        }
    }

    #[test]
    fn calls_are_split_into_function_argument_and_filter() {
        for (text, expected) in [
            ("count(*)", "Count - -"),
            ("COUNT ( * )", "Count - -"),
            ("count(course)", "Count course -"),
            ("count(distinct lower(course))", "CountDistinct course -"),
            ("count(\"distinct\")", "Count distinct -"),
            ("count(*) filter (where status = 'Completed')", "Count - status"),
            ("sum(a * (b + 1)) FILTER (WHERE (c = ')') and d is null)", "Sum a,b c,d"),
            ("min(score)", "Min(Bytes) score -"),
            ("min(score::integer)", "Min(Number) score -"),
            ("max(done::date)", "Max(Bytes) done -"),
            ("first(\"filter\")", "First filter -"),
            (
                "last(a)\nfilter\n(where b)",
                r#""b": the filter yields text, not a condition (compare it with something, or write `… is true`)"#,
            ),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
        let warned = "Count status - warned: count of a condition also counts the rows for which it is false";
        assert_eq!(told("count(status = 'x')"), warned);
    }

    #[test]
    fn mistakes_are_named_at_their_place() {
        for (text, at, part) in [
            ("", "", "begins with its function"),
            ("score", "score", "max(score)"),
            ("lower(a)", "lower", "inside of one"),
            ("summ(a)", "summ", "did you mean \"sum\"?"),
            ("\"count\"(a)", "\"count\"", "there is no aggregate function"),
            ("count()", ")", "nothing is written in the parentheses"),
            ("count(distinct)", "", "the expression is empty"),
            ("sum(distinct a)", "distinct", "is for count"),
            ("sum(*)", "*", "needs an expression"),
            ("max(a", "(", "not closed"),
            ("max(lowr(a))", "lowr", "lower"),
            ("sum(a = b)", "a = b", "needs numbers, not boolean"),
            ("sum(a::date)", "a::date", "needs numbers, not date"),
            ("count(*) + 1", "+", "a `set` step after this one"),
            ("count(*) filter (a = 1)", "a", "`where` is missing"),
            ("count(*) filter (where )", " ", "the expression is empty"),
            ("count(*) filter", "count(*) filter", "a parenthesis is missing"),
            ("max(max(a))", "max", "an expression sees one row"),
        ] {
            let told = told(text);
            assert!(told.starts_with(&format!("{at:?}: ")) && told.contains(part), "{text}: {told}");
        }
    }
}
