//! Connects: a stream to the server, key exchange, host key, sign-in, a channel. Each step reports what failed.

use ssh2::ErrorCode;

use super::algorithms::{preferences, usable};
use super::auth::{self, Credentials, SignInError};
use super::connection::{Channel, Connection, milliseconds};
use super::host_key::{HostKey, KeyKind};
use super::kexinit::{self, Explanation};
use super::libssh2::{describe, is_closed};
use super::observer::{Observer, StepOutcome, Steps};
use super::reach::reach;
use super::stream::Stream;
use super::trust::Trust;
use super::{Error, Login, Route, Server, disconnect, jump};
use crate::wire::printable;

/// A connection on which the server has accepted our account.
pub struct SignedIn<'a> {
    connection: Connection,
    login: &'a Login,
    credentials: Credentials<'a>,
}

/// Connects to a trusted server, and signs in.
///
/// # Errors
/// The step that failed.
pub fn connect<'a>(login: &'a Login, observer: Option<&mut dyn Observer>) -> Result<SignedIn<'a>, Error> {
    let steps = &mut Steps(observer);
    let Login { server, auth } = login;
    let trust = Trust::read(&server.host_keys, &server.endpoint)?;
    let credentials = Credentials::load(auth, &server.endpoint, server.connect_timeout)?;
    let connection = trusted(server, &trust, steps)?;
    connection.set_timeout(server.idle_timeout);
    steps.run(
        "sign in",
        || {
            auth::sign_in(&connection.session, &credentials, &server.endpoint).map_err(|error| match error {
                SignInError::Failed(error) => error,
                SignInError::Lost { error, banner } => {
                    let why = loss_reason(&error, login, &credentials);
                    Error::Connection(format!("sign in to {} as {}: {why}{banner}", server.endpoint, auth.username))
                }
            })
        },
        |accepted| StepOutcome {
            summary: format!("as {} by {}", auth.username, accepted.used),
            details: vec![("offered".to_owned(), accepted.offered.clone())],
        },
    )?;
    Ok(SignedIn { connection, login, credentials })
}

/// `LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED`.
const REQUEST_DENIED: ErrorCode = ErrorCode::Session(-22);

impl SignedIn<'_> {
    /// Starts the subsystem `sftp`.
    ///
    /// # Errors
    /// The server refuses it, or contact is lost.
    pub fn start_sftp(self) -> Result<Channel, Error> {
        let SignedIn { connection, login, credentials } = self;
        let endpoint = &login.server.endpoint;
        let failed = |step: &str, error: ssh2::Error| {
            Error::Connection(format!("{step} at {endpoint}: {}", loss_reason(&error, login, &credentials)))
        };
        let mut channel = connection.session.channel_session().map_err(|error| failed("open a channel", error))?;
        let Err(error) = channel.subsystem("sftp") else {
            return Ok(Channel::new(channel, connection, login.server.idle_timeout, login.server.keepalive));
        };
        connection.stream.abort(); // before the channel is freed, which waits for the server
        // Only a response of the server is a refusal; a connection that ends here is not.
        Err(match error.code() == REQUEST_DENIED {
            true => Error::SubsystemRefused { endpoint: endpoint.clone() },
            false => failed("start the SFTP subsystem", error),
        })
    }
}

/// Returns why the connection was lost: the server's own text, if it sent one.
fn loss_reason(error: &ssh2::Error, Login { server, auth }: &Login, credentials: &Credentials<'_>) -> String {
    let ask = || {
        let trust = Trust::read(&server.host_keys, &server.endpoint).ok()?;
        let stream = open_stream(server, &mut Steps::unobserved()).ok()?;
        disconnect::reason(&stream, &trust, &auth.username, credentials.ed25519().as_ref())
    };
    let server_message = if is_closed(error) { ask() } else { None };
    server_message.unwrap_or_else(|| describe(error))
}

/// Opens a stream to the server, by its route.
fn open_stream(server: &Server, steps: &mut Steps<'_>) -> Result<Stream, Error> {
    let through = |login: &Login| {
        let endpoint = &login.server.endpoint;
        let signed_in = connect(login, None)
            .map_err(|source| Error::Jump { endpoint: endpoint.clone(), source: Box::new(source) })?;
        jump::tunnel(signed_in.connection, endpoint, &server.endpoint, server.connect_timeout)
    };
    match &server.route {
        Route::Direct => reach(&server.endpoint, None, server.connect_timeout, steps),
        Route::Proxy(proxy) => reach(&server.endpoint, Some(proxy), server.connect_timeout, steps),
        Route::Jump(login) => {
            steps.run("jump host", || through(login), |_| format!("{} made the connection", login.server.endpoint))
        }
    }
}

