//! Asking a proxy for a connection: HTTP CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, 1929).
//!
//! The proxy looks up the server's name: a worker behind one often cannot.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::answer::printable;
use super::connect::unreached;
use super::line::{Line, endpoint};
use crate::deliver::Verdict;
use crate::secret::Secret;
use crate::settings::{Proxy, ProxyKind};

/// Bytes of an HTTP proxy's answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Why there is no connection.
enum No {
    /// The proxy answered.
    Refused(String),
    /// It does not take our name and password, or asks for them.
    Account(String),
    Io(io::Error),
}

impl From<io::Error> for No {
    fn from(error: io::Error) -> Self {
        No::Io(error)
    }
}

/// Makes `line`, which leads to the proxy, lead to `host`.
///
/// # Errors
/// `Unreached`, with what the proxy said; `Rejected` where it does not take our name and password.
pub fn ask(line: &mut Line, proxy: &Proxy, host: &str, port: u16, deadline: Instant) -> Result<(), Verdict> {
    let by = format!("{} proxy {}", name(proxy.kind), endpoint(&proxy.host, proxy.port));
    let password = match &proxy.password {
        None => None,
        Some(secret) => Some(secret.read().map_err(|error| Verdict::Rejected {
            reason: format!("read the password for the {by}: {error}"),
            hint: None,
        })?),
    };
    let account = proxy.username.as_deref().zip(password.as_ref());
    let patience = deadline.saturating_duration_since(Instant::now());
    let asked = line.set_patience(patience).map_err(No::from).and_then(|()| {
        let mut timed = Timed { line, deadline };
        match proxy.kind {
            ProxyKind::Http => connect(&mut timed, host, port, account),
            ProxyKind::Socks5 => socks5(&mut timed, host, port, account),
        }
    });
    let to = endpoint(host, port);
    match asked {
        Ok(()) => Ok(()),
        Err(No::Account(why)) => Err(Verdict::Rejected {
            reason: format!("ask the {by} for {to}: {why}"),
            hint: Some("correct the `username` and `password` of the destination's `proxy`".to_owned()),
        }),
        Err(No::Refused(why)) => Err(unreached(format!("ask the {by} for {to}: {why}"))),
        Err(No::Io(error)) if is_late(&error) => {
            Err(unreached(format!("ask the {by} for {to}: no answer within {:.1} s", patience.as_secs_f32())))
        }
        Err(No::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(unreached(format!("ask the {by} for {to}: it closed the connection")))
        }
        Err(No::Io(error)) => Err(unreached(format!("ask the {by} for {to}: {error}"))),
    }
}

fn name(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Http => "HTTP",
        ProxyKind::Socks5 => "SOCKS5",
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A line with an end in time, whatever trickles in.
struct Timed<'a> {
    line: &'a mut Line,
    deadline: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.line.set_patience(left)?;
        self.line.read(into)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connect(line: &mut (impl Read + Write), host: &str, port: u16, account: Option<(&str, &Secret)>) -> Result<(), No> {
    let to = endpoint(host, port);
    let mut head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if let Some((username, password)) = account {
        let text = STANDARD.encode(format!("{username}:{}", password.expose()));
        head.push_str(&format!("Proxy-Authorization: Basic {text}\r\n"));
    }
    head.push_str("\r\n");
    line.write_all(head.as_bytes())?;
    // Byte by byte: what follows the head belongs to SSH already.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        line.read_exact(&mut byte)?;
        answer.push(byte[0]);
        if answer.len() > HEAD_BYTES_MAX {
            return Err(No::Refused("its answer does not end".to_owned()));
        }
        if answer.len() == 5 && answer != b"HTTP/" {
            return Err(No::Refused("it does not speak HTTP".to_owned()));
        }
    }
    let first = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = first.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match status {
        [b'2', _, _] => Ok(()),
        b"407" => Err(No::Account(format!("it answers {:?}", printable(first)))),
        _ => Err(No::Refused(format!("it answers {:?}", printable(first)))),
    }
}

