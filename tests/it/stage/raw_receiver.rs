//! A receiver that writes its answers byte by byte as a test says, and notes what came.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What becomes of one request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// These bytes; the connection is kept.
    Answer(Vec<u8>),
    /// The same, after so long.
    Late(Duration, Vec<u8>),
    /// These bytes; the connection is closed so long after them, whatever comes meanwhile.
    ThenClose(Vec<u8>, Duration),
    /// The connection ends with a RST, without an answer.
    Reset,
}

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub id: String,
    pub at: Duration,
    /// Whether it was answered 2xx.
    pub is_taken: bool,
    /// Whether it asked for its connection to be closed.
    pub closes: bool,
}

/// The receiver; its threads end with the process.
pub(crate) struct RawReceiver {
    pub port: u16,
    came: Arc<Mutex<Vec<Came>>>,
}

/// An answer with this status, and further header lines.
pub(crate) fn status(status: u16, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} So\r\n{headers}Content-Length: 2\r\n\r\nok").into_bytes()
}

impl RawReceiver {
    /// `reply` says what is done with the n-th request (from 1).
    pub(crate) fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let (log, reply, begun) = (came.clone(), Arc::new(reply), Instant::now());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, reply) = (log.clone(), reply.clone());
                std::thread::spawn(move || serve(stream, &log, &*reply, begun));
            }
        });
        Self { port, came }
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// Ids that were answered 2xx; none of them twice.
    pub(crate) fn taken(&self) -> std::collections::BTreeSet<String> {
        let mut ids = std::collections::BTreeSet::new();
        for request in self.came().into_iter().filter(|request| request.is_taken) {
            assert!(ids.insert(request.id.clone()), "{} was acknowledged and sent again", request.id);
        }
        ids
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Came>>, reply: &dyn Fn(usize) -> Reply, begun: Instant) {
    stream.set_nodelay(true).ok();
    while let Some((id, closes)) = request(&mut stream) {
        let reply = {
            let mut log = log.lock().unwrap();
            let reply = reply(log.len() + 1);
            let is_taken = match &reply {
                Reply::Answer(bytes) | Reply::Late(_, bytes) | Reply::ThenClose(bytes, _) => {
                    bytes.get(9).is_some_and(|digit| *digit == b'2')
                }
                Reply::Reset => false,
            };
            log.push(Came { id, at: begun.elapsed(), is_taken, closes });
            reply
        };
        match reply {
            Reply::Answer(bytes) => _ = stream.write_all(&bytes),
            Reply::Late(wait, bytes) => {
                std::thread::sleep(wait);
                _ = stream.write_all(&bytes);
            }
            Reply::ThenClose(bytes, wait) => {
                _ = stream.write_all(&bytes);
                std::thread::sleep(wait);
                return;
            }
            Reply::Reset => {
                _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
                return;
            }
        }
    }
}

/// Reads one request; its id, and whether it asks for the connection to be closed, unless the connection ended.
fn request(stream: &mut TcpStream) -> Option<(String, bool)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let value = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        Some(line[name.len()..].trim().to_owned())
    };
    let mut body = vec![0; value("content-length:").map_or(Some(0), |length| length.parse().ok())?];
    stream.read_exact(&mut body).ok()?;
    Some((value("webhook-id:").unwrap_or_default(), value("connection:").is_some_and(|value| value == "close")))
}
