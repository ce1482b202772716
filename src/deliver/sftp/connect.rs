//! A stream to the server → key exchange → host key → sign-in → the SFTP subsystem: each step says what it could not do.

use std::time::Duration;

use ssh2::{ErrorCode, MethodType};

use super::client::{Client, Failure};
use super::hostkey::{self, HostKey, Kind, Trust};
use super::line::{Line, endpoint, reach};
use super::offers::Explained;
use super::ssh_error::{describe, is_closed};
use super::watch::Watch;
use super::wire::{SshWire, milliseconds};
use super::{SftpDrop, algorithms, disconnect, offers, sign_in};
use crate::deliver::Verdict;
use crate::fault::{self, Injected};
use crate::settings::Sftp;

/// How long the silence of a session's socket says that all is well: a dead line is silent too.
const QUIET_IS_GOOD: Duration = Duration::from_secs(5);

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
        fault::step("sftp.connect", || connect(sftp, &mut Watch::none()).map_err(Ended)).map_err(|ended| ended.0)
    }

    /// Whether the server is still there, and still trusted. One that was used just now is asked for nothing: what ended
    /// since lies in the socket.
    pub fn is_good(&mut self, sftp: &Sftp, idle: Duration) -> bool {
        let trusted = match (&self.host_key, Trust::read(sftp)) {
            (Some(key), Ok(trust)) => !trust.is_revoked(key) && trust.accepts(key),
            _ => false,
        };
        if !trusted || (idle < QUIET_IS_GOOD && self.client.wire.line.is_quiet()) {
            return trusted;
        }
        let patience = sftp.timeouts.connect;
        let asked = |client: &mut Client<SshWire>| client.with_patience(patience, |client| client.realpath("."));
        // A refusal is an answer.
        !matches!(self.client.doing("ask", ".", asked), Err(trouble) if trouble.is_lost())
    }

    /// Says goodbye.
    pub fn close(mut self) {
        if !self.client.is_over() {
            self.client.wire.goodbye();
        }
    }
}

/// [`SftpDrop::connect`], watched.
pub(super) fn connect(sftp: &Sftp, watch: &mut Watch<'_>) -> Result<SftpDrop<SshWire>, Verdict> {
    let SignedIn { session, line, host_key } = signed_in(sftp, watch)?;
    let address = endpoint(&sftp.host, sftp.port);
    let started = watch.step_with(
        "sftp",
        || {
            let channel = subsystem(&session, sftp, &address).inspect_err(|_| line.cut())?;
            let wire = SshWire::new(channel, session, line, sftp);
            Client::start(wire, sftp.timeouts.idle)
                .map_err(|failure: Failure| unreached(format!("start SFTP with {address}: {failure}")))
        },
        |client| {
            let printed = client.printed.iter().map(|text| ("text before SFTP, skipped".to_owned(), text.clone()));
            let extensions = [("extensions".to_owned(), client.extensions.listed())];
            ("version 3".to_owned(), extensions.into_iter().chain(printed).collect())
        },
    );
    let client = started?;
    Ok(SftpDrop::new(client, address, Some(host_key), sftp))
}

/// A session that the server has accepted us on.
pub(super) struct SignedIn {
    pub session: ssh2::Session,
    pub line: Line,
    pub host_key: HostKey,
}

/// Connects to a server that is trusted, and signs in.
///
/// # Errors
/// The step that failed.
pub(super) fn signed_in(sftp: &Sftp, watch: &mut Watch<'_>) -> Result<SignedIn, Verdict> {
    let address = endpoint(&sftp.host, sftp.port);
    let trust = Trust::read(sftp)?;
    let secrets = sign_in::Secrets::read(sftp)?;
    let mut transport = trusted_transport(sftp, &address, &trust, watch)?;
    let proven = watch.step_with(
        "sign in",
        || sign_in::sign_in(&mut transport.session, sftp, &secrets, &address),
        |way| (format!("as {} by {}", sftp.username, way.used), vec![("offered".to_owned(), way.offered.clone())]),
    );
    match proven {
        Ok(_) => Ok(SignedIn { session: transport.session, line: transport.line, host_key: transport.host_key }),
        Err(verdict) => {
            transport.line.cut();
            Err(verdict)
        }
    }
}

/// A session after the key exchange, not signed in to.
pub(super) struct Transport {
    pub session: ssh2::Session,
    pub line: Line,
    pub host_key: HostKey,
}

