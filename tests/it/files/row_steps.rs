//! Mistakes in `map`, `mask`, `fill`, `number` and `on_error`.

use reportferry::pipeline::plan::{OnError, StepKind};

use super::{Folder, PIPELINE, SETTINGS};

const CODES: &str = "code,name\nC-1,One\nC-2,Two\n";

fn folder(steps: &str, codes: &str) -> Folder {
    let steps = format!("transform:\n{steps}  - rename: {{id: Employee Number");
    let folder = Folder::new(SETTINGS, &PIPELINE.replace("transform:\n  - rename: {id: Employee Number", &steps));
    folder.write("pipelines/codes.csv", codes);
    folder
}

fn told(steps: &str, codes: &str) -> String {
    let folder = folder(steps, codes);
    match folder.load() {
        Ok((_, problems)) if problems.is_empty() => panic!("no problem was found in:\n{steps}"),
        Ok((_, problems)) | Err(problems) => folder.told(&problems),
    }
}

#[test]
fn mistakes_in_row_steps_are_told_where_they_stand() {
    let file = |key: &str, value: &str| {
        format!("  - map: {{column: course, file: {{path: codes.csv, key: {key}, value: {value}}}}}\n")
    };
    let codes = file("code", "name");
    let mut out = String::new();
    for step in [
        "  - map: {column: a}\n",
        "  - map: {values: {A: B}}\n",
        "  - map: {column: a, values: {}}\n",
        "  - map: {column: a, values: {A: B}, file: {path: codes.csv, key: code, value: name}}\n",
        "  - map: {column: a, values: {A: B}, else: keeep}\n",
        "  - map: {column: a, values: {A: B}, else: other}\n",
        "  - map: {column: a, values: {A: B}, else: keep}\n    on_error: fail\n",
        "  - map: {column: a, file: {path: ../codes.csv, key: code, value: name}}\n",
        "  - map: {column: a, file: {path: none.csv, key: code, value: name}}\n",
        &file("Code", "name"),
        &file("code", "title"),
        "  - mask: {}\n",
        "  - mask: {email: hide}\n",
        "  - mask: {email: {hmac_sha256: email_slat}}\n",
        "  - mask: {email: {keep_last: 0}}\n",
        "  - mask: {email: {keep_first: 1, keep_last: 1}}\n",
        "  - fill: {with: previous}\n",
        "  - fill: {column: a}\n",
        "  - fill: {column: a, columns: [b], value: x}\n",
        "  - fill: {columns: [a], with: previous, value: x}\n",
        "  - fill: {columns: [a, a], with: previous}\n",
        "  - fill: {column: a, with: next}\n",
        "  - number: {column: line, start: -1}\n",
        "  - number: {start: 1}\n",
        "  - set: {a: b}\n    on_error: drop\n",
        "  - set: {a: b}\n    on_eror: fail\n",
        "  - set: {a: b}\n    drop: [a]\n    on_error: fail\n",
        "  - on_error: fail\n",
        "  - select: [a]\n    on_error: fail\n",
    ] {
        out.push_str(&format!("{step}{}\n", told(step, CODES)));
    }
    for text in [
        "",
        "code,name,code\n",
        "code,name\nC-1,One\n\nC-2,Two\nC-1,Other\nC-2,Two\n",
        "code,name\nC-1\n",
        "code,name\nC-1,\"One\"x\n",
        "code,name\nC-1,\"One\n",
    ] {
        out.push_str(&format!("{text:?}\n{}\n", told(&codes, text)));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn a_limit_of_dropped_rows_needs_a_step_that_drops_some() {
    let limit = |max: &str| {
        PIPELINE.replace("  when_empty: hold", &format!("  when_empty: hold\n  dropped_rows: {{max: {max}}}"))
    };
    let told = super::mistakes::pipeline_problems(&limit("2%"));
    assert!(told.contains("`dropped_rows` has no effect, as no step drops rows for their values"), "{told}");
    let drops =
        |max: &str| limit(max).replace("      done: upper(done)", "      done: upper(done)\n    on_error: drop_row");
    let told = super::mistakes::pipeline_problems(&drops("2.00001%"));
    assert!(told.contains("\"2.00001%\" is not a number of rows, or a percentage from 0% to 100%"), "{told}");
    let (plan, problems) = Folder::new(SETTINGS, &drops("2%")).load().unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(plan.steps[2].on_error, OnError::DropRow);
    assert_eq!(plan.expect.dropped_rows.unwrap().expected.to_string(), "2%");
}

#[test]
fn a_file_of_a_map_is_part_of_the_version_and_has_a_limit() {
    let step = "  - map: {column: Course Code, file: {path: codes.csv, key: code, value: name}}\n";
    let plan = |codes: &str| folder(step, codes).load().unwrap().0;
    let (one, other) = (plan(CODES), plan("code,name\nC-1,Two\n"));
    assert_ne!(one.digest, other.digest);
    assert_eq!((one.tables.len(), one.tables[0].name.as_str()), (1, "codes.csv"));
    assert!(matches!(&one.steps[0].kind, StepKind::Map(_)));
    let keys = |count: u32| (0..count).fold("code,name\n".to_owned(), |text, key| text + &format!("{key},x\n"));
    plan(&keys(1_000_000));
    let found = told(step, &keys(1_000_001));
    assert!(found.contains("codes.csv has more than 1000000 keys"), "{found}");
    let wide = |bytes: usize| format!("code,name\n1,{}\n", "x".repeat(bytes - "code,name\n1,\n".len()));
    plan(&wide(64 << 20));
    let found = told(step, &wide((64 << 20) + 1));
    assert!(found.contains("it has more than 67108864 bytes, the most that is read"), "{found}");
}
