//! The extent of a tree in its text. The parser keeps the places of names and literals only; what surrounds them
//! (`cast(`, parentheses, `is null`) is searched for in the text.

use sqlparser::ast::{CastKind, Expr, FunctionArguments, InTarget, Spanned};
use sqlparser::tokenizer::Span;

use super::Places;

/// Returns the byte at which a tree begins.
pub(super) fn left_of(places: &Places<'_>, tree: &Expr) -> Option<usize> {
    let before = |inner: &Expr, words: &[&str]| {
        let end = left_of(places, inner)?;
        let head = places.text.get(..end)?.to_ascii_lowercase();
        words.iter().filter_map(|word| head.rfind(word)).min()
    };
    match tree {
        Expr::BinaryOp { left: of, .. }
        | Expr::Between { expr: of, .. }
        | Expr::Like { expr: of, .. }
        | Expr::ILike { expr: of, .. }
        | Expr::RLike { expr: of, .. }
        | Expr::In { expr: of, .. }
        | Expr::Cast { kind: CastKind::DoubleColon, expr: of, .. }
        | Expr::IsDistinctFrom(of, _)
        | Expr::IsNotDistinctFrom(of, _) => left_of(places, of),
        Expr::Nested(inner) => before(inner, &["("]),
        Expr::UnaryOp { op, expr } => before(expr, &[&op.to_string().to_lowercase()]),
        Expr::Cast { kind: CastKind::TryCast, expr, .. } => before(expr, &["try_cast"]),
        Expr::Cast { expr, .. } => before(expr, &["cast"]),
        Expr::Substring { expr, .. } => before(expr, &["substr"]),
        Expr::Trim { expr, trim_what, .. } => before(trim_what.as_deref().unwrap_or(expr), &["trim"]),
        Expr::Position { expr, .. } => before(expr, &["position"]),
        Expr::Extract { expr, .. } => before(expr, &["extract"]),
        Expr::Interval(interval) => before(&interval.value, &["interval"]),
        Expr::Floor { expr, .. } => before(expr, &["floor"]),
        Expr::Ceil { expr, .. } => before(expr, &["ceil"]),
        Expr::Case { case_token, .. } => start(places, case_token.0.span),
        Expr::Function(function) => start(places, function.name.span()),
        _ => match of_postfix(tree) {
            Some((of, _)) => left_of(places, of),
            None => start(places, leaf(tree)?),
        },
    }
}

/// Returns the byte after the end of a tree.
pub(super) fn right_of(places: &Places<'_>, tree: &Expr) -> Option<usize> {
    match tree {
        Expr::BinaryOp { right: last, .. }
        | Expr::Between { high: last, .. }
        | Expr::UnaryOp { expr: last, .. }
        | Expr::Like { pattern: last, .. }
        | Expr::ILike { pattern: last, .. }
        | Expr::RLike { pattern: last, .. }
        | Expr::IsDistinctFrom(_, last)
        | Expr::IsNotDistinctFrom(_, last) => right_of(places, last),
        Expr::In { target: InTarget::List(list), .. } => closing(places.text, right_of(places, list.last()?)?),
        Expr::Cast { kind: CastKind::DoubleColon, expr, .. } => {
            let end = right_of(places, expr)?;
            let tail = places.text.get(end..)?;
            let name = tail.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
            let rest = name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
            let end = places.text.len() - rest.len();
            if rest.starts_with('(') { closing(places.text, end + 1) } else { Some(end) }
        }
        Expr::Nested(expr)
        | Expr::Cast { expr, .. }
        | Expr::Substring { expr, .. }
        | Expr::Trim { expr, .. }
        | Expr::Position { expr, .. }
        | Expr::Extract { expr, .. }
        | Expr::Floor { expr, .. }
        | Expr::Ceil { expr, .. } => closing(places.text, right_of(places, expr)?),
        Expr::Interval(interval) => {
            let end = right_of(places, &interval.value)?;
            match interval.leading_field {
                None => Some(end),
                Some(_) => {
                    let unit = places.text.get(end..)?.trim_start();
                    let rest = unit.trim_start_matches(|c: char| c.is_alphanumeric());
                    Some(places.text.len() - rest.len())
                }
            }
        }
        Expr::Case { end_token, .. } => end(places, end_token.0.span),
        Expr::Function(function) => {
            let end = end(places, function.name.span())?;
            match function.args {
                FunctionArguments::None => Some(end),
                _ => closing(places.text, end + places.text.get(end..)?.find('(')? + 1),
            }
        }
        _ => match of_postfix(tree) {
            Some((of, word)) => {
                let end = right_of(places, of)?;
                let found = places.text.get(end..)?.to_ascii_lowercase().find(word)?;
                Some(end + found + word.len())
            }
            None => end(places, leaf(tree)?),
        },
    }
}

/// Returns the operand of `x is null` and similar forms, and the keyword at the end.
fn of_postfix(tree: &Expr) -> Option<(&Expr, &'static str)> {
    Some(match tree {
        Expr::IsNull(of) | Expr::IsNotNull(of) => (of, "null"),
        Expr::IsTrue(of) | Expr::IsNotTrue(of) => (of, "true"),
        Expr::IsFalse(of) | Expr::IsNotFalse(of) => (of, "false"),
        Expr::IsUnknown(of) | Expr::IsNotUnknown(of) => (of, "unknown"),
        _ => return None,
    })
}

fn leaf(tree: &Expr) -> Option<Span> {
    match tree {
        Expr::Identifier(name) => Some(name.span),
        Expr::Value(value) => Some(value.span),
        _ => None,
    }
}

fn start(places: &Places<'_>, span: Span) -> Option<usize> {
    (span.start.line > 0).then(|| places.byte_of(span.start))
}

fn end(places: &Places<'_>, span: Span) -> Option<usize> {
    (span.start.line > 0).then(|| places.byte_of(span.end))
}

/// Returns the byte after the parenthesis that closes one opened before `from`.
fn closing(text: &str, from: usize) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (at, c) in text.get(from..)?.char_indices() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return Some(from + at + 1),
            (None, ')') => depth -= 1,
            _ => {}
        }
    }
    None
}
