use std::sync::Arc;

use super::*;
use crate::yaml::parse;
use crate::yaml::scalars::{Length, Whole};

crate::table! {
    struct Backoff {
        give_up_after (was within): Option<Length>,
        header: Option<Header>,
    }
}

crate::options! {
    struct Limits: Copy {
        rows (was records): usize as Whole<1, 9> = 8,
    }
}

#[derive(Debug, PartialEq)]
enum Header {
    Names,
    Absent,
}

crate::words!(Header { "names" (was "true") => Header::Names, "none" (was "false") => Header::Absent });

fn read<T: FromNode>(text: &str) -> (Option<T>, Vec<String>) {
    let (node, mut problems) = parse::document(&Arc::new("f.yaml".into()), text);
    let value = T::from_node(&node.unwrap(), &mut problems);
    (value, problems.iter().map(Problem::to_string).collect())
}

#[test]
fn an_old_key_or_word_names_the_new_one() {
    for (text, expected) in [
        ("within: 2h", "f.yaml:1:1: within: unknown key `within`; it is called `give_up_after`"),
        ("header: true", "f.yaml:1:9: header: unknown value `true`; it is called `names`"),
        ("header: false", "f.yaml:1:9: header: unknown value `false`; it is called `none`"),
        (
            "withim: 2h",
            "f.yaml:1:1: withim: `withim` is not a key here (the keys here are `give_up_after` and `header`)",
        ),
    ] {
        assert_eq!(read::<Backoff>(text).1, [expected], "{text}");
    }
    let (backoff, problems) = read::<Backoff>("{give_up_after: 2h, header: none}");
    let backoff = backoff.unwrap();
    assert_eq!((backoff.header, problems.len()), (Some(Header::Absent), 0));
    assert_eq!(backoff.give_up_after.map(|length| length.0.as_secs()), Some(7200));
}

#[test]
fn options_have_defaults_and_limits() {
    assert_eq!((read("{}"), Limits::KEYS), ((Some(Limits { rows: 8 }), vec![]), ["rows"].as_slice()));
    assert_eq!(read("rows: 3"), (Some(Limits { rows: 3 }), vec![]));
    let (none, problems) = read::<Limits>("rows: 10");
    assert_eq!((none, problems), (None, vec!["f.yaml:1:7: rows: 10 is out of range: 1 to 9 is allowed".to_owned()]));
    assert_eq!(read::<Limits>("records: 3").1, ["f.yaml:1:1: records: unknown key `records`; it is called `rows`"]);
}
