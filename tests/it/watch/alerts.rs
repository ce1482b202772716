//! Alerts: once for each event, by webhook and by mail, through a process that dies between finding and sending.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use reportferry::alert::{Alerts, Rules};
use reportferry::clock::Clock;
use reportferry::ledger::Ledger;
use reportferry::ledger::state::RunState;
use reportferry::settings::Settings;
use serde_json::Value;

use crate::stage::eventually;
use crate::stage::rig::{Rig, both};
use crate::work::stand::{Stand, every_minute};

pub(super) const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// Takes POSTs and keeps their bodies, as long as it answers 200.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub address: SocketAddr,
    bodies: Arc<Mutex<Vec<(String, Value)>>>,
    /// Status and headers of each answer.
    answer: Arc<Mutex<&'static str>>,
    asked: Arc<AtomicUsize>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            bodies: Arc::default(),
            answer: Arc::new(Mutex::new("200 OK")),
            asked: Arc::default(),
        };
        let at_work = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                at_work.take(stream.unwrap());
            }
        });
        receiver
    }

    fn take(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut path, mut length) = (String::new(), String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some(rest) = line.strip_prefix("POST ") {
                path = rest.split(' ').next().unwrap().to_owned();
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        // A worker that is killed in the middle of a request must not end this thread.
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        self.asked.fetch_add(1, Relaxed);
        let answer = *self.answer.lock().unwrap();
        if answer.starts_with("200") {
            self.bodies.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap()));
        }
        let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }

    pub(crate) fn answers(&self, answer: &'static str) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Requests that came, taken or not.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    pub(crate) fn got(&self, path: &str) -> Vec<Value> {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }
}

/// A mail server of Python's aiosmtpd, which prints what it gets.
struct Mail {
    child: Child,
    port: u16,
    got: Arc<Mutex<String>>,
}

