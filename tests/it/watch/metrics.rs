//! Health, readiness and metrics, read over HTTP and by promtool.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use reportferry::ledger::state::RunState;

use crate::stage::eventually;
use crate::stage::rig::Rig;
use crate::work::stand::{Stand, Working, every_minute};

/// Installed by `tests/tools`.
pub(super) const PROMTOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/promtool");

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Status and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some((status, text.split_once("\r\n\r\n")?.1.to_owned()))
}

pub(crate) fn listening(stand: &Stand) -> (Working, SocketAddr) {
    let address = free_address();
    let settings = stand.rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("http: {address}\n{text}")).unwrap();
    let worker = stand.worker();
    eventually("it is ready", || get(address, "/readyz").is_some_and(|(status, _)| status == 200));
    (worker, address)
}

fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn metrics_tell_what_happened_and_promtool_takes_them() {
    let stand = Stand::new(Rig::new(&every_minute()));
    crate::pickup::says(&stand.rig, "{moved: {deadline: 4s}}");
    std::fs::write(stand.pipeline("broken"), "schedule: {corn: x}\n").unwrap();
    stand.behind("line", 3);
    let (worker, address) = listening(&stand);
    assert_eq!(get(address, "/healthz").unwrap().0, 200);
    assert_eq!(get(address, "/nothing").unwrap().0, 404);
    let health = stand.rig.reportferry(&["health"]);
    assert_eq!(health.status.code(), Some(0), "{}", crate::stage::rig::both(&health));
    eventually("three slots are delivered", || {
        stand.runs().iter().filter(|run| run.state == RunState::Delivered).count() >= 3
    });
    let mut metrics = String::new();
    eventually("the metrics say so", || {
        metrics = get(address, "/metrics").unwrap().1;
        value(&metrics, "reportferry_slots_total{state=\"delivered\"}").is_some_and(|count| count >= 3.0)
            && value(&metrics, "reportferry_pickups_overdue{destination=\"hris\"}").is_some_and(|count| count >= 3.0)
    });
    let number = |name: &str| value(&metrics, name).unwrap_or_else(|| panic!("{name}\n{metrics}"));
    assert_eq!(number("reportferry_pipelines"), 1.0);
    assert_eq!(number("reportferry_pipelines_with_problems"), 1.0);
    assert_eq!(number("reportferry_runs{state=\"held\"}"), 0.0);
    assert!(number("reportferry_attempts_total{destination=\"hris\",verdict=\"delivered\"}") >= 3.0);
    assert!(number("reportferry_last_delivery_age_seconds{pipeline=\"line\"}") < 120.0);
    assert!(number("reportferry_rows_total{kind=\"extracted\"}") >= 1200.0);
    let (written, delivered) =
        (number("reportferry_rows_total{kind=\"written\"}"), number("reportferry_rows_total{kind=\"delivered\"}"));
    assert!(delivered > 0.0 && delivered <= written, "{delivered} of {written}");
    assert!(number("reportferry_delivered_bytes_total{destination=\"hris\"}") > 3000.0);
    assert!(number("reportferry_budget_requests{tenant=\"acme\"}") > 0.0);
    assert!(number("reportferry_pickups_total{destination=\"hris\",state=\"overdue\"}") >= 3.0);
    assert!(number("reportferry_pickups_pending{destination=\"hris\"}") >= 0.0);
    assert!(number("reportferry_ledger_bytes") > 0.0 && number("reportferry_spool_bytes") > 0.0);
    for histogram in
        ["reportferry_stage_duration_seconds_count{stage=\"extract\"}", "reportferry_lateness_seconds_count"]
    {
        assert!(number(histogram) >= 3.0);
    }
    let mut promtool = Command::new(PROMTOOL)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: `tests/tools` installs it");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{metrics}");
    for secret in [crate::stage::rig::CLIENT_SECRET, crate::stage::rig::PASSWORD, crate::stage::rig::SALT] {
        assert!(!metrics.contains(secret));
    }
    // Who is gone is not said to be without deliveries for ever.
    std::fs::remove_file(stand.pipeline("line")).unwrap();
    eventually("its gauge is gone", || !get(address, "/metrics").unwrap().1.contains("age_seconds{pipeline=\"line\""));
    let metrics = get(address, "/metrics").unwrap().1;
    assert!(value(&metrics, "reportferry_pipelines") == Some(0.0) && metrics.contains("reportferry_spool_bytes "));
    assert_eq!(worker.stop().code(), Some(0));
    assert!(get(address, "/healthz").is_none(), "nobody listens any more");
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = Rig::new(&every_minute());
    let output = rig.reportferry(&["--set", &format!("http={}", taken.local_addr().unwrap()), "work"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot listen on 127.0.0.1:"), "{said}");
}

#[test]
fn a_late_pipeline_is_seen() {
    let stand = Stand::new(Rig::new(&every_minute().replace("missed: all", "missed: latest, expected_by: \"00:00\"")));
    std::fs::write(stand.pipeline("line"), every_minute()).unwrap();
    let (_worker, address) = listening(&stand);
    let metrics = get(address, "/metrics").unwrap().1;
    assert_eq!(value(&metrics, "reportferry_pipelines_late"), Some(0.0));
    stand.late("line");
    eventually("it is late", || {
        let metrics = get(address, "/metrics").unwrap().1;
        value(&metrics, "reportferry_late_seconds{pipeline=\"line\"}").is_some_and(|seconds| seconds >= 60.0)
            && value(&metrics, "reportferry_pipelines_late") == Some(1.0)
    });
}

#[test]
fn health_says_why_a_worker_is_not_ready() {
    let stand = Stand::new(Rig::new(&every_minute()));
    let health = |arguments: &[&str]| stand.rig.reportferry(&[&["health"], arguments].concat());
    let unset = health(&[]);
    assert_eq!(unset.status.code(), Some(2), "{}", crate::stage::rig::both(&unset));
    assert!(crate::stage::rig::both(&unset).contains("add `http: 127.0.0.1:8080`"));
    // A worker that answers that it is not ready, and then none.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let set = format!("http=0.0.0.0:{}", address.port());
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).unwrap();
        assert!(request[..read].starts_with(b"GET /readyz "));
        let body = "the ledger is locked\n";
        write!(stream, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    let unready = health(&["--json", "--set", &set]);
    answers.join().unwrap();
    assert_eq!(unready.status.code(), Some(3), "{}", crate::stage::rig::both(&unready));
    let told = crate::stage::rig::document(&unready);
    assert_eq!((&told["ok"], &told["reason"]), (&false.into(), &"the ledger is locked".into()));
    let away = health(&["--set", &set]);
    assert_eq!(away.status.code(), Some(3), "{}", crate::stage::rig::both(&away));
    assert!(crate::stage::rig::both(&away).contains("no response from the worker"));
}
