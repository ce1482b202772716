//! Each check on a source of a few lines: what it finds and what it leaves alone.

use super::graph::{Import, Target};
use super::source::Source;
use super::{Violation, graph, invariants, pages, prose, source, structure, words};

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    let files: Vec<(String, String)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    source::production(&files)
}

/// Imports between modules as `from:line → to`.
fn edges(files: &[(&str, &str)]) -> Vec<String> {
    let imports = graph::imports(&sources(files));
    let module = |import: &Import| match &import.to {
        Target::Module(to) => Some(format!("{}:{} → {}", import.file, import.line, to.join("::"))),
        Target::External => None,
    };
    imports.iter().filter_map(module).collect()
}

fn texts(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(|violation| format!("{} {:?}", violation.text, violation.lines)).collect()
}

const TREE: &[(&str, &str)] = &[
    ("ledger/mod.rs", "pub mod state;\npub mod store;\n"),
    ("ledger/state.rs", "pub struct State;\n"),
    ("ledger/store.rs", "pub struct Store;\n"),
];

/// [`TREE`] and one more file.
fn with(path: &str, text: &str) -> Vec<String> {
    edges(&[TREE, &[(path, text)]].concat())
}

#[test]
fn imports_are_found_however_they_are_written() {
    let nested = "use crate::{digest, ledger::{self, state::State as S, store::*}};";
    assert_eq!(
        with("run.rs", nested),
        ["run.rs:1 → ", "run.rs:1 → ledger", "run.rs:1 → ledger::state", "run.rs:1 → ledger::store"]
    );
    assert_eq!(with("run.rs", "fn f() {\n  let _ = crate::ledger::state::State;\n}"), ["run.rs:2 → ledger::state"]);
    assert_eq!(with("run.rs", "fn f(_: Vec<Option<crate::ledger::store::Store>>) {}"), ["run.rs:1 → ledger::store"]);
    assert_eq!(with("run.rs", "fn f() { use crate::ledger::store::Store; }"), ["run.rs:1 → ledger::store"]);
    assert_eq!(with("run.rs", "impl From<u8> for crate::ledger::state::State {}"), ["run.rs:1 → ledger::state"]);
    assert_eq!(with("run.rs", "#[serde(with = \"crate::ledger::state\")]\nstruct A;"), ["run.rs:1 → ledger::state"]);
}

#[test]
fn imports_in_macros_are_found() {
    assert_eq!(with("run.rs", "fn f() { vec![1, { crate::ledger::state::State }]; }"), ["run.rs:1 → ledger::state"]);
    let defined = "macro_rules! m {\n  ($a:ty) => { <$a as $crate::ledger::state::State>::x() };\n}";
    assert_eq!(with("run.rs", defined), ["run.rs:2 → ledger::state"]);
    let exported = ("ledger/state.rs", "#[macro_export]\nmacro_rules! table { () => {}; }");
    assert_eq!(edges(&[exported, ("run.rs", "crate::table! {}")]), ["run.rs:1 → ledger::state"]);
}

#[test]
fn relative_paths_are_resolved() {
    assert_eq!(with("ledger/state.rs", "use super::store::Store;"), ["ledger/state.rs:1 → ledger::store"]);
    assert_eq!(
        with("ledger/state/row.rs", "use super::super::store::Store;"),
        ["ledger/state/row.rs:1 → ledger::store"]
    );
    // An inline module is one level more.
    let inline = "mod inner { use super::super::store::Store; }";
    assert_eq!(with("ledger/state.rs", inline), ["ledger/state.rs:1 → ledger::store"]);
    assert_eq!(with("ledger/state.rs", "fn f(_: self::row::Row) {}"), [""; 0]);
    assert_eq!(
        with("run.rs", "use crate::ledger;\nfn f(_: ledger::store::Store) {}"),
        ["run.rs:1 → ledger", "run.rs:2 → ledger::store"]
    );
    assert_eq!(with("main.rs", "fn main() { reportferry::ledger::store::open() }"), ["main.rs:1 → ledger::store"]);
    // The module of the path as written, also where the name comes from below.
    assert_eq!(with("run.rs", "use crate::ledger::Store;"), ["run.rs:1 → ledger"]);
}

