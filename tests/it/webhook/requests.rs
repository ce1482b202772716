//! Requests of a pipeline's own, to receivers that check their APIs' specifications.

use std::fmt::Write as _;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::stage::receiver::Receiver;
use super::super::stage::rig::{both, document};

const STATEMENTS: &str = r#"
    method: POST
    path: /statements
    batch: {rows: 25}
    headers: {X-Experience-API-Version: "1.0.3"}
    json:
      each_row:
        id: {expr: "uuid5('9f5bbcd8-2d66-4e9c-8d3a-0a5b6c1f7e21', user || course)"}
        actor: {mbox: {expr: "'mailto:' || user"}}
        verb: {id: "http://adlnet.gov/expapi/verbs/completed"}
        object: {id: {expr: "'https://lms.example/course/' || course"}}
    response: {accepted: [200, 204], already_accepted: [409]}
"#;

const BADGES: &str = r#"
    path: "/organizations/{course}/badges"
    json: {recipient_email: {expr: user}, badge_template_id: t-1, issued_at: "2026-11-23 05:30:00 -0500"}
"#;

/// A pipeline that sends rows of a local file to `api`.
pub(super) struct Folder(pub TempDir);

impl Folder {
    /// `webhook` are further keys of the destination.
    pub(super) fn new(receiver: &Receiver, base: &str, webhook: &str, request: &str, rows: &[(&str, &str)]) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        let folder = Self(folder);
        folder.write(
            "reportferry.yaml",
            &format!(
                "data: data\ndestinations:\n  api:\n    webhook: {{url: \"http://127.0.0.1:{}{base}\", allow: [loopback], \
                 basic: {{username: u, password: {{file: word}}}}, {webhook}}}\n    \
                 retry: {{initial: 20ms, max: 1s, give_up_after: 1h}}\n",
                receiver.port
            ),
        );
        folder.write("word", "pass-word");
        folder.write(
            "pipelines/line.yaml",
            &format!(
                "source: {{file: {{path: rows.csv}}}}\nartifact: {{name: out.csv}}\ndeliver:\n  api:\n   request:{request}"
            ),
        );
        let mut text = "user,course\n".to_owned();
        for (user, course) in rows {
            writeln!(text, "{user},{course}").unwrap();
        }
        folder.write("rows.csv", &text);
        folder
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    pub(super) fn call(&self, arguments: &[&str], fault: Option<&str>) -> Output {
        let mut command = crate::stage::reportferry();
        command.current_dir(self.0.path()).args(arguments);
        command.envs(fault.map(|fault| ("REPORTFERRY_FAULT", fault))).output().unwrap()
    }

    pub(super) fn run(&self, slot: &str, fault: Option<&str>) -> Output {
        self.call(&["run", "line", "--slot", slot, "--json", "--wait", "20s"], fault)
    }
}

pub(super) const SLOT: &str = "2026-11-23T05:30:00Z";
const LATER: &str = "2026-11-24T05:30:00Z";

pub(super) fn people(count: usize) -> Vec<(String, String)> {
    (1..=count).map(|number| (format!("p{number}@acme.example"), "C 1/ü".to_owned())).collect()
}

pub(super) fn borrowed(rows: &[(String, String)]) -> Vec<(&str, &str)> {
    rows.iter().map(|(user, course)| (user.as_str(), course.as_str())).collect()
}

fn last(got: &[Value], key: &str) -> Value {
    got.last().unwrap()[key].clone()
}

/// xAPI: a lost response is made good, because the store recognises the statements by their ids.
#[test]
fn statements_arrive_once_although_a_response_is_lost() {
    let receiver = Receiver::api("xapi");
    receiver.answers(&json!([null, "drop"]));
    let rows = people(60);
    let folder = Folder::new(&receiver, "/xapi/", "in_flight: 1", STATEMENTS, &borrowed(&rows));
    let output = folder.run(SLOT, None);
    assert!(output.status.success(), "{}", both(&output));
    let got = receiver.got();
    let answers: Vec<&Value> = got.iter().map(|request| &request["answer"]).collect();
    assert_eq!(answers, [&json!(200), &json!("drop"), &json!(409), &json!(200)]);
    assert_eq!(last(&got, "stored"), 60);
    assert_eq!(got[0]["body"].as_array().unwrap().len(), 25);
    assert!(got[0]["headers"].get("webhook-id").is_none(), "not signed, so no headers of webhooks");

    // Sent for the first time, 409 means that one statement is there: not that all of them are.
    let later = folder.run(LATER, None);
    assert_eq!(later.status.code(), Some(3), "{}", both(&later));
    assert!(both(&later).contains("does not mean that it has the others"), "{}", both(&later));
    let text = std::fs::read_to_string(folder.0.path().join("pipelines/line.yaml")).unwrap();
    folder.write("pipelines/line.yaml", &text.replace("rows: 25", "rows: 1"));
    let single = folder.run("2026-11-25T05:30:00Z", None);
    assert!(single.status.success(), "{}", both(&single));
    assert_eq!(last(&receiver.got(), "stored"), 60);
}

/// An earlier attempt means nothing for a batch that it never sent.
#[test]
fn a_batch_that_was_never_sent_is_not_taken_for_delivered() {
    let receiver = Receiver::api("xapi");
    let rows = people(60);
    let folder = Folder::new(&receiver, "/xapi/", "in_flight: 1", STATEMENTS, &borrowed(&rows[29..30]));
    assert!(folder.run(SLOT, None).status.success());
    let text = rows.iter().map(|(user, course)| format!("{user},{course}\n")).collect::<String>();
    folder.write("rows.csv", &format!("user,course\n{text}"));
    // The second batch, which has the statement that is there, is never begun.
    folder.run(LATER, Some("webhook.send=kill_after"));
    let output = folder.run(LATER, None);
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    assert!(both(&output).contains("does not mean that it has the others"), "{}", both(&output));
    let got = receiver.got();
    // The first one was begun: its repeat, which the receiver knows, is delivered.
    let answers: Vec<&Value> = got.iter().map(|request| &request["answer"]).collect();
    assert_eq!(answers, [&json!(200), &json!(200), &json!(409), &json!(409)]);
}

