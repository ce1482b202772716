//! A checked expression and a row → a value. Allocates only in the row's arena, which is reused.

mod arithmetic;
mod assemble;
mod dates;
mod letters;
mod regex;
mod round;
mod text;

use std::cmp::Ordering;

use ::regex::bytes::{CaptureLocations, Regex};
use md5::Md5;
use sha2::{Digest, Sha256};

use super::convert;
use super::hmac::HmacKey;
use super::node::{Comparison, Node, OnFailure, TextFunction};
use super::time::ZoneClock;
use super::uuid;
use super::value::{CellRef, Cells, Span, Type, Value};

/// The largest number of bytes that one row's expressions may create together.
pub(crate) const MADE_BYTES_MAX: usize = 4 << 20;

/// The reason a row has no result. Names the value, never a secret.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    /// The offending value, in full.
    pub(crate) value: String,
    /// The column that the value came from, as an index into the expression's columns, if it came from one.
    pub(crate) column: Option<usize>,
    /// The text in place of `what`, if that quotes the value, for values that must not be shown.
    pub(crate) without_value: Option<String>,
}

pub(crate) type EvalResult<T> = Result<T, Box<Fault>>;

impl Fault {
    pub(crate) fn new(what: impl Into<String>, value: impl Into<String>) -> Box<Self> {
        Box::new(Self { what: what.into(), value: value.into(), column: None, without_value: None })
    }

    /// Adds the text for values that must not be shown.
    pub(crate) fn or_without_value(mut self: Box<Self>, what: String) -> Box<Self> {
        self.without_value = Some(what);
        self
    }
}

/// The parts of the row that an expression reads, and the arena that it writes to.
pub(crate) struct Frame<'a> {
    pub(crate) cells: Cells<'a>,
    /// Cells created by earlier `set` steps.
    pub(crate) made: &'a [Span],
    /// The locations of the expression's columns.
    pub(crate) columns: &'a [CellRef],
    pub(crate) literals: &'a [u8],
    pub(crate) keys: &'a [HmacKey],
    pub(crate) zones: &'a mut [ZoneClock],
    pub(crate) patterns: &'a [Regex],
    /// The places of the groups of each pattern's last match.
    pub(crate) captures: &'a mut [CaptureLocations],
    pub(crate) arena: &'a mut Vec<u8>,
}

