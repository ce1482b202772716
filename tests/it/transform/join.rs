//! `join` beside DuckDB, in memory and on disk, and its refusals.

use std::fs;
use std::io::Cursor;

use reportferry::pipeline;
use reportferry::pipeline::plan::Severity;
use reportferry::progress::Meter;
use reportferry::settings::{Limits, Settings};
use reportferry::transform::{Input, Passed, StepInputs, Transform};
use tokio_util::sync::CancellationToken;

use super::oracle::{Case, Table, Values, compare_with, table};

const KINDS: [&str; 4] = ["left", "inner", "semi", "anti"];
const KEYS: Values = Values::Integers(1, 60);

/// Returns a table whose rows have different keys, where they are not null.
fn without_duplicates(mut table: Table, keys: usize) -> Table {
    let mut seen = std::collections::BTreeSet::new();
    table.rows.retain(|row| row[..keys].iter().any(String::is_empty) || seen.insert(row[..keys].to_vec()));
    table
}

/// Returns a generated join of this kind, and the same in SQL.
fn case(random: &mut fastrand::Rng, kind: &str, number: usize) -> Case {
    let (many, spills, keys) = (number.is_multiple_of(3), number.is_multiple_of(2), 1 + number % 5 / 4);
    let words = Values::Of(&["x", "y, z", "q \"u\"", "é"]);
    let ours = table(random, &[("k", KEYS), ("l", Values::Of(&["a", "b"])), ("v", words)], 60 + number % 7);
    let theirs = table(random, &[("key", KEYS), ("second", Values::Of(&["a", "b"])), ("w", words), ("z", words)], 120);
    let adds = kind == "left" || kind == "inner";
    let theirs = if many || !adds { theirs } else { without_duplicates(theirs, keys) };
    let (matches, on) = match keys {
        1 => ("k: key", "r.k = o.key"),
        _ => ("k: key, l: second", "r.k = o.key and r.l = o.second"),
    };
    let options = match (adds, many) {
        (true, true) => ", columns: {v2: w, z: z}, many: true",
        (true, false) => ", columns: {v2: w, z: z}",
        (false, _) => "",
    };
    let sql = match kind {
        "semi" | "anti" => format!("select r.k, r.l, r.v from rows r {kind} join other o on {on} order by r.i"),
        _ => format!("select r.k, r.l, r.v, o.w as v2, o.z from rows r {kind} join other o on {on} order by r.i, o.i"),
    };
    Case {
        table: ours,
        others: vec![("other".to_owned(), theirs)],
        steps: format!("- join: {{with: {{file: other.csv}}, match: {{{matches}}}, kind: {kind}{options}}}"),
        sql,
        memory: if spills { 3_000 } else { 0 },
        spills,
    }
}

fn compare_kind(kind: &str, seed: u64) {
    let random = &mut fastrand::Rng::with_seed(seed);
    let cases: Vec<Case> = (0..500).map(|number| case(random, kind, number)).collect();
    let balances = compare_with(&cases, |plan, _| StepInputs::of_files(&plan.steps));
    let share = |name: &str| {
        let shares = balances.iter().flat_map(|balance| &balance.steps).filter(|step| step.share.name() == name);
        shares.map(|step| step.rows).sum::<u64>()
    };
    assert_eq!(share("dropped") > 0, kind != "left", "{kind}");
    assert_eq!(share("added") > 0, kind == "left" || kind == "inner", "{kind}");
}

#[test]
fn left_joins_are_those_of_duckdb() {
    compare_kind(KINDS[0], 11);
}

#[test]
fn inner_joins_are_those_of_duckdb() {
    compare_kind(KINDS[1], 12);
}

#[test]
fn semi_joins_are_those_of_duckdb() {
    compare_kind(KINDS[2], 13);
}

#[test]
fn anti_joins_are_those_of_duckdb() {
    compare_kind(KINDS[3], 14);
}