fn socks5(line: &mut (impl Read + Write), host: &str, port: u16, account: Option<(&str, &Secret)>) -> Result<(), No> {
    const NONE: u8 = 0;
    const PASSWORD: u8 = 2;
    let refused = |why: &str| Err(No::Refused(why.to_owned()));
    let account_refused = |why: &str| Err(No::Account(why.to_owned()));
    match account {
        None => line.write_all(&[5, 1, NONE])?,
        Some(_) => line.write_all(&[5, 2, NONE, PASSWORD])?,
    }
    let [version, method] = take(line)?;
    if version != 5 {
        return refused("it does not speak SOCKS5");
    }
    match (method, account) {
        (NONE, _) => {}
        (PASSWORD, Some((username, password))) => {
            let mut request = vec![1];
            for text in [username, password.expose()] {
                let Ok(length) = u8::try_from(text.len()) else {
                    return account_refused("the username or the password is longer than SOCKS5 takes (255 bytes)");
                };
                request.push(length);
                request.extend_from_slice(text.as_bytes());
            }
            line.write_all(&request)?;
            let [_, status] = take(line)?;
            if status != 0 {
                return account_refused("it refuses the username and password");
            }
        }
        (_, None) => return account_refused("it asks for a username and password"),
        _ => return account_refused("it takes no username and password"),
    }
    let mut request = vec![5, 1, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => request.extend([&[1][..], &address.octets()].concat()),
        Ok(IpAddr::V6(address)) => request.extend([&[4][..], &address.octets()].concat()),
        Err(_) => {
            let Ok(length) = u8::try_from(host.len()) else { return refused("the server's name is too long") };
            request.extend([3, length]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    line.write_all(&request)?;
    let [_, reply, _, kind] = take(line)?;
    if reply != 0 {
        return refused(&format!("it answers {:?}", reply_words(reply)));
    }
    let bound = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(take::<1>(line)?[0]),
        _ => return refused("its answer is no SOCKS5"),
    };
    line.read_exact(&mut vec![0; bound + 2])?;
    Ok(())
}

fn take<const COUNT: usize>(line: &mut impl Read) -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    line.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// RFC 1928, 6.
fn reply_words(reply: u8) -> String {
    let words = match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => return format!("reply {reply}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a proxy answers, and what it was told.
    struct Played {
        answers: io::Cursor<Vec<u8>>,
        told: Vec<u8>,
    }

    impl Read for Played {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.answers.read(into)
        }
    }

    impl Write for Played {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.told.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn played(answers: &[u8]) -> Played {
        Played { answers: io::Cursor::new(answers.to_vec()), told: Vec::new() }
    }

    fn said(outcome: Result<(), No>) -> String {
        match outcome {
            Ok(()) => "connected".to_owned(),
            Err(No::Refused(why) | No::Account(why)) => why,
            Err(No::Io(error)) => format!("{:?}", error.kind()),
        }
    }

    #[test]
    fn an_http_proxy_is_asked_and_believed() {
        let secret = Secret::new("open:sesame");
        let mut proxy = played(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nSSH-2.0-x\r\n");
        assert_eq!(said(connect(&mut proxy, "h.example", 22, Some(("me", &secret)))), "connected");
        let told = String::from_utf8(proxy.told).unwrap();
        assert_eq!(
            told,
            "CONNECT h.example:22 HTTP/1.1\r\nHost: h.example:22\r\nProxy-Authorization: Basic bWU6b3BlbjpzZXNhbWU=\r\n\r\n"
        );
        // Not a byte of the server's greeting is taken.
        assert_eq!(proxy.answers.position(), 27);
        for (answer, expected) in [
            (&b"HTTP/1.1 403 Forbidden\r\n\r\n"[..], "it answers \"HTTP/1.1 403 Forbidden\""),
            (b"HTTP/1.0 2000 x\r\n\r\n", "it answers \"HTTP/1.0 2000 x\""),
            (b"SSH-2.0-OpenSSH\r\n", "it does not speak HTTP"),
            (b"HTTP/1.1 200", "UnexpectedEof"),
            (&[b"HTTP/".as_slice(), &[b'x'; 20_000]].concat(), "its answer does not end"),
        ] {
            assert_eq!(said(connect(&mut played(answer), "h", 22, None)), expected);
        }
    }

    #[test]
    fn a_socks_proxy_is_asked_and_believed() {
        let secret = Secret::new("pw");
        let good = [5, 0, 5, 0, 0, 1, 9, 9, 9, 9, 1, 2, b'S'];
        let mut proxy = played(&good);
        assert_eq!(said(socks5(&mut proxy, "h.example", 2222, None)), "connected");
        assert_eq!(proxy.told, [&[5, 1, 0, 5, 1, 0, 3, 9][..], b"h.example", &[8, 174]].concat());
        assert_eq!(proxy.answers.position(), 12);
        let mut proxy = played(&[5, 2, 1, 0, 5, 0, 0, 3, 2, b'a', b'b', 0, 22]);
        assert_eq!(said(socks5(&mut proxy, "192.0.2.7", 22, Some(("me", &secret)))), "connected");
        assert_eq!(proxy.told, [5, 2, 0, 2, 1, 2, b'm', b'e', 2, b'p', b'w', 5, 1, 0, 1, 192, 0, 2, 7, 0, 22]);
        for (answers, account, expected) in [
            (&[5, 255][..], None, "it asks for a username and password"),
            (&[5, 2, 1, 1], Some(("me", &secret)), "it refuses the username and password"),
            (&[5, 255], Some(("me", &secret)), "it takes no username and password"),
            (&[5, 0, 5, 5, 0, 1], None, "it answers \"connection refused\""),
            (&[5, 0, 5, 99, 0, 1], None, "it answers \"reply 99\""),
            (b"HT", None, "it does not speak SOCKS5"),
            (&[5], None, "UnexpectedEof"),
        ] {
            assert_eq!(said(socks5(&mut played(answers), "h", 22, account)), expected);
        }
    }
}
