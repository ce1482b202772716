//! Large files, proxies, and time.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use reportferry::clock::Clock;
use reportferry::ledger::Ledger;
use reportferry::sandbox::{Sandbox, SandboxOptions};
use serde_json::json;
use tokio::runtime::Runtime;

use super::{certificate, expected, pipeline, rig, rows};
use crate::stage::eventually;
use crate::stage::proxy::{Manner, PASSWORD, Proxy};
use crate::stage::receiver::{Receiver, SECRET};
use crate::stage::rig::{self, Rig, SLOT, both};

/// A receiver that takes so many bytes a second, then answers 200. Gives its port, and how many bytes came in how long.
fn slow_receiver(rate: usize, stops_after: usize) -> (u16, std::thread::JoinHandle<(usize, Duration)>) {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        // What the kernel holds for us would make us look quick.
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(8).unwrap().into_std().unwrap()
    });
    listener.set_nonblocking(false).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(false).unwrap();
        let begun = Instant::now();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0].to_ascii_lowercase());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
        let length: usize = length.parse().unwrap();
        let (mut buffer, mut taken) = (vec![0; 64 * 1024], 0);
        while taken < length {
            if taken >= stops_after {
                std::thread::sleep(Duration::from_secs(10));
                return (taken, begun.elapsed());
            }
            taken += stream.read(&mut buffer).unwrap();
            let due = Duration::from_secs_f64(taken as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        (taken, begun.elapsed())
    });
    (port, thread)
}

/// A rig of so many rows, half of which are filtered, a kilobyte each, that wants to send their file to this port.
fn large(rows: u64, port: u16, more: &str) -> (Rig, Sandbox, Runtime) {
    let runtime = Runtime::new().unwrap();
    let sandbox = runtime.block_on(rig::sandbox(SandboxOptions { rows, ..SandboxOptions::default() }));
    let url = format!("http://127.0.0.1:{port}/");
    let pad = "x".repeat(1000);
    let padded = pipeline().replace("      done:", &format!("      pad: \"'{pad}'\"\n      done:"));
    let padded = padded.replace("[employee_id,", "[employee_id, pad,");
    let rig = rig(&padded, &url, &format!("allow: [loopback], {more}"));
    let settings = rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace(&rig::servers().sandbox.url, &sandbox.url)).unwrap();
    (rig, sandbox, runtime)
}

#[test]
fn a_file_may_take_longer_than_an_answer_may() {
    let (port, slow) = slow_receiver(5_000_000, usize::MAX);
    let (rig, _sandbox, _runtime) = large(36_000, port, "body: file, timeouts: {total: 2s}");
    let output = rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "0s"]);
    assert!(output.status.success(), "{}", both(&output));
    let (bytes, took) = slow.join().unwrap();
    assert!(bytes > 15_000_000 && took > Duration::from_millis(2500), "{bytes} bytes in {took:?} prove nothing");
}

#[test]
fn a_file_that_stands_still_is_given_up() {
    let (port, slow) = slow_receiver(usize::MAX, 256 * 1024);
    let (rig, _sandbox, _runtime) = large(36_000, port, "body: file, timeouts: {total: 1s}");
    let output = rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "0s"]);
    assert_eq!(output.status.code(), Some(6), "{}", both(&output));
    assert!(both(&output).contains("1 s"), "{}", both(&output));
    drop(slow);
}

