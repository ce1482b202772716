//! Comparisons that can never be true, or that do not compare what they seem to, found before there are rows.

use std::collections::BTreeSet;

use sqlparser::ast::Expr;
use sqlparser::ast::Value::Null;

use super::build::{Builder, Built};
use super::eval::Frame;
use super::node::{Comparison, Node, Typed};
use super::refuse::shown;
use super::value::{Cells, Span, Type, Value};
use crate::expr::shorten;

type Side<'a> = (&'a Expr, &'a Typed);

fn is_null(typed: &Typed) -> bool {
    typed.kind == Type::Null && matches!(typed.node, Node::Literal(Value::Null))
}

fn sign(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

/// Returns true for a literal that is neither calculated nor cast.
fn is_literal(tree: &Expr) -> bool {
    match tree {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => is_literal(inner),
        _ => false,
    }
}

/// Returns `x is null` as a hint shows it.
fn is_null_of(tree: &Expr, negated: bool) -> Option<String> {
    let not = if negated { "not " } else { "" };
    shown(tree).map(|of| format!("{of} is {not}null"))
}

/// Returns true for digits with an optional sign and point: ordered as numbers, they differ from texts.
fn is_plain_number(text: &str) -> bool {
    let digits = text.trim().trim_start_matches(['-', '+']);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    // `007` is a number of fixed width: as a text it sorts correctly.
    let is_padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    is_number && digits.matches('.').count() <= 1 && digits.starts_with(|c: char| c.is_ascii_digit()) && !is_padded
}

impl Builder<'_> {
    /// Refuses `x = null`, `null < x`, …
    pub(super) fn refuse_null(&self, tree: &Expr, how: Comparison, left: Side<'_>, right: Side<'_>) -> Built<()> {
        let of = match (is_null(left.1), is_null(right.1)) {
            (false, false) => return Ok(()),
            (true, false) => right.0,
            _ => left.0,
        };
        let what = format!("a comparison with null (`{}`) is never true", sign(how));
        Err(self.replaced(tree, what, is_null_of(of, how == Comparison::NotEqual)))
    }

    /// Refuses `case x when null then …`.
    pub(super) fn refuse_null_in_case(&self, tree: &Expr, condition: &Typed) -> Built<()> {
        let is_empty = self.literal_text(condition) == Some("");
        let Expr::Case { operand: Some(operand), conditions, else_result, .. } = tree else { return Ok(()) };
        if matches!(&**operand, Expr::Value(value) if value.value == Null) {
            return Err(self.replaced(operand, "null equals nothing, so no `when` is ever chosen", None));
        }
        if !is_null(condition) && !is_empty {
            return Ok(());
        }
        let of = operand.to_string();
        let mut by = "case".to_owned();
        for when in conditions {
            let condition = when.condition.to_string();
            match condition.as_str() {
                "NULL" | "''" => by.push_str(&format!(" when {of} is null")),
                condition => by.push_str(&format!(" when {of} = {condition}")),
            }
            by.push_str(&format!(" then {}", when.result));
        }
        if let Some(otherwise) = else_result {
            by.push_str(&format!(" else {otherwise}"));
        }
        by.push_str(" end");
        let what = "nothing equals null or an empty text, so this `when` is never chosen";
        Err(self.replaced(tree, what, Some(by).filter(|by| by.len() < 200)))
    }

    /// Refuses nulls and empty texts in a list: they match nothing, and `not in` a list with one is never true.
    pub(super) fn refuse_null_in_list(
        &self,
        tree: &Expr,
        of: Side<'_>,
        items: &[Side<'_>],
        negated: bool,
    ) -> Built<()> {
        let is_column = matches!(of.1.node, Node::Column(_));
        let is_nothing = |item: &Typed| is_null(item) || (is_column && self.literal_text(item) == Some(""));
        let found = items.iter().filter(|(_, item)| is_nothing(item)).count();
        if is_null(of.1) {
            return Err(self.replaced(tree, "null is in no list, so this is never true", None));
        }
        if found == 0 {
            return Ok(());
        }
        let kept: Option<Vec<String>> =
            items.iter().filter(|(_, item)| !is_nothing(item)).map(|(tree, _)| shown(tree)).collect();
        let (not, word) = if negated { ("not ", "and") } else { ("", "or") };
        let has_null = items.iter().any(|(_, item)| is_null(item));
        let what = match (has_null, negated) {
            (true, true) => "nothing is certainly outside of a list with null in it, so this is never true",
            (true, false) => "nothing equals null: null in a list matches no row",
            (false, _) => "an empty cell is null, and nothing equals ''",
        };
        let by = is_null_of(of.0, negated).zip(shown(of.0)).zip(kept).map(|((test, of), kept)| match kept.len() {
            0 => test,
            _ => format!("({of} {not}in ({}) {word} {test})", kept.join(", ")),
        });
        Err(self.replaced(tree, what, by.filter(|by| by.len() < 200)))
    }

    /// Refuses `x between null and 5`.
    pub(super) fn refuse_null_between(&self, tree: &Expr, sides: [Side<'_>; 3], negated: bool) -> Built<()> {
        let [of, low, high] = sides;
        let (below, above) = if negated { ("<", ">") } else { (">=", "<=") };
        let by = |sign: &str, bound: Side<'_>| {
            shown(of.0).zip(shown(bound.0)).map(|(of, bound)| format!("{of} {sign} {bound}"))
        };
        let by = match (is_null(of.1), is_null(low.1), is_null(high.1)) {
            (false, false, false) => return Ok(()),
            (true, ..) => None,
            (_, true, true) => is_null_of(of.0, negated),
            (_, true, false) => by(above, high),
            (_, false, true) => by(below, low),
        };
        Err(self.replaced(tree, "nothing is between null and something, so this is never true", by))
    }

    /// Refuses `x like null`, and `x like ''` of a column.
    pub(super) fn refuse_null_like(&self, tree: &Expr, of: Side<'_>, pattern: &Typed, negated: bool) -> Built<()> {
        let is_column = matches!(of.1.node, Node::Column(_));
        if is_null(of.1) {
            return Err(self.replaced(tree, "null is like nothing, so this is never true", None));
        }
        if is_null(pattern) || (is_column && !negated && self.literal_text(pattern) == Some("")) {
            let what = "nothing is like null or an empty text, so this is never true";
            return Err(self.replaced(tree, what, is_null_of(of.0, negated)));
        }
        Ok(())
    }

    /// Refuses `x = ''`, `x < ''`: an empty cell is null, and nothing is equal to or before an empty text.
    pub(super) fn refuse_empty(&self, tree: &Expr, how: Comparison, column: Side<'_>, other: &Typed) -> Built<()> {
        let is_never = matches!(how, Comparison::Equal | Comparison::Less | Comparison::LessOrEqual);
        if is_never && matches!(column.1.node, Node::Column(_)) && self.literal_text(other) == Some("") {
            return Err(self.replaced(
                tree,
                "an empty cell is null, and nothing equals ''",
                is_null_of(column.0, false),
            ));
        }
        Ok(())
    }

    /// Refuses `'x' = 'y'` and other comparisons that are never true for any row.
    pub(super) fn refuse_constant(&self, tree: &Expr, compared: Typed) -> Built {
        let is_false = match &compared.node {
            Node::Compare { left, right, .. } => {
                matches!(tree, Expr::BinaryOp { left, right, .. } if is_literal(left) && is_literal(right))
                    && matches!((left.as_ref(), right.as_ref()), (Node::Literal(_), Node::Literal(_)))
                    && self.evaluate(&compared.node) == Some(Value::Bool(false))
            }
            // The bounds alone decide: nothing is between 5 and 3.
            Node::Between { low, high, negated: false, .. } => {
                let (left, right) = (low.clone(), high.clone());
                matches!(tree, Expr::Between { low, high, .. } if is_literal(low) && is_literal(high))
                    && matches!((low.as_ref(), high.as_ref()), (Node::Literal(_), Node::Literal(_)))
                    && self.evaluate(&Node::Compare { how: Comparison::Greater, left, right })
                        == Some(Value::Bool(true))
            }
            _ => false,
        };
        if !is_false {
            return Ok(compared);
        }
        let mut problem = self.places.tree(tree, "this comparison is never true, whatever the row contains");
        problem.hint = Some(match tree {
            Expr::Between { expr, low, high, .. } => {
                let unquoted = |tree: &Expr| tree.to_string().trim_matches('\'').to_owned();
                let (low_text, high_text) = (unquoted(low), unquoted(high));
                let numbers = low_text.parse::<f64>().ok().zip(high_text.parse::<f64>().ok());
                match numbers {
                    Some((a, b)) if a <= b => {
                        format!("these are texts; write `cast({expr} as decimal) between {low_text} and {high_text}`")
                    }
                    _ => format!("the lower value comes first: write `{expr} between {high} and {low}`"),
                }
            }
            _ => "a column's name is written without quotes, or in double quotes".to_owned(),
        });
        Err(problem)
    }

    /// Evaluates a node that has no columns.
    fn evaluate(&self, node: &Node) -> Option<Value> {
        let mut arena = Vec::new();
        let mut frame = Frame {
            cells: Cells { bytes: &[], bounds: &[] },
            made: &[],
            columns: &[],
            literals: &self.checked.literals,
            keys: &[],
            zones: &mut [],
            patterns: &[],
            captures: &mut [],
            arena: &mut arena,
        };
        frame.eval(node).ok()
    }

    /// Refuses `x = 'A' and x = 'B'`, `x = 'A' and x is null`.
    pub(super) fn refuse_contradiction(&self, tree: &Expr, parts: &[Node]) -> Built<()> {
        // Null is `None`.
        let mut allowed: Vec<(usize, BTreeSet<Option<&[u8]>>)> = Vec::new();
        let text_of = |node: &Node| match node {
            Node::Literal(Value::Text(Span::Literal { start, end })) => {
                Some(&self.checked.literals[*start as usize..*end as usize])
            }
            _ => None,
        };
        for part in parts {
            let (column, texts) = match part {
                Node::Compare { how: Comparison::Equal, left, right } => match (left.as_ref(), right.as_ref()) {
                    (Node::Column(column), other) | (other, Node::Column(column)) => {
                        (column, text_of(other).map(|text| BTreeSet::from([Some(text)])))
                    }
                    _ => continue,
                },
                Node::In { of, list, negated: false } => match of.as_ref() {
                    Node::Column(column) => (column, list.iter().map(|item| text_of(item).map(Some)).collect()),
                    _ => continue,
                },
                Node::IsNull { of, negated: false } => match of.as_ref() {
                    Node::Column(column) => (column, Some(BTreeSet::from([None]))),
                    _ => continue,
                },
                _ => continue,
            };
            let Some(texts) = texts else { continue };
            let Some((_, known)) = allowed.iter_mut().find(|(known, _)| known == column) else {
                allowed.push((*column, texts));
                continue;
            };
            if known.is_disjoint(&texts) {
                let name = &self.checked.columns[*column];
                let what = format!("the column {name:?} cannot be all of this at once, so this is never true");
                return Err(self.places.tree(tree, what).hint("write `or` where one of several is enough"));
            }
            known.retain(|text| texts.contains(text));
        }
        Ok(())
    }

    /// Warns of `score > '60'`, which compares letter by letter: 100 comes before 60.
    pub(super) fn warn_of_text_order(&mut self, tree: &Expr, how: Comparison, left: Side<'_>, right: Side<'_>) {
        if matches!(how, Comparison::Equal | Comparison::NotEqual) {
            return;
        }
        let sign = sign(how);
        let by = match (self.number_in_text(left.1), self.number_in_text(right.1)) {
            (None, Some(number)) if is_ordered_as_text(left.1) => {
                shown(left.0).map(|of| format!("cast({of} as decimal) {sign} {number}"))
            }
            (Some(number), None) if is_ordered_as_text(right.1) => {
                shown(right.0).map(|of| format!("{number} {sign} cast({of} as decimal)"))
            }
            _ => return,
        };
        self.warn_of_numbers(tree, by);
    }

    pub(super) fn warn_of_text_between(&mut self, tree: &Expr, sides: [Side<'_>; 3], negated: bool) {
        let [of, low, high] = sides;
        if !is_ordered_as_text(of.1) {
            return;
        }
        let (low_number, high_number) = (self.number_in_text(low.1), self.number_in_text(high.1));
        if low_number.is_none() && high_number.is_none() {
            return;
        }
        let not = if negated { "not " } else { "" };
        let by = shown(of.0).zip(low_number.zip(high_number));
        self.warn_of_numbers(
            tree,
            by.map(|(of, (low, high))| format!("cast({of} as decimal) {not}between {low} and {high}")),
        );
    }

    /// Warns of `format_time(done, '%m/%d/%Y', 'UTC') > '01/05/2026'`, which orders by the month.
    pub(super) fn warn_of_time_order(&mut self, tree: &Expr, how: Comparison, left: Side<'_>, right: Side<'_>) {
        if matches!(how, Comparison::Equal | Comparison::NotEqual) {
            return;
        }
        if let Some(format) = unsortable_format(&left.1.node).or_else(|| unsortable_format(&right.1.node)) {
            let what = format!("texts of the format {:?} are not in the order of time", shorten(format));
            let warning = self.places.tree(tree, what).hint("compare dates, as in cast(done as date) >= '2026-01-05'");
            self.checked.warnings.push(warning);
        }
    }

    fn warn_of_numbers(&mut self, tree: &Expr, by: Option<String>) {
        let what = "this orders texts letter by letter: '100' comes before '60'";
        let warning = self.replaced(tree, what, by);
        self.checked.warnings.push(warning);
    }

    fn number_in_text(&self, typed: &Typed) -> Option<String> {
        let text = self.literal_text(typed)?;
        is_plain_number(text).then(|| text.trim().to_owned())
    }
}

/// Returns the format of a `format_time` whose texts are not in the order of time.
pub(super) fn unsortable_format(node: &Node) -> Option<&str> {
    match node {
        Node::FormatTime { format, .. } if !format.is_sortable() => Some(format.text()),
        _ => None,
    }
}

/// Returns true for a text that comes from the row. A formatted time has a fixed width and sorts correctly.
fn is_ordered_as_text(typed: &Typed) -> bool {
    typed.kind == Type::Text
        && !matches!(typed.node, Node::Literal(_) | Node::FormatTime { .. } | Node::ParseTime { .. })
}
