//! Proving who we are: key, password, a password asked for interactively, or a key and then a password.

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use super::answer::printable;
use super::connect::unreached;
use super::wire::milliseconds;
use crate::deliver::Verdict;
use crate::secret::Secret;
use crate::settings::{SecretRef, Sftp};

/// Rounds of sign-in: a server may ask for several proofs, one after the other.
const ROUNDS_MAX: usize = 4;

/// What the sign-in needs, read when it is needed. No `Debug`.
pub struct Secrets {
    password: Option<Secret>,
    key: Option<Secret>,
    passphrase: Option<Secret>,
}

impl Secrets {
    /// # Errors
    /// A secret that is not where it was said to be.
    pub fn read(sftp: &Sftp) -> Result<Self, Verdict> {
        let read = |what: &str, secret: &Option<SecretRef>| match secret {
            None => Ok(None),
            Some(secret) => secret.read().map(Some).map_err(|error| Verdict::Rejected {
                reason: format!("read the {what} for {}: {error}", sftp.host),
                hint: None,
            }),
        };
        Ok(Secrets {
            password: read("password", &sftp.password)?,
            key: read("key", &sftp.key)?,
            passphrase: read("passphrase", &sftp.passphrase)?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Key,
    Password,
    Interactive,
}

impl Proof {
    /// The method's name (RFC 4252, 4256).
    fn method(self) -> &'static str {
        match self {
            Proof::Key => "publickey",
            Proof::Password => "password",
            Proof::Interactive => "keyboard-interactive",
        }
    }
}

/// Signs in. The server is asked before each round which methods it goes on with.
///
/// # Errors
/// `Rejected` when the server refuses, with what it offers; `Unreached` when contact is lost.
pub fn sign_in(session: &mut Session, sftp: &Sftp, secrets: &Secrets, address: &str) -> Result<(), Verdict> {
    session.set_timeout(milliseconds(sftp.timeouts.idle));
    let mut tried: Vec<(Proof, String)> = Vec::new();
    let mut offered_before: Vec<String> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let offered = methods(session, sftp, address)?;
        if session.authenticated() {
            return Ok(());
        }
        // libssh2 does not tell a partial success from a refusal; a method that is asked for only now does.
        if let Some((_, why)) = tried.last_mut()
            && offered.iter().any(|method| !offered_before.contains(method))
        {
            *why = "accepted, more is asked for".to_owned();
        }
        let Some(proof) = next_proof(secrets, &tried, &offered) else {
            return Err(refused(sftp, address, &tried, &offered));
        };
        let why = match prove(session, sftp, secrets, proof) {
            Ok(()) if session.authenticated() => return Ok(()),
            Ok(()) => "accepted, more is asked for".to_owned(),
            Err(error) if is_contact(&error) => {
                return Err(unreached(format!("sign in to {address} as {}: {}", sftp.username, error.message())));
            }
            Err(error) if proof == Proof::Key => key_refusal(&error, secrets)?,
            Err(_) => "refused".to_owned(),
        };
        tried.push((proof, why));
        offered_before = offered;
    }
    Err(refused(sftp, address, &tried, &[]))
}

/// The methods that the server goes on with; empty when it asks for nothing more.
fn methods(session: &Session, sftp: &Sftp, address: &str) -> Result<Vec<String>, Verdict> {
    match session.auth_methods(&sftp.username) {
        Ok(list) => Ok(list.split(',').filter(|method| !method.is_empty()).map(str::to_owned).collect()),
        Err(_) if session.authenticated() => Ok(Vec::new()),
        Err(error) => Err(unreached(format!(
            "sign in to {address} as {}: {}",
            sftp.username,
            printable(error.message().as_bytes())
        ))),
    }
}

/// Each proof is shown once: a wrong password shown twice locks accounts. For the same reason a password that was
/// refused is not shown again by keyboard-interactive, unless the server no longer asks for it as such.
fn next_proof(secrets: &Secrets, tried: &[(Proof, String)], offered: &[String]) -> Option<Proof> {
    let offers = |proof: Proof| offered.iter().any(|method| method == proof.method());
    let untried = |proof: Proof| !tried.iter().any(|(done, _)| *done == proof);
    let has_password = secrets.password.is_some();
    if secrets.key.is_some() && offers(Proof::Key) && untried(Proof::Key) {
        Some(Proof::Key)
    } else if has_password && offers(Proof::Password) && untried(Proof::Password) {
        Some(Proof::Password)
    } else if has_password && offers(Proof::Interactive) && untried(Proof::Interactive) && !offers(Proof::Password) {
        Some(Proof::Interactive)
    } else {
        None
    }
}

fn prove(session: &Session, sftp: &Sftp, secrets: &Secrets, proof: Proof) -> Result<(), ssh2::Error> {
    let password = || secrets.password.as_ref().map_or("", Secret::expose);
    match proof {
        Proof::Key => session.userauth_pubkey_memory(
            &sftp.username,
            None, // derived from the private key
            secrets.key.as_ref().map_or("", Secret::expose),
            secrets.passphrase.as_ref().map(Secret::expose),
        ),
        Proof::Password => session.userauth_password(&sftp.username, password()),
        Proof::Interactive => {
            session.userauth_keyboard_interactive(&sftp.username, &mut Answering { password: password(), asked: 0 })
        }
    }
}

/// Questions that are answered with the password; a server that asks more is guessing at something else.
const QUESTIONS_MAX: usize = 1;

/// Answers the one hidden question with the password, and everything else with nothing.
struct Answering<'a> {
    password: &'a str,
    asked: usize,
}

