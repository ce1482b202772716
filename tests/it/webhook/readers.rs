//! The pipelines of `pipelines/readers` that send requests, as they are, to receivers that check what their readers specify.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::super::stage::receiver::Receiver;
use super::super::stage::rig::{both, document};

const ROWS: &str = "Employee Number,Entra ID,Viva Content ID,Course Code,Course Name,Completion Date,Final Score,Course Enrollment Status\n\
                    00042,e1,v1,C-1,\"Fire | \"\"Safety\"\" \\ 李\",2026-01-05 12:30:00,88.5,Completed\n\
                    00043,e2,v1,0101,\"López-Núñez\",2026-01-06 12:30:00,,Completed\n\
                    00044,e3,v1,0101,Open,,,In Progress\n";

/// Runs the pipeline of a reader with these rows. Its destination signs in with a token of the receiver.
fn run(receiver: &Receiver, name: &str, destination: &str, base: &str) -> Output {
    let folder = folder(receiver, name, destination, base);
    crate::stage::reportferry()
        .current_dir(folder.path())
        .args(["run", name, "--from", "rows.csv", "--deliver", "--slot", super::SLOT, "--json", "--wait", "20s"])
        .output()
        .unwrap()
}

/// Returns a folder with the pipeline of a reader, these rows, and settings.
fn folder(receiver: &Receiver, name: &str, destination: &str, base: &str) -> tempfile::TempDir {
    let folder = crate::stage::folder();
    let at = format!("http://127.0.0.1:{}", receiver.port);
    let settings = format!(
        "destinations:\n  {destination}:\n    webhook: {{url: \"{at}{base}\", allow: [loopback], oauth2: {{token_url: \"{at}/token\", \
         client_id: the-client, client_secret: {{file: client}}, auth: body}}}}\n    \
         retry: {{initial: 20ms, max: 1s, give_up_after: 1h}}\n\
         tenants: {{acme: {{docebo: \"http://127.0.0.1:9\", client_id: c, client_secret: {{env: NONE}}, username: u, password: {{env: \
         NONE}}}}}}\n"
    );
    std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
    std::fs::write(folder.path().join("client"), super::oauth2::CLIENT_SECRET).unwrap();
    std::fs::write(folder.path().join("rows.csv"), ROWS).unwrap();
    std::fs::create_dir(folder.path().join("pipelines")).unwrap();
    let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("pipelines/readers/{name}.yaml"));
    std::fs::copy(pipeline, folder.path().join(format!("pipelines/{name}.yaml"))).unwrap();
    folder
}

/// The requests besides those for tokens, each of which the receiver found in order.
fn requests(receiver: &Receiver) -> Vec<Value> {
    let got: Vec<Value> = receiver.got().into_iter().filter(|request| request["path"] != "/token").collect();
    for request in &got {
        assert_eq!(request["verified"], true, "{request:#}");
    }
    got
}

#[test]
fn power_bi_gets_typed_rows_and_none_twice() {
    let receiver = Receiver::api("model");
    let output = run(&receiver, "power-bi-push", "power_bi", "/v1.0/myorg");
    assert!(output.status.success(), "{}", both(&output));
    let got = requests(&receiver);
    assert_eq!((got.len(), &got[0]["stored"]), (1, &json!(2)));
    let rows = &got[0]["body"]["rows"];
    assert_eq!((&rows[0]["Score"], &rows[0]["Course"]), (&json!(88.5), &json!("Fire | \"Safety\" \\ 李")));
    assert_eq!((&rows[1]["Score"], &rows[1]["CourseID"]), (&Value::Null, &json!("0101")));

    let receiver = Receiver::api("model");
    receiver.answers(&json!(["drop"]));
    let output = run(&receiver, "power-bi-push", "power_bi", "/v1.0/myorg");
    assert_eq!(output.status.code(), Some(4), "a lost response: {}", both(&output));
    assert_eq!(requests(&receiver).last().unwrap()["most"], 1, "no row is there twice");
}

#[test]
fn viva_gets_one_activity_a_request_and_none_twice() {
    let receiver = Receiver::api("activities");
    let output = run(&receiver, "viva-learning", "graph", "/v1.0");
    assert!(output.status.success(), "{}", both(&output));
    let got = requests(&receiver);
    assert_eq!((got.len(), &got[1]["stored"]), (2, &json!(2)));
    assert!(got.iter().all(|request| request["body"]["status"] == "completed"));

    let receiver = Receiver::api("activities");
    receiver.answers(&json!(["drop"]));
    let output = run(&receiver, "viva-learning", "graph", "/v1.0");
    assert_eq!(output.status.code(), Some(4), "a lost response: {}", both(&output));
    assert_eq!(requests(&receiver).last().unwrap()["most"], 1);
}

#[test]
fn a_completion_that_leaves_the_report_and_comes_back_sends_nothing() {
    let receiver = Receiver::api("activities");
    let folder = folder(&receiver, "viva-learning", "graph", "/v1.0");
    let file = folder.path().join("pipelines/viva-learning.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let docebo = "  docebo:\n    tenant: acme\n    report: {name: Course completions}\n";
    assert!(text.contains(docebo));
    std::fs::write(&file, text.replace(docebo, "  file: {path: rows.csv}\n")).unwrap();
    let gone = ROWS.replace("00043,e2,v1,0101,\"López-Núñez\",2026-01-06 12:30:00,,Completed\n", "");
    assert_ne!(gone, ROWS);
    let new = "00045,e4,v1,C-1,Fire,2026-01-07 12:30:00,,Completed\n";
    let runs = [
        (ROWS.to_owned(), "delivered", 0, 2),
        (gone.clone(), "skipped", 1, 2),
        (format!("{gone}{new}"), "delivered", 1, 3),
        (format!("{ROWS}{new}"), "skipped", 0, 3),
    ];
    for (day, (rows, state, kept, sent)) in runs.into_iter().enumerate() {
        std::fs::write(folder.path().join("rows.csv"), rows).unwrap();
        let slot = format!("2026-02-{:02}T06:40:00Z", day + 1);
        let arguments = ["run", "viva-learning", "--slot", &slot, "--json", "--wait", "20s"];
        let output = crate::stage::reportferry().current_dir(folder.path()).args(arguments).output().unwrap();
        let document = document(&output);
        assert_eq!((&document["state"], &document["delta"]["kept"]), (&json!(state), &json!(kept)), "{document:#}");
        assert_eq!(requests(&receiver).len(), sent, "{document:#}");
    }
    assert_eq!(requests(&receiver).last().unwrap()["most"], 1);
}