impl Frame<'_> {
    #[inline]
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        match span {
            Span::Record { start, end } => &self.cells.bytes[start as usize..end as usize],
            Span::Arena { start, end } => &self.arena[start as usize..end as usize],
            Span::Literal { start, end } => &self.literals[start as usize..end as usize],
        }
    }

    /// Returns a column's cell; an empty one is null.
    #[inline]
    fn cell(&self, column: usize) -> Value {
        let span = match self.columns[column] {
            CellRef::Input(index) => {
                let (start, end) = self.cells.bounds[index as usize];
                Span::Record { start, end }
            }
            CellRef::Made(index) => self.made[index as usize],
        };
        match span {
            Span::Record { start, end } | Span::Arena { start, end } if start == end => Value::Null,
            span => Value::Text(span),
        }
    }

    pub(crate) fn show(&self, value: Value) -> String {
        match value {
            Value::Text(span) => String::from_utf8_lossy(self.bytes(span)).into_owned(),
            other => convert::show(other),
        }
    }

    /// Returns everything appended to the arena since `start`, as a value.
    pub(crate) fn appended_since(&self, start: usize) -> EvalResult<Value> {
        if self.arena.len() > MADE_BYTES_MAX {
            let what = format!("the row's expressions make more than {MADE_BYTES_MAX} bytes");
            return Err(Fault::new(what, ""));
        }
        Ok(Value::Text(Span::Arena { start: start as u32, end: self.arena.len() as u32 }))
    }

    pub(crate) fn eval(&mut self, node: &Node) -> EvalResult<Value> {
        match node {
            Node::Column(column) => Ok(self.cell(*column)),
            Node::Literal(value) => Ok(*value),
            Node::Compare { how, left, right } => self.compare_nodes(*how, left, right),
            Node::And(parts) => self.eval_connective(parts, false),
            Node::Or(parts) => self.eval_connective(parts, true),
            Node::Not(of) => Ok(negate(self.truth(of)?)),
            Node::In { of, list, negated } => self.in_list(of, list, *negated),
            Node::InTexts { of, sorted, has_null, negated } => {
                let Value::Text(span) = self.eval(of)? else { return Ok(Value::Null) };
                let found = sorted.binary_search_by(|text| (**text).cmp(self.bytes(span))).is_ok();
                Ok(if !found && *has_null { Value::Null } else { Value::Bool(found != *negated) })
            }
            Node::Between { of, low, high, negated } => self.between(of, low, high, *negated),
            Node::Like { of, pattern, negated } => match self.eval(of)? {
                Value::Text(span) => Ok(Value::Bool(pattern.matches(self.bytes(span)) != *negated)),
                _ => Ok(Value::Null),
            },
            Node::IsNull { of, negated } => Ok(Value::Bool((self.eval(of)? == Value::Null) != *negated)),
            Node::IsBool { of, wanted, negated } => Ok(Value::Bool((self.truth(of)? == Some(*wanted)) != *negated)),
            Node::Case { whens, otherwise } => {
                for (condition, result) in whens {
                    if self.truth(condition)? == Some(true) {
                        return self.eval(result);
                    }
                }
                self.eval(otherwise)
            }
            other => self.eval_made(other),
        }
    }

    /// Evaluates the nodes that create new values.
    fn eval_made(&mut self, node: &Node) -> EvalResult<Value> {
        match node {
            Node::Cast { of, to, on_failure } => self.cast(of, *to, *on_failure),
            Node::Arithmetic { how, left, right } => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                arithmetic::arithmetic(*how, left, right)
            }
            Node::Negate(of) => arithmetic::negate(self.eval(of)?),
            Node::Round { how, of } => round::round(*how, self.eval(of)?),
            Node::Join(parts) => self.concatenate(parts, true),
            Node::Concat(parts) => self.concatenate(parts, false),
            Node::Coalesce(parts) => {
                for part in parts {
                    let value = self.eval(part)?;
                    if value != Value::Null {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            Node::NullIf { of, compared, with } => {
                let equal = self.compare_nodes(Comparison::Equal, compared, with)?;
                if equal == Value::Bool(true) { Ok(Value::Null) } else { self.eval(of) }
            }
            Node::Text { function: TextFunction::Sha256, arguments } => {
                let Value::Text(span) = self.eval(&arguments[0])? else { return Ok(Value::Null) };
                let digest = Sha256::digest(self.bytes(span));
                self.push_hex(&digest)
            }
            Node::Text { function: TextFunction::Md5, arguments } => {
                let Value::Text(span) = self.eval(&arguments[0])? else { return Ok(Value::Null) };
                let digest = Md5::digest(self.bytes(span));
                self.push_hex(&digest)
            }
            Node::Text { function, arguments } => text::call(self, *function, arguments),
            Node::HmacSha256 { of, secret } => {
                let Value::Text(span) = self.eval(of)? else { return Ok(Value::Null) };
                let Some(key) = self.keys.get(*secret) else {
                    return Err(Fault::new("the key of hmac_sha256 is missing", ""));
                };
                let code = key.code_of(self.bytes(span));
                self.push_hex(&code)
            }
            Node::FormatTime { of, format, zone } => self.format_time(of, format, *zone),
            Node::ParseTime { of, format, zone } => self.parse_time(of, format, *zone),
            other => self.eval_new(other),
        }
    }

    /// Evaluates the nodes of dates, patterns and texts made of several values.
    fn eval_new(&mut self, node: &Node) -> EvalResult<Value> {
        match node {
            Node::Distinct { left, right, negated } => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                let is_distinct = match self.compare(left, right) {
                    Some(order) => order.is_ne(),
                    None => left != right,
                };
                Ok(Value::Bool(is_distinct != *negated))
            }
            Node::Extreme { parts, is_greatest } => self.extreme(parts, *is_greatest),
            Node::ConcatWith { separator, parts } => self.concatenate_with(separator, parts),
            Node::Shift { of, interval } => self.shift(of, *interval),
            Node::PlusDays { of, days, negated } => self.plus_days(of, days, *negated),
            Node::DaysBetween { left, right } => self.days_between(left, right),
            Node::DatePart { part, of } => self.date_part(*part, of),
            Node::DateTrunc { unit, of } => self.date_trunc(*unit, of),
            Node::DateDiff { unit, from, until } => self.date_diff(*unit, from, until),
            Node::LastDay(of) => self.last_day(of),
            Node::Regex { function, of, pattern } => self.regex(function, of, *pattern),
            Node::Uuid5 { namespace, of } => {
                let Value::Text(span) = self.eval(of)? else { return Ok(Value::Null) };
                let uuid = uuid::text_of(namespace, self.bytes(span));
                let start = self.arena.len();
                self.arena.extend_from_slice(&uuid);
                self.appended_since(start)
            }
            Node::Json { is_object, members, values } => self.json(*is_object, members, values),
            _ => Ok(Value::Null), // handled by `eval` and `eval_made`
        }
    }

    fn extreme(&mut self, parts: &[Node], is_greatest: bool) -> EvalResult<Value> {
        let mut best = Value::Null;
        for part in parts {
            let value = self.eval(part)?;
            let wins = match self.compare(value, best) {
                Some(order) => order.is_gt() == is_greatest && order.is_ne(),
                None => best == Value::Null,
            };
            if wins {
                best = value;
            }
        }
        Ok(best)
    }

    /// Adds the column to a fault whose value came directly from one.
    pub(super) fn with_column(&self, node: &Node, mut fault: Box<Fault>) -> Box<Fault> {
        if let Node::Column(column) = node {
            fault.column = Some(*column);
        }
        fault
    }

    fn push_hex(&mut self, digest: &[u8]) -> EvalResult<Value> {
        // Without a table, so that the compiler can vectorize it.
        let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        let start = self.arena.len();
        self.arena.resize(start + 2 * digest.len(), 0);
        for (pair, byte) in self.arena[start..].as_chunks_mut::<2>().0.iter_mut().zip(digest) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        self.appended_since(start)
    }

    #[inline]
    pub(crate) fn truth(&mut self, node: &Node) -> EvalResult<Option<bool>> {
        Ok(match self.eval(node)? {
            Value::Bool(truth) => Some(truth),
            _ => None,
        })
    }

    /// Evaluates `and` (decided by a false) or `or` (decided by a true), stopping at the deciding operand.
    fn eval_connective(&mut self, parts: &[Node], decider: bool) -> EvalResult<Value> {
        let mut unknown = false;
        for part in parts {
            match self.truth(part)? {
                Some(truth) if truth == decider => return Ok(Value::Bool(decider)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(!decider) })
    }

    fn compare_nodes(&mut self, how: Comparison, left: &Node, right: &Node) -> EvalResult<Value> {
        let left = self.eval(left)?;
        if left == Value::Null {
            return Ok(Value::Null);
        }
        let right = self.eval(right)?;
        Ok(self.compare(left, right).map_or(Value::Null, |order| Value::Bool(how.holds(order))))
    }

    /// Returns `None` if either side is null.
    fn compare(&self, left: Value, right: Value) -> Option<Ordering> {
        Some(match (left, right) {
            (Value::Null, _) | (_, Value::Null) => return None,
            (Value::Text(a), Value::Text(b)) => self.bytes(a).cmp(self.bytes(b)),
            (Value::Int(a), Value::Int(b)) => a.cmp(&b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(&b),
            (Value::Date(a), Value::Date(b)) => a.cmp(&b),
            (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(&b),
            (a, b) => match (convert::as_decimal(a), convert::as_decimal(b)) {
                (Some(a), Some(b)) => a.compare(b),
                _ => convert::as_double(a)?.partial_cmp(&convert::as_double(b)?)?,
            },
        })
    }

    fn in_list(&mut self, of: &Node, list: &[Node], negated: bool) -> EvalResult<Value> {
        let value = self.eval(of)?;
        if value == Value::Null {
            return Ok(Value::Null);
        }
        let mut unknown = false;
        for node in list {
            let other = self.eval(node)?;
            match self.compare(value, other) {
                Some(Ordering::Equal) => return Ok(Value::Bool(!negated)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(negated) })
    }

    fn between(&mut self, of: &Node, low: &Node, high: &Node, negated: bool) -> EvalResult<Value> {
        let (value, low, high) = (self.eval(of)?, self.eval(low)?, self.eval(high)?);
        let above = self.compare(value, low).map(Ordering::is_ge);
        let below = self.compare(value, high).map(Ordering::is_le);
        Ok(match (above, below) {
            (Some(false), _) | (_, Some(false)) => Value::Bool(negated),
            (Some(true), Some(true)) => Value::Bool(!negated),
            _ => Value::Null,
        })
    }

    /// Appends a value's text to the arena; null appends nothing.
    pub(crate) fn append(&mut self, value: Value) {
        match value {
            Value::Text(Span::Arena { start, end }) => self.arena.extend_from_within(start as usize..end as usize),
            Value::Text(Span::Record { start, end }) => {
                self.arena.extend_from_slice(&self.cells.bytes[start as usize..end as usize]);
            }
            Value::Text(Span::Literal { start, end }) => {
                self.arena.extend_from_slice(&self.literals[start as usize..end as usize]);
            }
            other => convert::print(other, self.arena),
        }
    }

    fn cast(&mut self, of: &Node, to: Type, on_failure: OnFailure) -> EvalResult<Value> {
        let value = match (self.eval(of), on_failure) {
            (Err(_), OnFailure::Null) => return Ok(Value::Null),
            (outcome, _) => outcome?,
        };
        let cast = match (value, to) {
            (Value::Null, _) => return Ok(Value::Null),
            (Value::Text(_), Type::Text) => return Ok(value),
            (_, Type::Text) => {
                let start = self.arena.len();
                convert::print(value, self.arena);
                return self.appended_since(start);
            }
            (Value::Text(span), _) => convert::read(self.bytes(span), to),
            _ => convert::convert(value, to),
        };
        match (cast, on_failure) {
            (Some(cast), _) => Ok(cast),
            (None, OnFailure::Null) => Ok(Value::Null),
            (None, OnFailure::Fault) => {
                Err(self
                    .with_column(of, Fault::new(format!("is not a valid {}", convert::describe(to)), self.show(value))))
            }
        }
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

fn negate(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, |truth| Value::Bool(!truth))
}