/// Credly: nothing recognises a repeat, so a lost response stops the delivery.
#[test]
fn a_lost_response_never_makes_a_second_badge() {
    for lost in [json!("drop"), json!(504)] {
        let receiver = Receiver::api("badges");
        receiver.answers(&json!([null, lost]));
        let rows = people(5);
        let folder = Folder::new(&receiver, "/v1", "in_flight: 1", BADGES, &borrowed(&rows));
        let output = folder.run(SLOT, None);
        assert_eq!(output.status.code(), Some(4), "{}", both(&output));
        let delivery = document(&output)["deliveries"][0].clone();
        assert_eq!(delivery["state"], "blocked");
        assert!(delivery["reason"].as_str().unwrap().contains("rows 2 may have been taken"), "{delivery}");
        let again = folder.run(SLOT, None);
        let got = receiver.got();
        assert_eq!(got.len(), 2, "{}", both(&again));
        assert_eq!(got[0]["path"], "/v1/organizations/C%201%2F%C3%BC/badges");
        // A person decides.
        let run = document(&output)["run"].as_str().unwrap().to_owned();
        let retried = folder.call(&["retry", &run, "--rows", "unanswered"], None);
        assert!(retried.status.success(), "{}", both(&retried));
        let got = receiver.got();
        assert_eq!((got.len(), got[2]["body"]["recipient_email"].as_str()), (6, Some("p2@acme.example")));
    }
}

#[test]
fn a_process_that_dies_with_a_request_under_way_sends_nothing_twice() {
    let receiver = Receiver::api("badges");
    let rows = people(4);
    let folder = Folder::new(&receiver, "/v1", "in_flight: 1", BADGES, &borrowed(&rows));
    folder.run(SLOT, Some("webhook.send=kill_after@3"));
    let taken = receiver.got().len();
    assert_eq!(taken, 3);
    let output = folder.run(SLOT, None);
    assert_eq!(output.status.code(), Some(4), "{}", both(&output));
    assert!(both(&output).contains("may have been taken"), "{}", both(&output));
    assert_eq!(receiver.got().len(), 3);

    // With a header that the receiver recognises a repeat by, it goes on.
    let receiver = Receiver::api("badges");
    let request = format!("{BADGES}    idempotency: {{header: Idempotency-Key}}\n");
    let folder = Folder::new(&receiver, "/v1", "in_flight: 1", &request, &borrowed(&rows));
    folder.run(SLOT, Some("webhook.send=kill_after@3"));
    let output = folder.run(SLOT, None);
    assert!(output.status.success(), "{}", both(&output));
    let ids: std::collections::BTreeSet<String> =
        receiver.got().iter().map(|request| request["headers"]["idempotency-key"].to_string()).collect();
    assert_eq!(ids.len(), 4, "a repeat has the id of the first");
}

#[test]
fn a_row_that_cannot_be_in_a_path_is_named_and_nothing_is_sent() {
    for bad in ["", ".", ".."] {
        let receiver = Receiver::api("badges");
        let mut rows = people(3);
        rows[2].1 = bad.to_owned();
        let folder = Folder::new(&receiver, "/v1", "in_flight: 1", BADGES, &borrowed(&rows));
        let output = folder.run(SLOT, None);
        assert_eq!(output.status.code(), Some(3), "{}", both(&output));
        let reason = document(&output)["deliveries"][0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("course") && reason.contains('3') && reason.contains("request.path"), "{reason}");
        assert!(receiver.got().is_empty(), "the rows before it are not sent either");
    }
    let receiver = Receiver::api("badges");
    let folder = Folder::new(&receiver, "/v1", "in_flight: 1", BADGES, &[]);
    let output = folder.run(SLOT, None);
    assert!(receiver.got().is_empty(), "no rows, no request: {}", both(&output));
}

#[test]
fn what_a_request_must_not_say_is_a_problem() {
    let receiver = Receiver::api("badges");
    for (webhook, request, what) in [
        ("body: rows", "\n    json: {a: 1}\n", "mutually exclusive"),
        ("in_flight: 1", "\n    headers: {Authorization: x}\n    json: {a: 1}\n", "cannot be set by a pipeline"),
        ("in_flight: 1", "\n    headers: {webhook-id: x}\n    json: {a: 1}\n", "cannot be set by a pipeline"),
        ("in_flight: 1", "\n    path: /a/../b\n    json: {a: 1}\n", "is empty, `.` or `..`"),
        ("in_flight: 1", "\n    path: \"/a?b\"\n    json: {a: 1}\n", "cannot be in a path"),
        ("in_flight: 1", "\n    batch: {rows: 2}\n    json: {a: 1}\n", "carries one row"),
        ("in_flight: 1", "\n    json: {a: 1}\n    response: {retry: [410]}\n", "410 cannot be in this list"),
    ] {
        let folder = Folder::new(&receiver, "/v1", webhook, request, &[("a", "b")]);
        let output = folder.call(&["check"], None);
        assert_eq!(output.status.code(), Some(2), "{request}: {}", both(&output));
        assert!(both(&output).contains(what), "{what}: {}", both(&output));
    }
}
