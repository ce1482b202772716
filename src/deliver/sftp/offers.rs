//! What the server offers in its key exchange, beside what we do.
//!
//! libssh2 keeps the server's lists to itself, so the server is asked once more, without encryption, as RFC 4253 begins:
//! its identification line, then its SSH_MSG_KEXINIT.

use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

use ssh2::MethodType;

use super::algorithms::{Offer, offered};
use super::answer::printable;
use super::hostkey::Kind;
use super::line::reach;
use super::packet::Body;
use super::watch::Watch;
use crate::settings::Sftp;

const MSG_DISCONNECT: u8 = 1;
const MSG_IGNORE: u8 = 2;
const MSG_DEBUG: u8 = 4;
const MSG_KEXINIT: u8 = 20;
/// RFC 4253 6.1: the longest packet that everyone must take.
const PACKET_BYTES_MAX: u32 = 35_000;
/// Lines that a server may send before its identification (RFC 4253 4.2), and bytes of each.
const LINES_MAX: usize = 50;
const LINE_BYTES_MAX: u64 = 1024;
/// What closing a connection at once usually means.
const NOT_ALLOWED: &str = ": it may not accept connections from this address, or has too many";
/// Packets before the one that is waited for.
const PACKETS_MAX: usize = 8;
/// For one answer: the key exchange that failed has waited long enough.
const PATIENCE_MAX: Duration = Duration::from_secs(5);

/// The lists that are looked at, and where each stands in a KEXINIT.
const LISTS: [(Offer, usize); 4] = [(Offer::Kex, 0), (Offer::HostKey, 1), (Offer::Cipher, 2), (Offer::Mac, 4)];

/// Why a key exchange failed, where the server shows it.
pub enum Explained {
    /// A list of the server's has nothing in common with ours: that stays so until a person changes it.
    Disagreement(String),
    /// What the server wrote in place of its part of the key exchange.
    Said(String),
}

/// Asks the server once more, to find out why a key exchange failed.
pub fn explain(sftp: &Sftp, kinds: &[Kind]) -> Option<Explained> {
    match ask(sftp).ok()? {
        Hello::Said(said) => Some(Explained::Said(said)),
        Hello::Lists(lists) => LISTS.into_iter().find_map(|(of, index)| {
            let theirs = lists.get(index)?;
            let what = of.name().trim_end_matches(" algorithm");
            disjoint(what, theirs, &offered(sftp, kinds, of)).map(Explained::Disagreement)
        }),
    }
}

/// What was agreed on, and from which offers; the server's where it told them.
pub fn agreed(
    session: &ssh2::Session,
    sftp: &Sftp,
    kinds: &[Kind],
    server: Option<&Vec<String>>,
) -> Vec<(String, String)> {
    let mut shown = Vec::new();
    for (of, index) in LISTS {
        let method = match of {
            Offer::Kex => MethodType::Kex,
            Offer::HostKey => MethodType::HostKey,
            Offer::Cipher => MethodType::CryptCs,
            Offer::Mac => MethodType::MacCs,
        };
        shown.push((of.name().to_owned(), session.methods(method).unwrap_or("none").to_owned()));
        if let Some(theirs) = server.and_then(|lists| lists.get(index)) {
            shown.push(("  the server offers".to_owned(), printable_list(theirs)));
        }
        shown.push(("  reportferry offers".to_owned(), offered(sftp, kinds, of).join(",")));
    }
    shown
}

/// A list is longer than other texts of servers that are shown; each of its names is not.
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

/// What a server sends first.
#[derive(Debug, PartialEq, Eq)]
enum Hello {
    /// The name lists of its KEXINIT, in RFC 4253's order.
    Lists(Vec<String>),
    /// A text in place of them, in words.
    Said(String),
}

/// The name lists of the server's KEXINIT, in RFC 4253's order.
pub fn lists(sftp: &Sftp) -> Option<Vec<String>> {
    match ask(sftp) {
        Ok(Hello::Lists(lists)) => Some(lists),
        _ => None,
    }
}

fn ask(sftp: &Sftp) -> io::Result<Hello> {
    let reached = reach(sftp, &mut Watch::none());
    let mut socket = reached.map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
    socket.set_patience(sftp.timeouts.connect.min(PATIENCE_MAX))?;
    socket.write_all(b"SSH-2.0-reportferry\r\n")?;
    read_hello(&mut BufReader::new(socket))
}

