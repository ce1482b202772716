//! Answers for single rows, from an import set API that refuses some of them.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::sync::Arc;

use reportferry::alert::{Alerts, Rules};
use reportferry::clock::Clock;
use reportferry::ledger::Ledger;
use reportferry::settings::Settings;
use serde_json::{Value, json};

use super::super::stage::receiver::Receiver;
use super::super::stage::rig::{both, document};
use super::requests::{Folder, SLOT, borrowed, people};
use crate::stage;
use crate::watch::alerts::Receiver as Desk;

const IMPORTS: &str = r#"
    path: /u_completions/insertMultiple
    batch: {rows: 200}
    json: {records: {each_row: {u_user: {expr: user}, u_course: {expr: course}}}}
    response:
      rows: {at: /result, accepted: "status = 'inserted' or status = 'updated'", reason: /error_message, match: MATCH}
"#;

fn imports(receiver: &Receiver, matched: &str, more: &str, rows: usize) -> Folder {
    let request = IMPORTS.replace("MATCH", matched) + more;
    Folder::new(receiver, "/api/now/import", "in_flight: 1", &request, &borrowed(&people(rows)))
}

fn delivery(output: &Output) -> Value {
    document(output)["deliveries"][0].clone()
}

fn id(output: &Output) -> String {
    document(output)["run"].as_str().unwrap().to_owned()
}

fn counts(delivery: &Value) -> [u64; 4] {
    ["sent", "accepted", "refused", "unanswered"].map(|name| delivery["rows"][name].as_u64().unwrap())
}

fn users(request: &Value) -> Vec<&str> {
    request["body"]["records"].as_array().unwrap().iter().map(|record| record["u_user"].as_str().unwrap()).collect()
}

fn person(number: usize) -> String {
    format!("p{number}@acme.example")
}

#[test]
fn refused_rows_are_kept_and_sent_again_alone() {
    let receiver = Receiver::api("imports");
    let refused = [person(3), person(200), person(201), person(450)];
    receiver.refuses(&refused.each_ref().map(String::as_str));
    let folder = imports(&receiver, "position", "", 450);
    let output = folder.run(SLOT, None);
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    let partial = delivery(&output);
    assert_eq!(partial["state"], "partial", "{partial:#}");
    assert_eq!(counts(&partial), [450, 446, 4, 0]);
    assert!(partial["receipt"].is_null());
    let run = id(&output);
    let reason = partial["reason"].as_str().unwrap();
    assert!(reason.contains("4 refused") && reason.contains(&format!("retry {run} --rows refused")), "{reason}");
    assert!(document(&output)["next"].as_str().unwrap().contains(&format!("retry {run} --rows refused")));

    let file = folder.0.path().join("data").join(partial["rows"]["files"][0].as_str().unwrap());
    let kept = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = kept.lines().collect();
    assert_eq!(lines[..2], ["row,user,course,reason", "3,p3@acme.example,C 1/ü,p3@acme.example is unknown"]);
    assert_eq!(lines.len(), 5);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let attention = folder.call(&["status", "--attention"], None);
    assert_eq!(attention.status.code(), Some(8), "{}", both(&attention));
    assert!(both(&attention).contains("--rows refused"), "{}", both(&attention));
    let shown = folder.call(&["show", &run], None);
    assert!(both(&shown).contains("rows 450 sent: 446 accepted, 4 refused, 0 unanswered"), "{}", both(&shown));
    let evidence = folder.call(&["evidence", &run], None);
    assert!(both(&evidence).contains("\"refused\": 4"), "{}", both(&evidence));

    // Without rows, a retry sends nothing.
    let before = receiver.got().len();
    assert_eq!(before, 3);
    let retried = folder.call(&["retry", &run, "--json"], None);
    assert_eq!((retried.status.code(), delivery(&retried)["state"].as_str()), (Some(3), Some("partial")));
    assert_eq!(receiver.got().len(), before, "{}", both(&retried));

    // Some of them are fixed, then all.
    receiver.refuses(&[refused[1].as_str()]);
    let retried = folder.call(&["retry", &run, "--refused", "--json"], None);
    assert_eq!(retried.status.code(), Some(3), "{}", both(&retried));
    assert_eq!(counts(&delivery(&retried)), [450, 449, 1, 0]);
    let got = receiver.got();
    assert_eq!(got.len(), before + 1);
    assert_eq!(users(got.last().unwrap()), refused);
    receiver.refuses(&[]);
    let retried = folder.call(&["retry", &run, "--rows", "refused", "--json"], None);
    assert!(retried.status.success(), "{}", both(&retried));
    let done = delivery(&retried);
    assert_eq!((counts(&done), done["state"].as_str()), ([450, 450, 0, 0], Some("delivered")));
    assert_eq!(done["receipt"]["rows"]["accepted"], 450, "{done:#}");
    let got = receiver.got();
    assert_eq!(users(got.last().unwrap()), [refused[1].as_str()]);
    assert_eq!((got.last().unwrap()["stored"].as_u64(), got.last().unwrap()["most"].as_u64()), (Some(450), Some(1)));
    assert!(!file.exists(), "no row is refused any more");
    let again = folder.call(&["retry", &run, "--refused"], None);
    assert_eq!(again.status.code(), Some(2), "{}", both(&again));
}