/// The receiver's name is the proxy's to look up.
#[test]
fn a_proxy_is_asked_to_connect() {
    let folder = crate::stage::folder();
    certificate(folder.path(), "server");
    let at = |name: &str| folder.path().join(name);
    let receiver = Receiver::with(SECRET, &[&at("server.pem"), &at("server.key")]);
    let url = format!("https://localhost:{}/", receiver.port);
    let run = |proxy: &Proxy, account: &str| {
        let proxy = format!("proxy: {{url: \"http://127.0.0.1:{}\"{account}}}", proxy.port);
        let rig = rig(&pipeline(), &url, &format!("allow: [loopback], ca: {:?}, {proxy}", at("ca.pem")));
        std::fs::write(rig.folder.path().join("proxy_password"), PASSWORD).unwrap();
        rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "0s"])
    };
    let proxy = Proxy::start(Manner { asks_password: true, ..Manner::default() });
    let stranger = run(&proxy, "");
    assert_eq!(stranger.status.code(), Some(6), "{}", both(&stranger));
    assert!(both(&stranger).contains("proxy"), "{}", both(&stranger));
    assert!(receiver.got().is_empty());
    let known = run(&proxy, ", username: me, password: {file: proxy_password}");
    assert!(known.status.success(), "{}", both(&known));
    assert!(!both(&known).contains(PASSWORD));
    assert_eq!(rows(&receiver.got()), expected());
    let asked = proxy.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|name| *name == format!("localhost:{}", receiver.port)), "{asked:?}");
    let refusing = Proxy::start(Manner { refuses: true, ..Manner::default() });
    let refused = run(&refusing, "");
    assert_eq!(refused.status.code(), Some(6), "{}", both(&refused));
    assert!(both(&refused).contains("proxy"), "{}", both(&refused));
}

/// A rig whose pipeline sends so many numbered rows, a thousand a request.
fn numbered(rows: u64, receiver: &Receiver) -> Rig {
    let pipeline = "source: {file: {path: in.csv}}\nartifact: {name: out.csv}\ndeliver: {bi: {}}\n";
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    let rig = rig(pipeline, &url, "allow: [loopback], body: rows, batch: {rows: 1000}, in_flight: 2");
    let mut text = String::from("n,name\n");
    for row in 0..rows {
        writeln!(text, "{row},the person of row {row}").unwrap();
    }
    std::fs::write(rig.folder.path().join("in.csv"), text).unwrap();
    rig
}

/// The most memory that a process ever had, in KiB; `None` when it is gone.
fn most_memory(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// Runs the slot to its end, and gives the most memory that it took, in KiB.
fn run_to_the_end(rig: &Rig) -> u64 {
    let mut child = rig.command(&["run", "line", "--slot", SLOT]).spawn().unwrap();
    let mut most = 0;
    let mut status = None;
    eventually("the run ends", || {
        most = most.max(most_memory(&child).unwrap_or_default());
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    most
}

/// `benches/webhook.py memory` does the same with a million rows.
#[test]
fn many_rows_take_no_more_memory_than_few_and_go_on_where_they_were() {
    const FEW: u64 = 10_000;
    const MANY: u64 = 100_000;
    let receiver = Receiver::start();
    let few = run_to_the_end(&numbered(FEW, &receiver));
    assert_eq!(receiver.got().len() as u64, FEW / 1000);
    let receiver = Receiver::start();
    let rig = numbered(MANY, &receiver);
    let mut killed = rig.command(&["run", "line", "--slot", SLOT]).spawn().unwrap();
    eventually("half of the rows are sent", || {
        assert!(killed.try_wait().unwrap().is_none(), "it ended before it was killed");
        receiver.got().len() as u64 >= MANY / 2000
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    let runtime = Runtime::new().unwrap();
    let kept = runtime.block_on(async {
        let ledger = Ledger::open(&crate::stage::sqlite(&rig.folder.path().join("data/ledger.db")), Clock::System)
            .await
            .unwrap();
        let filter = reportferry::ledger::RunFilter { limit: 1, ..Default::default() };
        let run = ledger.runs(&filter).await.unwrap().remove(0);
        ledger.parts(&run.id, "bi").await.unwrap()
    });
    assert!(!kept.is_empty());
    let many = run_to_the_end(&rig);
    let got = receiver.got();
    let expected: Vec<_> =
        (0..MANY).map(|row| json!({"n": row.to_string(), "name": format!("the person of row {row}")})).collect();
    assert!(rows(&got) == expected, "every row arrives once, in the order of its batch");
    for number in kept {
        let sent = got.iter().filter(|request| request["body"]["data"]["batch"]["number"] == number).count();
        assert_eq!(sent, 1, "batch {number} was acknowledged and sent again");
    }
    assert!(many < few + 8 * 1024, "{few} KiB for {FEW} rows, {many} KiB for {MANY}");
    assert!(many < 64 * 1024, "{many} KiB");
}
