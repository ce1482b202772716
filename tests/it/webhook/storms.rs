//! Receivers that refuse, reset and close: how many requests they get, and that large feeds come to their end.

use std::fmt::Write as _;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{delivery, rig_with};
use crate::stage::raw_receiver::{RawReceiver, Reply, status};
use crate::stage::rig::{Rig, SLOT, both};

const PIPELINE: &str = "source: {file: {path: in.csv}}\nartifact: {name: out.csv}\ndeliver: {bi: {}}\n";

/// A rig that sends so many rows to this port, with the destination's own retry schedule.
pub(super) fn feed(rows: u64, port: u16, more: &str) -> Rig {
    feed_to(rows, &format!("http://127.0.0.1:{port}/"), more)
}

/// The same, to this address.
pub(super) fn feed_to(rows: u64, url: &str, more: &str) -> Rig {
    let rig = rig_with(PIPELINE, url, &format!("allow: [loopback], {more}"), "");
    let mut text = String::from("id,name\n");
    for row in 0..rows {
        writeln!(text, "{row},the person of row {row}").unwrap();
    }
    std::fs::write(rig.folder.path().join("in.csv"), text).unwrap();
    rig
}

pub(super) fn run(rig: &Rig, wait: &str) -> Output {
    rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", wait])
}

/// Runs a feed to its end within a minute; the requests, beyond one for each batch, and the attempts.
fn to_the_end(receiver: &RawReceiver, rows: u64, more: &str) -> (usize, u64) {
    let rig = feed(rows, receiver.port, more);
    let begun = Instant::now();
    let output = run(&rig, "60s");
    assert!(output.status.success(), "{}", both(&output));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let batches = rows as usize / 10;
    assert_eq!(receiver.taken().len(), batches);
    (receiver.came().len() - batches, delivery(&output)["attempts"].as_u64().unwrap())
}

