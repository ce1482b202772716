//! No secret in anything that is written: logs at their loudest, messages, documents, the ledger, the spool.

use std::path::Path;
use std::process::Output;

use reportferry::sandbox::SandboxOptions;

use super::stage::rig::{CLIENT_SECRET, PASSWORD, PIPELINE, Rig, SALT, SLOT, both, sandbox, servers};

/// All bytes below a folder, the given secrets' own files left out.
fn everything(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            everything(&path, into);
        } else {
            into.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

fn assert_no_secret(rig: &Rig, outputs: &[Output]) {
    let mut written = Vec::new();
    everything(&rig.folder.path().join("data"), &mut written);
    assert!(written.len() > 1, "the ledger and the spool must have been written");
    everything(&rig.drop, &mut written);
    for output in outputs {
        written.push(("standard output".to_owned(), output.stdout.clone()));
        written.push(("standard error".to_owned(), output.stderr.clone()));
    }
    let key = std::fs::read_to_string(servers().sshd.user_key()).unwrap();
    let key_line = key.lines().nth(1).unwrap().to_owned();
    for (place, bytes) in written {
        for secret in [CLIENT_SECRET, PASSWORD, SALT, &key_line] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret stands in {place}");
        }
        // Tokens are 40 hexadecimal digits after this word.
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.to_lowercase().contains("bearer "), "a token stands in {place}");
    }
}

const LOUD: &[&str] = &["--set", "log.filter=trace"];

#[test]
fn a_run_at_its_loudest_shows_no_secret() {
    let rig = Rig::new(PIPELINE);
    let run = [LOUD, &["run", "line", "--slot", SLOT]].concat();
    let outputs = [rig.reportferry(&run), rig.reportferry(&["runs", "--json"]), rig.reportferry(&["status"])];
    assert!(outputs[0].status.success(), "{}", both(&outputs[0]));
    assert_no_secret(&rig, &outputs);
}

#[test]
fn a_platform_that_repeats_what_it_was_sent_is_not_quoted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let misbehave = "echo_secrets,token=400".parse().unwrap();
    let docebo = runtime.block_on(sandbox(SandboxOptions { misbehave, ..SandboxOptions::default() }));
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let run = [LOUD, &["run", "line", "--slot", SLOT, "--wait", "1s"]].concat();
    let outputs = [rig.reportferry(&run), rig.reportferry(&["runs"])];
    assert_eq!(outputs[0].status.code(), Some(3), "{}", both(&outputs[0]));
    assert_no_secret(&rig, &outputs);
}

#[test]
fn a_wrong_key_and_a_missing_secret_are_named_not_shown() {
    let rig = Rig::new(PIPELINE);
    let run = [LOUD, &["run", "line", "--slot", SLOT, "--wait", "1s"]].concat();
    let outputs = [
        rig.reportferry(&[&["--set", "destinations.hris.sftp.key.file=salt"], run.as_slice()].concat()),
        rig.reportferry(&["check"]),
    ];
    assert_eq!(outputs[0].status.code(), Some(3), "{}", both(&outputs[0]));
    assert_no_secret(&rig, &outputs);

    let rig = Rig::new(PIPELINE);
    let output = rig.reportferry(&[&["--set", "tenants.acme.password.file=absent"], run.as_slice()].concat());
    let said = both(&output);
    assert!(said.contains("absent"), "the file must be named: {said}");
}
