//! `known_hosts` as OpenSSH reads it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): the lines that name one host.
//!
//! Unreadable lines are skipped, as in OpenSSH; `@cert-authority` lines are read and never trusted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::Endpoint;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    None,
    Revoked,
    CertAuthority,
}

/// One line's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub marker: Marker,
    /// `ssh-ed25519`, …
    pub kind: String,
    pub blob: Vec<u8>,
}

/// Returns the name for `endpoint` in a line.
pub(super) fn name_of(endpoint: &Endpoint) -> String {
    let host = endpoint.host.to_ascii_lowercase();
    if endpoint.port == 22 { host } else { format!("[{host}]:{}", endpoint.port) }
}

/// Returns the entries for `endpoint`: those for `[host]:port`, or, if there are none, those for the bare name, as OpenSSH
/// does. For port 22 only the bare name counts.
pub(super) fn entries_for(text: &str, endpoint: &Endpoint) -> Vec<Entry> {
    let bare = endpoint.host.to_ascii_lowercase();
    if endpoint.port == 22 {
        return entries_named(text, &bare);
    }
    let mut entries = entries_named(text, &name_of(endpoint));
    if !entries.iter().any(|entry| entry.marker == Marker::None) {
        entries.extend(entries_named(text, &bare));
    }
    entries
}

fn entries_named(text: &str, name: &str) -> Vec<Entry> {
    text.lines().filter_map(|line| entry(line, name)).collect()
}

fn entry(line: &str, name: &str) -> Option<Entry> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut fields = line.split_ascii_whitespace();
    let mut hosts = fields.next()?;
    let marker = match hosts {
        "@revoked" => Marker::Revoked,
        "@cert-authority" => Marker::CertAuthority,
        other if other.starts_with('@') => return None,
        _ => Marker::None,
    };
    if marker != Marker::None {
        hosts = fields.next()?;
    }
    let kind = fields.next()?.to_owned();
    let blob = STANDARD.decode(fields.next()?).ok()?;
    names(hosts, name)?.then_some(Entry { marker, kind, blob })
}

/// Returns true if a hosts field names `name`; `None` for an unreadable hashed field.
fn names(hosts: &str, name: &str) -> Option<bool> {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        let (salt, digest) = hashed.split_once('|')?;
        let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
        mac.update(name.as_bytes());
        return Some(mac.verify_slice(&STANDARD.decode(digest).ok()?).is_ok());
    }
    let mut named = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if matches(&negated.to_ascii_lowercase(), name) => return Some(false),
            Some(_) => {}
            None => named |= matches(&pattern.to_ascii_lowercase(), name),
        }
    }
    Some(named)
}

