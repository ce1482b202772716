//! Requests a connection from a proxy: HTTP CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, 1929).
//!
//! The proxy resolves the server's name: a worker behind one often cannot.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::stream::{DeadlineStream, Stream};
use super::{Endpoint, Error, Proxy, ProxyAccount, ProxyKind};
use crate::wire::printable;

/// Maximum bytes of an HTTP proxy's response.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Errors of a proxy.
enum ProxyError {
    Refused(String),
    /// The proxy refuses our account, or requires one.
    Account(String),
    Io(io::Error),
}

impl From<io::Error> for ProxyError {
    fn from(error: io::Error) -> Self {
        ProxyError::Io(error)
    }
}

/// Connects `stream`, which leads to the proxy, to `target`.
pub(super) fn tunnel(stream: &Stream, proxy: &Proxy, target: &Endpoint, deadline: Instant) -> Result<(), Error> {
    let timeout = deadline.saturating_duration_since(Instant::now());
    let mut stream = DeadlineStream { stream, deadline };
    let (name, connected) = match proxy.kind {
        ProxyKind::Http => ("HTTP", connect(&mut stream, target, proxy.account.as_ref())),
        ProxyKind::Socks5 => ("SOCKS5", socks5(&mut stream, target, proxy.account.as_ref())),
    };
    let failed = |why: String| format!("ask the {name} proxy {} for {target}: {why}", proxy.endpoint);
    connected.map_err(|error| match error {
        ProxyError::Account(why) => Error::ProxyAccount(failed(why)),
        ProxyError::Refused(why) => Error::Connection(failed(why)),
        ProxyError::Io(error) => Error::Connection(failed(match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("no answer within {:.1} s", timeout.as_secs_f32())
            }
            io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
            _ => error.to_string(),
        })),
    })
}

fn connect(
    stream: &mut (impl Read + Write),
    target: &Endpoint,
    account: Option<&ProxyAccount>,
) -> Result<(), ProxyError> {
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(ProxyAccount { username, password }) = account {
        let text = STANDARD.encode(format!("{username}:{}", password.expose()));
        head.push_str(&format!("Proxy-Authorization: Basic {text}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // Byte by byte, because SSH data follows the head.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
        if answer.len() > HEAD_BYTES_MAX {
            return Err(ProxyError::Refused("its answer does not end".to_owned()));
        }
        if answer.len() == 5 && answer != b"HTTP/" {
            return Err(ProxyError::Refused("it does not speak HTTP".to_owned()));
        }
    }
    let first = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = first.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match status {
        [b'2', _, _] => Ok(()),
        b"407" => Err(ProxyError::Account(format!("it answers {:?}", printable(first)))),
        _ => Err(ProxyError::Refused(format!("it answers {:?}", printable(first)))),
    }
}

fn socks5(
    stream: &mut (impl Read + Write),
    target: &Endpoint,
    account: Option<&ProxyAccount>,
) -> Result<(), ProxyError> {
    const NONE: u8 = 0;
    const PASSWORD: u8 = 2;
    let refused = |why: &str| Err(ProxyError::Refused(why.to_owned()));
    let account_refused = |why: &str| Err(ProxyError::Account(why.to_owned()));
    match account {
        None => stream.write_all(&[5, 1, NONE])?,
        Some(_) => stream.write_all(&[5, 2, NONE, PASSWORD])?,
    }
    let [version, method] = take(stream)?;
    if version != 5 {
        return refused("it does not speak SOCKS5");
    }
    match (method, account) {
        (NONE, _) => {}
        (PASSWORD, Some(ProxyAccount { username, password })) => {
            let mut request = vec![1];
            for text in [username.as_str(), password.expose()] {
                let Ok(length) = u8::try_from(text.len()) else {
                    return account_refused("the username or the password is longer than SOCKS5 takes (255 bytes)");
                };
                request.push(length);
                request.extend_from_slice(text.as_bytes());
            }
            stream.write_all(&request)?;
            let [_, status] = take(stream)?;
            if status != 0 {
                return account_refused("it refuses the username and password");
            }
        }
        (_, None) => return account_refused("it asks for a username and password"),
        _ => return account_refused("it takes no username and password"),
    }
    let mut request = vec![5, 1, 0];
    match target.host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => request.extend([&[1][..], &address.octets()].concat()),
        Ok(IpAddr::V6(address)) => request.extend([&[4][..], &address.octets()].concat()),
        Err(_) => {
            let Ok(length) = u8::try_from(target.host.len()) else { return refused("the server's name is too long") };
            request.extend([3, length]);
            request.extend(target.host.as_bytes());
        }
    }
    request.extend(target.port.to_be_bytes());
    stream.write_all(&request)?;
    let [_, reply, _, kind] = take(stream)?;
    if reply != 0 {
        return refused(&format!("it answers {:?}", describe_reply(reply)));
    }
    let bound = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(take::<1>(stream)?[0]),
        _ => return refused("its answer is not SOCKS5"),
    };
    stream.read_exact(&mut vec![0; bound + 2])?;
    Ok(())
}

