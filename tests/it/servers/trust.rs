//! `trust`: what is shown of a server's keys, what is accepted, and how deliveries go on.

use std::fs;

use super::{Desk, ssh_keygen};
use crate::stage::rig::{PIPELINE, Rig, both, document, servers};
use crate::stage::sshd::{Sshd, SshdOptions};

const STRANGER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn three_keys() -> Sshd {
    Sshd::start(&SshdOptions { host_keys: &["ed25519", "ecdsa", "rsa"], ..SshdOptions::default() })
}

#[test]
fn every_key_is_shown_as_ssh_keygen_shows_it() {
    let sshd = three_keys();
    let desk = Desk::at(&sshd, "");
    let output = desk.reportferry(&["trust", "hris"]);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(3), "nothing is on file yet: {said}");
    for (index, key) in sshd.host_keys.iter().enumerate() {
        let file = desk.folder.path().join("key.pub");
        fs::write(&file, format!("{key}\n")).unwrap();
        let shown = ssh_keygen(&["-lv"], &file);
        let (head, art) = shown.split_once('\n').unwrap();
        let bits = head.split(' ').next().unwrap();
        let md5 = ssh_keygen(&["-l", "-E", "md5"], &file).split(' ').nth(1).unwrap().to_owned();
        for part in [&sshd.fingerprints[index], art.trim_end(), &md5, &format!(" {bits}  SHA256:")] {
            assert!(said.contains(part), "{part}\nis not in\n{said}");
        }
    }
    assert!(said.contains("reportferry trust hris --accept SHA256:"), "{said}");
}

#[test]
fn a_key_is_accepted_forgotten_and_never_for_another_server() {
    let sshd = three_keys();
    let desk = Desk::at(&sshd, "");
    let file = desk.data().join("known_hosts");
    let wrong = desk.reportferry(&["trust", "hris", "--accept", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", both(&wrong));
    assert!(both(&wrong).contains("offers no key") && !file.exists(), "{}", both(&wrong));

    let pin = &sshd.fingerprints[1];
    let one = desk.reportferry(&["trust", "hris", "--accept", pin, "--json"]);
    assert_eq!(one.status.code(), Some(0), "{}", both(&one));
    assert_eq!(document(&one)["accepted"], serde_json::json!([pin]));
    // OpenSSH's own tool finds it.
    let found = ssh_keygen(&["-l", "-F", &format!("[127.0.0.1]:{}", sshd.port)], &file);
    assert!(
        found.contains(pin.as_str()) && found.lines().filter(|line| !line.starts_with('#')).count() == 1,
        "{found}"
    );
    let known = desk.reportferry(&["doctor", "hris"]);
    assert_eq!(known.status.code(), Some(0), "{}", both(&known));

    let all = desk.reportferry(&["trust", "hris", "--accept"]);
    assert_eq!(all.status.code(), Some(0), "{}", both(&all));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    let forgotten = desk.reportferry(&["trust", "hris", "--forget", pin]);
    assert_eq!(forgotten.status.code(), Some(0), "{}", both(&forgotten));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
    let twice = desk.reportferry(&["trust", "hris", "--forget", pin]);
    assert_eq!(twice.status.code(), Some(2), "{}", both(&twice));
}

#[test]
fn a_revoked_key_is_never_accepted_and_an_authority_is_told() {
    let sshd = three_keys();
    let name = format!("[127.0.0.1]:{}", sshd.port);
    let desk = Desk::at(&sshd, ", known_hosts: [one, two]");
    fs::write(desk.folder.path().join("one"), format!("@revoked * {}\n", sshd.host_keys[0])).unwrap();
    fs::write(desk.folder.path().join("two"), format!("@cert-authority {name} {STRANGER}\n")).unwrap();
    let refused = desk.reportferry(&["trust", "hris", "--accept", &sshd.fingerprints[0]]);
    assert!(both(&refused).contains("is revoked") && refused.status.code() == Some(2), "{}", both(&refused));
    let shown = both(&desk.reportferry(&["trust", "hris"]));
    assert!(shown.contains("REVOKED") && shown.contains("host certificates are not supported"), "{shown}");
    let held = both(&desk.reportferry(&["doctor", "hris"]));
    assert!(held.contains("is revoked in known_hosts"), "{held}");
    // Two files, the second of which knows another of the keys.
    fs::write(desk.folder.path().join("one"), "").unwrap();
    fs::write(desk.folder.path().join("two"), format!("{name} {}\n", sshd.host_keys[2])).unwrap();
    let good = desk.reportferry(&["doctor", "hris"]);
    assert_eq!(good.status.code(), Some(0), "{}", both(&good));
}

#[test]
fn a_changed_key_holds_deliveries_until_it_is_accepted() {
    let rig = Rig::new(PIPELINE);
    let sshd = &servers().sshd;
    let settings = rig.folder.path().join("reportferry.yaml");
    let text = fs::read_to_string(&settings).unwrap();
    let pin = &sshd.fingerprints[0];
    fs::write(&settings, text.replace(&format!(", host_keys: [\"{pin}\"]"), "")).unwrap();
    // Before, the server had another key, which was accepted.
    let file = rig.folder.path().join("data/known_hosts");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("[127.0.0.1]:{} {STRANGER}\n", sshd.port)).unwrap();
    let held = rig.run();
    assert_eq!(held.status.code(), Some(4), "{}", both(&held));
    let document = document(&held);
    let (run, reason) = (document["run"].as_str().unwrap(), document["deliveries"][0]["reason"].as_str().unwrap());
    let old = ssh_keygen(&["-l"], &{
        let file = rig.folder.path().join("stranger.pub");
        fs::write(&file, STRANGER).unwrap();
        file
    });
    let old = old.split(' ').nth(1).unwrap();
    for part in [pin.as_str(), old, &format!("reportferry trust hris --accept {pin}")] {
        assert!(reason.contains(part), "{part} is not in {reason}");
    }
    assert_eq!(document["next"], format!("reportferry trust hris --accept {pin}, then reportferry retry {run}"));
    assert!(rig.arrived().is_empty());

    let shown = both(&rig.reportferry(&["trust", "hris"]));
    assert!(shown.contains("accepted before, but not offered by the server") && shown.contains(old), "{shown}");
    let accepted = rig.reportferry(&["trust", "hris", "--accept", pin]);
    let said = both(&accepted);
    assert_eq!(accepted.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("reportferry retry {run}")), "{said}");
    let delivered = rig.reportferry(&["retry", run, "--json"]);
    assert_eq!(delivered.status.code(), Some(0), "{}", both(&delivered));
    assert_eq!(rig.arrived().len(), 2, "the data and its done file");
}

#[test]
fn a_destination_that_nothing_is_known_of_is_warned_about_until_its_key_is_accepted() {
    let sshd = three_keys();
    let desk = Desk::at(&sshd, "");
    fs::create_dir(desk.folder.path().join("pipelines")).unwrap();
    let before = both(&desk.reportferry(&["check"]));
    assert!(before.contains("its deliveries will be blocked") && before.contains("reportferry trust hris"), "{before}");
    assert!(desk.reportferry(&["trust", "hris", "--accept"]).status.success());
    let after = both(&desk.reportferry(&["check"]));
    assert!(!after.contains("will be blocked"), "{after}");
    let local = Desk::with("destinations:\n  here:\n    local: {path: .}\n").reportferry(&["trust", "here"]);
    assert!(both(&local).contains("not an SFTP server") && local.status.code() == Some(2), "{}", both(&local));
}
