//! Building of date functions and of `+` and `-` with dates and intervals.

use sqlparser::ast::{self, DateTimeField, Expr as Tree, UnaryOperator, Value as SqlValue};
use sqlparser::tokenizer::Span as Place;

use super::ExprProblem;
use super::build::{Builder, Built, boxed, with_article};
use super::calendar::{DatePart, Interval, Refused};
use super::node::{Arithmetic, Node, Typed};
use super::place::place_of;
use super::refuse::shown;
use super::unit::Unit;
use super::value::Type;

/// Returns the interval that a tree is, and true if it is negated.
fn interval_in(tree: &Tree) -> Option<(&ast::Interval, bool)> {
    match tree {
        Tree::Nested(inner) => interval_in(inner),
        Tree::UnaryOp { op: UnaryOperator::Minus, expr } => {
            interval_in(expr).map(|(interval, negated)| (interval, !negated))
        }
        Tree::Interval(interval) => Some((interval, false)),
        _ => None,
    }
}

/// Returns the text of `'1'`, `1` or `-1`.
fn quantity(tree: &Tree) -> Option<String> {
    match tree {
        Tree::Value(value) => match &value.value {
            SqlValue::SingleQuotedString(text) => Some(text.clone()),
            SqlValue::Number(digits, false) => Some(digits.clone()),
            _ => None,
        },
        Tree::UnaryOp { op: UnaryOperator::Minus, expr } => quantity(expr).map(|text| format!("-{text}")),
        Tree::Nested(inner) => quantity(inner),
        _ => None,
    }
}

