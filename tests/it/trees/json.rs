use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Folder, ask_python};

/// The statements of an LRS: a stable id, nested objects, numbers, booleans, and values that are not always there.
const STATEMENTS: &str = r#"
artifact:
  name: statements.json
  json:
    tree:
      each_row:
        id: {expr: "uuid5('6ba7b811-9dad-11d1-80b4-00c04fd430c8', email || course)"}
        actor: {objectType: Agent, mbox: {expr: "'mailto:' || email"}, name: {expr: name}}
        verb: {id: "http://adlnet.gov/expapi/verbs/completed", display: {en-US: completed}}
        object: {id: {expr: "'https://lms.example/courses/' || course"}, definition: {name: {en-US: {expr: title}}}}
        result:
          score: {scaled: {expr: "cast(score as decimal(5, 2)) / 100", omit_null: true}, raw: {expr: "cast(score as decimal(5, 2))"}, min: 0, max: 1e2}
          success: {expr: "cast(score as decimal(5, 2)) >= 80"}
          completion: true
        timestamp: {expr: "done || 'Z'", omit_null: true}
        context: {extensions: {"https://lms.example/tags": [{expr: "tag", omit_null: true}, fixed, "007", 007, null, {expr: "json_array(course, 1)"}]}}
"#;

const ROWS: &str = "email,name,course,title,score,done,tag\n\
    a@acme.example,\"Zoë \"\"Z\"\" O'Hara\",C-1,\"One\nTwo\\\",92.50,2026-01-05T10:00:00,x\n\
    b@acme.example,,C-2,\"\u{1}\u{2028}😀\",,,\n\
    c@acme.example,C,C-3,Three,100,2026-02-01T00:00:00,\"\"\n";

/// A statement by xAPI 1.0.3, part 2, as far as these have it.
const STATEMENT_SCHEMA: &str = r#"{
  "type": "array", "items": {
    "type": "object", "required": ["id", "actor", "verb", "object"], "additionalProperties": false,
    "properties": {
      "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"},
      "actor": {"type": "object", "required": ["mbox"], "properties": {
        "objectType": {"const": "Agent"}, "mbox": {"type": "string", "pattern": "^mailto:[^@]+@[^@]+$"}, "name": {"type": ["string", "null"]}}},
      "verb": {"type": "object", "required": ["id"]},
      "object": {"type": "object", "required": ["id"]},
      "result": {"type": "object", "properties": {
        "score": {"type": "object", "properties": {
          "scaled": {"type": "number", "minimum": -1, "maximum": 1}, "raw": {"type": ["number", "null"]}, "min": {"type": "number"}, "max": {"type": "number"}}},
        "success": {"type": ["boolean", "null"]}, "completion": {"type": "boolean"}}},
      "timestamp": {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$"},
      "context": {"type": "object"}}}}"#;

/// Parses with Python's `json` (a key that is there twice is an error), and validates.
const PARSE: &str = r#"
import jsonschema
def unique(pairs):
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)
def refuse(word):
    raise ValueError(word)
parsed = json.loads(question["text"], object_pairs_hook=unique, parse_constant=refuse)
jsonschema.Draft202012Validator(json.loads(question["schema"])).validate(parsed)
json.dump(parsed, sys.stdout)
"#;

fn parse(bytes: Vec<u8>, schema: &str) -> Value {
    ask_python(PARSE, &json!({"text": String::from_utf8(bytes).unwrap(), "schema": schema}))
}

