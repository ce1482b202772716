//! A `Node` → the expected value, or every `Problem` with it: parse, don't validate.
//!
//! Parsing continues after a problem, so that all of a file's problems are found at once: a value does not imply that
//! there were none. The types of a file are declared with [`table!`](crate::table), [`kinds!`](crate::kinds) and
//! [`words!`](crate::words); the editor's schema is generated from the same declarations.

use std::borrow::Cow;

use schemars::{JsonSchema, json_schema};

use super::problem::{Problem, Severity, did_you_mean, is_near};
use super::redact::is_secret_key;
use super::tree::{Key, Node, NodeKind, Origin, Style};

/// A type that can be parsed from a node.
pub trait FromNode: Sized {
    /// Parses a node. Returns `None` if that failed; the reason is among the problems then.
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self>;

    /// Returns the value of an absent key: a problem unless the type has a default.
    fn missing(table: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        // A misspelt key, or one joined to its value, was reported already, and is not missing.
        let misspelt = format!("did you mean {key:?}?");
        let joined = joined_key(key);
        let is_reported = |problem: &Problem| match (&problem.place, table.head()) {
            (Some(place), Origin::File(at)) if place.file == at.file => {
                let parent = place.key.rsplit_once('.').map_or("", |(parent, _)| parent);
                let is_misspelt = problem.hint.as_ref() == Some(&misspelt) && parent == at.key;
                is_misspelt || (problem.what == joined && place.key.starts_with(&at.key))
            }
            _ => false,
        };
        if !problems.iter().any(is_reported) {
            problems.push(table.error(format!("`{key}` is missing{}", in_table(table))));
        }
        None
    }

    /// Parses the value of `key` in a table.
    fn from_key(table: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        match table.get(key) {
            Some(node) => Self::from_node(node, problems),
            None => Self::missing(table, key, problems),
        }
    }
}

fn in_table(table: &Node) -> String {
    match table.head() {
        Origin::File(place) if place.key.is_empty() => String::new(),
        Origin::File(place) => format!(" in `{}`", place.key),
        Origin::Named(_) => " beside it".to_string(),
    }
}

/// Returns the key of a field, which may have a keyword's name: `r#match` is `match`.
pub const fn key_of(field: &str) -> &str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Returns the kind of a node: `a list`.
pub fn describe(node: &Node) -> &'static str {
    match &node.kind {
        NodeKind::Null => "nothing",
        NodeKind::Scalar(_) => "a text",
        NodeKind::List(_) => "a list",
        NodeKind::Table(_) => "a table",
    }
}

/// Returns the entries of a table, none if it is absent. A value from the environment may be a table in braces.
pub fn entries<'a>(node: &'a Node, problems: &mut Vec<Problem>) -> Option<Cow<'a, [(Key, Node)]>> {
    match &node.kind {
        NodeKind::Table(entries) => Some(Cow::Borrowed(entries)),
        NodeKind::Null => Some(Cow::Borrowed(&[])),
        _ => match parse_flow(node).map(|node| node.kind) {
            Some(NodeKind::Table(entries)) => Some(Cow::Owned(entries)),
            _ => {
                let joined = match &node.kind {
                    NodeKind::Scalar(scalar) => {
                        scalar.text.split_once(':').filter(|(_, value)| !value.starts_with("//"))
                    }
                    _ => None,
                };
                let hint = match joined {
                    // The text after it may be a secret.
                    Some((key, _)) => joined_key(key),
                    None => {
                        "a table is written `key: value` on indented lines of their own, or `{key: value}`".to_owned()
                    }
                };
                problems.push(node.error(format!("a table is expected here, not {}", describe(node))).hint(hint));
                None
            }
        },
    }
}

/// Parses brackets or braces in a value from the environment or a flag.
fn parse_flow(node: &Node) -> Option<Node> {
    match (&node.kind, &node.origin) {
        (NodeKind::Scalar(scalar), Origin::Named(_)) if scalar.text.trim_start().starts_with(['[', '{']) => {
            super::parse::value(&node.origin, &scalar.text)
        }
        _ => None,
    }
}

