//! The ways of alerts and platforms to their servers: proxies, certificates, and addresses that are refused.

use std::path::Path;
use std::process::Command;

use super::alerts::{PYTHON, Receiver, TOKEN};
use crate::stage::proxy::{Manner, PASSWORD, Proxy, USER};
use crate::stage::receiver;
use crate::stage::rig::{PIPELINE, Rig, both};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stage/certificates.py");

/// A receiver with a certificate of `authority.pem` in the folder.
fn over_tls(folder: &Path) -> receiver::Receiver {
    assert!(Command::new(PYTHON).arg(SCRIPT).arg(folder).output().unwrap().status.success());
    receiver::Receiver::with(receiver::SECRET, &[&folder.join("server.pem"), &folder.join("server.key")])
}

/// The keys `ca` and `proxy`, whose password is in the rig's folder.
fn egress(rig: &Rig, ca: &Path, proxy: &Proxy) -> String {
    std::fs::write(rig.folder.path().join("proxy_password"), PASSWORD).unwrap();
    format!(
        "ca: {ca:?}, proxy: {{url: \"http://127.0.0.1:{}\", username: {USER}, password: {{file: proxy_password}}}}",
        proxy.port
    )
}

fn channel(rig: &Rig, address: &str, more: &str) {
    std::fs::write(rig.folder.path().join("desk"), address).unwrap();
    rig.settings(|text| {
        let text = text.split_once("# end of alerts\n").map_or(text, |(_, text)| text);
        format!("alerts: {{channels: {{desk: {{webhook: {{url: {{file: desk}}, {more}}}}}}}}}\n# end of alerts\n{text}")
    });
}

#[test]
fn alerts_go_by_a_proxy_and_trust_the_authority_that_is_named() {
    let rig = Rig::new(PIPELINE);
    let folder = crate::stage::folder();
    let receiver = over_tls(folder.path());
    let proxy = Proxy::start(Manner { asks_password: true, ..Manner::default() });
    let address = format!("https://localhost:{}/{TOKEN}", receiver.port);
    channel(&rig, &address, &egress(&rig, &folder.path().join("authority.pem"), &proxy));
    let sent = rig.reportferry(&["alert", "--test"]);
    // It takes signed requests only: that it responds is what counts.
    assert!(both(&sent).contains("respon"), "{}", both(&sent));
    assert_eq!(*proxy.asked.lock().unwrap(), [format!("localhost:{}", receiver.port)]);
    for (ca, reason) in
        [("stranger.pem", "not trusted"), ("absent.pem", "absent.pem: "), ("server.key", "no certificate")]
    {
        channel(&rig, &address, &egress(&rig, &folder.path().join(ca), &proxy));
        let refused = rig.reportferry(&["alert", "--test"]);
        assert_eq!(refused.status.code(), Some(3), "{}", both(&refused));
        assert!(both(&refused).contains(reason), "{reason}: {}", both(&refused));
        assert!(!both(&refused).contains(TOKEN) && !both(&refused).contains(PASSWORD), "{}", both(&refused));
    }
}

#[test]
fn alerts_reach_no_address_of_this_network_unless_it_is_allowed() {
    let (rig, receiver) = (Rig::new(PIPELINE), Receiver::start());
    channel(&rig, "", "allow: []");
    for (address, word) in [
        (format!("http://{}/{TOKEN}", receiver.address), "loopback"),
        (format!("http://localhost:{}/{TOKEN}", receiver.address.port()), "loopback"),
        (format!("https://10.1.2.3/{TOKEN}"), "private"),
        (format!("https://169.254.169.254/{TOKEN}"), "link_local"),
    ] {
        std::fs::write(rig.folder.path().join("desk"), &address).unwrap();
        let refused = rig.reportferry(&["alert", "--test"]);
        assert_eq!(refused.status.code(), Some(3), "{}", both(&refused));
        assert!(both(&refused).contains(&format!("allow: [{word}]")), "{}", both(&refused));
        assert!(!both(&refused).contains(TOKEN), "{}", both(&refused));
    }
    assert_eq!(receiver.asked(), 0);
    channel(&rig, &format!("http://{}/{TOKEN}", receiver.address), "allow: [loopback]");
    assert!(rig.reportferry(&["alert", "--test"]).status.success());
    assert_eq!(receiver.asked(), 1);
}

#[test]
fn a_platform_is_reached_by_a_proxy_and_trusted_by_the_authority_that_is_named() {
    let rig = Rig::new(PIPELINE);
    let folder = crate::stage::folder();
    let platform = over_tls(folder.path());
    let proxy = Proxy::start(Manner { asks_password: true, ..Manner::default() });
    let url = format!("https://localhost:{}", platform.port);
    rig.settings(|text| text.replace(&crate::stage::rig::servers().sandbox.url, &url).replace("10s}", "0s}"));
    let run = |ca: &str, slot: &str| {
        let keys = egress(&rig, &folder.path().join(ca), &proxy).replace(", proxy:", "\n    proxy:");
        rig.settings(|text| {
            let text = text.replace("    client_id:", "    # id\n    client_id:");
            let (before, after) = text.split_once("    # id\n").unwrap();
            let before = before.split("    ca:").next().unwrap();
            format!("{before}    {keys}\n{}", after.replace("    # id\n", ""))
        });
        both(&rig.reportferry(&["run", "line", "--slot", slot, "--wait", "0s"]))
    };
    let said = run("authority.pem", "2026-11-23T05:30:00-05:00");
    assert!(!said.contains("TLS"), "{said}");
    assert_eq!(proxy.asked.lock().unwrap()[0], format!("localhost:{}", platform.port));
    let said = run("stranger.pem", "2026-11-24T05:30:00-05:00");
    assert!(said.contains("is not trusted here"), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
}

#[test]
fn a_page_that_others_may_reach_is_a_warning() {
    let rig = Rig::new(PIPELINE);
    rig.settings(|text| format!("http: 0.0.0.0:8080\n{text}"));
    let checked = rig.reportferry(&["check"]);
    assert!(checked.status.success(), "{}", both(&checked));
    assert!(both(&checked).contains("the page at 0.0.0.0:8080 has no sign-in"), "{}", both(&checked));
    let strict = rig.reportferry(&["check", "--strict"]);
    assert_eq!(strict.status.code(), Some(2));
    rig.settings(|text| text.replace("0.0.0.0", "127.0.0.1"));
    assert!(!both(&rig.reportferry(&["check"])).contains("no sign-in"));
}

#[test]
fn an_address_that_is_written_out_is_masked_where_its_line_is_shown() {
    let rig = Rig::new(PIPELINE);
    for written in [
        format!("{{slack: {{url: \"https://hooks.example/{TOKEN}\", allow: [privat]}}}}"),
        format!("{{webhook: {{url: \"https://hooks.example/{TOKEN}\", allow: [privat]}}}}"),
        format!("{{webhook: \"https://hooks.example/{TOKEN}\", allow: [privat]}}"),
        format!("\n      slack:\n        url: https://hooks.example/{TOKEN}\n        allow: [privat"),
    ] {
        let text = format!("alerts:\n  channels:\n    desk: {written}\n");
        std::fs::write(rig.folder.path().join("reportferry.yaml"), text).unwrap();
        let checked = rig.reportferry(&["check"]);
        assert_eq!(checked.status.code(), Some(2), "{}", both(&checked));
        assert!(!both(&checked).contains(TOKEN), "{}", both(&checked));
    }
}
