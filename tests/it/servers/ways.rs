//! The ways to a server: proxies, a jump host, algorithms of one's own, signs of life.

use std::fs;
use std::time::{Duration, Instant};

use super::{Desk, reached, ssh_keygen};
use crate::sftp::stand::{deliver, delivered, noise, spool};
use crate::sftp::{plan, settings, sshd};
use crate::stage::proxy::{Manner, PASSWORD, Proxy, USER};
use crate::stage::rig::{both, document};
use crate::stage::sshd::{Sshd, free_port};
use reportferry::pipeline::plan::Existing;

fn pinned(sshd: &Sshd, more: &str) -> Desk {
    Desk::at(sshd, &format!(", host_keys: [\"{}\"]{more}", sshd.fingerprints[0]))
}

#[track_caller]
fn check(desk: &Desk, exit: i32, parts: &[&str]) {
    let output = desk.reportferry(&["doctor", "hris"]);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn proxies_make_the_connection_and_look_up_the_name() {
    let sshd = sshd("", &[]);
    for socks in [false, true] {
        let kind = if socks { "socks5" } else { "http" };
        for asks_password in [false, true] {
            let proxy = Proxy::start(Manner { socks, asks_password, ..Manner::default() });
            let account =
                if asks_password { format!(", username: {USER}, password: {{file: secret}}") } else { String::new() };
            let by = format!(", proxy: {{{kind}: \"127.0.0.1:{}\"{account}}}", proxy.port);
            let settings = reached(&sshd).replace("host: 127.0.0.1", "host: hidden.example");
            let desk = Desk::new(&format!("{settings}, host_keys: [\"{}\"]{by}", sshd.fingerprints[0]));
            fs::write(desk.folder.path().join("secret"), PASSWORD).unwrap();
            check(&desk, 0, &["ok     proxy", "made the connection to hidden.example"]);
            let asked = proxy.asked.lock().unwrap().clone();
            assert!(
                !asked.is_empty() && asked.iter().all(|to| *to == format!("hidden.example:{}", sshd.port)),
                "{asked:?}"
            );
            let shown = both(&desk.reportferry(&["doctor", "hris", "--json", "--set", "log.filter=trace"]));
            assert!(!shown.contains(PASSWORD) && !shown.contains("bWU6b3Blbi"), "{shown}");
            if asks_password {
                fs::write(desk.folder.path().join("secret"), "wrong").unwrap();
                check(&desk, 3, &["FAILED proxy", "correct the `username` and `password`"]);
            }
        }
    }
}

#[test]
fn a_proxy_that_does_not_serve_says_why_and_in_time() {
    let sshd = sshd("", &[]);
    let by = |kind: &str, port: u16| {
        pinned(&sshd, &format!(", proxy: {{{kind}: \"127.0.0.1:{port}\"}}, timeouts: {{connect: 500ms}}"))
    };
    check(&by("http", free_port()), 3, &["FAILED connect", "refused"]);
    for (socks, kind, refusal) in [(false, "http", "403 Forbidden"), (true, "socks5", "not allowed by its rules")] {
        let refusing = Proxy::start(Manner { socks, refuses: true, ..Manner::default() });
        check(&by(kind, refusing.port), 3, &["FAILED proxy", refusal]);
        let asking = Proxy::start(Manner { socks, asks_password: true, ..Manner::default() });
        check(&by(kind, asking.port), 3, &["FAILED proxy", "correct the `username` and `password`"]);
        let silent = Proxy::start(Manner { socks, is_silent: true, ..Manner::default() });
        let began = Instant::now();
        check(&by(kind, silent.port), 3, &["FAILED proxy", "no answer within"]);
        assert!(began.elapsed() < Duration::from_secs(8));
    }
    // A server of another protocol.
    check(&by("http", sshd.port), 3, &["it does not speak HTTP"]);
    check(&by("socks5", sshd.port), 3, &["it does not speak SOCKS5"]);
}

#[test]
fn a_jump_host_makes_the_connection_and_has_a_key_of_its_own() {
    let (jump, server) = (sshd("", &[]), sshd("", &[]));
    let through = |pin: &str| {
        format!(
            ", jump: {{host: 127.0.0.1, port: {}, username: {}, key: {{file: {:?}}}{pin}}}",
            jump.port,
            jump.username,
            jump.user_key()
        )
    };
    let pin = format!(", host_keys: [\"{}\"]", jump.fingerprints[0]);
    let desk = pinned(&server, &through(&pin));
    check(&desk, 0, &["ok     jump host", "made the connection", "write much"]);
    assert!(jump.log().contains("Accepted publickey") && server.log().contains("Accepted publickey"));

    // Neither is trusted by the other's key, and both by `trust`.
    let desk = Desk::at(&server, &through(""));
    check(&desk, 3, &["FAILED jump host", "is not known", &jump.fingerprints[0]]);
    let blocked = desk.reportferry(&["trust", "hris", "--accept"]);
    assert!(both(&blocked).contains("reportferry trust hris --jump"), "{}", both(&blocked));
    for arguments in [&["trust", "hris", "--jump", "--accept"][..], &["trust", "hris", "--accept"]] {
        let output = desk.reportferry(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    }
    let file = desk.data().join("known_hosts");
    for (server, pin) in [(&jump, &jump.fingerprints[0]), (&server, &server.fingerprints[0])] {
        let found = ssh_keygen(&["-l", "-F", &format!("[127.0.0.1]:{}", server.port)], &file);
        assert!(found.contains(pin.as_str()), "{found}");
    }
    check(&desk, 0, &["deliveries can go there"]);
}

#[test]
fn a_jump_host_that_forbids_it_says_so() {
    let (jump, server) = (sshd("", &["AllowTcpForwarding no"]), sshd("", &[]));
    let desk = pinned(
        &server,
        &format!(
            ", jump: {{host: 127.0.0.1, port: {}, username: {}, key: {{file: {:?}}}, host_keys: [\"{}\"]}}",
            jump.port,
            jump.username,
            jump.user_key(),
            jump.fingerprints[0]
        ),
    );
    check(&desk, 3, &["FAILED jump host", "ask the jump host"]);
}

#[test]
fn megabytes_go_by_a_jump_host_whole_and_in_both_directions() {
    let (jump, server) = (sshd("", &[]), sshd("", &[]));
    let mut sftp = settings(&server);
    sftp.verify = reportferry::settings::Verify::ReadBack;
    sftp.jump = Some(Box::new(settings(&jump)));
    let content = noise(30_000_000);
    let receipt = delivered(deliver(&spool("a.bin", &content), &plan(sftp, Existing::Fail)));
    assert_eq!((receipt.verified.as_str(), receipt.host_key.as_ref()), ("read_back", Some(&server.fingerprints[0])));
    assert!(fs::read(server.root().join("a.bin")).unwrap() == content);
}

#[test]
fn algorithms_are_those_of_the_settings() {
    let sshd = sshd("", &[]);
    let lists = ", algorithms: {kex: [ecdh-sha2-nistp256], cipher: [aes256-ctr], mac: [hmac-sha2-512], host_key: [ssh-ed25519]}";
    let desk = pinned(&sshd, lists);
    let found = document(&desk.reportferry(&["doctor", "hris", "--json"]));
    let exchange = found["steps"].as_array().unwrap().iter().find(|step| step["name"] == "key exchange").unwrap();
    let agreed: Vec<&str> = exchange["details"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|detail| !detail["what"].as_str().unwrap().starts_with(' '))
        .map(|detail| detail["is"].as_str().unwrap())
        .collect();
    assert_eq!(agreed, ["ecdh-sha2-nistp256", "ssh-ed25519", "aes256-ctr", "hmac-sha2-512"]);
    let wrong = pinned(&sshd, ", algorithms: {cipher: [aes128-gmc@openssh.com], mac: [rot13]}");
    let output = wrong.reportferry(&["doctor", "hris"]);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["is not a known cipher", "did you mean \"aes128-gcm@openssh.com\"?", "is not a known MAC"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn signs_of_life_are_sent_while_an_answer_is_waited_for() {
    let late = "ForceCommand sleep 4; exec /usr/lib/openssh/sftp-server";
    let sshd = sshd("", &[late, "LogLevel DEBUG1"]);
    let mut sftp = settings(&sshd);
    sftp.keepalive = Some(Duration::from_secs(1));
    delivered(deliver(&spool("a.csv", b"x"), &plan(sftp, Existing::Fail)));
    assert!(sshd.log().contains("keepalive@libssh2.org"), "no sign of life reached the server");
    // They do not make a server that stays silent wait for ever.
    let mut sftp = settings(&sshd);
    (sftp.keepalive, sftp.timeouts.idle) = (Some(Duration::from_secs(1)), Duration::from_secs(2));
    let verdict = deliver(&spool("b.csv", b"x"), &plan(sftp, Existing::Fail));
    assert!(format!("{verdict:?}").contains("no acknowledgement"), "{verdict:?}");
}
