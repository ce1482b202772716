//! A feed from a Docebo that shares no code with ours: whatever silently goes wrong there is held or refused before a reader
//! could see it, and nothing but GETs and the token's POST is sent.

use serde_json::{Value, json};

use super::stage::docebo::Docebo;
use super::stage::rig::{Rig, both, document, names, servers};

const PIPELINE: &str = r#"
source: {docebo: {tenant: acme, report: 619bf79c-970a-4a8e-be8a-dde48a05c652}}
expect:
  rows: {min: 10, change: 30%}
  columns: exact
  not_null: [Employee Number]
  unique: [Employee Number, Course Code]
  fresh: {source_column: Completion Date, max_age: 36h}
  scope: same
artifact: {name: "completions_{slot:%Y%m%d}.csv"}
deliver: {local: {path: inbound}}
"#;
const FIRST: &str = "2026-11-23T10:30:00Z";
const SECOND: &str = "2026-11-24T10:30:00Z";

/// A tenant on an independent server, with one delivered run.
struct Feed {
    docebo: Docebo,
    rig: Rig,
}

impl Feed {
    fn delivered(pipeline: &str) -> Self {
        let docebo = Docebo::start(json!({"now": "2026-11-23 10:00:00"}));
        let rig = Rig::with(pipeline, &docebo.url, &servers().sshd);
        let feed = Self { docebo, rig };
        let run = feed.run(FIRST, 0);
        assert_eq!(run["state"], "delivered", "{run:#}");
        assert_eq!(run["rows"]["delivered"], 240, "{run:#}");
        feed
    }

    /// Runs a slot a day later, after these changes at the platform.
    fn second(&self, changes: Value, code: i32) -> Value {
        let mut state = json!({"now": "2026-11-24 10:00:00"});
        state.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.docebo.state(state);
        self.run(SECOND, code)
    }

    fn run(&self, slot: &str, code: i32) -> Value {
        let output = self.rig.reportferry(&["run", "line", "--slot", slot, "--json", "--wait", "3s"]);
        assert_eq!(output.status.code(), Some(code), "{}", both(&output));
        document(&output)
    }

