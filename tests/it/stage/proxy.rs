//! HTTP CONNECT and SOCKS5 proxies on loopback, with misbehaviours.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the proxy does.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner {
    pub socks: bool,
    /// The account that must be told: `me`, `open sesame`.
    pub asks_password: bool,
    /// Refuses every connection.
    pub refuses: bool,
    /// Takes the request and says nothing.
    pub is_silent: bool,
    /// Cuts the first connection that carried so many bytes to the server.
    pub cuts_after: Option<usize>,
}

pub(crate) const USER: &str = "me";
pub(crate) const PASSWORD: &str = "open sesame";

/// A running proxy; its thread ends with the process.
pub(crate) struct Proxy {
    pub port: u16,
    /// What it was asked for: `name:port`.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, cut) = (asked.clone(), Arc::new(Mutex::new(manner.cuts_after)));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (log, cut) = (log.clone(), cut.clone());
                thread::spawn(move || _ = serve(client, manner, &log, &cut));
            }
        });
        Proxy { port, asked }
    }
}

fn serve(
    mut client: TcpStream,
    manner: Manner,
    log: &Mutex<Vec<String>>,
    cut: &Mutex<Option<usize>>,
) -> std::io::Result<()> {
    let target = if manner.socks { greet_socks(&mut client, manner)? } else { greet_http(&mut client, manner)? };
    let Some(target) = target else { return Ok(()) };
    log.lock().unwrap().push(target.clone());
    if manner.is_silent {
        let _ = client.read(&mut [0]); // until the client gives up
        return Ok(());
    }
    // The name that only the proxy knows.
    let server = TcpStream::connect(target.replace("hidden.example", "127.0.0.1"));
    let (Ok(server), false) = (server, manner.refuses) else {
        let no: &[u8] = if manner.socks { &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0] } else { b"HTTP/1.1 403 Forbidden\r\n\r\n" };
        return client.write_all(no);
    };
    let yes: &[u8] = if manner.socks { &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0] } else { b"HTTP/1.1 200 Connected\r\n\r\n" };
    client.write_all(yes)?;
    let (mut back_from, mut back_to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Both);
    });
    carry(client, server, cut)
}

fn carry(mut client: TcpStream, mut server: TcpStream, cut: &Mutex<Option<usize>>) -> std::io::Result<()> {
    let (mut buffer, mut carried) = ([0; 16 * 1024], 0);
    loop {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return server.shutdown(Shutdown::Both);
        }
        carried += read;
        let mut limit = cut.lock().unwrap();
        if limit.is_some_and(|limit| carried > limit) {
            *limit = None;
            let _ = client.shutdown(Shutdown::Both);
            return server.shutdown(Shutdown::Both);
        }
        drop(limit);
        server.write_all(&buffer[..read])?;
    }
}

fn greet_http(client: &mut TcpStream, manner: Manner) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    // base64 of `me:open sesame`; a header's name may be written in any case
    let told = |line: &str| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value == "Basic bWU6b3BlbiBzZXNhbWU="
        })
    };
    if manner.asks_password && !head.lines().any(told) {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")?;
        return Ok(None);
    }
    Ok(head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).map(str::to_owned))
}

fn greet_socks(client: &mut TcpStream, manner: Manner) -> std::io::Result<Option<String>> {
    let take = |client: &mut TcpStream, count: usize| {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).map(|()| bytes)
    };
    let counted = |client: &mut TcpStream| {
        let count = take(client, 1)?[0];
        take(client, usize::from(count))
    };
    take(client, 1)?;
    let methods = counted(client)?;
    let method = if manner.asks_password { 2 } else { 0 };
    if !methods.contains(&method) {
        client.write_all(&[5, 255])?;
        return Ok(None);
    }
    client.write_all(&[5, method])?;
    if manner.asks_password {
        take(client, 1)?;
        let good = counted(client)? == USER.as_bytes();
        let good = counted(client)? == PASSWORD.as_bytes() && good;
        client.write_all(&[1, u8::from(!good)])?;
        if !good {
            return Ok(None);
        }
    }
    let host = match take(client, 4)?[3] {
        1 => take(client, 4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        _ => String::from_utf8(counted(client)?).unwrap(),
    };
    let port = take(client, 2)?;
    Ok(Some(format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]))))
}