#[test]
fn d01_retry_after_zero_does_not_cause_a_storm() {
    for (code, headers) in [
        (429, "Retry-After: 0\r\n"),
        (503, "Retry-After: 0\r\n"),
        (429, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        (429, "Retry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n"),
        (429, "Retry-After: -1\r\n"),
        (500, "Retry-After: now\r\n"),
        (408, ""),
    ] {
        let receiver = RawReceiver::start(move |_| Reply::Answer(status(code, headers)));
        let output = run(&feed(3, receiver.port, ""), "3s");
        assert_eq!(output.status.code(), Some(6), "{}", both(&output));
        let came = receiver.came().len();
        assert!((2..=5).contains(&came), "{code} {headers:?}: {came} requests");
    }
}

#[test]
fn d01_a_receiver_that_refuses_all_batches_gets_one_round_for_each_attempt() {
    let receiver = RawReceiver::start(|_| Reply::Answer(status(429, "Retry-After: 0\r\n")));
    let output = run(&feed(200, receiver.port, "batch: {rows: 10}, in_flight: 4"), "3s");
    let (came, attempts) = (receiver.came().len(), delivery(&output)["attempts"].as_u64().unwrap());
    assert!(attempts <= 5 && came <= 4 * attempts as usize, "{came} requests, {attempts} attempts");
}

#[test]
fn d23_retry_after_is_waited_for_and_its_limit_is_logged() {
    for (asked, waits, is_cut) in [(3600, 3600, false), (90_000, 3600, true)] {
        let headers: &str = format!("Retry-After: {asked}\r\n").leak();
        let receiver = RawReceiver::start(move |_| Reply::Answer(status(503, headers)));
        let rig = feed(3, receiver.port, "");
        let output = run(&rig, "2s");
        assert_eq!(receiver.came().len(), 1, "{}", both(&output));
        let told = both(&output);
        assert!(told.contains(&format!("answers 503: ok (Retry-After: {asked} s)")), "{told}");
        assert_eq!(told.contains("longer than the limit"), is_cut, "{told}");
        let due = told.split("next=").nth(1).unwrap().split_whitespace().next().unwrap().trim_matches('"');
        let due: jiff::Timestamp = due.parse().unwrap_or_else(|error| panic!("{due}: {error}"));
        let left = due.as_second() - reportferry::clock::Clock::System.now().as_second();
        assert!((waits - 30..=waits).contains(&left), "{left}");
    }
}

#[test]
fn d05_every_tenth_request_is_refused_and_the_feed_comes_to_its_end() {
    for code in [503, 429, 500, 408, 425, 599] {
        let every_tenth = move |n| Reply::Answer(if n % 10 == 0 { status(code, "") } else { status(200, "") });
        let receiver = RawReceiver::start(every_tenth);
        let (more, attempts) =
            to_the_end(&receiver, if code == 503 { 2_000 } else { 300 }, "batch: {rows: 10}, in_flight: 1");
        assert!(attempts <= 2 && more <= 30, "{code}: {more} more requests, {attempts} attempts");
    }
}

#[test]
fn d05_every_tenth_request_is_reset_or_has_a_wait_to_ask_for() {
    let resets = |n: usize| if n.is_multiple_of(10) { Reply::Reset } else { Reply::Answer(status(200, "")) };
    let receiver = RawReceiver::start(resets);
    let (more, attempts) = to_the_end(&receiver, 1_000, "batch: {rows: 10}, in_flight: 1");
    assert!(attempts <= 2 && more <= 20, "{more} more requests, {attempts} attempts");
    let asks = |n: usize| Reply::Answer(if n == 5 { status(429, "Retry-After: 2\r\n") } else { status(200, "") });
    let receiver = RawReceiver::start(asks);
    let (more, attempts) = to_the_end(&receiver, 400, "batch: {rows: 10}, in_flight: 4");
    assert!(attempts == 1 && more == 1, "{more} more requests, {attempts} attempts");
    let came = receiver.came();
    let quiet = came.windows(2).map(|pair| pair[1].at.saturating_sub(pair[0].at)).max().unwrap();
    assert!(quiet >= Duration::from_millis(1_900), "all batches wait while the receiver asks for it: {quiet:?}");
}

#[test]
fn d05_intermittent_failures_with_several_requests_in_flight() {
    for in_flight in [1, 4, 16] {
        // The same ones each time: a number that looks like chance.
        let chance = |n: usize| (n.wrapping_mul(2_654_435_761) >> 7) % 100;
        let fails = move |n: usize| match chance(n) {
            0..=9 => Reply::Answer(status(503, "")),
            10..=14 => Reply::Answer(status(429, "Retry-After: 0\r\n")),
            15..=19 => Reply::Reset,
            20..=22 => Reply::ThenClose(status(200, ""), Duration::ZERO),
            23..=30 => Reply::Late(Duration::from_millis(50), status(200, "")),
            31..=33 => Reply::Answer(status(502, "Connection: close\r\n")),
            _ => Reply::Answer(status(200, "")),
        };
        let receiver = RawReceiver::start(fails);
        let (more, attempts) = to_the_end(&receiver, 2_000, &format!("batch: {{rows: 10}}, in_flight: {in_flight}"));
        assert!(attempts <= 4 && more <= 150, "{in_flight} in flight: {more} more requests, {attempts} attempts");
    }
}

#[test]
fn d05_a_batch_that_never_passes_does_not_stop_the_schedule() {
    let receiver = RawReceiver::start(|n| Reply::Answer(if n < 6 { status(200, "") } else { status(500, "") }));
    let rig = feed(100, receiver.port, "batch: {rows: 10}, in_flight: 1");
    let output = run(&rig, "20s");
    assert_eq!(delivery(&output)["state"], json!("waiting"), "{}", both(&output));
    let came = receiver.came().len();
    assert!((10..=24).contains(&came), "{came} requests in 20 s");
    assert_eq!(receiver.taken().len(), 5);
}

#[test]
fn d17_a_connection_that_is_closed_after_its_answer_costs_no_attempt() {
    for in_flight in [1, 4, 16] {
        for after in [0, 1, 20] {
            let closes = move |_| Reply::ThenClose(status(200, ""), Duration::from_millis(after));
            let receiver = RawReceiver::start(closes);
            // Before the receiver is known to close its connections, one request in some thousands is lost between hyper's
            // pool and a connection that ends in that moment, and goes again after `total`.
            let settings = format!("batch: {{rows: 10}}, in_flight: {in_flight}, timeouts: {{total: 5s}}");
            let (more, attempts) = to_the_end(&receiver, 400, &settings);
            assert_eq!((attempts, more), (1, 0), "{in_flight} in flight, closed after {after} ms");
        }
    }
}

#[test]
fn d17_connections_are_not_reused_where_the_receiver_closes_them() {
    for keeps in [false, true] {
        let receiver = RawReceiver::start(move |_| match keeps {
            true => Reply::Answer(status(200, "")),
            false => Reply::ThenClose(status(200, ""), Duration::from_millis(5)),
        });
        let (_, attempts) = to_the_end(&receiver, 4_000, "batch: {rows: 10}, in_flight: 4");
        let closes = receiver.came().iter().filter(|request| request.closes).count();
        assert_eq!(attempts, 1);
        assert!(if keeps { closes == 0 } else { closes > 300 }, "{closes} of 400, kept: {keeps}");
    }
}

#[test]
fn d17_a_kept_connection_that_dies_is_replaced_at_once() {
    let receiver = RawReceiver::start(|_| Reply::ThenClose(status(200, ""), Duration::from_millis(20)));
    let rig = feed(400, receiver.port, "batch: {rows: 10}, in_flight: 1");
    let mut command = rig.command(&["run", "line", "--slot", SLOT, "--json", "--wait", "30s"]);
    let output = command.env("REPORTFERRY_LOG__FILTER", "reportferry=debug").output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let told = both(&output);
    assert!(told.contains("the reused connection was closed, sending again"), "{told}");
    assert!(!told.contains("batch sent again"), "none waited: {told}");
}

#[test]
fn d17_a_new_connection_that_dies_is_no_reason_to_try_at_once() {
    let receiver = RawReceiver::start(|_| Reply::Reset);
    let output = run(&feed(3, receiver.port, ""), "3s");
    assert!(both(&output).contains("closed the connection without an answer"), "{}", both(&output));
    let came = receiver.came().len();
    assert!((2..=5).contains(&came), "{came} requests");
}

#[test]
fn d18_answers_that_are_slightly_wrong_are_taken() {
    for answer in [
        "HTTP/1.1 200 OK\r\nX-Bad : 1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-Odd: \u{1}\u{7f}\u{fc}\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX(Bad): 1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n: nameless\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 ok\r\ncontent-length:2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let receiver = RawReceiver::start(move |_| Reply::Answer(answer.into()));
        let output = run(&feed(3, receiver.port, ""), "0s");
        assert!(output.status.success(), "{answer:?}: {}", both(&output));
        assert_eq!(receiver.came().len(), 1, "{answer:?}");
    }
    let many = (0..300).fold(String::new(), |lines, n| lines + &format!("X-{n}: {n}\r\n"));
    let receiver = RawReceiver::start(move |_| Reply::Answer(status(200, &many)));
    assert!(run(&feed(3, receiver.port, ""), "0s").status.success(), "300 header lines");
    for answer in ["HTTP/1.0 200 OK\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"] {
        let receiver = RawReceiver::start(move |_| Reply::ThenClose(answer.into(), Duration::ZERO));
        let output = run(&feed(3, receiver.port, ""), "0s");
        assert!(output.status.success(), "{answer:?}: {}", both(&output));
    }
}

#[test]
fn d18_what_is_not_http_is_said_to_be_not() {
    let receiver = RawReceiver::start(|_| Reply::ThenClose(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), Duration::ZERO));
    let output = run(&feed(3, receiver.port, ""), "0s");
    assert!(both(&output).contains("the answer is not HTTP/1.1"), "{}", both(&output));
}

#[test]
fn retry_statuses_of_a_receiver_are_tried_again() {
    let answers = |n: usize| {
        Reply::Answer(status(
            if n == 3 {
                409
            } else if n == 5 {
                423
            } else {
                200
            },
            "",
        ))
    };
    let receiver = RawReceiver::start(answers);
    let rig = feed(100, receiver.port, "batch: {rows: 10}, in_flight: 1, retry_statuses: [409, 423]");
    let output = run(&rig, "20s");
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!((receiver.taken().len(), receiver.came().len()), (10, 12));
    let receiver = RawReceiver::start(answers);
    let output = run(&feed(100, receiver.port, "batch: {rows: 10}, in_flight: 1"), "20s");
    assert_eq!(delivery(&output)["state"], json!("rejected"), "{}", both(&output));
    for (statuses, words) in [("[410]", "never retried"), ("[200]", "400 to 599"), ("[600]", "400 to 599")] {
        let output = feed(1, 1, &format!("retry_statuses: {statuses}")).reportferry(&["check"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(both(&output).contains(words), "{}", both(&output));
    }
}