/// Returns the name lists of the server's KEXINIT, in RFC 4253's order.
pub(super) fn name_lists(server: &Server) -> Option<Vec<String>> {
    let stream = open_stream(server, &mut Steps::unobserved()).ok()?;
    kexinit::lists(&stream, server.connect_timeout)
}

/// Exchanges keys until the server shows one that is trusted.
///
/// A server has several keys and shows one. A pin does not include the kind, so a server that shows another key than the
/// pinned one is asked for its keys of the other kinds before it is refused.
fn trusted(server: &Server, trust: &Trust, steps: &mut Steps<'_>) -> Result<Connection, Error> {
    let mut kinds = usable(&server.algorithms, &trust.preferred_kinds());
    let first = handshake(server, &kinds, steps)?;
    steps.run(
        "host key",
        || {
            let mut shown: Vec<HostKey> = Vec::new();
            let mut next = Ok(first);
            // A failed key exchange means that the server has no key of the remaining kinds.
            while let Ok(connection) = next {
                let key = &connection.host_key;
                if trust.is_revoked(key) {
                    let (endpoint, fingerprint) = (server.endpoint.clone(), key.fingerprint.clone());
                    return Err(Error::RevokedHostKey { endpoint, fingerprint });
                }
                if trust.accepts(key) {
                    return Ok(connection);
                }
                kinds.retain(|kind| *kind != key.kind);
                shown.push(key.clone());
                drop(connection);
                if !trust.has_pins() || kinds.is_empty() {
                    break;
                }
                next = handshake(server, &kinds, &mut Steps::unobserved());
            }
            Err(trust.untrusted(&server.endpoint, shown))
        },
        |connection| {
            let key = &connection.host_key;
            format!("{} ({}), {}", key.fingerprint, key.kind_name(), trust.source(key))
        },
    )
}

/// Exchanges keys, and requests a host key of one of these kinds. Does not verify the key yet.
pub(super) fn handshake(server: &Server, kinds: &[KeyKind], steps: &mut Steps<'_>) -> Result<Connection, Error> {
    let stream = open_stream(server, steps)?;
    let lists = if steps.are_observed() { name_lists(server) } else { None };
    steps.run(
        "key exchange",
        || exchange_keys(server, kinds, stream),
        |connection| {
            let identification = connection.session.banner().map(|banner| printable(banner.as_bytes()));
            StepOutcome {
                summary: identification.unwrap_or_default(),
                details: kexinit::agreed(&connection.session, &server.algorithms, kinds, lists.as_ref()),
            }
        },
    )
}

fn exchange_keys(server: &Server, kinds: &[KeyKind], stream: Stream) -> Result<Connection, Error> {
    let failed =
        |step: &str, error: &dyn std::fmt::Display| Error::Connection(format!("{step} {}: {error}", server.endpoint));
    let attached = stream.try_clone().map_err(|error| failed("set up the connection to", &error))?;
    let mut session = ssh2::Session::new().map_err(|error| failed("set up SSH for", &describe(&error)))?;
    attached.attach_to(&mut session);
    for (methods, list) in preferences(&server.algorithms, kinds) {
        for method in methods {
            session.method_pref(*method, &list).map_err(|error| failed("set up SSH for", &describe(&error)))?;
        }
    }
    // Without it, the handshake would wait forever.
    session.set_timeout(milliseconds(server.connect_timeout));
    let exchanged = session.handshake();
    let host_key = session.host_key().and_then(|(blob, _)| HostKey::parse(blob));
    match (exchanged, host_key) {
        (Ok(()), Some(host_key)) => Ok(Connection { session, stream, host_key }),
        (Ok(()), None) => Err(failed("exchange keys with", &"the server shows no key of a known kind")),
        (Err(error), _) => {
            stream.abort();
            Err(match explain(server, kinds) {
                Some(Explanation::NoCommonAlgorithm(why)) => {
                    Error::NoCommonAlgorithm { endpoint: server.endpoint.clone(), why }
                }
                Some(Explanation::ServerMessage(text)) => failed("exchange keys with", &text),
                None => failed("exchange keys with", &describe(&error)),
            })
        }
    }
}

fn explain(server: &Server, kinds: &[KeyKind]) -> Option<Explanation> {
    let stream = open_stream(server, &mut Steps::unobserved()).ok()?;
    kexinit::explain(&stream, server.connect_timeout, &server.algorithms, kinds)
}