#[test]
fn tests_declarations_and_reexports_are_no_imports() {
    assert_eq!(with("ledger.rs", "mod state;\npub use state::State;\npub use self::store::Store;"), [""; 0]);
    assert_eq!(with("run.rs", "#[cfg(test)]\nmod tests {\n  use crate::ledger::Store;\n}"), [""; 0]);
    assert_eq!(
        with(
            "run.rs",
            "#[cfg(test)]\nuse crate::ledger::Store;\n#[cfg(all(test, unix))]\nfn f(_: crate::ledger::Store) {}"
        ),
        [""; 0]
    );
    assert_eq!(
        edges(&[("run.rs", "#[cfg(test)]\nmod tests;"), ("run/tests.rs", "use crate::ledger::X;"), ("ledger.rs", "")]),
        [""; 0]
    );
    assert_eq!(
        with("run.rs", "pub(in crate::ledger::state) struct A;\n/// See [`crate::ledger::Store`].\nfn f() {}"),
        [""; 0]
    );
    // What is not for tests alone counts, and so does a re-export of what is not below.
    assert_eq!(
        with("run.rs", "#[cfg(any(test, feature = \"x\"))]\nuse crate::ledger::state;"),
        ["run.rs:2 → ledger::state"]
    );
    assert_eq!(with("ledger/state.rs", "pub use super::store::Store;"), ["ledger/state.rs:1 → ledger::store"]);
}

#[test]
fn upward_imports_fail() {
    let upward = |path: &str, text: &str| {
        texts(&structure::upward(&graph::imports(&sources(&[
            (path, text),
            ("ledger.rs", ""),
            ("clock.rs", ""),
            ("digest.rs", ""),
        ]))))
    };
    assert_eq!(
        upward("deliver/mod.rs", "use crate::ledger::X;\nuse crate::ledger::Y;"),
        ["src/deliver/mod.rs → ledger [1, 2]"]
    );
    assert_eq!(upward("secret.rs", "use crate::clock::X;"), ["src/secret.rs → clock [1]"], "neighbours on one line");
    assert_eq!(upward("run/mod.rs", "use crate::ledger::X;\nuse crate::clock::Y;"), [""; 0]);
    assert_eq!(texts(&structure::unknown(&sources(&[("utils.rs", ""), ("run.rs", "")]))), ["utils [0]"]);
}

#[test]
fn cycles_fail() {
    let cycles = |files: &[(&str, &str)]| texts(&structure::cycles(&graph::imports(&sources(files))));
    let parent = ("ledger/mod.rs", "mod state;\nmod store;\nuse state::State;\npub struct Ledger;");
    let there = ("ledger/state.rs", "use super::store::Store;\nuse super::Ledger;");
    assert_eq!(
        cycles(&[parent, there, ("ledger/store.rs", "use super::Ledger;")]),
        [""; 0],
        "a child may use its parent"
    );
    let back = ("ledger/store.rs", "fn f(_: super::state::State) {}");
    assert_eq!(cycles(&[parent, there, back]), ["ledger/state → ledger/store [0]", "ledger/store → ledger/state [0]"]);
    // Through a third one, and through files further down.
    let files = [
        ("run/a.rs", "use super::b::deep::X;"),
        ("run/b/deep.rs", "use crate::run::c::X;"),
        ("run/c.rs", "use super::a::X;"),
        ("run/d.rs", "use super::a::X;"),
    ];
    assert_eq!(cycles(&files), ["run/a → run/b [0]", "run/b → run/c [0]", "run/c → run/a [0]"]);
    assert_eq!(cycles(&[("run.rs", "use crate::work::X;"), ("work.rs", "use crate::run::X;")]).len(), 2);
}

