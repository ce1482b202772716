//! Signs in by key, agent, password or keyboard-interactive, or by several of them if the server requires it.

use std::time::Duration;

use ring::signature::Ed25519KeyPair;
use ssh2::Session;

use super::agent;
use super::keyboard_interactive::Responder;
use super::libssh2::{Meaning, describe, is_partial, meaning};
use super::private_key::{NO_PASSPHRASE, PrivateKey};
use super::{Auth, Endpoint, Error, KeyText, SignInProblem};
use crate::secret::Secret;
use crate::wire::printable;

/// Maximum rounds of sign-in: a server may require several methods, one after the other.
const ROUNDS_MAX: usize = 5;

/// An account's credentials, ready for use. No `Debug`.
pub(super) struct Credentials<'a> {
    auth: &'a Auth,
    key: Option<(&'a KeyText, PrivateKey)>,
    agent: Option<agent::Keys>,
}

impl<'a> Credentials<'a> {
    /// Parses the key and lists the agent's keys, before any request to the server.
    pub(super) fn load(auth: &'a Auth, server: &Endpoint, timeout: Duration) -> Result<Self, Error> {
        let key = auth.key.as_ref().map(|given| {
            let failed = |what, fix| key_error(given, server, what, fix);
            let key = PrivateKey::read(given.text.expose()).map_err(|problem| failed(problem.what, problem.fix))?;
            match key.encrypted && given.passphrase.is_none() {
                true => Err(failed("is encrypted and there is no passphrase".to_owned(), NO_PASSPHRASE.to_owned())),
                false => Ok((given, key)),
            }
        });
        let agent = auth.agent.as_ref().map(|agent| agent::keys(agent, timeout));
        Ok(Credentials { auth, key: key.transpose()?, agent: agent.transpose()? })
    }

    /// Returns the key pair, if it is an ed25519 key without a passphrase.
    pub(super) fn ed25519(&self) -> Option<Ed25519KeyPair> {
        self.key.as_ref().and_then(|(_, key)| key.ed25519())
    }
}

fn key_error(given: &KeyText, server: &Endpoint, what: String, fix: String) -> Error {
    Error::PrivateKey { host: server.host.clone(), place: given.place.clone(), what, fix }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Key,
    Agent,
    Password,
    Interactive,
}

impl Method {
    /// Returns its name for messages.
    fn label(self) -> &'static str {
        match self {
            Method::Agent => "publickey by agent",
            other => other.name(),
        }
    }

    /// Returns the protocol's name (RFC 4252, 4256).
    fn name(self) -> &'static str {
        match self {
            Method::Key | Method::Agent => "publickey",
            Method::Password => "password",
            Method::Interactive => "keyboard-interactive",
        }
    }
}

/// Result of a successful sign-in.
pub(super) struct Accepted {
    /// `publickey`, `publickey, then password`, …
    pub used: String,
    /// The methods that the server offered at first.
    pub offered: String,
}

impl Accepted {
    fn new(tried: &[(Method, String)], last: Option<Method>, first_offered: &[String]) -> Self {
        let accepted = tried.iter().filter(|(_, why)| why == MORE).map(|(method, _)| *method);
        let used: Vec<&str> = accepted.chain(last).map(Method::label).collect();
        let used = if used.is_empty() { "nothing: none was required".to_owned() } else { used.join(", then ") };
        Accepted { used, offered: list(first_offered.iter().map(|name| printable(name.as_bytes())), "none") }
    }
}

/// The result of an accepted method when the server requires another.
const MORE: &str = "accepted, more required";

/// Errors of a sign-in.
pub(super) enum SignInError {
    Failed(Error),
    /// Contact was lost.
    Lost {
        error: ssh2::Error,
        /// The server's banner before sign-in, as `Account::banner` formats it.
        banner: String,
    },
}

impl From<Error> for SignInError {
    fn from(error: Error) -> Self {
        SignInError::Failed(error)
    }
}

