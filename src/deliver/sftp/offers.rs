//! What the server offers in its key exchange, beside what we do.
//!
//! libssh2 keeps the server's lists to itself, so the server is asked once more, without encryption, as RFC 4253 begins:
//! its identification line, then its SSH_MSG_KEXINIT.

use std::io::{self, BufRead, BufReader, Read, Write};

use ssh2::MethodType;

use super::algorithms::{Offer, offered};
use super::answer::printable;
use super::hostkey::Kind;
use super::line::reach;
use super::packet::Body;
use super::watch::Watch;
use crate::settings::Sftp;

const MSG_KEXINIT: u8 = 20;
/// RFC 4253 6.1: the longest packet that everyone must take.
const PACKET_BYTES_MAX: u32 = 35_000;
/// Lines that a server may send before its identification (RFC 4253 4.2), and bytes of each.
const LINES_MAX: usize = 50;
const LINE_BYTES_MAX: u64 = 1024;

/// The lists that are looked at, and where each stands in a KEXINIT.
const LISTS: [(Offer, usize); 4] = [(Offer::Kex, 0), (Offer::HostKey, 1), (Offer::Cipher, 2), (Offer::Mac, 4)];

/// A list of the server's that has nothing in common with ours, in words; `None` where that was not the reason.
pub fn disagreement(sftp: &Sftp, kinds: &[Kind]) -> Option<String> {
    let lists = ask(sftp).ok()?;
    LISTS.into_iter().find_map(|(of, index)| {
        let theirs = lists.get(index)?;
        let what = of.name().trim_end_matches(" algorithm");
        disjoint(what, theirs, &offered(sftp, kinds, of))
    })
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

/// The name lists of the server's KEXINIT, in RFC 4253's order.
pub fn ask(sftp: &Sftp) -> io::Result<Vec<String>> {
    let reached = reach(sftp, &mut Watch::none());
    let mut socket = reached.map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
    socket.set_patience(sftp.timeouts.connect)?;
    socket.write_all(b"SSH-2.0-reportferry\r\n")?;
    read_lists(&mut BufReader::new(socket))
}

fn read_lists(from: &mut impl BufRead) -> io::Result<Vec<String>> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut greeted = false;
    for _ in 0..LINES_MAX {
        let mut line = Vec::new();
        from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.starts_with(b"SSH-") {
            greeted = true;
            break;
        }
    }
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if !greeted || length > PACKET_BYTES_MAX {
        return Err(invalid());
    }
    let mut packet = vec![0; length as usize];
    from.read_exact(&mut packet)?;
    // Padding length, message, cookie; then the lists.
    if packet.get(1) != Some(&MSG_KEXINIT) {
        return Err(invalid());
    }
    let mut body = Body(packet.get(18..).ok_or_else(invalid)?);
    (0..8).map(|_| Ok(String::from_utf8_lossy(body.string().map_err(|_| invalid())?).into_owned())).collect()
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
        let read = read_lists(&mut greeting(&lists).as_slice()).unwrap();
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
            assert!(read_lists(&mut &whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read_lists(&mut &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]).is_err());
        let mut long = b"SSH-2.0-x\r\n".to_vec();
        long.extend(u32::MAX.to_be_bytes());
        assert!(read_lists(&mut long.as_slice()).is_err());
    }
}