#[test]
fn long_files_and_functions_fail() {
    let lines = |count: usize| "    f();\n".repeat(count);
    let long = format!("/// Docs.\nfn f() {{\n{}}}\nfn g() {{\n{}}}\n", lines(69), lines(68));
    assert_eq!(texts(&structure::long_functions(&sources(&[("run.rs", &long)]))), ["src/run.rs: fn f, 71 lines [2]"]);
    let tests = format!("#[cfg(test)]\nmod tests {{\n  fn f() {{\n{}}}\n}}\n", lines(500));
    assert_eq!(texts(&structure::long_functions(&sources(&[("run.rs", &tests)]))), [""; 0]);
    let file = |count: usize| format!("{}{tests}", "fn f() {}\n".repeat(count));
    assert_eq!(texts(&structure::long_files(&sources(&[("run.rs", &file(400))]))), [""; 0]);
    assert_eq!(texts(&structure::long_files(&sources(&[("run.rs", &file(401))]))), ["src/run.rs: 401 lines [0]"]);
}

#[test]
fn the_maps_have_every_module_in_order() {
    let sources = sources(&[("cli.rs", ""), ("run.rs", ""), ("ledger.rs", "")]);
    let maps = |lib: &str, page: &str| texts(&structure::maps(&sources, lib, page));
    assert_eq!(
        maps("//! - [`cli`]: x\n//! - [`run`]: y\n//! - [`ledger`]: z", "| `cli/` |\n| `run/` |\n| `ledger/` |"),
        [""; 0]
    );
    let wrong = maps("//! [`run`] [`cli`]\n// `ledger`", "`cli`\n| `run/` |\n| `ledger.rs` |");
    assert_eq!(
        wrong,
        [
            "ARCHITECTURE.md does not list cli [0]",
            "src/lib.rs does not list ledger [0]",
            "src/lib.rs lists run before cli [0]"
        ]
    );
}

#[test]
fn invariants_fail() {
    let check = |path: &str, text: &str| {
        texts(&invariants::imports(&graph::imports(&sources(&[(path, text), ("ledger.rs", ""), ("attempt.rs", "")]))))
    };
    assert_eq!(
        check("encode/csv.rs", "use crate::ledger::X;"),
        ["src/encode/csv.rs: crate::ledger does not belong in encode [1]"]
    );
    assert_eq!(
        check("transform.rs", "fn f() { reqwest::get() }"),
        ["src/transform.rs: reqwest does not belong in transform [1]"]
    );
    let policy = "use crate::attempt::{Backoff, Repeats};";
    assert_eq!(
        check("deliver/mod.rs", policy),
        ["src/deliver/mod.rs: crate::attempt::Backoff does not belong in deliver [1]"]
    );
    assert_eq!(
        check("run.rs", "use std::time::SystemTime;\nfn f() { SystemTime::now(); }"),
        ["src/run.rs: std::time::SystemTime::now is for clock [2]"]
    );
    assert_eq!(check("clock.rs", "fn f() { std::time::SystemTime::now(); }"), [""; 0]);
    let text = |path: &str, text: &str| texts(&invariants::text(&sources(&[(path, text)])));
    assert_eq!(text("run.rs", "fn f() { eprintln!(); } // print!\n"), ["src/run.rs: eprintln! is for cli [1]"]);
    assert_eq!(text("cli/run.rs", "fn f() { println!(); }\n#[cfg(test)]\nfn g() { dbg!(1); }"), [""; 0]);
    assert_eq!(text("run.rs", "// TODO: more\n"), ["src/run.rs: TODO leaves something for later [1]"]);
}

