//! Every kind of secret changes while a worker runs, and the next delivery uses the new one.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use reportferry::ledger::state::RunState;
use reportferry::settings::LedgerSettings;

use super::{Platform, commands};
use crate::stage::asyncssh::{Asyncssh, Methods};
use crate::stage::eventually;
use crate::stage::postgres::admin;
use crate::stage::receiver::{Receiver, SECRET as SIGNING};
use crate::stage::rig::{CLIENT_SECRET, PASSWORD, PIPELINE, Rig, both};
use crate::stage::sshd::{Sshd, SshdOptions, keygen};
use crate::watch::alerts::Receiver as Alerts;
use crate::work::stand::{Stand, Working, every_minute};

/// Another secret of Standard Webhooks.
const SIGNING_2: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Slots at midnight, each under its own name; none becomes due while a test runs.
fn daily() -> String {
    every_minute().replace("\"* * * * *\", timezone: UTC, missed: all", "\"0 0 * * *\", timezone: UTC, missed: skip")
}

/// Has the running worker do the slot of `days` ago.
fn backfill(rig: &Rig, pipeline: &str, days: i64) {
    let day = (Timestamp::now() - SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%d").to_string();
    let output = rig.reportferry(&["backfill", pipeline, "--since", &day, "--until", &day, "--yes"]);
    assert!(output.status.success(), "{}", both(&output));
}

fn ended(stand: &Stand, worker: &Working, count: usize, state: RunState) {
    eventually(&format!("{count} runs are {state:?}\n{}", worker.log()), || {
        stand.runs().iter().filter(|run| run.state == state).count() >= count
    });
}

#[test]
fn each_secret_of_a_run_changes_while_the_worker_runs() {
    let platform = Platform::start("");
    let (sshd, by_password) = (Sshd::start(&SshdOptions::default()), Asyncssh::start(Methods::Password));
    let alerts = Alerts::start();
    let pipeline = daily().replace("deliver:\n", "deliver:\n  bi: {}\n  word: {}\n");
    let rig = Rig::with(&pipeline, &platform.sandbox.url, &sshd);
    let at = |name: &str| rig.folder.path().join(name);
    let write = |name: &str, text: &str| fs::write(at(name), text).unwrap();
    write("signing", SIGNING);
    write("bearer", "the-first-token");
    write("word", "wrong");
    write("channel", &format!("http://{}/first", alerts.address));
    fs::copy(sshd.user_key(), at("key")).unwrap();
    let receiver = Receiver::with(&format!("@{}", at("signing").display()), &[]);
    let account = by_password.account();
    rig.settings(|text| {
        let more = format!(
            "destinations:\n  bi: {{webhook: {{url: \"http://127.0.0.1:{}/\", allow: [loopback], secret: {{file: signing}}, bearer: {{file: bearer}}}}}}\n  \
             word: {{sftp: {{host: 127.0.0.1, port: {}, username: acme, password: {{file: word}}, host_keys: [\"{}\"]}}}}\n",
            receiver.port, account.port, account.pin
        );
        let text = text.replace("destinations:\n", &more).replace(&format!("{:?}", sshd.user_key()), "key");
        // Sessions that stay open would hide whether the next one signs in with the new key.
        let text = text.replace("mode: \"0640\"", "mode: \"0640\", keep_open: 0s");
        format!("alerts: {{channels: {{desk: {{webhook: {{url: {{file: channel}}, allow: [loopback]}}}}}}}}\n{text}")
    });
    let stand = Stand::new(rig);
    let (rig, worker) = (&stand.rig, stand.worker());
    worker.says("worker started");
    backfill(rig, "line", 3);
    // The server's password is wrong, and everything else is right.
    eventually("the alert goes to the first address", || !alerts.got("/first").is_empty());
    let first = rig.arrived();
    assert_eq!(first.len(), 2, "{first:?}");

    // Everything is rotated; what was right is wrong now.
    platform.sandbox.rotate("the-second-client-secret", "the-second-password");
    let write = |name: &str, text: &str| fs::write(rig.folder.path().join(name), text).unwrap();
    write("client_secret", "the-second-client-secret\n");
    write("password", "the-second-password\n");
    write("salt", "the-second-salt-of-the-addresses\n");
    write("signing", SIGNING_2);
    write("bearer", "the-second-token\n");
    write("word", "correct horse\n");
    write("channel", &format!("http://{}/second\n", alerts.address));
    let (home, key) = (sshd.user_key(), rig.folder.path().join("key"));
    let new = home.with_file_name("rotated");
    keygen(&["-t", "ed25519", "-N", ""], &new);
    fs::copy(home.with_file_name("rotated.pub"), home.with_file_name("authorized_keys")).unwrap();
    fs::copy(&new, &key).unwrap();
    backfill(rig, "line", 2);
    ended(&stand, &worker, 1, RunState::Delivered);
    eventually("the recovery goes to the second address", || !alerts.got("/second").is_empty());

    let got = receiver.got(); // each verified with the secret at its time
    let tokens: Vec<&str> = got.iter().map(|request| request["headers"]["authorization"].as_str().unwrap()).collect();
    assert_eq!(tokens, ["Bearer the-first-token", "Bearer the-second-token"]);
    let emails = |name: &String| {
        let file = rig.read(name);
        let mut rows = csv::Reader::from_reader(&file[..]);
        rows.records().map(|row| row.unwrap()[3].to_owned()).filter(|email| !email.is_empty()).collect::<Vec<_>>()
    };
    let data: Vec<String> = rig.arrived().into_iter().filter(|name| name.ends_with(".csv")).collect();
    let [before, after] = [emails(&data[0]), emails(&data[1])];
    assert!(!before.is_empty() && before.len() == after.len(), "{data:?}");
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "the pseudonyms have the new key");
    assert_eq!(worker.stop().code(), Some(0));
}

