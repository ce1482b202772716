//! Names → addresses → a byte stream to the server's SSH port: direct, by a proxy, or by a jump host.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::connect::unreached;
use super::watch::Watch;
use super::{jump, proxy};
use crate::deliver::Verdict;
use crate::settings::Sftp;

/// A byte stream to an SSH port.
pub enum Line {
    Tcp(TcpStream),
    /// Our end of a pair whose other end a jump host's channel feeds.
    Pair(UnixStream),
}

impl Line {
    pub fn try_clone(&self) -> io::Result<Line> {
        match self {
            Line::Tcp(socket) => socket.try_clone().map(Line::Tcp),
            Line::Pair(socket) => socket.try_clone().map(Line::Pair),
        }
    }

    pub fn give_to(self, session: &mut ssh2::Session) {
        match self {
            Line::Tcp(socket) => session.set_tcp_stream(socket),
            Line::Pair(socket) => session.set_tcp_stream(socket),
        }
    }

    /// Cuts the stream: the only way to end a blocked call and a slow drop.
    pub fn cut(&self) {
        // Fails only when it is cut already.
        let _ = match self {
            Line::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Line::Pair(socket) => socket.shutdown(Shutdown::Both),
        };
    }

    /// Whether nothing has come, not even the end.
    pub fn is_quiet(&self) -> bool {
        let flags = PollFlags::IN | PollFlags::RDHUP;
        let mut asked = [match self {
            Line::Tcp(socket) => PollFd::new(socket, flags),
            Line::Pair(socket) => PollFd::new(socket, flags),
        }];
        matches!(poll(&mut asked, Some(&Timespec::default())), Ok(0))
    }

    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        let patience = Some(patience.max(Duration::from_millis(1)));
        match self {
            Line::Tcp(socket) => socket.set_read_timeout(patience).and_then(|()| socket.set_write_timeout(patience)),
            Line::Pair(socket) => socket.set_read_timeout(patience).and_then(|()| socket.set_write_timeout(patience)),
        }
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Tcp(socket) => socket.read(into),
            Line::Pair(socket) => socket.read(into),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Tcp(socket) => socket.write(bytes),
            Line::Pair(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // sockets keep nothing back
    }
}

/// `host:port`, an IPv6 address in brackets.
pub fn endpoint(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// Opens a stream to the server. Name, address and proxy together have the settings' `connect` time.
///
/// # Errors
/// The step that failed.
pub fn reach(sftp: &Sftp, watch: &mut Watch<'_>) -> Result<Line, Verdict> {
    if let Some(through) = &sftp.jump {
        let name = endpoint(&through.host, through.port);
        return watch.step("jump host", || jump::reach(through, sftp), |_| format!("{name} made the connection"));
    }
    let deadline = Instant::now() + sftp.timeouts.connect;
    let (host, port) = match &sftp.proxy {
        Some(proxy) => (&proxy.host, proxy.port),
        None => (&sftp.host, sftp.port),
    };
    let addresses = watch.step("look up", || look_up(host, port, deadline), |found| shown(host, found))?;
    let connected = watch.step(
        "connect",
        || dial(host, port, &addresses, deadline),
        |socket| socket.peer_addr().map(|peer| peer.to_string()).unwrap_or_default(),
    )?;
    let mut line = Line::Tcp(connected);
    if let Some(proxy) = &sftp.proxy {
        let (by, to) = (endpoint(host, port), endpoint(&sftp.host, sftp.port));
        watch.step(
            "proxy",
            || proxy::ask(&mut line, proxy, &sftp.host, sftp.port, deadline),
            |()| format!("{by} made the connection to {to}"),
        )?;
    }
    Ok(line)
}

fn shown(host: &str, found: &[SocketAddr]) -> String {
    let list: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
    format!("{host} is {}", list.join(", "))
}

/// The addresses of a name. The system's resolver takes no deadline, so it is asked on a thread that may be left behind.
fn look_up(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Verdict> {
    let (answer, asked) = mpsc::channel();
    let name = host.to_owned();
    std::thread::spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let _ = answer.send(found); // nobody may be waiting any more
    });
    let left = deadline.saturating_duration_since(Instant::now());
    let failed = |why: &dyn std::fmt::Display| unreached(format!("look up {host}: {why}"));
    match asked.recv_timeout(left) {
        Ok(Ok(found)) if found.is_empty() => Err(failed(&"the name has no address")),
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(failed(&in_words(&error))),
        Err(_) => Err(failed(&format_args!("no answer within {:.1} s", left.as_secs_f32()))),
    }
}

/// The system's reason, without its number, and what it usually means.
fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let text = text.split(" (os error").next().unwrap_or(text);
    let means = match error.kind() {
        io::ErrorKind::ConnectionRefused => ": nothing listens at this port, or a firewall refuses",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ": there is no way from here to there",
        _ => "",
    };
    format!("{text}{means}")
}

/// Connects to one of the addresses; each gets an even share of what is left, so that a dead one does not starve the next.
fn dial(host: &str, port: u16, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Verdict> {
    let mut reasons = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = (left / (addresses.len() - index) as u32).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, share) {
            Ok(socket) => {
                let set = socket.set_nodelay(true);
                return set
                    .map(|()| socket)
                    .map_err(|error| unreached(format!("set up the connection to {host}: {error}")));
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                reasons.push(format!("{address}: no answer within {:.1} s", share.as_secs_f32()));
            }
            Err(error) => reasons.push(format!("{address}: {}", in_words(&error))),
        }
    }
    Err(unreached(format!("connect to {host}:{port}: {}", reasons.join("; "))))
}