fn read_hello(from: &mut impl BufRead) -> io::Result<Hello> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut text = Vec::new();
    let Some(identification) = greets(from, &mut text)? else {
        let said = printable(&text);
        if said.is_empty() {
            return Ok(Hello::Said(format!("the server closed the connection without a greeting{NOT_ALLOWED}")));
        }
        if matches!(text.as_slice(), [0x15 | 0x16, 3, ..]) {
            return Ok(Hello::Said("the server speaks TLS and not SSH: is this the right port?".to_owned()));
        }
        let ftp =
            if said.starts_with("220") { " (an FTP server? SFTP is another protocol, usually at port 22)" } else { "" };
        return Ok(Hello::Said(format!("the server answers with text and not as an SSH server: \"{said}\"{ftp}")));
    };
    let identification = printable(&identification);
    if !identification.starts_with("SSH-2.") && !identification.starts_with("SSH-1.99") {
        return Ok(Hello::Said(format!("the server speaks an SSH that is too old ({identification}): it needs SSH 2")));
    }
    for _ in 0..PACKETS_MAX {
        let mut length = [0; 4];
        match from.read_exact(&mut length) {
            Err(error) if matches!(error.kind(), UnexpectedEof | ConnectionReset) => {
                let said =
                    format!("the server ({identification}) closed the connection after its greeting{NOT_ALLOWED}");
                return Ok(Hello::Said(said));
            }
            read => read?,
        }
        let length = u32::from_be_bytes(length);
        if length > PACKET_BYTES_MAX {
            return Err(invalid());
        }
        let mut packet = vec![0; length as usize];
        from.read_exact(&mut packet)?;
        // Padding length, message.
        match packet.get(1) {
            // Cookie; then the lists.
            Some(&MSG_KEXINIT) => {
                let mut body = Body(packet.get(18..).ok_or_else(invalid)?);
                let mut list = || Ok(String::from_utf8_lossy(body.string().map_err(|_| invalid())?).into_owned());
                return (0..8).map(|_| list()).collect::<io::Result<_>>().map(Hello::Lists);
            }
            Some(&MSG_DISCONNECT) => {
                let mut body = Body(packet.get(2..).ok_or_else(invalid)?);
                let said = body.u32().and_then(|_| body.string()).map_err(|_| invalid())?;
                return Ok(Hello::Said(disconnected(said)));
            }
            Some(&(MSG_IGNORE | MSG_DEBUG)) => {}
            _ => return Err(invalid()),
        }
    }
    Err(invalid())
}

/// The server's reason for ending a connection.
pub fn disconnected(said: &[u8]) -> String {
    match printable(said) {
        said if said.is_empty() => "the server ended the connection without a reason".to_owned(),
        said => format!("the server ended the connection: \"{said}\""),
    }
}

/// Reads up to the identification; lines before it (RFC 4253, 4.2) go into `text`. `None` where there is none.
///
/// # Errors
/// Nothing came in time.
fn greets(from: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    for _ in 0..LINES_MAX {
        let mut line = Vec::new();
        let read = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if line.starts_with(b"SSH-") && line.ends_with(b"\n") {
            return Ok(Some(line));
        }
        text.extend_from_slice(&line);
        match read {
            Ok(1..) => {}
            Ok(0) => break,
            Err(error) if text.is_empty() && error.kind() != ConnectionReset => return Err(error),
            Err(_) => break,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(lists: &[&str]) -> Vec<u8> {
        let mut payload = vec![4, MSG_KEXINIT];
        payload.extend([7; 16]);
        for list in lists {
            payload.extend((list.len() as u32).to_be_bytes());
            payload.extend(list.as_bytes());
        }
        let mut bytes = b"Welcome\r\nSSH-2.0-Old_1.0\r\n".to_vec();
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_servers_lists_are_read_and_compared() {
        let lists = ["kex-1", "ssh-rsa,ssh-dss", "c", "c", "m", "m", "none", "none"];
        let Hello::Lists(read) = read_hello(&mut greeting(&lists).as_slice()).unwrap() else { panic!() };
        assert_eq!(read, lists);
        assert_eq!(disjoint("key exchange", "kex-1", &["kex-1".to_owned()]), None);
        assert_eq!(
            disjoint("host key", &read[1], &["ssh-ed25519".to_owned()]).unwrap(),
            "no host key algorithm in common: the server offers ssh-rsa,ssh-dss (RSA with SHA-1 and DSA are too weak to \
             be accepted); reportferry offers ssh-ed25519"
        );
    }

    #[test]
    fn what_is_no_greeting_is_an_error() {
        let whole = greeting(&["a"; 8]);
        for cut in 0..whole.len() {
            let read = read_hello(&mut &whole[..cut]);
            assert!(!matches!(read, Ok(Hello::Lists(_))), "cut at {cut}");
        }
        let mut long = b"SSH-2.0-x\r\n".to_vec();
        long.extend(u32::MAX.to_be_bytes());
        assert!(read_hello(&mut long.as_slice()).is_err());
    }

    #[test]
    fn d20_what_a_server_says_in_place_of_a_key_exchange_is_shown() {
        let said = |bytes: &[u8]| match read_hello(&mut &bytes[..]).unwrap() {
            Hello::Said(said) => said,
            lists => panic!("{lists:?}"),
        };
        assert_eq!(
            said(b"Exceeded MaxStartups\r\n"),
            "the server answers with text and not as an SSH server: \"Exceeded MaxStartups\""
        );
        assert!(said(b"HTTP/1.1 400 Bad Request\r\n\r\n").contains("400 Bad Request"));
        assert!(said(b"220 ProFTPD Server ready.\r\n").contains("port 22"));
        assert!(said(b"").contains("without a greeting: it may not accept"));
        assert!(said(b"SSH-2.0-x\r\n").contains("(SSH-2.0-x) closed the connection after its greeting"));
        assert!(said(b"SSH-1.5-x\r\n").contains("too old (SSH-1.5-x)"));
        assert!(said(b"\x15\x03\x01\0\x02\x02F").contains("speaks TLS"));
        let reason = "Too many connections for this user";
        let mut payload = vec![4, MSG_DISCONNECT, 0, 0, 0, 12, 0, 0, 0, reason.len() as u8];
        payload.extend(reason.as_bytes());
        payload.extend([0; 8]); // no language, padding
        let mut bytes = b"SSH-2.0-x\r\n\0\0\0\x06\x04\x02\0\0\0\0".to_vec(); // an ignored packet
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        assert_eq!(said(&bytes), format!("the server ended the connection: {reason:?}"));
    }
}