/// Returns what a step makes of rows, with a file `users.csv`; the problems of the file; or the error with its causes.
pub(super) fn run_step(step: &str, rows: &str, users: &str, memory: usize) -> Result<(String, Passed), String> {
    let folder = crate::stage::folder();
    let (settings, path) = (folder.path().join("reportferry.yaml"), folder.path().join("p.yaml"));
    fs::write(&settings, "destinations: {out: {local: {path: out}}}\n").unwrap();
    fs::write(folder.path().join("users.csv"), users).unwrap();
    let text = format!(
        "source: {{file: {{path: in.csv}}}}\ntransform: [{step}]\nartifact: {{name: o.csv}}\ndeliver: {{out: {{}}}}\n"
    );
    let (settings, _) = Settings::load(Some(&settings), &[]).unwrap();
    let told = |problems: Vec<reportferry::yaml::problem::Problem>| {
        let texts = problems.iter().map(|problem| {
            let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}{hint}", problem.what)
        });
        texts.collect::<Vec<_>>().join("\n")
    };
    let (plan, _) = pipeline::load_text(&settings, &path, &text).map_err(told)?;
    let meter = Meter::default();
    let input = Input {
        read: Box::new(Cursor::new(rows.as_bytes().to_vec())),
        csv: Default::default(),
        limits: Limits { memory, ..settings.limits },
        folder: folder.path(),
        meter: &meter,
        stop: CancellationToken::new(),
        step_inputs: StepInputs::of_files(&plan.steps),
    };
    let with_causes = |error: reportferry::transform::TransformError| match error {
        reportferry::transform::TransformError::Problems(problems) => told(problems),
        error => reportferry::run::with_causes(&error),
    };
    let secrets = std::collections::BTreeMap::new();
    let transform = Transform::open(input, &plan.steps, &secrets).map_err(with_causes)?;
    let mut out = transform.columns().join("|");
    let passed = transform.run_observed(
        |_| (),
        |row| {
            let cells: Vec<_> = row.cells().map(|cell| String::from_utf8_lossy(cell.bytes).into_owned()).collect();
            out.push('\n');
            out.push_str(&cells.join("|"));
            Ok(())
        },
    );
    passed.map(|passed| (out, passed)).map_err(with_causes)
}

const ROWS: &str = "id,course\n2,B\n,C\n1,A\n3,D\n1,E\n";
const USERS: &str = "Number,Name\n1,Ann\n2,Bo\n,Nobody\n9,Cy\n9,Di\n";

fn join(options: &str) -> String {
    format!("{{join: {{with: {{file: users.csv}}, match: {{id: Number}}, {options}}}}}")
}

#[test]
fn a_row_that_matches_several_is_an_error_that_names_them() {
    let users = format!("{USERS}1,Eve\n");
    for memory in [100, 64 << 20] {
        let told = run_step(&join("columns: [Name]"), ROWS, &users, memory).map(|_| ()).unwrap_err();
        let expected = "record 3 (line 4), column \"id\": \"1\" occurs more than once in users.csv, in records 1 and 6; \
                        remove one there, or write `many: true` if each match is to be a row (join in step 1)";
        assert_eq!(told, expected, "{memory} bytes");
        let (many, passed) = run_step(&join("columns: [Name], many: true"), ROWS, &users, memory).unwrap();
        assert_eq!(many, "id|course|Name\n2|B|Bo\n|C|\n1|A|Ann\n1|A|Eve\n3|D|\n1|E|Ann\n1|E|Eve");
        let balance = serde_json::to_value(&passed.balance).unwrap();
        let steps = serde_json::json!([
            {"step": 1, "kind": "join", "dropped": 0}, {"step": 1, "kind": "join", "added": 2}
        ]);
        assert_eq!((&balance["steps"], &balance["written"]), (&steps, &serde_json::json!(7)));
        // Duplicates that no row matches, and those of a join that adds no columns, are of no consequence.
        assert!(run_step(&join("columns: [Name]"), ROWS, USERS, memory).is_ok());
        assert!(run_step(&join("kind: semi"), ROWS, &users, memory).is_ok());
    }
}