/// Signs in. Requests the accepted methods before each round.
pub(super) fn sign_in(
    session: &Session,
    credentials: &Credentials<'_>,
    server: &Endpoint,
) -> Result<Accepted, SignInError> {
    let account = Account { session, credentials, server };
    let mut tried: Vec<(Method, String)> = Vec::new();
    let mut offered_before: Vec<String> = Vec::new();
    let mut offered_first: Option<Vec<String>> = None;
    for _ in 0..ROUNDS_MAX {
        let offered = account.methods()?;
        let first = offered_first.get_or_insert_with(|| offered.clone());
        if session.authenticated() {
            return Ok(Accepted::new(&tried, None, first));
        }
        // A newly offered method also shows a partial success.
        if let Some((_, why)) = tried.last_mut()
            && offered.iter().any(|method| !offered_before.contains(method))
        {
            *why = MORE.to_owned();
        }
        let Some(method) = credentials.next_method(&tried, &offered) else {
            return Err(account.refused(&tried, &offered).into());
        };
        let why = account.attempt(method)?;
        if session.authenticated() {
            return Ok(Accepted::new(&tried, Some(method), first));
        }
        tried.push((method, why));
        offered_before = offered;
    }
    Err(account.refused(&tried, &[]).into())
}

impl Credentials<'_> {
    /// Tries each method once, because a wrong password given twice locks accounts. For the same reason, a refused password
    /// is not given again by keyboard-interactive, unless the server no longer offers `password`.
    fn next_method(&self, tried: &[(Method, String)], offered: &[String]) -> Option<Method> {
        let is_open = |method: Method| {
            offered.iter().any(|name| name == method.name()) && !tried.iter().any(|(done, _)| *done == method)
        };
        let refused = |method: Method| tried.iter().any(|(done, why)| *done == method && why != MORE);
        let has_password = self.auth.password.is_some();
        let offers_password = offered.iter().any(|name| name == Method::Password.name());
        let methods = [
            (Method::Key, self.key.is_some()),
            (Method::Agent, self.agent.is_some()),
            // Configured answers are for a server that asks questions, so they precede a password.
            (Method::Interactive, !self.auth.keyboard_interactive.is_empty() && !refused(Method::Password)),
            (Method::Password, has_password && !refused(Method::Interactive)),
            (Method::Interactive, has_password && !offers_password),
        ];
        methods.into_iter().find(|(method, usable)| *usable && is_open(*method)).map(|(method, _)| method)
    }
}

/// A sign-in in progress.
struct Account<'a> {
    session: &'a Session,
    credentials: &'a Credentials<'a>,
    server: &'a Endpoint,
}