fn take<const COUNT: usize>(stream: &mut impl Read) -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Describes a reply (RFC 1928, 6).
fn describe_reply(reply: u8) -> String {
    let text = match reply {
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
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn account(password: &str) -> ProxyAccount {
        ProxyAccount { username: "me".to_owned(), password: Secret::new(password) }
    }

    /// A proxy's output, and what it received.
    struct Scripted {
        responses: io::Cursor<Vec<u8>>,
        received: Vec<u8>,
    }

    impl Read for Scripted {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.responses.read(into)
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.received.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn scripted(responses: &[u8]) -> Scripted {
        Scripted { responses: io::Cursor::new(responses.to_vec()), received: Vec::new() }
    }

    fn described(outcome: Result<(), ProxyError>) -> String {
        match outcome {
            Ok(()) => "connected".to_owned(),
            Err(ProxyError::Refused(why) | ProxyError::Account(why)) => why,
            Err(ProxyError::Io(error)) => format!("{:?}", error.kind()),
        }
    }

    #[test]
    fn an_http_proxy_is_asked_for_a_connection() {
        let account = account("open:sesame");
        let mut proxy = scripted(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nSSH-2.0-x\r\n");
        assert_eq!(described(connect(&mut proxy, &Endpoint::new("h.example", 22), Some(&account))), "connected");
        let received = String::from_utf8(proxy.received).unwrap();
        assert_eq!(
            received,
            "CONNECT h.example:22 HTTP/1.1\r\nHost: h.example:22\r\nProxy-Authorization: Basic bWU6b3BlbjpzZXNhbWU=\r\n\r\n"
        );
        // No byte of the server's greeting was consumed.
        assert_eq!(proxy.responses.position(), 27);
        for (answer, expected) in [
            (&b"HTTP/1.1 403 Forbidden\r\n\r\n"[..], "it answers \"HTTP/1.1 403 Forbidden\""),
            (b"HTTP/1.0 2000 x\r\n\r\n", "it answers \"HTTP/1.0 2000 x\""),
            (b"SSH-2.0-OpenSSH\r\n", "it does not speak HTTP"),
            (b"HTTP/1.1 200", "UnexpectedEof"),
            (&[b"HTTP/".as_slice(), &[b'x'; 20_000]].concat(), "its answer does not end"),
        ] {
            assert_eq!(described(connect(&mut scripted(answer), &Endpoint::new("h", 22), None)), expected);
        }
    }

    #[test]
    fn a_socks_proxy_is_asked_for_a_connection() {
        let account = account("pw");
        let good = [5, 0, 5, 0, 0, 1, 9, 9, 9, 9, 1, 2, b'S'];
        let mut proxy = scripted(&good);
        assert_eq!(described(socks5(&mut proxy, &Endpoint::new("h.example", 2222), None)), "connected");
        assert_eq!(proxy.received, [&[5, 1, 0, 5, 1, 0, 3, 9][..], b"h.example", &[8, 174]].concat());
        assert_eq!(proxy.responses.position(), 12);
        let mut proxy = scripted(&[5, 2, 1, 0, 5, 0, 0, 3, 2, b'a', b'b', 0, 22]);
        assert_eq!(described(socks5(&mut proxy, &Endpoint::new("192.0.2.7", 22), Some(&account))), "connected");
        assert_eq!(proxy.received, [5, 2, 0, 2, 1, 2, b'm', b'e', 2, b'p', b'w', 5, 1, 0, 1, 192, 0, 2, 7, 0, 22]);
        for (answers, account, expected) in [
            (&[5, 255][..], None, "it asks for a username and password"),
            (&[5, 2, 1, 1], Some(&account), "it refuses the username and password"),
            (&[5, 255], Some(&account), "it takes no username and password"),
            (&[5, 0, 5, 5, 0, 1], None, "it answers \"connection refused\""),
            (&[5, 0, 5, 99, 0, 1], None, "it answers \"reply 99\""),
            (b"HT", None, "it does not speak SOCKS5"),
            (&[5], None, "UnexpectedEof"),
        ] {
            assert_eq!(described(socks5(&mut scripted(answers), &Endpoint::new("h", 22), account)), expected);
        }
    }
}