#[test]
fn names_fail_by_their_kind() {
    let names = |text: &str| texts(&words::names(&sources(&[("work/a.rs", text)])));
    let found =
        names("struct Fleet;\nmod shift {}\nfn heed(drop: u8) {}\nenum E { Unreached }\nstruct S { may_cut: bool }");
    let found: Vec<&str> = found.iter().map(|text| text.split(" → ").next().unwrap().trim()).collect();
    let expected = ["enum", "fn heed", "let drop", "mod shift", "struct Fleet", "variant Unreached"];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for name in &expected[1..] {
        assert!(found.contains(&format!("src/work/a.rs: {name}").as_str()), "{name}: {found:?}");
    }
    assert_eq!(
        names("struct Entry;\nimpl Drop for Entry { fn drop(&mut self) {} }\nfn rest_of() { drop(1); }"),
        [""; 0]
    );
    assert_eq!(names("fn post() {}").len(), 1, "a rule for one module");
    assert_eq!(texts(&words::names(&sources(&[("serve.rs", "fn post() {}")]))), [""; 0]);
    let twice = texts(&words::names(&sources(&[("run.rs", "enum Step {}"), ("work.rs", "struct Step;")])));
    assert_eq!(
        twice,
        [
            "src/run.rs: Step is declared elsewhere too: qualify it [1]",
            "src/work.rs: Step is declared elsewhere too: qualify it [1]"
        ]
    );
    assert_eq!(
        names("/// Whether it is.\nfn f() {}\n/// Returns it.\nfn g() {}"),
        ["src/work/a.rs: docs begin with \"Whether\" [1]"]
    );
}

#[test]
fn phrases_fail_in_comments_strings_and_pages() {
    let phrases = |text: &str| {
        let found = words::phrases("x", &prose::of_source(&sources(&[("run.rs", text)])[0]));
        found
            .iter()
            .map(|violation| (violation.text.split('"').nth(1).unwrap().to_owned(), violation.lines.clone()))
            .collect::<Vec<_>>()
    };
    let one = |phrase: &str, line: usize| vec![(phrase.to_owned(), vec![line])];
    assert_eq!(phrases("// It is told once.\nfn f() {}"), one("told", 1));
    assert_eq!(phrases("/// A file that lies\n/// at the name.\nfn f() {}"), one("lies at", 1), "across lines");
    assert_eq!(phrases("fn f() {\n  g(\"it is \\\n     no file\");\n}"), one("is no", 2));
    assert_eq!(phrases("fn f() { g(r#\"a \"errand\"\"#, '\"', b'\\'', \"mend\") }").len(), 2);
    assert_eq!(phrases("fn told<'a>(told: &'a str) {}"), [], "names have a check of their own");
    assert_eq!(phrases("// there is no file, it is no longer there, untold, mend_it\nfn f() {}"), []);
    assert_eq!(phrases("#[cfg(test)]\nmod tests {\n  // told\n}"), []);
    let page = words::phrases("README.md", &prose::of_page("# Title\n\nThe file\nlies at its name.\n\nwhat\n\nlies\n"));
    assert_eq!(texts(&page), ["README.md: \"lies at\" (is at, exists) [4]"]);
}

#[test]
fn old_keys_and_gaps_in_the_docs_fail() {
    let keys = ["first", "initial"].map(str::to_owned).into();
    assert_eq!(texts(&words::keys("settings", &keys)), ["settings: `first` (initial) [0]"]);
    let page = "The `limits.rows` and `zone` keys.\n\n```yaml\nkeep_open: 5s\n```\n\n| exit code | means |\n| 0 | done |\n\nreportferry status --json\n";
    assert!(
        pages::is_mentioned(page, "limits")
            && pages::is_mentioned(page, "zone")
            && pages::is_mentioned(page, "keep_open")
    );
    assert!(!pages::is_mentioned(page, "keys") && !pages::is_mentioned(page, "open"));
    assert!(pages::has_exit_code(page, "0") && !pages::has_exit_code(page, "1"));
    assert!(pages::has_command(page, "status") && !pages::has_command(page, "stat"));
}
