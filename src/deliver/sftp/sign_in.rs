//! Proving who we are: key, agent, password, questions, or one after the other where the server asks for several.

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use super::agent;
use super::answer::printable;
use super::connect::unreached;
use super::wire::milliseconds;
use crate::deliver::Verdict;
use crate::secret::Secret;
use crate::settings::{SecretRef, Sftp};

/// Rounds of sign-in: a server may ask for several proofs, one after the other.
const ROUNDS_MAX: usize = 5;

/// What the sign-in needs, read when it is needed. No `Debug`.
pub struct Secrets {
    password: Option<Secret>,
    key: Option<Secret>,
    passphrase: Option<Secret>,
    agent: Option<agent::Keys>,
    /// By a part of the question, in lower case.
    answers: Vec<(String, Secret)>,
}

impl Secrets {
    /// # Errors
    /// A secret that is not where it was said to be, or an agent that does not answer.
    pub fn read(sftp: &Sftp) -> Result<Self, Verdict> {
        let secret = |what: &str, secret: &SecretRef| {
            secret.read().map_err(|error| Verdict::Rejected {
                reason: format!("read the {what} for {}: {error}", sftp.host),
                hint: None,
            })
        };
        let read = |what: &str, given: &Option<SecretRef>| given.as_ref().map(|given| secret(what, given)).transpose();
        let answers = sftp.answers.iter().map(|(asked, given)| {
            let answer = secret(&format!("answer to {asked:?}"), given)?;
            Ok((asked.clone(), answer))
        });
        Ok(Secrets {
            password: read("password", &sftp.password)?,
            key: read("key", &sftp.key)?,
            passphrase: read("passphrase", &sftp.passphrase)?,
            agent: sftp.agent.as_ref().map(|agent| agent::keys(agent, sftp.timeouts.connect)).transpose()?,
            answers: answers.collect::<Result<_, Verdict>>()?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Key,
    Agent,
    Password,
    Interactive,
}

impl Proof {
    /// As it is told.
    fn name(self) -> &'static str {
        match self {
            Proof::Agent => "publickey by agent",
            other => other.method(),
        }
    }

    /// The method's name (RFC 4252, 4256).
    fn method(self) -> &'static str {
        match self {
            Proof::Key | Proof::Agent => "publickey",
            Proof::Password => "password",
            Proof::Interactive => "keyboard-interactive",
        }
    }
}

/// How a sign-in went.
pub struct Way {
    /// `publickey`, `publickey, then password`, …
    pub used: String,
    /// The methods that the server offered at first.
    pub offered: String,
}

impl Way {
    fn of(tried: &[(Proof, String)], last: Option<Proof>, first_offered: &[String]) -> Self {
        let accepted = tried.iter().filter(|(_, why)| why == MORE).map(|(proof, _)| *proof);
        let used: Vec<&str> = accepted.chain(last).map(Proof::name).collect();
        let used = if used.is_empty() { "nothing: none was asked for".to_owned() } else { used.join(", then ") };
        Way { used, offered: shown("none", first_offered.iter().map(|method| printable(method.as_bytes())).collect()) }
    }
}

/// What is said of a proof that was accepted where the server goes on.
const MORE: &str = "accepted, more is asked for";

/// Signs in. The server is asked before each round which methods it goes on with.
///
/// # Errors
/// `Rejected` when the server refuses, with what it offers; `Unreached` when contact is lost.
pub fn sign_in(session: &mut Session, sftp: &Sftp, secrets: &Secrets, address: &str) -> Result<Way, Verdict> {
    session.set_timeout(milliseconds(sftp.timeouts.idle));
    let mut tried: Vec<(Proof, String)> = Vec::new();
    let mut offered_before: Vec<String> = Vec::new();
    let mut offered_first: Option<Vec<String>> = None;
    for _ in 0..ROUNDS_MAX {
        let offered = methods(session, sftp, address)?;
        let first = offered_first.get_or_insert_with(|| offered.clone());
        if session.authenticated() {
            return Ok(Way::of(&tried, None, first));
        }
        // A method that is asked for only now tells a partial success too.
        if let Some((_, why)) = tried.last_mut()
            && offered.iter().any(|method| !offered_before.contains(method))
        {
            *why = MORE.to_owned();
        }
        let Some(proof) = next_proof(secrets, &tried, &offered) else {
            let refused = refused(sftp, address, &tried, &offered);
            // The agent may sign another time: nobody has refused anything for good.
            let silent = secrets.agent.as_ref().is_some_and(agent::Keys::is_silent);
            return Err(match refused {
                Verdict::Rejected { reason, .. } if silent => unreached(reason),
                refused => refused,
            });
        };
        let why = match prove(session, sftp, secrets, proof) {
            Ok(_) if session.authenticated() => return Ok(Way::of(&tried, Some(proof), first)),
            Ok(why) => why,
            Err(error) if is_contact(&error) => {
                return Err(unreached(format!("sign in to {address} as {}: {}", sftp.username, error.message())));
            }
            Err(error) if is_partial(&error) => MORE.to_owned(),
            Err(error) if proof == Proof::Key => key_refusal(&error, secrets)?,
            Err(error) if proof == Proof::Agent => format!("refused: {}", error.message()),
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
    let (has_password, has_answers) = (secrets.password.is_some(), !secrets.answers.is_empty());
    let refused = |proof: Proof| tried.iter().any(|(done, why)| *done == proof && why != MORE);
    if secrets.key.is_some() && offers(Proof::Key) && untried(Proof::Key) {
        Some(Proof::Key)
    } else if secrets.agent.is_some() && offers(Proof::Agent) && untried(Proof::Agent) {
        Some(Proof::Agent)
    } else if has_answers && offers(Proof::Interactive) && untried(Proof::Interactive) && !refused(Proof::Password) {
        // Answers are written for a server that asks: its questions go before a password of its own.
        Some(Proof::Interactive)
    } else if has_password && offers(Proof::Password) && untried(Proof::Password) && !refused(Proof::Interactive) {
        Some(Proof::Password)
    } else if has_password && offers(Proof::Interactive) && untried(Proof::Interactive) && !offers(Proof::Password) {
        Some(Proof::Interactive)
    } else {
        None
    }
}

/// What is to be said of the proof where the server has not accepted us by it yet.
fn prove(session: &Session, sftp: &Sftp, secrets: &Secrets, proof: Proof) -> Result<String, ssh2::Error> {
    let password = || secrets.password.as_ref().map_or("", Secret::expose);
    let done = match (proof, &secrets.agent) {
        (Proof::Agent, Some(agent)) => {
            let accepted = agent.prove(session, &sftp.username)?;
            return Ok(accepted.map_or_else(|| agent.refusal(), |_| MORE.to_owned()));
        }
        (Proof::Key | Proof::Agent, _) => session.userauth_pubkey_memory(
            &sftp.username,
            None, // derived from the private key
            secrets.key.as_ref().map_or("", Secret::expose),
            secrets.passphrase.as_ref().map(Secret::expose),
        ),
        (Proof::Password, _) => session.userauth_password(&sftp.username, password()),
        (Proof::Interactive, _) => {
            let mut answering = Answering::new(secrets);
            let answered = session.userauth_keyboard_interactive(&sftp.username, &mut answering);
            if answered.is_err() && !answering.unanswered.is_empty() {
                let questions = answering.unanswered.join(", ");
                return Ok(format!("refused; it asked {questions}, to which there is no answer"));
            }
            answered
        }
    };
    done.map(|()| MORE.to_owned())
}

/// Questions that are kept to be told.
const QUESTIONS_MAX: usize = 8;

/// Answers each question with the answer that was written for it, one other hidden question with the password, and
/// everything else with nothing.
struct Answering<'a> {
    password: Option<&'a str>,
    answers: &'a [(String, Secret)],
    unanswered: Vec<String>,
}

impl<'a> Answering<'a> {
    fn new(secrets: &'a Secrets) -> Self {
        let password = secrets.password.as_ref().map(Secret::expose);
        Answering { password, answers: &secrets.answers, unanswered: Vec::new() }
    }

    fn answer(&mut self, question: &str, echo: bool) -> String {
        let asked = question.to_lowercase();
        if let Some((_, answer)) = self.answers.iter().find(|(part, _)| asked.contains(part.as_str())) {
            return answer.expose().to_owned();
        }
        // A question whose answer would be echoed does not ask for a password.
        if !echo && let Some(password) = self.password.take() {
            return password.to_owned();
        }
        if self.unanswered.len() < QUESTIONS_MAX {
            self.unanswered.push(format!("{:?}", printable(question.as_bytes())));
        }
        String::new()
    }
}

impl KeyboardInteractivePrompt for Answering<'_> {
    fn prompt<'p>(&mut self, _username: &str, _instructions: &str, prompts: &[Prompt<'p>]) -> Vec<String> {
        prompts.iter().map(|prompt| self.answer(&prompt.text, prompt.echo)).collect()
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

pub(super) fn is_contact(error: &ssh2::Error) -> bool {
    use number::{SOCKET_DISCONNECT, SOCKET_RECV, SOCKET_SEND, SOCKET_TIMEOUT, TIMEOUT};
    matches!(error.code(), ErrorCode::Session(SOCKET_SEND | TIMEOUT | SOCKET_DISCONNECT | SOCKET_TIMEOUT | SOCKET_RECV))
}

/// libssh2 does not tell a partial success (RFC 4252, 5.1) from a refusal. But a server that would take a key, and still
/// asks for something when it has its signature, asks for more.
pub(super) fn is_partial(error: &ssh2::Error) -> bool {
    error.code() == ErrorCode::Session(number::PUBLICKEY_UNVERIFIED) && error.message().starts_with("Invalid signature")
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

fn shown(none: &str, items: Vec<String>) -> String {
    if items.is_empty() { none.to_owned() } else { items.join(", ") }
}

fn refused(sftp: &Sftp, address: &str, tried: &[(Proof, String)], offered: &[String]) -> Verdict {
    let tried = shown("nothing", tried.iter().map(|(proof, why)| format!("{} ({why})", proof.name())).collect());
    let offers = shown("nothing more", offered.iter().map(|method| printable(method.as_bytes())).collect());
    Verdict::Rejected {
        reason: format!("sign in to {address} as {}: tried {tried}; the server offers {offers}", sftp.username),
        hint: Some(
            "correct the destination's `username`, `key` or `password`, or have the server accept them".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_find_their_answers_and_the_password_is_given_once() {
        let secrets = Secrets {
            password: Some(Secret::new("pw")),
            key: None,
            passphrase: None,
            agent: None,
            answers: vec![("verification code".to_owned(), Secret::new("123"))],
        };
        let mut answering = Answering::new(&secrets);
        assert_eq!(answering.answer("Your name: ", true), "");
        assert_eq!(answering.answer("Verification Code: ", true), "123");
        assert_eq!(answering.answer("Password: ", false), "pw");
        assert_eq!(answering.answer("Again: ", false), "");
        assert_eq!(answering.unanswered, [r#""Your name:""#, r#""Again:""#]);
    }
}
