use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::expr::Expr;
use crate::pipeline::plan::{Expression, TreeValue};
use crate::yaml::problem::Place;

/// A row that was read back: its number and its cells.
struct ReadRow(u64, [&'static str; 2]);

impl RowCells for ReadRow {
    fn cell(&self, column: usize) -> &[u8] {
        self.1[column].as_bytes()
    }

    fn origin(&self) -> (u64, u64) {
        (self.0, self.0 + 1)
    }
}

fn value(text: &str, masked: &[&str]) -> Tree {
    let key = "artifact.json.tree.each_row.n.expr".to_owned();
    let at = Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key };
    let expression = Expression::new(Expr::parse(text).unwrap(), |_| at.clone());
    let masked: BTreeSet<String> = masked.iter().map(|name| (*name).to_owned()).collect();
    Tree::Value(Box::new(TreeValue { expression, at, omit_null: true, masked }))
}

fn compile(body: &Body) -> Result<JsonTree, Vec<Problem>> {
    JsonTree::compile(body, &["a".to_owned(), "b".to_owned()])
}

#[test]
fn rows_of_a_request_are_a_document_or_their_values() {
    let row =
        || Tree::Object(vec![("n".to_owned(), value("cast(b as integer)", &[])), ("a".to_owned(), value("a", &[]))]);
    let rows = || [ReadRow(1, ["x", "1"]), ReadRow(2, ["", "2"])];
    let json = |body: Body, rows: &[ReadRow]| {
        let mut out = Vec::new();
        let rows = rows.iter().map(|ReadRow(number, cells)| ReadRow(*number, *cells));
        compile(&body).unwrap().rows(rows, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let around = || vec![Around::Object { before: Vec::new(), name: "records".to_owned(), after: Vec::new() }];
    let document = || Body::Document(Document { around: around(), row: row() });
    assert_eq!(json(document(), &rows()), r#"{"records":[{"n":1,"a":"x"},{"n":2}]}"#);
    assert_eq!(json(document(), &[]), r#"{"records":[]}"#);
    assert_eq!(json(Body::Rows(row()), &rows()[1..]), r#"{"n":2}"#);
    assert_eq!(json(Body::Rows(value("a", &[])), &rows()[1..]), "null", "it can be left out of nothing");
}

#[test]
fn an_object_whose_members_are_all_left_out_is_left_out_too() {
    let object = |name: &str, tree: Tree| Tree::Object(vec![(name.to_owned(), tree)]);
    let score = || object("score", object("raw", value("a", &[])));
    let json = |tree: Tree| {
        let mut out = Vec::new();
        compile(&Body::Rows(tree)).unwrap().rows([ReadRow(1, ["", "2"]), ReadRow(2, ["5", "2"])], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let beside = Tree::Object(vec![("result".to_owned(), score()), ("n".to_owned(), value("cast(b as integer)", &[]))]);
    assert_eq!(json(beside), r#"{"n":2},{"result":{"score":{"raw":"5"}},"n":2}"#);
    assert_eq!(json(Tree::List(vec![score()])), r#"[],[{"score":{"raw":"5"}}]"#);
    assert_eq!(json(score()), r#"{},{"score":{"raw":"5"}}"#, "a row is left out of nothing");
    assert_eq!(json(object("none", Tree::Object(Vec::new()))), r#"{"none":{}},{"none":{}}"#, "it is written empty");
}

#[test]
fn a_value_without_a_result_is_the_error_of_its_row() {
    let error = |masked: &[&str]| {
        let mut tree = compile(&Body::Rows(value("cast(a as integer)", masked))).unwrap();
        tree.rows([ReadRow(7, ["x", ""])], &mut Vec::new()).unwrap_err()
    };
    let RowError { number, line, column, value, step, .. } = error(&[]);
    assert_eq!((number, line, column.as_str(), value.as_str()), (7, 8, "a", "x"));
    assert_eq!(step, "artifact.json.tree.each_row.n.expr");
    assert_eq!(error(&["a"]).value, "(masked)");
}

#[test]
fn a_column_that_does_not_exist_is_a_problem() {
    let problems = compile(&Body::Rows(value("c", &[]))).map(drop).unwrap_err();
    assert!(problems[0].what.contains("there is no column \"c\""), "{problems:?}");
}
