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
        (
            "a stale snapshot",
            json!({"snapshot": "2026-11-22 22:00:00"}),
            &["fresh"],
            &["the newest Completion Date is 2026-11-22", "1d 12h"],
        ),
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
        // The message about the newest value says it all.
        let has_difference = |finding: &Value| finding["expectation"] == "fresh" || finding["difference"].is_object();
        assert!(findings.iter().all(has_difference), "{what}: {run:#}");
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
    // The watermark is the platform's own time, unless it is off by more than a day.
    let text = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let now = jiff::Timestamp::now();
    for paging in ["page", "cursor"] {
        let docebo = Docebo::start(json!({"now": text(now), "paging": paging}));
        let feed = Feed { rig: Rig::with(&pipeline, &docebo.url, &servers().sshd), docebo };
        let run = feed.run(FIRST, 0);
        assert_eq!(run["rows"]["delivered"], 240, "{run:#}");
        // Sixty records change, and a page that the totals promise is missing.
        let later = text(now + jiff::SignedDuration::from_mins(2));
        let changed: serde_json::Map<String, Value> =
            (0..60).map(|number| (number.to_string(), json!(later))).collect();
        let state = |lose_page| json!({"now": later, "paging": paging, "changed": changed, "lose_page": lose_page});
        feed.docebo.state(state(true));
        let output = feed.rig.reportferry(&["run", "line", "--slot", SECOND, "--json", "--wait", "1s"]);
        assert!(matches!(output.status.code(), Some(3 | 6)), "{}", both(&output));
        let run = document(&output);
        assert!(run["reason"].as_str().unwrap_or_default().contains("60"), "{run:#}");
        assert_eq!(feed.arrived().len(), 1, "no reader may see it");
        feed.docebo.state(state(false));
        feed.text(&["retry", run["run"].as_str().unwrap()], 0);
        let sent = std::fs::read_to_string(feed.rig.drop.join("inbound/enrollments_20261124.csv")).unwrap();
        let rows = sent.lines().count() - 1;
        assert!((60..100).contains(&rows), "the changes since the first run, and the overlap: {rows} rows");
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

/// Returns the number of lines of `scope --json` with a verdict.
fn lines(tenant: &Value, verdict: &str) -> usize {
    let lines = tenant["lines"].as_array().unwrap_or_else(|| panic!("{tenant:#}"));
    lines.iter().filter(|line| line["verdict"] == verdict).count()
}

#[test]
fn scope_tells_the_truth_about_four_accounts() {
    // What the independent server does not have is not found there, which is no evidence.
    let closed = json!({"/manage/v1/user$": 403, "/learn/": "html", "/course/": 401, "/learningplan/": "redirect"});
    let open = json!({"/manage/v1/user$": 403, "/course/": 401, "/learningplan/": "redirect"});
    let denied = json!({"/analytics": "html", "/manage/v1/user$": 403, "/learn/": 403});
    let cases = [
        ("a reporting-only Power User", json!({"denied": closed}), 0, "least"),
        ("one with too many permissions", json!({"denied": open}), 8, "excess"),
        ("a Superadmin", json!({"level": "super_admin"}), 3, "refused"),
        ("a level that nobody knows", json!({"level": "owner", "denied": closed}), 3, "refused"),
        ("a denied account", json!({"denied": denied}), 3, "denied"),
    ];
    for (what, state, code, standing) in cases {
        let docebo = Docebo::start(state);
        let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
        let output = rig.reportferry(&["scope", "acme", "--json"]);
        assert_eq!(output.status.code(), Some(code), "{what}: {}", both(&output));
        let scope: Value = serde_json::from_slice(&output.stdout).unwrap();
        let tenant = &scope["tenants"][0];
        assert_eq!(tenant["standing"], standing, "{what}: {tenant:#}");
        assert_eq!(lines(tenant, "unneeded") > 0, code == 8 || what == "a Superadmin", "{what}: {tenant:#}");
        assert_eq!(lines(tenant, "needed_denied") > 0, standing == "denied", "{what}: {tenant:#}");
        let requests = docebo.requests();
        assert!(requests.len() > 20, "{what}: {requests:?}");
        for request in requests {
            let token = request.method == "POST" && request.path == "/oauth2/token";
            assert!(request.method == "GET" || token, "{what}: {request:?}");
            assert!(!request.path.contains("/export"), "{what}: an export was started: {request:?}");
        }
    }
}
