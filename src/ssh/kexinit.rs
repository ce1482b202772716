//! The server's offers in the key exchange, compared with ours.
//!
//! libssh2 does not expose the server's lists, so they are read over a separate stream, unencrypted, as RFC 4253 begins:
//! identification line, then SSH_MSG_KEXINIT.

use std::io::ErrorKind::{ConnectionReset, InvalidData, UnexpectedEof};
use std::io::{self, BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use super::Algorithms;
use super::algorithms::{AlgorithmKind, offered};
use super::host_key::KeyKind;
use super::packets::{
    DEBUG, DISCONNECT, IDENTIFICATION, IGNORE, KEXINIT, disconnect_reason, name_lists, read_identification, read_packet,
};
use super::stream::{DeadlineStream, Stream};
use crate::wire::printable;

/// The usual reason for an immediately closed connection.
const NOT_ALLOWED: &str = ": it may not accept connections from this address, or has too many";
/// Maximum packets before the expected one.
const PACKETS_MAX: usize = 8;
/// Time limit; the key exchange that failed has taken long enough.
const TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// The lists that are compared, and their positions in a KEXINIT.
const LISTS: [(AlgorithmKind, usize); 4] =
    [(AlgorithmKind::Kex, 0), (AlgorithmKind::HostKey, 1), (AlgorithmKind::Cipher, 2), (AlgorithmKind::Mac, 4)];

/// Reasons why a key exchange failed, as far as the server shows them.
pub(super) enum Explanation {
    /// One of the server's lists has nothing in common with ours.
    NoCommonAlgorithm(String),
    /// Text that the server wrote in place of its part of the key exchange.
    ServerMessage(String),
}

/// Finds out over a new stream why a key exchange failed.
pub(super) fn explain(stream: &Stream, timeout: Duration, ours: &Algorithms, kinds: &[KeyKind]) -> Option<Explanation> {
    match ask(stream, timeout).ok()? {
        Greeting::Other(text) => Some(Explanation::ServerMessage(text)),
        Greeting::Lists(lists) => LISTS.into_iter().find_map(|(of, index)| {
            let theirs = lists.get(index)?;
            let what = of.name().trim_end_matches(" algorithm");
            disjoint(what, theirs, &offered(ours, kinds, of)).map(Explanation::NoCommonAlgorithm)
        }),
    }
}

/// Returns the agreed algorithms with the offers of both sides; the server's if they are known.
pub(super) fn agreed(
    session: &ssh2::Session,
    ours: &Algorithms,
    kinds: &[KeyKind],
    server: Option<&Vec<String>>,
) -> Vec<(String, String)> {
    let mut details = Vec::new();
    for (of, index) in LISTS {
        details.push((of.name().to_owned(), session.methods(of.method()).unwrap_or("none").to_owned()));
        if let Some(theirs) = server.and_then(|lists| lists.get(index)) {
            details.push(("  the server offers".to_owned(), printable_list(theirs)));
        }
        details.push(("  reportferry offers".to_owned(), offered(ours, kinds, of).join(",")));
    }
    details
}

/// Shortens each name but not the list.
fn printable_list(list: &str) -> String {
    list.split(',').map(|name| printable(name.as_bytes())).collect::<Vec<_>>().join(",")
}

fn disjoint(what: &str, theirs: &str, ours: &[String]) -> Option<String> {
    if ours.is_empty() || theirs.split(',').any(|their| ours.iter().any(|our| our == their)) {
        return None;
    }
    let theirs = printable_list(theirs);
    let old = if theirs.contains("ssh-rsa") || theirs.contains("ssh-dss") {
        " (RSA with SHA-1 and DSA are too weak to be accepted)"
    } else {
        ""
    };
    Some(format!(
        "no {what} algorithm in common: the server offers {theirs}{old}; reportferry offers {}",
        ours.join(",")
    ))
}

/// A server's first output.
#[derive(Debug, PartialEq, Eq)]
enum Greeting {
    /// The name lists of its KEXINIT, in RFC 4253's order.
    Lists(Vec<String>),
    /// A description of what it sent in their place.
    Other(String),
}

/// Returns the name lists of the server's KEXINIT, in RFC 4253's order.
pub(super) fn lists(stream: &Stream, timeout: Duration) -> Option<Vec<String>> {
    match ask(stream, timeout) {
        Ok(Greeting::Lists(lists)) => Some(lists),
        _ => None,
    }
}

fn ask(stream: &Stream, timeout: Duration) -> io::Result<Greeting> {
    let mut stream = DeadlineStream { stream, deadline: Instant::now() + timeout.min(TIMEOUT_MAX) };
    stream.write_all(format!("{IDENTIFICATION}\r\n").as_bytes())?;
    read_greeting(&mut BufReader::new(stream))
}

fn read_greeting(from: &mut impl BufRead) -> io::Result<Greeting> {
    let mut text = Vec::new();
    let Some(identification) = read_identification(from, &mut text)? else {
        return Ok(Greeting::Other(not_ssh(&text)));
    };
    let identification = printable(&identification);
    if !identification.starts_with("SSH-2.") && !identification.starts_with("SSH-1.99") {
        let text = format!("the server's SSH version is too old ({identification}): it needs SSH 2");
        return Ok(Greeting::Other(text));
    }
    for _ in 0..PACKETS_MAX {
        let payload = match read_packet(from, None) {
            Err(error) if matches!(error.kind(), UnexpectedEof | ConnectionReset) => {
                let text =
                    format!("the server ({identification}) closed the connection after its greeting{NOT_ALLOWED}");
                return Ok(Greeting::Other(text));
            }
            payload => payload?,
        };
        match payload.first() {
            Some(&KEXINIT) => return name_lists(&payload).map(Greeting::Lists),
            Some(&DISCONNECT) => return disconnect_reason(&payload).map(Greeting::Other),
            Some(&(IGNORE | DEBUG)) => {}
            _ => break,
        }
    }
    Err(InvalidData.into())
}

/// Describes what arrived in place of an identification.
fn not_ssh(text: &[u8]) -> String {
    let shown = printable(text);
    if shown.is_empty() {
        return format!("the server closed the connection without a greeting{NOT_ALLOWED}");
    }
    if matches!(text, [0x15 | 0x16, 3, ..]) {
        return "the server speaks TLS, not SSH: is this the right port?".to_owned();
    }
    let ftp =
        if shown.starts_with("220") { " (an FTP server? SFTP is another protocol, usually at port 22)" } else { "" };
    format!("the server answers with text and not as an SSH server: \"{shown}\"{ftp}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(lists: &[&str]) -> Vec<u8> {
        let mut payload = vec![4, KEXINIT];
        payload.extend([7; 16]);
        for list in lists {
            payload.extend((list.len() as u32).to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 4]); // padding
        let mut bytes = b"Welcome\r\nSSH-2.0-Old_1.0\r\n".to_vec();
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_servers_lists_are_read_and_compared() {
        let lists = ["kex-1", "ssh-rsa,ssh-dss", "c", "c", "m", "m", "none", "none"];
        let Greeting::Lists(read) = read_greeting(&mut greeting(&lists).as_slice()).unwrap() else { panic!() };
        assert_eq!(read, lists);
        assert_eq!(disjoint("key exchange", "kex-1", &["kex-1".to_owned()]), None);
        assert_eq!(
            disjoint("host key", &read[1], &["ssh-ed25519".to_owned()]).unwrap(),
            "no host key algorithm in common: the server offers ssh-rsa,ssh-dss (RSA with SHA-1 and DSA are too weak to \
             be accepted); reportferry offers ssh-ed25519"
        );
    }

    #[test]
    fn a_truncated_greeting_is_an_error() {
        let whole = greeting(&["a"; 8]);
        for cut in 0..whole.len() {
            let read = read_greeting(&mut &whole[..cut]);
            assert!(!matches!(read, Ok(Greeting::Lists(_))), "cut at {cut}");
        }
        let mut long = b"SSH-2.0-x\r\n".to_vec();
        long.extend(u32::MAX.to_be_bytes());
        assert!(read_greeting(&mut long.as_slice()).is_err());
    }

    #[test]
    fn d20_a_servers_message_in_place_of_a_key_exchange_is_shown() {
        let message = |bytes: &[u8]| match read_greeting(&mut &bytes[..]).unwrap() {
            Greeting::Other(text) => text,
            lists => panic!("{lists:?}"),
        };
        assert_eq!(
            message(b"Exceeded MaxStartups\r\n"),
            "the server answers with text and not as an SSH server: \"Exceeded MaxStartups\""
        );
        assert!(message(b"HTTP/1.1 400 Bad Request\r\n\r\n").contains("400 Bad Request"));
        assert!(message(b"220 ProFTPD Server ready.\r\n").contains("port 22"));
        assert!(message(b"").contains("without a greeting: it may not accept"));
        assert!(message(b"SSH-2.0-x\r\n").contains("(SSH-2.0-x) closed the connection after its greeting"));
        assert!(message(b"SSH-1.5-x\r\n").contains("too old (SSH-1.5-x)"));
        assert!(message(b"\x15\x03\x01\0\x02\x02F").contains("speaks TLS"));
        let reason = "Too many connections for this user";
        let mut payload = vec![4, DISCONNECT, 0, 0, 0, 12, 0, 0, 0, reason.len() as u8];
        payload.extend(reason.as_bytes());
        payload.extend([0; 8]); // no language; padding
        let mut bytes = b"SSH-2.0-x\r\n\0\0\0\x06\x04\x02\0\0\0\0".to_vec(); // an IGNORE
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        assert_eq!(message(&bytes), format!("the server ended the connection: {reason:?}"));
    }
}