/// A command's result is kept for five minutes, unless it is refused.
#[test]
fn a_refused_secret_of_a_command_is_read_anew_at_once() {
    let platform = Platform::start("");
    let base = commands::rig("cat password; echo . >> runs", "");
    base.settings(|text| text.replace(&crate::stage::rig::servers().sandbox.url, &platform.sandbox.url));
    fs::write(base.folder.path().join("pipelines/line.yaml"), daily()).unwrap();
    let stand = Stand::new(base);
    let (rig, worker) = (&stand.rig, stand.worker());
    let runs = || fs::read_to_string(rig.folder.path().join("runs")).unwrap_or_default().lines().count();
    worker.says("worker started");
    backfill(rig, "line", 5);
    ended(&stand, &worker, 1, RunState::Delivered);
    assert_eq!(runs(), 1);
    // The tokens are gone, and the password is asked for again: the kept one is right.
    platform.sandbox.rotate(CLIENT_SECRET, PASSWORD);
    backfill(rig, "line", 4);
    ended(&stand, &worker, 2, RunState::Delivered);
    assert_eq!(runs(), 1, "the result is kept");
    fs::write(rig.folder.path().join("password"), "the-second-password").unwrap();
    platform.sandbox.rotate(CLIENT_SECRET, "the-second-password");
    backfill(rig, "line", 3);
    ended(&stand, &worker, 3, RunState::Delivered);
    assert_eq!(runs(), 2);
    // A password that stays wrong is not read or sent again and again.
    platform.sandbox.rotate(CLIENT_SECRET, "the-third-password");
    backfill(rig, "line", 2);
    ended(&stand, &worker, 1, RunState::Failed);
    assert_eq!(runs(), 3);
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn the_ledgers_password_changes_while_the_worker_runs() {
    let rig = Rig::new(PIPELINE).in_postgres();
    fs::write(rig.folder.path().join("pipelines/line.yaml"), daily()).unwrap();
    let LedgerSettings::Postgres(server) = &rig.ledger else { unreachable!() };
    let (role, database) = (format!("rotating_{}", std::process::id()), server.database.clone());
    let sql = |text: String| admin("postgres").batch_execute(&text).unwrap();
    sql(format!("CREATE ROLE {role} LOGIN PASSWORD 'first'; ALTER DATABASE {database} OWNER TO {role}"));
    admin(&database).batch_execute(&format!("GRANT ALL ON SCHEMA public TO {role}")).unwrap();
    fs::write(rig.folder.path().join("ledger_password"), "first").unwrap();
    rig.settings(|text| {
        let line = text.lines().find(|line| line.starts_with("ledger:")).unwrap();
        let port = server.port;
        let own = format!(
            "ledger: {{postgres: {{host: 127.0.0.1, port: {port}, database: {database}, username: {role}, password: {{file: ledger_password}}, tls: disable}}}}"
        );
        text.replace(line, &own)
    });
    let worker = {
        let log = crate::stage::file();
        let child = rig.command(&["work"]).stderr(log.reopen().unwrap()).spawn().unwrap();
        drop(log);
        Working::of(child)
    };
    let status = || rig.reportferry(&["status", "--json"]);
    eventually("the worker has recorded its pipeline", || String::from_utf8_lossy(&status().stdout).contains("line"));
    sql(format!("ALTER ROLE {role} PASSWORD 'second'"));
    fs::write(rig.folder.path().join("ledger_password"), "second").unwrap();
    sql(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"));
    backfill(&rig, "line", 3);
    eventually("the worker delivers with the new password", || !rig.arrived().is_empty());
    assert_eq!(worker.stop().code(), Some(0));
}