#[test]
fn as_many_as_are_allowed_may_be_refused() {
    for (max, is_delivered) in [("2", true), ("1", false), ("10%", true), ("9.9%", false)] {
        let receiver = Receiver::api("imports");
        receiver.refuses(&[&person(1), &person(20)]);
        let folder =
            imports(&receiver, "{ours: user, theirs: /u_user}", &format!("   refused_rows: {{max: {max}}}\n"), 20);
        let output = folder.run(SLOT, None);
        assert_eq!(output.status.success(), is_delivered, "{max}: {}", both(&output));
        let delivery = delivery(&output);
        assert_eq!(counts(&delivery), [20, 18, 2, 0]);
        if is_delivered {
            assert_eq!(
                (delivery["state"].as_str(), &delivery["receipt"]["rows"]["refused"]),
                (Some("delivered"), &json!(2))
            );
            let again = folder.call(&["retry", &id(&output), "--refused"], None);
            assert!(both(&again).contains("within `refused_rows`"), "{}", both(&again));
        }
    }
}

#[test]
fn a_response_without_an_answer_for_each_row_leaves_rows_unanswered() {
    let answer = |user: &str| json!({"u_user": user, "status": "inserted"});
    let three = json!({"result": [answer(&person(1)), answer(&person(2)), answer(&person(9))]}).to_string();
    let long = format!("{{\"result\":[\"{}\"]}}", "x".repeat(5 << 20));
    for (matched, raw, unanswered, why) in [
        ("position", three.clone(), 4, "3 answers for 4 rows"),
        ("{ours: user, theirs: /u_user}", three, 2, "for keys that no row of the request has: \\\"p9@acme.example\\\""),
        ("position", "<html>".to_owned(), 4, "is not JSON"),
        ("position", long, 4, "more than 4194304 bytes"),
    ] {
        let receiver = Receiver::api("imports");
        receiver.answers(&json!([{"raw": raw}]));
        let folder = imports(&receiver, matched, "", 4);
        let output = folder.run(SLOT, None);
        assert_eq!(output.status.code(), Some(3), "{}", both(&output));
        let partial = delivery(&output);
        assert_eq!(counts(&partial), [4, 4 - unanswered, 0, unanswered], "{partial:#}");
        let file = folder.0.path().join("data").join(partial["rows"]["files"][0].as_str().unwrap());
        let kept = std::fs::read_to_string(file).unwrap();
        assert!(kept.contains(&why.replace("\\\"", "\"\"")) || kept.contains(why), "{why}: {kept}");
        let retried = folder.call(&["retry", &id(&output), "--rows", "unanswered", "--json"], None);
        assert!(retried.status.success(), "{}", both(&retried));
        assert_eq!(counts(&delivery(&retried)), [4, 4, 0, 0]);
        assert_eq!(users(receiver.got().last().unwrap()).len() as u64, unanswered);
    }
}