/// Shakes hands until the server shows a key that is trusted.
///
/// A server has several keys and shows one. A pin does not say of which kind it is, so a server that shows another key
/// than the pinned one is asked for its keys of the other kinds before it is distrusted.
fn trusted_transport(sftp: &Sftp, address: &str, trust: &Trust, watch: &mut Watch<'_>) -> Result<Transport, Verdict> {
    let mut kinds = algorithms::usable(sftp, &trust.preferred_kinds());
    let first = handshake(sftp, &kinds, watch)?;
    watch.step(
        "host key",
        || {
            let mut shown: Vec<HostKey> = Vec::new();
            let mut next = Ok(first);
            // One that fails has no key of the kinds that are left.
            while let Ok(transport) = next {
                if trust.is_revoked(&transport.host_key) {
                    transport.line.cut();
                    return Err(hostkey::revoked(address, &transport.host_key));
                }
                if trust.accepts(&transport.host_key) {
                    return Ok(transport);
                }
                transport.line.cut();
                kinds.retain(|kind| *kind != transport.host_key.kind);
                shown.push(transport.host_key);
                if !trust.has_pins() || kinds.is_empty() {
                    break;
                }
                next = handshake(sftp, &kinds, &mut Watch::none());
            }
            Err(trust.distrusted(sftp, address, &shown))
        },
        |transport| {
            let key = &transport.host_key;
            format!("{} ({}), {}", key.fingerprint, key.kind.name(), trust.source(key))
        },
    )
}

/// Exchanges keys, and asks for a host key of one of these kinds. Nobody has proved anything to anybody yet.
///
/// # Errors
/// `Unreached`, with what the server said; `Rejected` where the offers of both sides have nothing in common.
pub(super) fn handshake(sftp: &Sftp, kinds: &[Kind], watch: &mut Watch<'_>) -> Result<Transport, Verdict> {
    let line = reach(sftp, watch)?;
    // Asked apart, because libssh2 keeps the server's lists to itself.
    let server = if watch.is_on() { offers::lists(sftp) } else { None };
    watch.step_with(
        "key exchange",
        || shake_hands(sftp, kinds, line),
        |transport| {
            let said = transport.session.banner().map(|banner| super::answer::printable(banner.as_bytes()));
            (said.unwrap_or_default(), offers::agreed(&transport.session, sftp, kinds, server.as_ref()))
        },
    )
}

fn shake_hands(sftp: &Sftp, kinds: &[Kind], line: Line) -> Result<Transport, Verdict> {
    let address = endpoint(&sftp.host, sftp.port);
    let failed = |step: &str, error: &dyn std::fmt::Display| unreached(format!("{step} {address}: {error}"));
    let given = line.try_clone().map_err(|error| failed("set up the connection to", &error))?;
    let mut session = ssh2::Session::new().map_err(|error| failed("set up SSH for", &describe(&error)))?;
    // Before the handshake, which would wait for ever without.
    session.set_timeout(milliseconds(sftp.timeouts.connect));
    given.give_to(&mut session);
    for (methods, wanted) in algorithms::preferences(sftp, kinds) {
        for method in methods {
            session.method_pref(*method, &wanted).map_err(|error| failed("set up SSH for", &describe(&error)))?;
        }
    }
    let shaken = session.handshake();
    let host_key = session.host_key().and_then(|(blob, _)| HostKey::of(blob));
    match (shaken, host_key) {
        (Ok(()), Some(host_key)) => Ok(Transport { session, line, host_key }),
        (Ok(()), None) => Err(failed("exchange keys with", &"the server shows no key of a known kind")),
        (Err(error), _) => {
            line.cut();
            match offers::explain(sftp, kinds) {
                Some(Explained::Disagreement(why)) => Err(Verdict::Rejected {
                    reason: format!("exchange keys with {address}: {why}"),
                    hint: Some(
                        "have the server's administrator enable one of those that are offered here, or change the \
                         destination's `algorithms` where it leaves out what the server has"
                            .to_owned(),
                    ),
                }),
                Some(Explained::Said(said)) => Err(failed("exchange keys with", &said)),
                None => Err(failed("exchange keys with", &describe(&error))),
            }
        }
    }
}

/// `LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED`.
const REQUEST_DENIED: ErrorCode = ErrorCode::Session(-22);

fn subsystem(session: &ssh2::Session, sftp: &Sftp, address: &str) -> Result<ssh2::Channel, Verdict> {
    let refused = |what: &str, error: ssh2::Error| {
        let reason = if is_closed(&error) { disconnect::reason(sftp) } else { None };
        unreached(format!("{what} at {address}: {}", reason.unwrap_or_else(|| describe(&error))))
    };
    let mut channel = session.channel_session().map_err(|error| refused("open a channel", error))?;
    match channel.subsystem("sftp") {
        Ok(()) => Ok(channel),
        // Only the server's own word is a refusal; a line that ends here is none.
        Err(error) if error.code() == REQUEST_DENIED => Err(Verdict::Rejected {
            reason: format!("start the SFTP subsystem at {address}: the server refused it"),
            hint: Some("the account may not use SFTP: ask the server's administrator".to_owned()),
        }),
        Err(error) => Err(refused("start the SFTP subsystem", error)),
    }
}

/// What libssh2 calls the algorithms of both directions.
pub(super) const CIPHERS: &[MethodType] = &[MethodType::CryptCs, MethodType::CryptSc];
pub(super) const MACS: &[MethodType] = &[MethodType::MacCs, MethodType::MacSc];