/// Matches `*` and `?` as a shell does; `[` and `]` are literal.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Position of the last star, and of the text after its match.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, reach)) = star else { return false };
                star = Some((at, reach + 1));
                p = at + 1;
                n = reach + 1;
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*.example", "sftp.example", true),
            ("*.example", "sftp.example.org", false),
            ("s*p.*le", "sftp.example", true),
            ("[h]:*", "[h]:2222", true),
            ("h", "h2", false),
            ("", "h", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    /// Returns which of the keys `a`, `b`, … are on file for a host.
    fn check(file: &str, host: &str, port: u16, expected: &str) {
        let kept: Vec<String> = entries_for(file, &Endpoint::new(host, port))
            .into_iter()
            .map(|entry| {
                let sign = match entry.marker {
                    Marker::None => "",
                    Marker::Revoked => "-",
                    Marker::CertAuthority => "@",
                };
                format!("{sign}{}", String::from_utf8_lossy(&entry.blob))
            })
            .collect();
        assert_eq!(kept.join(" "), expected, "{host}:{port} in\n{file}");
    }

    // "YQ==" is `a`, "Yg==" is `b`, "Yw==" is `c`.
    #[test]
    fn lines_are_found_as_openssh_finds_them() {
        check("h ssh-ed25519 YQ== me@here\n# h ssh-ed25519 Yg==\n\n", "h", 22, "a");
        check("H.Example ssh-rsa YQ==\r\n", "h.eXample", 22, "a");
        check("x,h ssh-rsa YQ==\nh ssh-rsa Yg==", "h", 22, "a b");
        check("*.example,!bad.example ssh-rsa YQ==", "bad.example", 22, "");
        check("*.example,!bad.example ssh-rsa YQ==", "good.example", 22, "a");
        check("!bad.example,*.example ssh-rsa YQ==", "bad.example", 22, "");
        check("!bad.example ssh-rsa YQ==", "good.example", 22, "");
        check(
            "@revoked * ssh-rsa YQ==\n@cert-authority *.example ssh-rsa Yg==\nh.example ssh-rsa Yw==",
            "h.example",
            22,
            "-a @b c",
        );
        check("@other h ssh-rsa YQ==\nh\nh ssh-rsa\nh ssh-rsa !!\nh ssh-rsa Yg==", "h", 22, "b");
    }

    #[test]
    fn another_port_has_its_own_name() {
        check("[h]:2222 ssh-rsa YQ==\nh ssh-rsa Yg==", "h", 2222, "a");
        check("[h]:2222 ssh-rsa YQ==\nh ssh-rsa Yg==", "h", 22, "b");
        check("[h]:2222 ssh-rsa YQ==\nh ssh-rsa Yg==", "h", 2223, "b");
        check("[*]:2222 ssh-rsa YQ==", "h", 2222, "a");
        check("[h]:22 ssh-rsa YQ==", "h", 22, "");
        // A key revoked for the port stays revoked for the bare name.
        check("@revoked [h]:2222 ssh-rsa YQ==\nh ssh-rsa Yg==", "h", 2222, "-a b");
    }

    #[test]
    fn hashed_names_are_found() {
        let hashed = |name: &str| {
            let mut mac = Hmac::<Sha1>::new_from_slice(b"01234567890123456789").unwrap();
            mac.update(name.as_bytes());
            let digest = STANDARD.encode(mac.finalize().into_bytes());
            format!("|1|{}|{digest} ssh-rsa YQ==", STANDARD.encode(b"01234567890123456789"))
        };
        check(&hashed("h"), "h", 22, "a");
        check(&hashed("h"), "g", 22, "");
        check(&hashed("[h]:2222"), "h", 2222, "a");
        check("|1|broken ssh-rsa YQ==\n|1|!|! ssh-rsa YQ==", "h", 22, "");
    }

    /// Returns the keys that `ssh-keygen -F` finds for a name, in the file's order, distinguished as [`check`] does.
    fn ssh_keygen_finds(file: &std::path::Path, name: &str) -> String {
        let found = std::process::Command::new("ssh-keygen").args(["-F", name, "-f"]).arg(file).output();
        let found = String::from_utf8(found.expect("there is no ssh-keygen: run tests/tools").stdout).unwrap();
        let mut kept = Vec::new();
        for line in found.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(' ').collect();
            let (sign, fields) = match fields[0] {
                "@revoked" => ("-", &fields[1..]),
                "@cert-authority" => ("@", &fields[1..]),
                _ => ("", &fields[..]),
            };
            kept.push(format!("{sign}{}", fields[2]));
        }
        kept.join(" ")
    }

    #[test]
    fn the_same_lines_are_found_as_by_ssh_keygen() {
        let key = |fill: u8| {
            let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
            blob.extend([fill; 32]);
            format!("ssh-ed25519 {}", STANDARD.encode(blob))
        };
        let hosts = [
            "@other h.example",
            "h.example",
            "H.Example,x",
            "*.example",
            "*.example,!bad.example",
            "!bad.example",
            "h?example",
            "[h.example]:2222",
            "[*]:2222",
            "[h.example]:*",
            "192.0.2.7",
            "@revoked h.example",
            "@revoked *",
            "@cert-authority *.example",
            "h.example,",
            "*",
            "2001:db8::1",
        ];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        for hashed in [false, true] {
            // ssh-keygen does not hash files with an unreadable line.
            let (broken, hosts) = if hashed { ("", &hosts[1..]) } else { ("broken\n", &hosts[..]) };
            let lines = (1..).zip(hosts).map(|(fill, hosts)| format!("{hosts} {} note", key(fill)));
            let lines: Vec<String> = lines.collect();
            std::fs::write(&file, format!("# comment\n\n{}\n{broken}", lines.join("\n"))).unwrap();
            if hashed {
                // Names with wildcards stay unhashed.
                let done = std::process::Command::new("ssh-keygen").arg("-Hf").arg(&file).output().unwrap();
                assert!(done.status.success());
            }
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(text.contains("|1|"), hashed);
            for name in
                ["h.example", "x", "bad.example", "[h.example]:2222", "[other]:2222", "192.0.2.7", "2001:db8::1", "no"]
            {
                let ours: Vec<String> = entries_named(&text, name)
                    .into_iter()
                    .map(|entry| {
                        let sign = match entry.marker {
                            Marker::None => "",
                            Marker::Revoked => "-",
                            Marker::CertAuthority => "@",
                        };
                        format!("{sign}{}", STANDARD.encode(entry.blob))
                    })
                    .collect();
                assert_eq!(ours.join(" "), ssh_keygen_finds(&file, name), "{name}, hashed: {hashed}\n{text}");
            }
        }
    }
}