/// Returns a table whose keys are all among `known`; others are problems. `renamed` maps old keys to new ones.
pub fn table<'a>(
    node: &'a Node,
    known: &[&str],
    renamed: &[(&str, &str)],
    problems: &mut Vec<Problem>,
) -> Option<Cow<'a, Node>> {
    let entries = entries(node, problems)?;
    for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
        problems.push(match renamed.iter().find(|(old, _)| *old == key.text) {
            Some((old, new)) => key.origin.error(format!("unknown key `{old}`; it is called `{new}`")),
            None => unknown_key(key, known),
        });
    }
    match entries {
        Cow::Borrowed(_) => Some(Cow::Borrowed(node)),
        Cow::Owned(entries) => Some(Cow::Owned(Node { kind: NodeKind::Table(entries), ..node.clone() })),
    }
}

/// Returns the hint for `timezone:UTC`.
fn joined_key(key: &str) -> String {
    format!("a space is missing after `{key}:`")
}

fn unknown_key(key: &Key, known: &[&str]) -> Problem {
    let joined = key.text.split_once(':').filter(|(before, _)| known.contains(before));
    if let Some((before, value)) = joined {
        let problem = key.origin.error(joined_key(before));
        return match is_secret_key(before) {
            true => problem,
            false => problem.hint(format!("write `{before}: {value}`")),
        };
    }
    let problem = key.origin.error(format!("`{}` is not a key here", key.text));
    if key.text == "<<" {
        return problem.hint("merge keys are not read: write the keys out, or repeat a whole value with `*`");
    }
    // Other programs use variables with this prefix too: only a name close to a key prevents the start.
    let severity = match key.origin.is_environment() && !known.iter().any(|known| is_near(&key.text, known)) {
        true => Severity::Warning,
        false => problem.severity,
    };
    Problem { severity, ..problem }.hint(
        did_you_mean(&key.text, known.iter().copied()).unwrap_or_else(|| format!("the keys here are {}", list(known))),
    )
}

/// Joins as `a`, `b` and `c`.
pub fn list<T: std::fmt::Display>(names: &[T]) -> String {
    joined(names, "and")
}

/// Joins as `a`, `b` or `c`.
pub fn choice<T: std::fmt::Display>(names: &[T]) -> String {
    joined(names, "or")
}

fn joined<T: std::fmt::Display>(names: &[T], word: &str) -> String {
    match names {
        [] => "none".to_string(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} {word} `{last}`", first.join(", "))
        }
    }
}

/// Returns the text of a scalar, with its style.
pub fn scalar<'a>(node: &'a Node, expected: &str, problems: &mut Vec<Problem>) -> Option<(&'a str, Style)> {
    match &node.kind {
        NodeKind::Scalar(scalar) => Some((&scalar.text, scalar.style)),
        NodeKind::Null => {
            problems.push(node.error(format!("nothing is written here, {expected} is expected")));
            None
        }
        _ => {
            problems.push(node.error(format!("{expected} is expected here, not {}", describe(node))));
            None
        }
    }
}

impl FromNode for String {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        scalar(node, "a text", problems).map(|(text, _)| text.to_string())
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match scalar(node, "`true` or `false`", problems)? {
            ("true", Style::Plain) => Some(true),
            ("false", Style::Plain) => Some(false),
            (text, _) => {
                let hint = match text.to_lowercase().as_str() {
                    "true" | "yes" | "on" | "y" | "1" => Some("write `true`, without quotes"),
                    "false" | "no" | "off" | "n" | "0" => Some("write `false`, without quotes"),
                    _ => None,
                };
                let problem = node.error(format!("`true` or `false` is expected here, not {text:?}"));
                problems.push(Problem { hint: hint.map(String::from), ..problem });
                None
            }
        }
    }
}

impl<T: FromNode> FromNode for Box<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        T::from_node(node, problems).map(Box::new)
    }
}

impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        T::from_node(node, problems).map(Some)
    }

    fn missing(_: &Node, _: &str, _: &mut Vec<Problem>) -> Option<Self> {
        Some(None)
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let unfolded = parse_flow(node);
        match &unfolded.as_ref().unwrap_or(node).kind {
            NodeKind::List(items) => Some(items.iter().filter_map(|item| T::from_node(item, problems)).collect()),
            NodeKind::Null => Some(Vec::new()),
            _ => {
                problems.push(
                    node.error(format!("a list is expected here, not {}", describe(node)))
                        .hint("a list is written `[one, two]`, or each entry on a line of its own after `- `"),
                );
                None
            }
        }
    }

    fn missing(_: &Node, _: &str, _: &mut Vec<Problem>) -> Option<Self> {
        Some(Vec::new())
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<T: FromNode> FromNode for OneOrMore<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            NodeKind::Scalar(scalar) if !scalar.text.trim_start().starts_with('[') => {
                T::from_node(node, problems).map(|one| OneOrMore(vec![one]))
            }
            _ => Vec::from_node(node, problems).map(OneOrMore),
        }
    }
}

/// A value and its origin.
#[derive(Clone, Debug)]
pub struct At<T> {
    pub value: T,
    /// The value itself, or the key of a table or list.
    pub origin: Origin,
}

impl<T: FromNode> FromNode for At<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        T::from_node(node, problems).map(|value| At { value, origin: node.head().clone() })
    }
}

/// A part whose problems do not prevent others from being checked: `None` if they were reported.
#[derive(Clone, Debug)]
pub struct Lenient<T>(pub Option<T>);

impl<T: FromNode> FromNode for Lenient<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        Some(Lenient(T::from_node(node, problems)))
    }

    fn missing(table: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        Some(Lenient(T::missing(table, key, problems)))
    }
}

/// A table whose keys are chosen by the user, in their order.
#[derive(Clone, Debug)]
pub struct Named<T>(pub Vec<(Key, T)>);

impl<T: FromNode> FromNode for Named<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let entries = entries(node, problems)?;
        let read = |(key, node): &(Key, Node)| Some((key.clone(), T::from_node(node, problems)?));
        Some(Named(entries.iter().filter_map(read).collect()))
    }

    fn missing(_: &Node, _: &str, _: &mut Vec<Problem>) -> Option<Self> {
        Some(Named(Vec::new()))
    }
}

pub fn unknown_word(origin: &Origin, given: &str, known: &[&str], renamed: &[(&str, &str)]) -> Problem {
    if let Some((old, new)) = renamed.iter().find(|(old, _)| *old == given) {
        return origin.error(format!("unknown value `{old}`; it is called `{new}`"));
    }
    origin
        .error(format!("{given:?} is not {}", choice(known)))
        .hint(did_you_mean(given, known.iter().copied()).unwrap_or_else(|| format!("write {}", choice(known))))
}

/// Returns the one kind that a table contains: exactly one must be present.
pub fn one_kind(node: &Node, known: &[&str], problems: &mut Vec<Problem>) -> Option<String> {
    let entries = entries(node, problems)?;
    let written: Vec<&Key> =
        entries.iter().map(|(key, _)| key).filter(|key| known.contains(&key.text.as_str())).collect();
    match written.as_slice() {
        [one] => Some(one.text.clone()),
        [] if entries.iter().any(|(key, _)| !known.contains(&key.text.as_str())) => None, // reported as an unknown key
        [] => {
            problems.push(node.error(format!("one of {} is expected{}", choice(known), in_table(node))));
            None
        }
        [first, second, ..] => {
            problems.push(
                second
                    .origin
                    .error(format!("`{}` and `{}` are mutually exclusive", first.text, second.text))
                    .hint("keep one of them"),
            );
            None
        }
    }
}

crate::schema_as!([T: JsonSchema] At<T>, |generator| generator.subschema_for::<T>());
crate::schema_as!([T: JsonSchema] OneOrMore<T>, |generator| {
    let one = generator.subschema_for::<T>();
    json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
});
crate::schema_as!([T: JsonSchema] Lenient<T>, |generator| generator.subschema_for::<T>());
crate::schema_as!([T: JsonSchema] Named<T>, |generator| {
    let value = generator.subschema_for::<T>();
    json_schema!({"type": ["object", "null"], "additionalProperties": value})
});

#[cfg(test)]
mod tests;
