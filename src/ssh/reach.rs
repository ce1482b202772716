//! Opens a stream: resolves the name, and connects to the server or through a proxy.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::observer::Steps;
use super::proxy;
use super::stream::Stream;
use super::{Endpoint, Error, Proxy};

/// Opens a stream to `endpoint`. Name, address and proxy together take at most `timeout`.
pub(super) fn reach(
    endpoint: &Endpoint,
    proxy: Option<&Proxy>,
    timeout: Duration,
    steps: &mut Steps<'_>,
) -> Result<Stream, Error> {
    let deadline = Instant::now() + timeout;
    let first = proxy.map_or(endpoint, |proxy| &proxy.endpoint);
    let addresses = steps.run(
        "look up",
        || look_up(first, deadline),
        |found| {
            let list: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
            format!("{} is {}", first.host, list.join(", "))
        },
    )?;
    let connected = steps.run(
        "connect",
        || dial(first, &addresses, deadline),
        |socket| socket.peer_addr().map(|peer| peer.to_string()).unwrap_or_default(),
    )?;
    let stream = Stream::Tcp(connected);
    if let Some(proxy) = proxy {
        steps.run(
            "proxy",
            || proxy::tunnel(&stream, proxy, endpoint, deadline),
            |()| format!("{first} made the connection to {endpoint}"),
        )?;
    }
    Ok(stream)
}

/// Returns the addresses of a name. The system's resolver has no timeout, so it runs on a thread that may be abandoned.
fn look_up(endpoint: &Endpoint, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
    let (sender, receiver) = mpsc::channel();
    let (name, port) = (endpoint.host.clone(), endpoint.port);
    std::thread::spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let _ = sender.send(found); // the caller may have stopped waiting
    });
    let left = deadline.saturating_duration_since(Instant::now());
    let why = match receiver.recv_timeout(left) {
        Ok(Ok(found)) if found.is_empty() => "the name has no address".to_owned(),
        Ok(Ok(found)) => return Ok(found),
        Ok(Err(error)) => describe(&error),
        Err(_) => format!("no answer within {:.1} s", left.as_secs_f32()),
    };
    Err(Error::Connection(format!("look up {}: {why}", endpoint.host)))
}

/// Returns the system's reason without its number, and what it usually means.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    let text = text.split(" (os error").next().unwrap_or(text);
    let meaning = match error.kind() {
        io::ErrorKind::ConnectionRefused => ": nothing listens at this port, or a firewall refuses",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ": no route to it",
        _ => "",
    };
    format!("{text}{meaning}")
}

/// Connects to one of the addresses. Each gets an equal share of the remaining time, so that a dead one does not starve the
/// next.
fn dial(endpoint: &Endpoint, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Error> {
    let mut reasons = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = (left / (addresses.len() - index) as u32).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, share) {
            Ok(socket) => {
                let failed = |error| Error::Connection(format!("set up the connection to {}: {error}", endpoint.host));
                return socket.set_nodelay(true).map_err(failed).map(|()| socket);
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                reasons.push(format!("{address}: no answer within {:.1} s", share.as_secs_f32()));
            }
            Err(error) => reasons.push(format!("{address}: {}", describe(&error))),
        }
    }
    Err(Error::Connection(format!("connect to {endpoint}: {}", reasons.join("; "))))
}