impl KeyboardInteractivePrompt for Answering<'_> {
    fn prompt<'p>(&mut self, _username: &str, _instructions: &str, prompts: &[Prompt<'p>]) -> Vec<String> {
        let answer = |prompt: &Prompt<'p>| {
            // A question whose answer would be echoed does not ask for a password.
            if prompt.echo || self.asked >= QUESTIONS_MAX {
                return String::new();
            }
            self.asked += 1;
            self.password.to_owned()
        };
        prompts.iter().map(answer).collect()
    }
}

/// `LIBSSH2_ERROR_…` numbers.
mod number {
    pub const SOCKET_SEND: i32 = -7;
    pub const TIMEOUT: i32 = -9;
    pub const SOCKET_DISCONNECT: i32 = -13;
    pub const FILE: i32 = -16;
    pub const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub const SOCKET_TIMEOUT: i32 = -30;
    pub const SOCKET_RECV: i32 = -43;
    pub const KEYFILE_AUTH_FAILED: i32 = -48;
    pub const METHOD_NOT_SUPPORTED: i32 = -33;
}

fn is_contact(error: &ssh2::Error) -> bool {
    use number::{SOCKET_DISCONNECT, SOCKET_RECV, SOCKET_SEND, SOCKET_TIMEOUT, TIMEOUT};
    matches!(error.code(), ErrorCode::Session(SOCKET_SEND | TIMEOUT | SOCKET_DISCONNECT | SOCKET_TIMEOUT | SOCKET_RECV))
}

/// Tells a key that the server refuses (`Ok`: another proof may do) from one that we cannot read (`Err`): `ssh2` says
/// "unsupported private key format" for a wrong passphrase.
fn key_refusal(error: &ssh2::Error, secrets: &Secrets) -> Result<String, Verdict> {
    let unreadable = match error.code() {
        ErrorCode::Session(number::KEYFILE_AUTH_FAILED) => true,
        ErrorCode::Session(number::FILE | number::METHOD_NOT_SUPPORTED) => true,
        ErrorCode::Session(number::PUBLICKEY_UNVERIFIED) => error.message().contains("private key"),
        _ => error.message().contains("private key"),
    };
    if !unreadable {
        return Ok("refused".to_owned());
    }
    let (reason, hint) = match (&secrets.key, &secrets.passphrase) {
        (Some(key), passphrase) if is_encrypted(key.expose()) => match passphrase {
            Some(_) => {
                ("the private key cannot be opened with the passphrase", "correct the destination's `passphrase`")
            }
            None => ("the private key is encrypted and there is no passphrase", "set the destination's `passphrase`"),
        },
        _ => (
            "the private key cannot be read: it is not an OpenSSH or PEM key of kind ed25519, ECDSA or RSA",
            "give the destination's `key` as ssh-keygen writes it",
        ),
    };
    Err(Verdict::Rejected { reason: reason.to_owned(), hint: Some(hint.to_owned()) })
}

/// Whether a private key's text is encrypted: PEM says so in words, OpenSSH by the cipher's name after its magic.
fn is_encrypted(key: &str) -> bool {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    if key.contains("ENCRYPTED") {
        return true;
    }
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    // 36 base64 characters hold the magic (15 bytes), a length (4) and the cipher's name.
    let Some(start) = body.get(..36).and_then(|start| STANDARD.decode(start).ok()) else { return false };
    start.starts_with(b"openssh-key-v1\0") && !start[19..].starts_with(b"none")
}

fn refused(sftp: &Sftp, address: &str, tried: &[(Proof, String)], offered: &[String]) -> Verdict {
    let shown = |none: &str, items: Vec<String>| if items.is_empty() { none.to_owned() } else { items.join(", ") };
    let tried = shown("nothing", tried.iter().map(|(proof, why)| format!("{} ({why})", proof.method())).collect());
    let offers = shown("nothing more", offered.iter().map(|method| printable(method.as_bytes())).collect());
    Verdict::Rejected {
        reason: format!("sign in to {address} as {}: tried {tried}; the server offers {offers}", sftp.username),
        hint: Some(
            "correct the destination's `username`, `key` or `password`, or have the server accept them".to_owned(),
        ),
    }
}
