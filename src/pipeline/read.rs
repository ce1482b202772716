//! A `Node` → what is expected there, or every `Problem` with it: parse, don't validate.
//!
//! Reading goes on after a problem, so that all of a file's problems are found at once: a value that was read does not
//! mean that there were none. The types of a file are declared with [`table!`](crate::table), [`kinds!`](crate::kinds)
//! and [`words!`](crate::words); the editor's schema comes from the same declarations.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::problem::{Problem, Severity, did_you_mean, is_near};
use super::show::is_secret_key;
use super::tree::{Key, Kind, Node, Origin, Style};

/// What can be read from a node.
pub trait FromNode: Sized {
    /// `None` where nothing could be read; the reason is among the problems then.
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self>;

    /// The value of a key that is not written; unless told otherwise, a problem.
    fn missing(table: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        // A key that is misspelt, or that its value is joined to, was reported already, and is not missing.
        let misspelt = format!("did you mean {key:?}?");
        let joined = joined_key(key);
        let told = |problem: &Problem| match (&problem.place, table.head()) {
            (Some(place), Origin::File(at)) if place.file == at.file => {
                let parent = place.key.rsplit_once('.').map_or("", |(parent, _)| parent);
                let is_misspelt = problem.hint.as_ref() == Some(&misspelt) && parent == at.key;
                is_misspelt || (problem.what == joined && place.key.starts_with(&at.key))
            }
            _ => false,
        };
        if !problems.iter().any(told) {
            problems.push(table.error(format!("`{key}` is missing{}", in_table(table))));
        }
        None
    }

    /// The value of `key` in a table.
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

/// What a node is, in words.
pub fn describe(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Null => "nothing",
        Kind::Scalar(_) => "a text",
        Kind::List(_) => "a list",
        Kind::Table(_) => "a table",
    }
}

/// The entries of a table; nothing written is an empty one. A value from the environment may be a table in braces.
pub fn entries<'a>(node: &'a Node, problems: &mut Vec<Problem>) -> Option<Cow<'a, [(Key, Node)]>> {
    match &node.kind {
        Kind::Table(entries) => Some(Cow::Borrowed(entries)),
        Kind::Null => Some(Cow::Borrowed(&[])),
        _ => match unfold(node).map(|node| node.kind) {
            Some(Kind::Table(entries)) => Some(Cow::Owned(entries)),
            _ => {
                let joined = match &node.kind {
                    Kind::Scalar(scalar) => scalar.text.split_once(':').filter(|(_, value)| !value.starts_with("//")),
                    _ => None,
                };
                let hint = match joined {
                    // The text behind it may be a secret.
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

/// What stands in brackets or braces in a value from the environment or a flag.
fn unfold(node: &Node) -> Option<Node> {
    match (&node.kind, &node.origin) {
        (Kind::Scalar(scalar), Origin::Named(_)) if scalar.text.trim_start().starts_with(['[', '{']) => {
            super::tree::parse_value(&node.origin, &scalar.text)
        }
        _ => None,
    }
}

/// A table whose keys are all among `known`; others are problems.
pub fn table<'a>(node: &'a Node, known: &[&str], problems: &mut Vec<Problem>) -> Option<Cow<'a, Node>> {
    let entries = entries(node, problems)?;
    for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
        problems.push(unknown_key(key, known));
    }
    match entries {
        Cow::Borrowed(_) => Some(Cow::Borrowed(node)),
        Cow::Owned(entries) => Some(Cow::Owned(Node { kind: Kind::Table(entries), ..node.clone() })),
    }
}

/// `timezone:UTC`.
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
    let public: Vec<&str> = known.iter().copied().filter(|key| *key != "fault").collect();
    // Others set variables with our prefix too: only what is nearly a key of ours keeps the worker from starting.
    let severity = match key.origin.is_environment() && !public.iter().any(|known| is_near(&key.text, known)) {
        true => Severity::Warning,
        false => problem.severity,
    };
    Problem { severity, ..problem }.hint(
        did_you_mean(&key.text, public.iter().copied())
            .unwrap_or_else(|| format!("the keys here are {}", list(&public))),
    )
}

/// `a`, `b` and `c`.
pub fn list<T: std::fmt::Display>(names: &[T]) -> String {
    joined(names, "and")
}

/// `a`, `b` or `c`.
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

/// The text of a scalar, with its style.
pub fn scalar<'a>(node: &'a Node, expected: &str, problems: &mut Vec<Problem>) -> Option<(&'a str, Style)> {
    match &node.kind {
        Kind::Scalar(scalar) => Some((&scalar.text, scalar.style)),
        Kind::Null => {
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
        let unfolded = unfold(node);
        match &unfolded.as_ref().unwrap_or(node).kind {
            Kind::List(items) => Some(items.iter().filter_map(|item| T::from_node(item, problems)).collect()),
            Kind::Null => Some(Vec::new()),
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
            Kind::Scalar(scalar) if !scalar.text.trim_start().starts_with('[') => {
                T::from_node(node, problems).map(|one| OneOrMore(vec![one]))
            }
            _ => Vec::from_node(node, problems).map(OneOrMore),
        }
    }
}

/// A value and where it stands.
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

/// A part whose problems do not keep its neighbours from being checked: `None` where they were reported.
#[derive(Clone, Debug)]
pub struct Part<T>(pub Option<T>);

impl<T: FromNode> FromNode for Part<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        Some(Part(T::from_node(node, problems)))
    }

    fn missing(table: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        Some(Part(T::missing(table, key, problems)))
    }
}

/// A table whose keys are a person's own names, in their order.
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

/// Reports a word that is not among those allowed.
pub fn unknown_word(origin: &Origin, given: &str, known: &[&str]) -> Problem {
    origin
        .error(format!("{given:?} is not {}", choice(known)))
        .hint(did_you_mean(given, known.iter().copied()).unwrap_or_else(|| format!("write {}", choice(known))))
}

/// Which of the kinds of a table is written: exactly one must be.
pub fn one_kind(node: &Node, known: &[&str], problems: &mut Vec<Problem>) -> Option<String> {
    let entries = entries(node, problems)?;
    let written: Vec<&Key> =
        entries.iter().map(|(key, _)| key).filter(|key| known.contains(&key.text.as_str())).collect();
    match written.as_slice() {
        [one] => Some(one.text.clone()),
        [] if entries.iter().any(|(key, _)| !known.contains(&key.text.as_str())) => None, // said as an unknown key
        [] => {
            problems.push(node.error(format!("one of {} is expected{}", choice(known), in_table(node))));
            None
        }
        [first, second, ..] => {
            problems.push(
                second
                    .origin
                    .error(format!("`{}` and `{}` cannot stand in one table", first.text, second.text))
                    .hint("keep one of them"),
            );
            None
        }
    }
}

crate::schema_as!([T: JsonSchema] At<T>, "At", |generator| generator.subschema_for::<T>());
crate::schema_as!([T: JsonSchema] OneOrMore<T>, "OneOrMore", |generator| {
    let one = generator.subschema_for::<T>();
    json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
});
crate::schema_as!([T: JsonSchema] Part<T>, "Part", |generator| generator.subschema_for::<T>());
crate::schema_as!([T: JsonSchema] Named<T>, "Named", |generator| {
    let value = generator.subschema_for::<T>();
    json_schema!({"type": ["object", "null"], "additionalProperties": value})
});
