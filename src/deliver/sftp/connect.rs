//! Names → addresses → TCP → key exchange → host key → sign-in → the SFTP subsystem: each step says what it could not do.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use ssh2::MethodType;

use super::client::{Client, Failure};
use super::flow::Flow;
use super::hostkey::{self, HostKey, Kind, Trust};
use super::wire::{SshWire, milliseconds};
use super::{SftpDrop, offers, sign_in};
use crate::deliver::Verdict;
use crate::fault::{self, Injected};
use crate::settings::Sftp;

/// Fast where the processor has AES, which is everywhere; the others for servers that lack it.
pub(super) const CIPHERS: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,\
                       aes256-ctr,aes192-ctr,aes128-ctr";

/// A refused connection; nothing has been published.
pub(super) fn unreached(reason: String) -> Verdict {
    Verdict::Unreached { reason, wait: None }
}

/// A verdict that an injected fault can become.
struct Ended(Verdict);

impl From<Injected> for Ended {
    fn from(injected: Injected) -> Self {
        Ended(unreached(format!("connect: {injected}")))
    }
}

impl SftpDrop<SshWire> {
    /// Connects and signs in.
    ///
    /// # Errors
    /// The step that failed, as a verdict.
    pub fn connect(sftp: &Sftp) -> Result<Self, Verdict> {
        fault::step("sftp.connect", || connect(sftp).map_err(Ended)).map_err(|ended| ended.0)
    }

    /// Says goodbye.
    pub fn close(mut self) {
        if !self.client.is_over() {
            self.client.wire.goodbye();
        }
    }
}

fn connect(sftp: &Sftp) -> Result<SftpDrop<SshWire>, Verdict> {
    let address = match sftp.host.contains(':') {
        true => format!("[{}]:{}", sftp.host, sftp.port), // an IPv6 address
        false => format!("{}:{}", sftp.host, sftp.port),
    };
    let trust = Trust::read(sftp)?;
    let secrets = sign_in::Secrets::read(sftp)?;
    let mut transport = trusted_transport(sftp, &address, &trust)?;
    let host_key = transport.host_key.fingerprint.clone();
    let signed_in = sign_in::sign_in(&mut transport.session, sftp, &secrets, &address)
        .and_then(|()| subsystem(&transport.session, &address));
    let channel = match signed_in {
        Ok(channel) => channel,
        Err(verdict) => {
            transport.cut();
            return Err(verdict);
        }
    };
    let wire = SshWire { channel, session: transport.session, socket: transport.socket };
    let client = Client::start(wire, sftp.timeouts.idle)
        .map_err(|failure: Failure| unreached(format!("start SFTP with {address}: {failure}")))?;
    Ok(SftpDrop {
        client,
        address,
        host_key: Some(host_key),
        flow: Flow { bytes: sftp.write_bytes.max(1) as usize, requests: sftp.in_flight.max(1) as usize },
        rename_patience: sftp.timeouts.rename,
    })
}

/// A session after the key exchange, not signed in to.
pub(super) struct Transport {
    pub session: ssh2::Session,
    pub socket: TcpStream,
    pub host_key: HostKey,
}