impl Builder<'_> {
    fn refused(&self, at: Place, refused: Refused) -> ExprProblem {
        self.problem(at, refused.what).hint(refused.hint)
    }

    /// Builds a date or timestamp; a text is cast to a timestamp.
    fn time(&mut self, tree: &Tree) -> Built {
        let typed = self.build(tree)?;
        self.as_time(typed, tree)
    }

    fn as_time(&mut self, typed: Typed, tree: &Tree) -> Built {
        match typed.kind {
            Type::Text => self.cast_literal(typed, Type::Timestamp, place_of(tree)),
            Type::Date | Type::Timestamp | Type::Null => Ok(typed),
            kind => {
                let what = format!("{} is neither a date nor a timestamp", with_article(kind.word()));
                Err(self.problem(place_of(tree), what))
            }
        }
    }

    /// Builds `x + interval '1 day'`, or returns `None` if neither side is an interval.
    pub(super) fn interval_arithmetic(&mut self, how: Arithmetic, left: &Tree, right: &Tree) -> Built<Option<Typed>> {
        let (of, interval, negated) = match (interval_in(left), interval_in(right)) {
            (None, None) => return Ok(None),
            (None, Some((interval, negated))) => (left, interval, negated != (how == Arithmetic::Subtract)),
            (Some((interval, negated)), None) if how == Arithmetic::Add => (right, interval, negated),
            _ => {
                let what = "an interval is added to a date or timestamp, or subtracted from one";
                return Err(self.problem(place_of(left), what).hint("as in done + interval '1 day'"));
            }
        };
        if !matches!(how, Arithmetic::Add | Arithmetic::Subtract) {
            let what = "an interval cannot be multiplied or divided";
            return Err(self.problem(place_of(right), what).hint("write its length, as in interval '14 days'"));
        }
        let parsed = self.interval(interval)?;
        let interval = if negated { parsed.negate() } else { parsed };
        let of = self.time(of)?;
        Ok(Some(Typed::new(Node::Shift { of: boxed(of), interval }, Type::Timestamp)))
    }

    fn interval(&self, written: &ast::Interval) -> Built<Interval> {
        let at = place_of(&written.value);
        if written.last_field.is_some() || written.leading_precision.is_some() {
            let what = "an interval has one number for each unit and no precision";
            return Err(self.problem(at, what).hint("as in interval '1 day 2 hours'"));
        }
        let Some(mut text) = quantity(&written.value) else {
            let what = "an interval is a literal";
            return Err(self.problem(at, what).hint("a date takes a number of days, as in cast(done as date) + n"));
        };
        if let Some(unit) = &written.leading_field {
            text = format!("{text} {unit}");
        }
        Interval::parse(&text).map_err(|refused| self.refused(at, refused))
    }

    /// Builds `date + days`, `date - days` and `date - date`. At least one side is a date or timestamp.
    pub(super) fn date_arithmetic(
        &mut self,
        how: Arithmetic,
        (left_tree, left): (&Tree, Typed),
        (right_tree, right): (&Tree, Typed),
    ) -> Built {
        let is_number = |kind: Type| kind.is_number() || matches!(kind, Type::Text | Type::Null);
        match (how, left.kind, right.kind) {
            (Arithmetic::Subtract, Type::Date, Type::Date) => {
                Ok(Typed::new(Node::DaysBetween { left: boxed(left), right: boxed(right) }, Type::Int))
            }
            (Arithmetic::Subtract, Type::Date, Type::Text) => {
                let problem = self.problem(place_of(right_tree), "this text may be a date or a number of days");
                let by = shown(right_tree).map(|of| format!("write `cast({of} as date)` or `cast({of} as integer)`"));
                Err(ExprProblem { hint: by, ..problem })
            }
            (Arithmetic::Subtract, a, b) if (a.is_time() || a == Type::Text) && b.is_time() => {
                let problem = self.places.tree(right_tree, "the difference of times is counted in a unit");
                let by = shown(left_tree).zip(shown(right_tree));
                Err(ExprProblem {
                    hint: by.map(|(a, b)| format!("write date_diff('second', {b}, {a}), or with another unit")),
                    ..problem
                })
            }
            (Arithmetic::Add | Arithmetic::Subtract, Type::Date, kind) if is_number(kind) => {
                self.plus_days(how, left, (right_tree, right))
            }
            (Arithmetic::Add, kind, Type::Date) if is_number(kind) => self.plus_days(how, right, (left_tree, left)),
            (Arithmetic::Add | Arithmetic::Subtract, Type::Timestamp, _) | (Arithmetic::Add, _, Type::Timestamp) => {
                let problem = self.problem(place_of(right_tree), "a timestamp takes an interval");
                Err(problem.hint("as in done + interval '1 day'"))
            }
            _ => {
                let (tree, kind) = if left.kind.is_time() { (left_tree, left.kind) } else { (right_tree, right.kind) };
                Err(self
                    .places
                    .tree(tree, format!("{} is not a number", with_article(kind.word())))
                    .hint("a date takes `+` and `-` with a number of days, an interval or a date"))
            }
        }
    }

    fn plus_days(&mut self, how: Arithmetic, date: Typed, (tree, days): (&Tree, Typed)) -> Built {
        if !matches!(days.kind, Type::Int | Type::Text | Type::Null) {
            let what = format!("a date takes a whole number of days, not {}", with_article(days.kind.word()));
            return Err(self.problem(place_of(tree), what).hint("write cast(… as integer)"));
        }
        let days = boxed(self.cast_literal(days, Type::Int, place_of(tree))?);
        let negated = how == Arithmetic::Subtract;
        Ok(Typed::new(Node::PlusDays { of: boxed(date), days, negated }, Type::Date))
    }

    /// Builds `extract(year from x)`.
    pub(super) fn extract(&mut self, field: &DateTimeField, of: &Tree) -> Built {
        let part = DatePart::of(&field.to_string()).map_err(|refused| self.refused(place_of(of), refused))?;
        self.part(part, of)
    }

    /// Builds `date_part('year', x)`.
    pub(super) fn date_part(&mut self, name: &Tree, of: &Tree) -> Built {
        let text = self.required_text("date_part", "part", name)?;
        let part = DatePart::of(&text).map_err(|refused| self.refused(place_of(name), refused))?;
        self.part(part, of)
    }

    pub(super) fn part(&mut self, part: DatePart, of: &Tree) -> Built {
        let of = boxed(self.time(of)?);
        let kind = if part == DatePart::Epoch { Type::Double } else { Type::Int };
        Ok(Typed::new(Node::DatePart { part, of }, kind))
    }

    fn unit(&mut self, function: &str, name: &Tree) -> Built<Unit> {
        let text = self.required_text(function, "unit", name)?;
        Unit::of(&text).map_err(|refused| self.refused(place_of(name), refused))
    }

    pub(super) fn date_trunc(&mut self, name: &Tree, of: &Tree) -> Built {
        let unit = self.unit("date_trunc", name)?;
        let of = boxed(self.time(of)?);
        Ok(Typed::new(Node::DateTrunc { unit, of }, Type::Timestamp))
    }

    pub(super) fn date_diff(&mut self, name: &Tree, from: &Tree, until: &Tree) -> Built {
        let unit = self.unit("date_diff", name)?;
        let (from, until) = (boxed(self.time(from)?), boxed(self.time(until)?));
        Ok(Typed::new(Node::DateDiff { unit, from, until }, Type::Int))
    }

    pub(super) fn last_day(&mut self, of: &Tree) -> Built {
        let of = boxed(self.time(of)?);
        Ok(Typed::new(Node::LastDay(of), Type::Date))
    }
}
