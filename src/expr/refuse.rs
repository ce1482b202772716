//! SQL that is parsed but not supported here, each with a replacement.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::ExprProblem;
use super::build::Builder;
use super::place::place_of;

/// The largest number of characters of an expression that a hint repeats.
const SHOWN_CHARS_MAX: usize = 160;

/// Returns a tree's text if it is short enough for a hint.
pub(super) fn shown(tree: &Expr) -> Option<String> {
    let text = tree.to_string();
    (text.chars().count() <= SHOWN_CHARS_MAX).then_some(text)
}

impl Builder<'_> {
    /// Reports a problem of a whole tree, with its replacement.
    pub(super) fn replaced(&self, tree: &Expr, what: impl Into<String>, by: Option<String>) -> ExprProblem {
        let mut problem = self.places.tree(tree, what);
        problem.hint = by.map(|by| format!("write `{by}`"));
        problem
    }

    pub(super) fn unsupported(&self, tree: &Expr) -> ExprProblem {
        let (what, hint) = match tree {
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::In { .. } => {
                ("a subquery cannot be used", "an expression sees one row")
            }
            Expr::CompoundIdentifier(_) => (
                "a name with a dot cannot be used",
                "columns have no table; a name that contains a dot is written in double quotes",
            ),
            Expr::ILike { negated, expr, pattern, .. } => {
                let not = if *negated { "not " } else { "" };
                let by = shown(expr).zip(shown(pattern));
                let by = by.map(|(of, pattern)| format!("lower({of}) {not}like {}", pattern.to_lowercase()));
                return self.replaced(tree, "`ilike` is not available", by);
            }
            Expr::RLike { negated, expr, pattern, .. } => {
                let not = if *negated { "not " } else { "" };
                let by = shown(expr).zip(shown(pattern));
                let by = by.map(|(of, pattern)| format!("{not}regexp_matches({of}, {pattern})"));
                return self.replaced(tree, "this operator is not available", by);
            }
            Expr::SimilarTo { .. } => ("`similar to` is not available", "use `like` or regexp_matches(x, pattern)"),
            Expr::AtTimeZone { .. } => ("`at time zone` cannot be used", "use format_time(value, format, zone)"),
            Expr::Interval(_) => (
                "an interval cannot be a value by itself",
                "it is added to a date or timestamp, as in done + interval '1 day'; date_diff('day', a, b) counts days",
            ),
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => ("`*` is not a value", "name a column"),
            Expr::Tuple(_) => ("a list of values can only follow `in`", "write `in ('a', 'b')`"),
            Expr::Lambda(_) | Expr::Array(_) | Expr::JsonAccess { .. } | Expr::Struct { .. } => {
                ("lists and structures cannot be used", "every cell is one text")
            }
            _ => (
                "this SQL cannot be used in an expression",
                "an expression is made of columns, texts, numbers, operators, `case` and the functions of the documentation",
            ),
        };
        self.problem(place_of(tree), what).hint(hint)
    }

    pub(super) fn unknown_operator(&self, tree: &Expr, operator: &BinaryOperator) -> ExprProblem {
        let word = operator.to_string();
        if let (Expr::BinaryOp { left, right, .. }, "~" | "~*" | "!~" | "!~*" | "REGEXP") = (tree, word.as_str()) {
            let not = if word.starts_with('!') { "not " } else { "" };
            let flags = if word.ends_with('*') { ", 'i'" } else { "" };
            let by = shown(left).zip(shown(right));
            let by = by.map(|(of, pattern)| format!("{not}regexp_matches({of}, {pattern}{flags})"));
            return self.replaced(tree, format!("the operator {operator} cannot be used"), by);
        }
        let mut problem = self.problem(place_of(tree), format!("the operator {operator} cannot be used"));
        problem.hint = match word.as_str() {
            "&&" => Some("write `and`".to_owned()),
            "|" => Some("write `or` between conditions, `||` between texts".to_owned()),
            "XOR" => Some("write `<>` between conditions".to_owned()),
            "<=>" => Some("write `is not distinct from`".to_owned()),
            "^" | "**" => Some("powers are not available; multiply".to_owned()),
            _ => Some("the operators are + - * / % || = <> < <= > >= and or not like in between is".to_owned()),
        };
        problem
    }

    /// Refuses `1 < x < 5`, `a || not b`, `a like 'x' like 'y'`, as PostgreSQL and DuckDB do.
    pub(super) fn refuse_chained(&self, tree: &Expr) -> Result<(), ExprProblem> {
        use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
        let is_test = |tree: &Expr| matches!(tree, Expr::Like { .. } | Expr::Between { .. } | Expr::In { .. });
        let is_not = |tree: &Expr| matches!(tree, Expr::UnaryOp { op: UnaryOperator::Not, .. });
        let chained = match tree {
            Expr::BinaryOp { op: And | Or, .. } => None,
            Expr::BinaryOp { op: op @ (Eq | NotEq | Lt | LtEq | Gt | GtEq), left, right } => match left.as_ref() {
                Expr::BinaryOp { op: Eq | NotEq | Lt | LtEq | Gt | GtEq, right: middle, .. } => {
                    let by = shown(left).zip(shown(middle)).zip(shown(right));
                    let by = by.map(|((left, middle), right)| format!("{left} and {middle} {op} {right}"));
                    return Err(self.replaced(tree, "comparisons cannot be chained", by));
                }
                _ => None,
            },
            Expr::BinaryOp { right, .. } => is_not(right).then_some(right),
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_not(expr).then_some(expr),
            Expr::Like { expr, .. } | Expr::In { expr, .. } => is_test(expr).then_some(expr),
            Expr::Between { expr, low, .. } => {
                let first = is_test(expr).then_some(expr);
                first.or_else(|| is_not(low).then_some(low))
            }
            _ => None,
        };
        let Some(inner) = chained else { return Ok(()) };
        let what = "this cannot be a part of the operator around it without parentheses";
        Err(self.replaced(inner, what, shown(inner).map(|inner| format!("({inner})"))))
    }
}