impl Transport {
    fn cut(&self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// Shakes hands until the server shows a key that is trusted.
///
/// A server has several keys and shows one. A pin does not say of which kind it is, so a server that shows another key
/// than the pinned one is asked for its keys of the other kinds before it is distrusted.
fn trusted_transport(sftp: &Sftp, address: &str, trust: &Trust) -> Result<Transport, Verdict> {
    let mut shown: Vec<HostKey> = Vec::new();
    let mut kinds = trust.preferred_kinds();
    loop {
        let transport = match handshake(sftp, address, &kinds) {
            Ok(transport) => transport,
            Err(_) if !shown.is_empty() => break, // it has no key of the kinds that are left
            Err(verdict) => return Err(verdict),
        };
        if trust.is_revoked(&transport.host_key) {
            transport.cut();
            return Err(hostkey::revoked(address, &transport.host_key));
        }
        if trust.accepts(&transport.host_key) {
            return Ok(transport);
        }
        transport.cut();
        kinds.retain(|kind| *kind != transport.host_key.kind);
        shown.push(transport.host_key);
        if !trust.has_pins() || kinds.is_empty() {
            break;
        }
    }
    Err(trust.distrusted(address, &shown))
}

fn handshake(sftp: &Sftp, address: &str, kinds: &[Kind]) -> Result<Transport, Verdict> {
    let socket = reach(&sftp.host, sftp.port, sftp.timeouts.connect)?;
    let failed = |step: &str, error: &dyn std::fmt::Display| unreached(format!("{step} {address}: {error}"));
    socket.set_nodelay(true).map_err(|error| failed("set up the connection to", &error))?;
    let kept = socket.try_clone().map_err(|error| failed("set up the connection to", &error))?;
    let mut session = ssh2::Session::new().map_err(|error| failed("set up SSH for", &error.message()))?;
    // Before the handshake, which would wait for ever without.
    session.set_timeout(milliseconds(sftp.timeouts.connect));
    session.set_tcp_stream(socket);
    for (method, wanted) in [
        (MethodType::CryptCs, CIPHERS.to_owned()),
        (MethodType::CryptSc, CIPHERS.to_owned()),
        (MethodType::HostKey, hostkey::algorithms(kinds)),
    ] {
        session.method_pref(method, &wanted).map_err(|error| failed("set up SSH for", &error.message()))?;
    }
    let shaken = session.handshake();
    let host_key = session.host_key().and_then(|(blob, _)| HostKey::of(blob));
    match (shaken, host_key) {
        (Ok(()), Some(host_key)) => Ok(Transport { session, socket: kept, host_key }),
        (Ok(()), None) => Err(failed("exchange keys with", &"the server shows no key of a known kind")),
        (Err(error), _) => {
            let _ = kept.shutdown(std::net::Shutdown::Both);
            let truth = offers::disagreement(sftp, &session, kinds);
            let detail = truth.map(|truth| format!(": {truth}")).unwrap_or_default();
            Err(failed("exchange keys with", &format_args!("{}{detail}", error.message())))
        }
    }
}

/// Connects to one of the addresses of `host`; all of them together have `within`.
///
/// # Errors
/// The name is not known, or every address failed, each with its reason.
pub(super) fn reach(host: &str, port: u16, within: Duration) -> Result<TcpStream, Verdict> {
    let addresses: Vec<SocketAddr> =
        (host, port).to_socket_addrs().map_err(|error| unreached(format!("look up {host}: {error}")))?.collect();
    let deadline = Instant::now() + within;
    let mut reasons = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        // Each address gets an even share of what is left, so that a dead one does not starve the next.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = (left / (addresses.len() - index) as u32).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, share) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                reasons.push(format!("{address}: no answer within {:.1} s", share.as_secs_f32()));
            }
            Err(error) => reasons.push(format!("{address}: {error}")),
        }
    }
    if reasons.is_empty() {
        reasons.push("the name has no address".to_owned());
    }
    Err(unreached(format!("connect to {host}:{port}: {}", reasons.join("; "))))
}

fn subsystem(session: &ssh2::Session, address: &str) -> Result<ssh2::Channel, Verdict> {
    let refused = |what: &str, error: ssh2::Error| unreached(format!("{what} at {address}: {}", error.message()));
    let mut channel = session.channel_session().map_err(|error| refused("open a channel", error))?;
    channel.subsystem("sftp").map_err(|error| Verdict::Rejected {
        reason: format!("start the SFTP subsystem at {address}: {}", error.message()),
        hint: Some("the account may not use SFTP: ask the server's administrator".to_owned()),
    })?;
    Ok(channel)
}