#[test]
fn rows_without_a_match_hold_the_run_if_wanted() {
    for memory in [100, 64 << 20] {
        for (kind, kept) in [("left", "\n2|B|Bo\n|C|\n1|A|Ann\n3|D|\n1|E|Ann"), ("inner", "\n2|B|Bo\n1|A|Ann\n1|E|Ann")]
        {
            let step = join(&format!("columns: [Name], kind: {kind}, unmatched: hold"));
            let (out, passed) = run_step(&step, ROWS, USERS, memory).unwrap();
            assert_eq!(out, format!("id|course|Name{kept}"));
            let [finding] = passed.findings.as_slice() else { panic!("{} findings", passed.findings.len()) };
            assert_eq!((finding.key.as_str(), finding.severity), ("transform[0].join", Severity::Hold));
            assert_eq!(finding.message, "2 rows have no match in \"users.csv\"");
            assert_eq!(finding.examples.columns, ["id", "course"]);
            let rows: Vec<(u64, &[String])> =
                finding.examples.rows().map(|example| (example.number, example.cells.as_slice())).collect();
            let cells = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
            assert_eq!(rows, [(2, cells("", "C").as_slice()), (4, cells("3", "D").as_slice())]);
            let matched = run_step(&step, "id,course\n1,A\n", USERS, memory).unwrap().1;
            assert!(matched.findings.is_empty());
        }
    }
}

#[test]
fn rows_of_one_key_that_do_not_fit_into_memory_are_an_error() {
    let users = format!("Number,Name\n{}", "1,A name of some length\n".repeat(10));
    let told = |memory| run_step(&join("columns: [Name], many: true"), ROWS, &users, memory).map(|_| ()).unwrap_err();
    let expected = "\"1\" matches more rows of users.csv than fit into limits.memory (join in step 1)";
    assert!(told(300).ends_with(expected), "{}", told(300));
    assert!(run_step(&join("columns: [Name], many: true"), ROWS, &users, 3_000).is_ok());
}

#[test]
fn what_does_not_fit_is_told_with_its_fix() {
    let told = |step: &str, users: &str| run_step(step, ROWS, users, 64 << 20).map(|_| ()).unwrap_err();
    for (step, users, expected) in [
        (join("columns: [Nmae, nummer]"), USERS, "there is no column \"Nmae\" in users.csv (did you mean \"Name\"?"),
        (join("columns: [name]"), "Number, Name\n1,x\n", "did you mean \" Name\" with the spaces that the header has?"),
        (join("columns: [Name]"), "Number,Name,Name\n1,x,y\n", "users.csv has more than one column \"Name\""),
        (
            join("columns: [course]"),
            "Number,course\n1,x\n",
            "there is a column \"course\" already (give it another name",
        ),
        (join("columns: [Name]"), "", "reading users.csv: the extract is empty, without even a header"),
        (join("columns: [Name]"), "Number,Name\n1,x,y\n", "reading users.csv: record 1 (line 2)"),
        (join("columns: [Name]"), "Number;Name\n1;x\n", "reading users.csv: the file is separated by `;`"),
        (join("kind: left"), USERS, "`columns` is missing in the join"),
        (join("columns: []"), USERS, "no column to add is named here"),
        (join("kind: semi, columns: [Name]"), USERS, "a semi join adds no columns"),
        (join("kind: anti, many: true, unmatched: drop"), USERS, "an anti join keeps each row at most once"),
        (
            join("columns: [Name], unmatched: drop"),
            USERS,
            "a left join keeps the rows without a match (write `kind: inner`",
        ),
        (join("columns: [Name], kind: inner, unmatched: keep"), USERS, "an inner join drops the rows without a match"),
        (
            join("columns: [Name]").replace("{file: users.csv}", "users"),
            USERS,
            "there is no source `users` in this pipeline",
        ),
        (join("columns: [Name]").replace("users.csv", "uesrs.csv"), USERS, "cannot read"),
        (join("columns: [Name]").replace("{id: Number}", "{}"), USERS, "no columns to match are written here"),
        (
            join("columns: [Name]").replace("{id:", "{ID:"),
            USERS,
            "there is no column \"ID\" here (did you mean \"id\"?",
        ),
    ] {
        let told = told(&step, users);
        assert!(told.contains(expected), "{step}: {told}");
    }
    let semicolons = join("columns: [Name]").replace("users.csv", "users.csv, csv: {delimiter: ;}");
    assert!(run_step(&semicolons, ROWS, "Number;Name\n1;x\n", 64 << 20).is_ok());
}
