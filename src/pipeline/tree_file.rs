//! A tree of values in a pipeline file: of a JSON or XML document, or of a request's body.

use super::plan::Literal;
use super::scalars::CellExpression;
use crate::yaml::problem::{Problem, is_near};
use crate::yaml::read::{At, FromNode, entries};
use crate::yaml::tree::{Key, Node, NodeKind, Origin, Scalar, Style};

/// A value of a tree, and its place.
pub struct TreeFile {
    pub kind: TreeKind,
    pub origin: Origin,
}

pub enum TreeKind {
    Literal(Literal),
    /// In the order of the file.
    Object(Vec<(Key, TreeFile)>),
    List(Vec<TreeFile>),
    Value(Box<TreeValueFile>),
    /// The values of all rows.
    EachRow(Box<TreeFile>),
}

crate::table! {
    /// A value that an expression makes.
    pub struct TreeValueFile {
        /// The expression; numbers, booleans and JSON stay what they are.
        expr: At<CellExpression>,
        /// Leaves the value out where the expression has none, in place of a null. Default: that of the whole tree.
        omit_null: Option<bool>,
    }
}

/// The keys of tables that are not objects.
const EXPR: &str = "expr";
const EACH_ROW: &str = "each_row";

impl FromNode for TreeFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let kind = match &node.kind {
            NodeKind::Null => TreeKind::Literal(Literal::Null),
            NodeKind::Scalar(scalar) => TreeKind::Literal(literal(scalar)),
            NodeKind::List(items) => {
                let items: Vec<_> = items.iter().map(|item| Self::from_node(item, problems)).collect();
                TreeKind::List(items.into_iter().collect::<Option<_>>()?)
            }
            NodeKind::Table(_) if node.get(EXPR).is_some() => TreeKind::Value(Box::from_node(node, problems)?),
            NodeKind::Table(_) => match node.get(EACH_ROW) {
                Some(row) => {
                    crate::yaml::read::table(node, &[EACH_ROW], &[], problems)?;
                    TreeKind::EachRow(Box::new(Self::from_node(row, problems)?))
                }
                None => TreeKind::Object(members(node, problems)?),
            },
        };
        Some(Self { kind, origin: node.head().clone() })
    }
}

fn members(node: &Node, problems: &mut Vec<Problem>) -> Option<Vec<(Key, TreeFile)>> {
    let entries = entries(node, problems)?;
    if let [(only, _)] = entries.as_ref()
        && let Some(meant) = [EXPR, EACH_ROW].into_iter().find(|known| is_near(&only.text, known))
    {
        let what = format!("`{}` is a member of an object here", only.text);
        problems.push(only.origin.warning(what).hint(format!("did you mean {meant:?}?")));
    }
    let read = |(key, node): &(Key, Node)| Some((key.clone(), TreeFile::from_node(node, problems)?));
    let members: Vec<_> = entries.iter().map(read).collect();
    members.into_iter().collect()
}

/// Returns the value of a text: without quotes, `true` and `false` are booleans, and what is a number in JSON is one.
fn literal(scalar: &Scalar) -> Literal {
    match (scalar.style, scalar.text.as_str()) {
        (Style::Plain, "true") => Literal::Boolean(true),
        (Style::Plain, "false") => Literal::Boolean(false),
        (Style::Plain, text) if is_json_number(text) => Literal::Number(text.to_owned()),
        (_, text) => Literal::Text(text.to_owned()),
    }
}

fn is_json_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        None => (text, None),
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        None => (mantissa, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(are_digits)
        && exponent.is_none_or(|exponent| are_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

crate::schema_as!(TreeFile, |generator| {
    let value = generator.subschema_for::<TreeValueFile>();
    schemars::json_schema!({"anyOf": [
        value,
        {"type": ["string", "number", "boolean", "null", "array"]},
        {"type": "object", "not": {"required": ["expr"]}}
    ]})
});

#[cfg(test)]
mod tests {
    use super::is_json_number;

    #[test]
    fn numbers_are_those_of_json() {
        for text in ["0", "-0", "12", "1.50", "-3.25e10", "1E+2"] {
            assert!(is_json_number(text), "{text}");
        }
        for text in ["", "-", "007", "1.", ".5", "+1", "1e", "0x10", "1_000", "1.0.3", "NaN", "1 "] {
            assert!(!is_json_number(text), "{text}");
        }
    }
}
