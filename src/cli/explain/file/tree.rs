//! JSON and XML in sentences.

use super::{Fact, table};
use crate::pipeline::column_type::ColumnType;
use crate::pipeline::plan::{
    Around, Body, Document, JsonColumns, JsonContent, Literal, NamedTree, Tree, TreeValue, TypedColumn, Xml,
};
use crate::pipeline::value_type::ValueType;

pub(super) fn document(content: &JsonContent) -> Vec<Fact> {
    match content {
        JsonContent::Columns(columns) => objects("It is a list with an object for each row", columns),
        JsonContent::Tree(body) => tree("For each row the document has", body),
    }
}

pub(super) fn lines(content: &JsonContent) -> Vec<Fact> {
    match content {
        JsonContent::Columns(columns) => objects("Each line is an object, of one row", columns),
        JsonContent::Tree(body) => tree("Each line is the value of one row", body),
    }
}

pub(super) fn xml(Xml { root, namespace, namespaces, declaration, document }: &Xml) -> Vec<Fact> {
    let namespace = namespace.as_ref().map(|namespace| format!(" of the namespace {namespace}")).unwrap_or_default();
    let mut facts = vec![Fact::new(format!("The root element is {root}{namespace}. The text is in UTF-8."))];
    facts.extend(namespaces.iter().map(|(prefix, uri)| Fact::new(format!("The prefix {prefix} is that of {uri}."))));
    if !declaration {
        facts.push(Fact::new("There is no XML declaration."));
    }
    facts.extend(around(document));
    let items = values(&document.row);
    facts.push(Fact::list(format!("For each row there is an element {}:", place(document)), items));
    facts
}

fn objects(what: &str, JsonColumns { omit_null, types, masked: _ }: &JsonColumns) -> Vec<Fact> {
    let empty = if *omit_null { "is left out" } else { "is null" };
    let mut facts = vec![Fact::new(format!("{what}, with its columns. An empty cell {empty}. The text is in UTF-8."))];
    let items = types.iter().map(|TypedColumn { column, column_type, at: _ }| {
        let kind = match column_type {
            ColumnType::Value(ValueType::Text) => "a text".to_owned(),
            ColumnType::Value(ValueType::Integer) => "a whole number".to_owned(),
            ColumnType::Value(ValueType::Decimal) => "a number".to_owned(),
            ColumnType::Decimal(size) => table::decimal("a number", *size),
            ColumnType::Value(ValueType::Boolean) => "true or false".to_owned(),
            ColumnType::Value(ValueType::Date(_)) => "a date (YYYY-MM-DD)".to_owned(),
            ColumnType::Value(ValueType::Datetime(_)) => "a time (YYYY-MM-DDTHH:MM:SSZ)".to_owned(),
        };
        format!("{:?} is {kind}", column.name)
    });
    if types.is_empty() {
        facts.push(Fact::new("All values are texts."));
    } else {
        facts.push(Fact::list("All values are texts, but for these:", items));
    }
    facts
}

fn tree(what: &str, body: &Body) -> Vec<Fact> {
    let mut facts = match body {
        Body::Rows(_) => Vec::new(),
        Body::Document(document) => around(document),
    };
    facts.push(Fact::list(format!("{what}:"), values(body.row())));
    facts
}

/// Returns the facts that all rows have in common.
fn around(document: &Document) -> Vec<Fact> {
    let mut items = Vec::new();
    let mut path = Vec::new();
    for around in &document.around {
        match around {
            Around::Object { before, name, after } => {
                before.iter().chain(after).for_each(|member| add_member(member, &mut path, &mut items));
                path.push(name.clone());
            }
            Around::List { before, after } => {
                before.iter().chain(after).for_each(|item| add(item, &mut path, &mut items));
            }
        }
    }
    if items.is_empty() { Vec::new() } else { vec![Fact::list("The document has once:", items)] }
}

/// Returns the names that lead to the rows: `Message/Learner`.
fn place(document: &Document) -> String {
    let names = document.around.iter().filter_map(|around| match around {
        Around::Object { name, .. } => Some(name.as_str()),
        Around::List { .. } => None,
    });
    names.collect::<Vec<_>>().join("/")
}

/// Returns each value of a tree, with the names that lead to it.
fn values(tree: &Tree) -> Vec<String> {
    let mut items = Vec::new();
    add(tree, &mut Vec::new(), &mut items);
    items
}

fn add_member((name, value): &NamedTree, path: &mut Vec<String>, items: &mut Vec<String>) {
    path.push(name.clone());
    add(value, path, items);
    path.pop();
}

fn add(tree: &Tree, path: &mut Vec<String>, items: &mut Vec<String>) {
    let name = if path.is_empty() { "it".to_owned() } else { path.join(".") };
    match tree {
        Tree::Object(members) => members.iter().for_each(|member| add_member(member, path, items)),
        Tree::List(list) => list.iter().for_each(|item| add(item, path, items)),
        Tree::Literal(literal) => items.push(match literal {
            Literal::Null => format!("{name} is null"),
            Literal::Boolean(truth) => format!("{name} is {truth}"),
            Literal::Number(number) => format!("{name} is {number}"),
            Literal::Text(text) => format!("{name} is {text:?}"),
        }),
        Tree::Value(value) => {
            let TreeValue { expression, at: _, omit_null, masked: _ } = &**value;
            let described = expression.expr.explain(&|column| format!("{column:?}"));
            let omitted = if *omit_null { ", left out where there is none" } else { "" };
            items.push(format!("{name} is {described}{omitted}"));
        }
    }
}