/// A lost response holds the delivery. A retry sends what was never sent; the rows in doubt only if a person asks for that.
#[test]
fn rows_in_doubt_are_named_and_sent_again_only_on_request() {
    for is_killed in [false, true] {
        let receiver = Receiver::api("imports");
        receiver.answers(&json!([null, "drop"]));
        let folder = imports(&receiver, "position", "    batch: {rows: 200, bytes: 600}\n", 30);
        let text = std::fs::read_to_string(folder.0.path().join("pipelines/line.yaml")).unwrap();
        folder.write("pipelines/line.yaml", &text.replacen("    batch: {rows: 200}\n", "", 1));
        let mut output = folder.run(SLOT, is_killed.then_some("webhook.send=kill_after@2"));
        if is_killed {
            output = folder.run(SLOT, None);
        }
        assert_eq!(output.status.code(), Some(4), "{}", both(&output));
        let (run, blocked, got) = (id(&output), delivery(&output), receiver.got());
        assert_eq!(got.len(), 2);
        let (first, second) = (users(&got[0]).len(), users(&got[1]).len());
        let reason = blocked["reason"].as_str().unwrap();
        // The batches are cut by bytes, so their rows are not multiples of anything.
        let named = format!("rows {} to {} may have been taken", first + 1, first + second);
        assert!(reason.contains(&named) && reason.contains("--rows unanswered"), "{named}: {reason}");
        assert_eq!(counts(&blocked), [first + second, first, 0, second].map(|count| count as u64));

        let retried = folder.call(&["retry", &run, "--json"], None);
        assert_eq!(retried.status.code(), Some(3), "{}", both(&retried));
        assert_eq!(counts(&delivery(&retried)), [30, 30 - second, 0, second].map(|count| count as u64));
        let sent: Vec<Value> = receiver.got().into_iter().skip(2).collect();
        let rest: BTreeSet<&str> = sent.iter().flat_map(users).collect();
        assert_eq!(rest.len(), 30 - first - second, "only what was never sent");
        let retried = folder.call(&["retry", &run, "--rows", "unanswered", "--json"], None);
        assert!(retried.status.success(), "{}", both(&retried));
        assert_eq!(users(receiver.got().last().unwrap()), users(&got[1]));
    }
}

/// A process that dies before it sends anything leaves nothing in doubt.
#[test]
fn a_process_that_dies_before_a_request_holds_nothing() {
    let receiver = Receiver::api("imports");
    let folder = imports(&receiver, "position", "", 5);
    folder.run(SLOT, Some("ledger.begin=kill_before"));
    assert!(receiver.got().is_empty());
    let output = folder.run(SLOT, None);
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(counts(&delivery(&output)), [5, 5, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_says_how_the_rows_are_sent_again() {
    let receiver = Receiver::api("imports");
    receiver.refuses(&[person(3).as_str()]);
    let folder = imports(&receiver, "position", "", 5);
    let output = folder.run(SLOT, None);
    let desk = Desk::start();
    folder.write("desk", &format!("http://{}/desk", desk.address));
    let channel = "alerts: {on: [failed], channels: {desk: {webhook: {url: {file: desk}, allow: [loopback]}}}}\n";
    folder.write("alerts.yaml", channel);
    // A person who runs it sees it fail; the worker's runs are told of.
    let file = folder.0.path().join("data/ledger.db");
    let ledger = rusqlite::Connection::open(&file).unwrap();
    assert_eq!(ledger.execute("UPDATE runs SET origin = 'schedule'", []).unwrap(), 1);
    drop(ledger);
    let (settings, _) =
        Settings::load_with(Some(&folder.0.path().join("alerts.yaml")), &[], std::iter::empty()).unwrap();
    let rules = Rules::default();
    rules.take(&Arc::new(settings), [].iter());
    let ledger = Ledger::open(&stage::sqlite(&file), Clock::System).await.unwrap();
    Alerts::new(ledger, Clock::System, rules).round().await.unwrap();
    let [told] = desk.got("/desk").try_into().unwrap();
    let next = told["next"].as_str().unwrap();
    assert!(next.contains(&format!("reportferry retry {} --rows refused", id(&output))), "{told:#}");
    assert!(told["reason"].as_str().unwrap().contains("1 refused"), "{told:#}");
}