impl Account<'_> {
    fn username(&self) -> &str {
        &self.credentials.auth.username
    }

    /// Returns the methods that the server requires next; empty when it requires none.
    fn methods(&self) -> Result<Vec<String>, SignInError> {
        match self.session.auth_methods(self.username()) {
            Ok(list) => Ok(list.split(',').filter(|method| !method.is_empty()).map(str::to_owned).collect()),
            Err(_) if self.session.authenticated() => Ok(Vec::new()),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Tries a method; returns its result in a few words, which matters if the server did not accept it.
    fn attempt(&self, method: Method) -> Result<String, SignInError> {
        let (session, username, auth) = (self.session, self.username(), self.credentials.auth);
        let password = auth.password.as_ref().map(Secret::expose);
        let done = match (method, &self.credentials.agent, &self.credentials.key) {
            (Method::Agent, Some(agent), _) => match agent.sign_in(session, username) {
                Ok(false) => return Ok(agent.refusal()),
                signed_in => signed_in.map(|_| ()),
            },
            (Method::Key, _, Some((given, key))) => session.userauth_pubkey_memory(
                username,
                None, // derived from the private key
                key.text.expose(),
                given.passphrase.as_ref().map(Secret::expose),
            ),
            (Method::Interactive, ..) => {
                let mut responder = Responder::new(password, &auth.keyboard_interactive);
                let answered = session.userauth_keyboard_interactive(username, &mut responder);
                if let (Err(_), Some(text)) = (&answered, responder.expired) {
                    return Err(self.expired(&format!(" ({text})")).into());
                }
                if answered.is_err() && !responder.unanswered.is_empty() {
                    let questions = responder.unanswered.join(", ");
                    return Ok(format!("refused; it asked {questions}, to which there is no answer"));
                }
                answered
            }
            _ => session.userauth_password(username, password.unwrap_or_default()),
        };
        done.map(|()| MORE.to_owned()).or_else(|error| self.failure(method, error))
    }

    /// Returns the result of a failed method in a few words, if another one may succeed.
    ///
    /// # Errors
    /// No other method should be tried.
    fn failure(&self, method: Method, error: ssh2::Error) -> Result<String, SignInError> {
        match meaning(&error) {
            // Some servers close the connection on a wrong password, and some on too many connections. As the cause is
            // unknown, the password is offered again as rarely as a refused key.
            Meaning::Closed if matches!(method, Method::Password | Method::Interactive) => {
                let why = format!("the server closed the connection when the password was shown{}", self.banner());
                Err(self.error(why, SignInProblem::ClosedOnPassword).into())
            }
            Meaning::Closed | Meaning::Timeout => Err(self.lost(error)),
            Meaning::PasswordExpired => Err(self.expired("").into()),
            _ if is_partial(&error) => Ok(MORE.to_owned()),
            meaning if method == Method::Key => Ok(self.key_failure(meaning)?),
            Meaning::Refused => Ok("refused".to_owned()),
            _ => Ok(format!("refused: {}", describe(&error))),
        }
    }

    /// # Errors
    /// The key cannot be read, or it can make no signature that the server accepts.
    fn key_failure(&self, meaning: Meaning) -> Result<String, Error> {
        let Some((given, key)) = &self.credentials.key else { return Ok("refused".to_owned()) };
        let failed = |what: &str, fix: &str| Err(key_error(given, self.server, what.to_owned(), fix.to_owned()));
        match meaning {
            Meaning::NoSignature if key.is_rsa => {
                let why = "the server takes RSA keys with SHA-1 signatures (ssh-rsa) only, which are too weak";
                Err(self.error(why.to_owned(), SignInProblem::Sha1Only))
            }
            Meaning::KeyUnreadable | Meaning::NoSignature if key.encrypted => failed(
                "cannot be opened with the passphrase",
                "correct the destination's `passphrase`; if it is right, `ssh-keygen -p -f key` encrypts the key again",
            ),
            Meaning::KeyUnreadable => failed(
                "cannot be read: it is not an OpenSSH or PEM key of kind ed25519, ECDSA or RSA, or it is damaged",
                "give the file as ssh-keygen wrote it",
            ),
            _ => Ok(key.shown.as_ref().map_or("refused".to_owned(), |shown| format!("refused {shown}"))),
        }
    }

    fn error(&self, why: String, problem: SignInProblem) -> Error {
        Error::SignIn { endpoint: self.server.clone(), username: self.username().to_owned(), why, problem }
    }

    fn expired(&self, detail: &str) -> Error {
        let (endpoint, username) = (self.server.clone(), self.username().to_owned());
        Error::PasswordExpired { endpoint, username, detail: detail.to_owned() }
    }

    fn lost(&self, error: ssh2::Error) -> SignInError {
        SignInError::Lost { error, banner: self.banner() }
    }

    /// Returns the server's banner before sign-in (RFC 4252, 5.4): closed for maintenance, account locked.
    fn banner(&self) -> String {
        let text = self.session.userauth_banner().ok().flatten().map(|banner| printable(banner.as_bytes()));
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| format!("; the server says: \"{text}\"")).unwrap_or_default()
    }

    /// Returns the error after all methods failed.
    fn refused(&self, tried: &[(Method, String)], offered: &[String]) -> Error {
        let only_keys = tried.iter().all(|(method, _)| matches!(method, Method::Key | Method::Agent))
            && tried.iter().any(|(_, why)| why != MORE);
        let tried = list(tried.iter().map(|(method, why)| format!("{} ({why})", method.label())), "nothing");
        let offers = list(offered.iter().map(|name| printable(name.as_bytes())), "nothing more");
        let why = format!("tried {tried}; the server offers {offers}{}", self.banner());
        let problem = match only_keys {
            true => SignInProblem::KeyRefused { is_rsa: tried.contains("ssh-rsa") },
            false => SignInProblem::Refused,
        };
        let error = self.error(why, problem);
        // The agent may sign later: nothing was refused for good.
        match self.credentials.agent.as_ref().is_some_and(agent::Keys::is_silent) {
            true => Error::Connection(error.to_string()),
            false => error,
        }
    }
}

fn list(items: impl Iterator<Item = String>, none: &str) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { none.to_owned() } else { items.join(", ") }
}