    fn text(&self, arguments: &[&str], code: i32) -> String {
        let output = self.rig.reportferry(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
        both(&output)
    }

    fn arrived(&self) -> Vec<String> {
        names(&self.rig.drop.join("inbound"))
    }
}

/// What happens at the platform, the expectations that hold the run, and what `show` says about the difference.
fn held_cases() -> Vec<(&'static str, Value, &'static [&'static str], &'static [&'static str])> {
    let without = |left_out: u64, of: u64| (0..of).filter(|one| *one != left_out).collect::<Vec<_>>();
    vec![
        ("a course is removed", json!({"assigned_courses": without(2, 6)}), &["scope"], &["courses", "6", "5"]),
        ("a person is removed", json!({"assigned_people": without(7, 40)}), &["scope"], &["users", "40", "39"]),
        ("a column is renamed", json!({"renamed": {"Final Score": "Score"}}), &["columns"], &["Final Score", "Score"]),
        ("half the rows", json!({"rows_max": 120}), &["rows.change"], &["120", "240"]),
        ("a stale snapshot", json!({"snapshot": "2026-11-22 22:00:00"}), &["fresh"], &["2026-11-22 22:00:00", "36h"]),
        ("a row is there twice", json!({"twice": true}), &["unique"], &["00000001", "C-000", "241"]),
    ]
}

#[test]
fn what_silently_goes_wrong_is_held_with_its_difference_and_released_as_it_is() {
    for (what, changes, expectations, shown) in held_cases() {
        let feed = Feed::delivered(PIPELINE);
        let run = feed.second(changes, 4);
        assert_eq!(run["state"], "held", "{what}: {run:#}");
        let id = run["run"].as_str().unwrap();
        assert_eq!(feed.arrived(), ["completions_20261123.csv"], "{what}: no reader may see it");
        let findings = run["findings"].as_array().unwrap_or_else(|| panic!("{what}: {run:#}"));
        let found: Vec<_> = findings.iter().map(|finding| finding["expectation"].as_str().unwrap()).collect();
        assert_eq!(found, expectations, "{what}: {run:#}");
        assert!(findings.iter().all(|finding| finding["difference"].is_object()), "{what}: {run:#}");
        let text = feed.text(&["show", id], 0);
        for part in shown {
            assert!(text.contains(part), "{what}: `show` lacks {part:?}: {text}");
        }

        let held = run["artifact"]["sha256"].as_str().unwrap().to_owned();
        // What the platform has now does not matter any more.
        feed.docebo.state(json!({"now": "2026-11-24 11:00:00"}));
        feed.text(&["release", id, "--because", "seen and right"], 0);
        let sent = std::fs::read(feed.rig.drop.join("inbound/completions_20261124.csv")).unwrap();
        assert_eq!(reportferry::digest::of(&sent), held, "{what}: the same bytes");
        only_reads(&feed.docebo);
    }
}

#[test]
fn what_is_cut_is_refused() {
    let by_pages = PIPELINE.replace("report: 619", "via: results, report: 619");
    let cases = [
        ("a truncated ZIP", PIPELINE, json!({"truncate_zip": 0.7}), "ZIP"),
        ("a download that ends early", PIPELINE, json!({"cut_download": 0.5}), ""),
        ("a cut page", &by_pages, json!({"cut_page": true}), ""),
    ];
    for (what, pipeline, changes, said) in cases {
        let feed = Feed::delivered(pipeline);
        feed.docebo.state(json!({"now": "2026-11-24 10:00:00"}));
        let mut state = json!({"now": "2026-11-24 10:00:00"});
        state.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        feed.docebo.state(state);
        let output = feed.rig.reportferry(&["run", "line", "--slot", SECOND, "--json", "--wait", "1s"]);
        assert!(matches!(output.status.code(), Some(3 | 6)), "{what}: {}", both(&output));
        let run = document(&output);
        assert!(run["reason"].as_str().unwrap_or_default().contains(said), "{what}: {run:#}");
        assert_eq!(feed.arrived(), ["completions_20261123.csv"], "{what}: no reader may see it");
        // Nothing stands in the way once the platform is well again.
        feed.docebo.state(json!({"now": "2026-11-24 10:00:00"}));
        feed.text(&["retry", run["run"].as_str().unwrap()], 0);
        assert_eq!(feed.arrived(), ["completions_20261123.csv", "completions_20261124.csv"], "{what}");
        only_reads(&feed.docebo);
    }
}

#[test]
fn an_accepted_header_and_accepted_assignments_are_the_new_normal() {
    let feed = Feed::delivered(PIPELINE);
    let changed = json!({"renamed": {"Final Score": "Score"}, "assigned_courses": [0, 1, 2, 3, 4]});
    let run = feed.second(changed.clone(), 4);
    let id = run["run"].as_str().unwrap();
    for what in ["--header", "--scope"] {
        let text = feed.text(&["accept", id, what], 0);
        assert!(text.contains("--yes"), "{text}");
        feed.text(&["accept", id, what, "--yes", "--because", "agreed with the owner of the report"], 0);
    }
    feed.text(&["release", id, "--because", "agreed"], 0);
    let mut state = changed;
    state["now"] = json!("2026-11-25 10:00:00");
    feed.docebo.state(state);
    assert_eq!(feed.run("2026-11-25T10:30:00Z", 0)["state"], "delivered");
}

#[test]
fn without_a_word_in_the_pipeline_the_same_changes_are_warnings() {
    let feed = Feed::delivered(&PIPELINE.replace("  scope: same\n", "").replace("  columns: exact\n", ""));
    let changes = json!({"renamed": {"Final Score": "Score"}, "assigned_courses": [0, 1, 2, 3, 4]});
    let run = feed.second(changes, 0);
    assert_eq!(run["state"], "delivered", "{run:#}");
    let found: Vec<_> = run["findings"].as_array().unwrap().iter().map(|finding| &finding["severity"]).collect();
    assert_eq!(found, [&json!("warn"), &json!("warn")], "{run:#}");
}

#[test]
fn records_are_read_whole_or_not_at_all() {
    let pipeline = PIPELINE
        .replace("report: 619bf79c-970a-4a8e-be8a-dde48a05c652", "records: enrollments, updated_since: last_delivered")
        .split("expect:")
        .next()
        .unwrap()
        .to_owned()
        + "artifact: {name: \"enrollments_{slot:%Y%m%d}.csv\"}\ndeliver: {local: {path: inbound}}\n";
    for paging in ["page", "cursor"] {
        let docebo = Docebo::start(json!({"now": "2026-11-23 10:00:00", "paging": paging}));
        let feed = Feed { rig: Rig::with(&pipeline, &docebo.url, &servers().sshd), docebo };
        let run = feed.run(FIRST, 0);
        assert_eq!(run["rows"]["delivered"], 240, "{run:#}");
        // A page that the totals promise is missing: held or failed, never delivered.
        let state = json!({"now": "2026-11-24 10:00:00", "paging": paging});
        let with = |key: &str, value: Value| {
            let mut state = state.clone();
            state[key] = value;
            state
        };
        feed.docebo.state(with(
            "changed",
            Value::Object((0..60).map(|n| (n.to_string(), json!("2026-11-24 09:00:00"))).collect()),
        ));
        let mut lost = with("lose_page", json!(true));
        lost["changed"] = Value::Object((0..60).map(|n| (n.to_string(), json!("2026-11-24 09:00:00"))).collect());
        feed.docebo.state(lost.clone());
        let output = feed.rig.reportferry(&["run", "line", "--slot", SECOND, "--json", "--wait", "1s"]);
        assert!(matches!(output.status.code(), Some(3 | 4 | 6)), "{}", both(&output));
        assert_eq!(feed.arrived().len(), 1);
        lost["lose_page"] = json!(false);
        feed.docebo.state(lost);
        let id = document(&output)["run"].as_str().unwrap().to_owned();
        feed.text(&["retry", &id], 0);
        let sent = std::fs::read_to_string(feed.rig.drop.join("inbound/enrollments_20261124.csv")).unwrap();
        let rows = sent.lines().count() - 1;
        assert!((60..240).contains(&rows), "the changes since the first run, and the overlap: {rows} rows");
        only_reads(&feed.docebo);
    }
}

/// The server saw GETs and the token's POST alone, and refused none of them as unknown.
fn only_reads(docebo: &Docebo) {
    let requests = docebo.requests();
    assert!(!requests.is_empty());
    for request in &requests {
        let allowed = request.method == "GET" || (request.method == "POST" && request.path == "/oauth2/token");
        assert!(allowed, "{request:?}");
        assert!(!matches!(request.status, 404 | 405), "{request:?}");
    }
}

/// Returns the lines of `scope --json` by verdict.
fn verdicts(scope: &Value) -> Vec<(String, u64)> {
    let tenant = &scope["tenants"][0];
    let mut counts = std::collections::BTreeMap::new();
    for line in tenant["lines"].as_array().unwrap_or_else(|| panic!("{scope:#}")) {
        *counts.entry(line["verdict"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

#[test]
fn scope_tells_the_truth_about_four_accounts() {
    // The independent server answers the few endpoints that it has; all others are not found there.
    let everything_else = json!({"/manage/v1/user?": 403});
    let _ = everything_else;
    let closed = |open: &[&str]| {
        let mut denied = serde_json::Map::new();
        for prefix in ["/manage/v1/user", "/learn/", "/course/", "/learningplan/"] {
            denied.insert(prefix.to_owned(), json!(403));
        }
        // `/manage/v1/user/session` works for every user.
        denied.remove("/manage/v1/user");
        for prefix in open {
            denied.remove(*prefix);
        }
        Value::Object(denied)
    };
    let cases = [
        ("a reporting-only Power User", json!({"denied": closed(&[])}), &[0, 8][..]),
        ("one with too many permissions", json!({"denied": closed(&["/learn/"])}), &[8]),
        ("a Superadmin", json!({"level": "super_admin"}), &[3]),
        ("a denied account", json!({"denied": {"/analytics": "html", "/learn/": 403}}), &[3]),
    ];
    for (what, state, codes) in cases {
        let docebo = Docebo::start(state);
        let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
        let output = rig.reportferry(&["scope", "acme", "--json"]);
        assert!(codes.contains(&output.status.code().unwrap()), "{what}: {}", both(&output));
        let scope: Value = serde_json::from_slice(&output.stdout).unwrap();
        println!("{what}: {:?}", verdicts(&scope));
        for request in docebo.requests() {
            let token = request.method == "POST" && request.path == "/oauth2/token";
            assert!(request.method == "GET" || token, "{what}: {request:?}");
            assert!(!request.path.contains("/export"), "{what}: an export was started: {request:?}");
        }
    }
}