#[test]
fn xapi_statements_are_valid_and_have_the_values_of_the_rows() {
    let folder = Folder::new(STATEMENTS, ROWS);
    let bytes = folder.delivered("statements.json");
    let statements = parse(bytes.clone(), STATEMENT_SCHEMA);
    let ids = ask_python(
        "import uuid\njson.dump([str(uuid.uuid5(uuid.NAMESPACE_URL, key)) for key in question], sys.stdout)",
        &json!(["a@acme.example".to_owned() + "C-1", "b@acme.example".to_owned() + "C-2"]),
    );
    assert_eq!(statements.as_array().unwrap().len(), 3);
    assert_eq!(statements[0]["id"], ids[0]);
    assert_eq!(statements[1]["id"], ids[1]);
    assert_eq!(statements[0]["actor"]["name"], "Zoë \"Z\" O'Hara");
    assert_eq!(statements[0]["object"]["definition"]["name"]["en-US"], "One\nTwo\\");
    assert_eq!(statements[1]["object"]["definition"]["name"]["en-US"], "\u{1}\u{2028}😀");
    let result = |scaled: Value, raw: Value, success: Value| {
        let mut score = json!({"raw": raw, "min": 0, "max": 100.0});
        if !scaled.is_null() {
            score["scaled"] = scaled;
        }
        json!({"score": score, "success": success, "completion": true})
    };
    assert_eq!(statements[0]["result"], result(json!(0.925), json!(92.5), json!(true)));
    assert_eq!(statements[1]["result"], result(Value::Null, Value::Null, Value::Null), "a null is null, or left out");
    assert_eq!(statements[1]["actor"]["name"], Value::Null);
    assert_eq!(statements[0]["timestamp"], "2026-01-05T10:00:00Z");
    assert!(statements[1].as_object().unwrap().get("timestamp").is_none());
    let tags = |row: usize| &statements[row]["context"]["extensions"]["https://lms.example/tags"];
    assert_eq!(*tags(0), json!(["x", "fixed", "007", "007", null, ["C-1", 1]]), "a text is no number");
    assert_eq!(*tags(1), json!(["fixed", "007", "007", null, ["C-2", 1]]), "left out of a list");
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains("\"raw\":92.50,\"min\":0,\"max\":1e2"), "numbers stay as they are written: {text}");
    assert_eq!(Folder::new(STATEMENTS, ROWS).delivered("statements.json"), bytes, "equal rows give equal bytes");
}

#[test]
fn a_document_has_its_rows_where_the_tree_says() {
    let document = "artifact:\n  name: out.json\n  json:\n    omit_null: true\n    tree:\n      version: \"1.0\"\n      \
        made: {expr: \"upper('x')\"}\n      none: {expr: \"nullif('a', 'a')\"}\n      \
        list: [1, {rows: {each_row: {a: {expr: a}, b: {expr: b}}}, after: {expr: \"nullif(1, 1)\"}}, [], {}]\n      last: {expr: \"nullif(1, 1)\"}\n      end: false\n";
    let of = |keys: &str, rows: &str| parse(Folder::new(keys, rows).delivered("out.json"), "{}");
    assert_eq!(
        of(document, "a,b\n1,\n,2\n,\n"),
        json!({"version": "1.0", "made": "X", "list": [1, {"rows": [{"a": "1"}, {"b": "2"}, {}]}, [], {}], "end": false})
    );
    let empty = format!("{document}expect: {{when_empty: send}}\n");
    assert_eq!(of(&empty, "a,b\n")["list"], json!([1, {"rows": []}, [], {}]));
    let columns = "artifact: {name: out.json, json: {}}\nexpect: {when_empty: send}\n";
    assert_eq!(of(columns, "a,b\n1,\n,\"x\"\"y\"\n"), json!([{"a": "1", "b": null}, {"a": null, "b": "x\"y"}]));
    assert_eq!(of(columns, "a,b\n"), json!([]));
    let omitted = "artifact: {name: out.json, json: {omit_null: true}}\n";
    assert_eq!(of(omitted, "a,b\n1,\n,\n"), json!([{"a": "1"}, {}]));
}