impl Mail {
    fn start() -> Self {
        const SCRIPT: &str = "
import asyncio, sys
from aiosmtpd.smtp import SMTP
class Prints:
    async def handle_DATA(self, server, session, envelope):
        print(envelope.mail_from, envelope.rcpt_tos, envelope.content.decode(), '.END.', flush=True)
        return '250 taken'
async def main():
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Prints()), '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
";
        let mut python = Command::new(PYTHON);
        let mut child =
            python.args(["-c", SCRIPT]).current_dir(crate::stage::root()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        let got = Arc::new(Mutex::new(String::new()));
        let sink = got.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut sink = sink.lock().unwrap();
                sink.push_str(&line);
                sink.push('\n');
            }
        });
        Self { child, port: port.trim().parse().unwrap(), got }
    }

    fn got(&self) -> String {
        self.got.lock().unwrap().clone()
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The address is a secret: it holds this word.
pub(crate) const TOKEN: &str = "T0ken-of-the-channel";

fn channels(rig: &Rig, receiver: &Receiver, mail: &Mail) {
    let settings = rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    for name in ["slack", "desk"] {
        std::fs::write(rig.folder.path().join(name), format!("http://{}/{name}/{TOKEN}\n", receiver.address)).unwrap();
    }
    let alerts = format!(
        "alerts:\n  channels:\n    ops: {{slack: {{url: {{file: slack}}, allow: [loopback]}}}}\n    desk: {{webhook: {{url: {{file: desk}}, allow: [loopback]}}}}\n    \
         mail: {{email: {{host: 127.0.0.1, port: {}, tls: none, from: rf@acme.example, to: [ops@acme.example]}}}}\n",
        mail.port
    );
    std::fs::write(&settings, format!("{alerts}{text}")).unwrap();
}

#[test]
fn a_test_message_goes_by_each_channel() {
    let (receiver, mail) = (Receiver::start(), Mail::start());
    let rig = Rig::new(&every_minute());
    let none = rig.reportferry(&["alert", "--test"]);
    assert_eq!(none.status.code(), Some(2), "{}", both(&none));
    assert!(both(&none).contains("have no alert channels"), "{}", both(&none));
    channels(&rig, &receiver, &mail);
    let unknown = both(&rig.reportferry(&["alert", "--test", "--channel", "dask"]));
    assert!(unknown.contains("no alert channel \"dask\"") && unknown.contains("did you mean \"desk\""), "{unknown}");
    let sent = rig.reportferry(&["alert", "--test"]);
    assert!(sent.status.success(), "{}", both(&sent));
    assert!(receiver.got(&format!("/slack/{TOKEN}"))[0]["text"].as_str().unwrap().contains("this is a test"));
    assert_eq!(receiver.got(&format!("/desk/{TOKEN}"))[0]["event"], "test");
    eventually("the mail is there", || mail.got().contains("Subject: [reportferry] this is a test"));
    assert!(mail.got().contains("rf@acme.example ['ops@acme.example']"), "{}", mail.got());
    receiver.answers("500 Broken");
    let refused = rig.reportferry(&["alert", "--test", "--json"]);
    assert_eq!(refused.status.code(), Some(3), "{}", both(&refused));
    assert!(
        both(&refused).contains("the channel responded 500") && !both(&refused).contains(TOKEN),
        "{}",
        both(&refused)
    );
}

#[test]
fn each_event_is_told_once() {
    let (receiver, mail) = (Receiver::start(), Mail::start());
    // No row passes the filter, and an empty result is held.
    let held = every_minute().replace("= ''Completed''", "= ''Nothing''").replace("missed: all", "missed: latest");
    let stand = Stand::new(Rig::new(&held));
    channels(&stand.rig, &receiver, &mail);
    std::fs::write(stand.pipeline("silent"), format!("{held}alerts: {{on: []}}\n")).unwrap();
    stand.behind("line", 2);
    stand.behind("silent", 2);
    let desk = format!("/desk/{TOKEN}");
    receiver.answers("500 Broken");
    let mut worker = stand.worker();
    worker.says("alert not sent, will retry");
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    receiver.answers("200 OK");
    // It pauses, so that no later slot is held too.
    assert!(stand.rig.reportferry(&["pause", "line"]).status.success());
    assert!(stand.rig.reportferry(&["pause", "silent"]).status.success());
    let before = stand.runs().iter().filter(|run| run.pipeline == "line" && run.state == RunState::Held).count();
    let worker = stand.worker();
    eventually("each is told", || receiver.got(&desk).len() >= before);
    eventually("the mail is there", || mail.got().matches("is held, slot").count() >= before);
    let events = receiver.got(&desk);
    assert_eq!(events.len(), before, "{events:?}");
    assert_eq!((&events[0]["event"], &events[0]["pipeline"]), (&"held".into(), &"line".into()));
    assert!(events[0]["next"].as_str().unwrap().starts_with("reportferry release "), "{events:?}");
    let slack = format!("/slack/{TOKEN}");
    eventually("the other channel has it", || !receiver.got(&slack).is_empty());
    assert!(receiver.got(&slack)[0]["text"].as_str().unwrap().contains("line is held"));
    // A person lets them pass: the pipeline delivers again.
    let well = every_minute().replace("%H%M", "%H%M%S");
    std::fs::write(stand.pipeline("line"), &well).unwrap();
    for run in stand.runs().iter().filter(|run| run.pipeline == "line" && run.state == RunState::Held) {
        stand.rig.reportferry(&["release", &run.id]);
    }
    let run = stand.rig.reportferry(&["run", "line"]);
    assert!(run.status.success(), "{}", both(&run));
    eventually("that is told", || receiver.got(&desk).iter().any(|event| event["event"] == "recovered"));
    // Another event goes out in a later round: by then, what would be sent twice was.
    stand.late("other");
    eventually("a later event is sent", || receiver.got(&desk).iter().any(|event| event["event"] == "late"));
    let events = receiver.got(&desk);
    assert_eq!(events.iter().filter(|event| event["event"] == "recovered").count(), 1, "{events:?}");
    assert_eq!(events.len(), before + 2, "{events:?}");
    let log = worker.log();
    assert!(!log.contains(TOKEN), "{log}");
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn late_slots_are_told_and_many_come_as_one() {
    let (receiver, mail) = (Receiver::start(), Mail::start());
    let stand = Stand::new(Rig::new(&every_minute()));
    channels(&stand.rig, &receiver, &mail);
    for number in 0..25 {
        stand.late(&format!("p{number}"));
    }
    let settings = stand.rig.folder.path().join("reportferry.yaml");
    let (settings, _) = Settings::load_with(Some(&settings), &[], std::iter::empty()).unwrap_or_else(|_| panic!());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let path = stand.rig.folder.path().join("data/ledger.db");
        let ledger = Ledger::open(&crate::stage::sqlite(&path), Clock::System).await.unwrap();
        let rules = Rules::default();
        rules.take(&Arc::new(settings), [].iter());
        let alerts = Alerts::new(ledger, Clock::System, rules);
        alerts.round().await.unwrap();
        alerts.round().await.unwrap();
    });
    let events = receiver.got(&format!("/desk/{TOKEN}"));
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["event"], "summary");
    assert_eq!(events[0]["events"].as_array().unwrap().len(), 25);
    assert!(events[0]["events"][0]["event"] == "late", "{events:?}");
}

#[test]
fn what_the_files_say_now_decides() {
    let (receiver, mail) = (Receiver::start(), Mail::start());
    let stand = Stand::new(Rig::new(&every_minute()));
    channels(&stand.rig, &receiver, &mail);
    std::fs::write(stand.pipeline("quiet"), format!("{}alerts: {{on: []}}\n", every_minute())).unwrap();
    // Late already when the worker starts: what its file says must be known before anything is told.
    stand.late("quiet");
    let worker = stand.worker();
    worker.says("worker started");
    let settings = stand.rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(stand.rig.folder.path().join("more"), format!("http://{}/more/{TOKEN}", receiver.address)).unwrap();
    std::fs::write(
        &settings,
        text.replace("  channels:\n", "  channels:\n    more: {webhook: {url: {file: more}, allow: [loopback]}}\n"),
    )
    .unwrap();
    worker.says("settings reloaded");
    stand.late("loud");
    eventually("the new channel is used", || !receiver.got(&format!("/more/{TOKEN}")).is_empty());
    eventually("so is the old one", || !receiver.got(&format!("/desk/{TOKEN}")).is_empty());
    let told = receiver.got(&format!("/desk/{TOKEN}"));
    assert_eq!((told.len(), &told[0]["pipeline"], &told[0]["event"]), (1, &"loud".into(), &"late".into()), "{told:?}");
    assert_eq!(worker.stop().code(), Some(0));
}