#[test]
fn lines_are_typed_values() {
    let keys = "artifact:\n  name: out.ndjson\n  ndjson: {}\n  types:\n    n: integer\n    d: decimal\n    f: boolean\n    \
        day: {date: \"%m/%d/%Y\"}\n    at: datetime\n    iso: date\n";
    let rows = "t,n,d,f,day,at,iso\n007,42,1.50,yes,01/31/2026,2026-01-05 10:00:00.25+02:00,2026-02-28\n,,,,,,\n";
    let text = String::from_utf8(Folder::new(keys, rows).delivered("out.ndjson")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "{\"t\":\"007\",\"n\":42,\"d\":1.50,\"f\":true,\"day\":\"2026-01-31\",\"at\":\"2026-01-05T08:00:00.25Z\",\"iso\":\"2026-02-28\"}",
            "{\"t\":null,\"n\":null,\"d\":null,\"f\":null,\"day\":null,\"at\":null,\"iso\":null}",
        ]
    );
    let tree = "artifact: {name: out.ndjson, ndjson: {tree: {key: {expr: a}, both: [{expr: a || b}]}}}\n";
    let text = String::from_utf8(Folder::new(tree, "a,b\n1,2\n3,\n").delivered("out.ndjson")).unwrap();
    assert_eq!(text, "{\"key\":\"1\",\"both\":[\"12\"]}\n{\"key\":\"3\",\"both\":[null]}\n");
}

#[test]
fn a_value_that_does_not_fit_ends_the_run_and_names_its_place() {
    let good = "42,1.5,true,2026-01-05,2026-01-05 10:00:00\n";
    for (column, value, what) in [
        ("n", "1.5", "is not a whole number"),
        ("n", "9223372036854775808", "is not a whole number"),
        ("d", "1e5", "is not a decimal number"),
        ("d", "NaN", "is not a decimal number"),
        ("f", "maybe", "is not true or false"),
        ("day", "01/05/2026", "is not a date (YYYY-MM-DD)"),
        ("at", "noon", "is not a date with a time (YYYY-MM-DD HH:MM:SS)"),
    ] {
        let bad: Vec<&str> =
            ["n", "d", "f", "day", "at"].iter().map(|name| if *name == column { value } else { "" }).collect();
        let rows = format!("n,d,f,day,at\n{good}{}\n", bad.join(","));
        let keys = "artifact:\n  name: out.ndjson\n  ndjson: {}\n  types: {n: integer, d: decimal, f: boolean, day: date, at: datetime}\n";
        let said = Folder::new(keys, &rows).failure();
        for part in [
            "record 2 (line 3)",
            &format!("column \\\"{column}\\\""),
            &format!("\\\"{value}\\\" {what}"),
            &format!("artifact.types.{column}"),
        ] {
            assert!(said.contains(part), "{column}: {part}: {said}");
        }
    }
    let keys = "artifact: {name: out.json, json: {tree: {each_row: {score: {expr: cast(s as integer)}}}}}\n";
    let said = Folder::new(keys, "s\n1\nhigh\n").failure();
    assert!(said.contains("record 2 (line 3), column \\\"s\\\": \\\"high\\\" is not a valid integer"), "{said}");
    assert!(said.contains("artifact.json.tree.each_row.score.expr"), "{said}");
}

#[test]
fn the_values_of_masked_columns_are_in_no_error() {
    let masked = "transform:\n  - set: {copy: email}\n  - mask: {email: sha256}\n";
    for format in [
        "artifact: {name: out.json, json: {tree: {each_row: {n: {expr: cast(copy as integer)}}}}}\n",
        "artifact: {name: out.ndjson, ndjson: {}, types: {copy: integer}}\n",
        "artifact: {name: out.xml, xml: {root: R, tree: {Row: {each_row: {expr: \"copy || chr(1)\"}}}}}\n",
    ] {
        let said = Folder::new(&format!("{masked}{format}"), "email\nzoe@acme.example\n").failure();
        assert!(said.contains("(masked)") && !said.contains("zoe@"), "{said}");
    }
}

#[test]
fn many_rows_on_several_threads_are_the_rows_of_the_source() {
    let mut rows = "id,text\n".to_owned();
    for id in 0..60_000 {
        writeln!(rows, "{id},\"row {id}, \"\"é\"\"\"").unwrap();
    }
    let tree = "json: {tree: {each_row: {id: {expr: cast(id as integer)}, text: {expr: text}, found: {expr: \"regexp_extract(text, '[0-9]+')\"}}}}";
    let expected = |first: u64, last: u64| {
        let row = |id: u64| json!({"id": id, "text": format!("row {id}, \"é\""), "found": id.to_string()});
        (first..last).map(row).collect::<Value>()
    };
    let whole = |keys: &str| serde_json::from_slice::<Value>(&Folder::new(keys, &rows).delivered("out.json")).unwrap();
    assert_eq!(whole(&format!("artifact:\n  name: out.json\n  {tree}\n")), expected(0, 60_000));
    // Rows that a check looks at are passed on one by one, and those of a sort are too.
    let checked = format!(
        "transform: [sort: [{{column: id, as: integer}}]]\nexpect: {{unique: [id]}}\nartifact:\n  name: out.json\n  {tree}\n"
    );
    assert_eq!(whole(&checked), expected(0, 60_000));
    let split = format!("artifact:\n  name: \"out_{{part}}.json\"\n  split: {{rows: 25000}}\n  {tree}\n");
    let folder = Folder::new(&split, &rows);
    folder.run(0);
    for (part, first, last) in [(1, 0, 25_000), (2, 25_000, 50_000), (3, 50_000, 60_000)] {
        let bytes = std::fs::read(folder.path("out").join(format!("out_{part}.json"))).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected(first, last), "file {part}");
    }
}

#[test]
fn mistakes_are_found_before_there_are_rows() {
    let told = |artifact: &str| {
        let keys = format!("transform: [select: [a, b]]\nartifact:\n  name: out\n  {artifact}\n");
        Folder::new(&keys, "a,b\n").problems()
    };
    for (artifact, parts) in [
        ("json: {tree: {each_row: {x: {expr: c}}}}", &["there is no column \"c\" here"][..]),
        ("json: {tree: {x: {expr: a}}}", &["the document has no place for the rows", "each_row"]),
        ("ndjson: {tree: {x: {each_row: {y: 1}}}}", &["each line has the value of one row"]),
        ("json: {tree: {x: {expr: a}, y: {each_row: 1}}}", &["the column \"a\" is read outside of `each_row`"]),
        ("json: {tree: {x: {each_row: 1}, y: {each_row: 2}}}", &["one `each_row`, and this is another"]),
        ("json: {tree: {x: {each_row: {y: {each_row: 2}}}}}", &["there is an `each_row` within this one"]),
        ("json: {tree: {each_row: {x: {expr: lowr(a)}}}}", &["lower"]),
        ("json: {tree: {each_row: {x: {expr: a, omit: true}}}}", &["`omit` is not a key here"]),
        (
            "json: {tree: {each_row: {x: {expr: \"hmac_sha256(a, 's')\"}}}}",
            &["secrets are read by steps only", "`set` step"],
        ),
        ("json: {}\n  xml: {root: R, tree: {}}", &["`json` and `xml` are mutually exclusive"]),
        ("json: {}\n  types: {c: integer}", &["there is no column \"c\" here"]),
        ("json: {tree: {each_row: 1}}\n  types: {a: integer}", &["`types` are those of columns"]),
        ("types: {a: integer}", &["`types` are for `json`, `ndjson`"]),
        ("json: {tree: {each_row: {x: {exp: a}, y: {expr: c}}}}", &["did you mean \"expr\"?"]),
    ] {
        let said = told(artifact);
        for part in parts {
            assert!(said.contains(part), "{artifact}: {part}: {said}");
        }
        assert!(said.contains("tree.yaml:"), "{said}");
    }
    // A column that is known only with the header.
    let said = Folder::new("artifact: {name: out, json: {tree: {each_row: {x: {expr: c}}}}}\n", "a,b\n1,2\n").failure();
    assert!(said.contains("there is no column \\\"c\\\" here"), "{said}");
}

#[test]
fn explain_names_each_value() {
    let output = Folder::new(STATEMENTS, ROWS).call(&["explain", "tree"]);
    let said = crate::stage::rig::both(&output);
    for part in [
        "It is a JSON file called statements.json",
        "For each row the document has:",
        "verb.id is \"http://adlnet.gov/expapi/verbs/completed\"",
        "actor.name is \"name\"",
        "left out where there is none",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
