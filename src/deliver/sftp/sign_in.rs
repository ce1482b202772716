//! Proving who we are: key, agent, password, questions, or one after the other where the server asks for several.

use ssh2::Session;

use super::agent;
use super::answer::printable;
use super::connect::unreached;
use super::disconnect;
use super::private_key::PrivateKey;
use super::questions::Answering;
use super::ssh_error::{Meaning, describe, is_closed, is_partial, meaning};
use super::wire::milliseconds;
use crate::deliver::{Refused, Verdict};
use crate::secret::Secret;
use crate::settings::{SecretError, SecretRef, Sftp};

/// Rounds of sign-in: a server may ask for several proofs, one after the other.
const ROUNDS_MAX: usize = 5;

/// What the sign-in needs, read when it is needed. No `Debug`.
pub struct Secrets {
    password: Option<Secret>,
    key: Option<PrivateKey>,
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
                hint: matches!(error, SecretError::FileNotText(_))
                    .then(|| NOT_TEXT.to_owned())
                    .filter(|_| what == "key"),
            })
        };
        let read = |what: &str, given: &Option<SecretRef>| given.as_ref().map(|given| secret(what, given)).transpose();
        let answers = sftp.answers.iter().map(|(asked, given)| {
            let answer = secret(&format!("answer to {asked:?}"), given)?;
            Ok((asked.clone(), answer))
        });
        Ok(Secrets {
            password: read("password", &sftp.password)?,
            key: sftp.key.as_ref().map(|given| key(sftp, given, &secret("key", given)?)).transpose()?,
            passphrase: read("passphrase", &sftp.passphrase)?,
            agent: sftp.agent.as_ref().map(|agent| agent::keys(agent, sftp.timeouts.connect)).transpose()?,
            answers: answers.collect::<Result<_, Verdict>>()?,
        })
    }
}

/// The key as libssh2 reads it. What is wrong with it is found before the server is asked for anything.
fn key(sftp: &Sftp, given: &SecretRef, text: &Secret) -> Result<PrivateKey, Verdict> {
    let rejected = |what: &str, fix: String| Verdict::Rejected {
        reason: format!("the private key for {} ({}) {what}", sftp.host, given.place()),
        hint: Some(fix),
    };
    let key = PrivateKey::read(text.expose()).map_err(|problem| rejected(&problem.what, problem.fix))?;
    if key.encrypted && sftp.passphrase.is_none() {
        return Err(rejected("is encrypted and there is no passphrase", NO_PASSPHRASE.to_owned()));
    }
    Ok(key)
}

/// What to do about a key's file that is not text.
pub const NOT_TEXT: &str = "convert it: `openssl pkey -inform DER -in key.der -out key` from DER, `iconv -f UTF-16 -t UTF-8` \
                            from UTF-16";
/// What to do about an encrypted key alone.
pub const NO_PASSPHRASE: &str = "set the destination's `passphrase`, or take it off with `ssh-keygen -p -N '' -f key`";

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
/// `Refused` or `Rejected` when the server refuses, with what it offers; `Unreached` when contact is lost.
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
            let refused = refused(sftp, address, session, &tried, &offered);
            // The agent may sign another time: nobody has refused anything for good.
            let silent = secrets.agent.as_ref().is_some_and(agent::Keys::is_silent);
            return Err(match refused {
                Verdict::Rejected { reason, .. } | Verdict::Refused { reason, .. } if silent => unreached(reason),
                refused => refused,
            });
        };
        let why = match prove(session, sftp, secrets, proof) {
            Ok(_) if session.authenticated() => return Ok(Way::of(&tried, Some(proof), first)),
            Ok(why) => why,
            Err(Failed::For(verdict)) => return Err(verdict),
            Err(Failed::By(error)) => match meaning(&error) {
                Meaning::Closed if matches!(proof, Proof::Password | Proof::Interactive) => {
                    return Err(closed_on_password(sftp, address, session));
                }
                Meaning::Closed | Meaning::Late => return Err(lost(sftp, address, session, &error)),
                Meaning::PasswordExpired => return Err(expired(sftp, address, None)),
                _ if is_partial(&error) => MORE.to_owned(),
                meaning if proof == Proof::Key => key_refusal(meaning, sftp, address, secrets)?,
                Meaning::Refused => "refused".to_owned(),
                _ => format!("refused: {}", describe(&error)),
            },
        };
        tried.push((proof, why));
        offered_before = offered;
    }
    Err(refused(sftp, address, session, &tried, &[]))
}

/// The methods that the server goes on with; empty when it asks for nothing more.
fn methods(session: &Session, sftp: &Sftp, address: &str) -> Result<Vec<String>, Verdict> {
    match session.auth_methods(&sftp.username) {
        Ok(list) => Ok(list.split(',').filter(|method| !method.is_empty()).map(str::to_owned).collect()),
        Err(_) if session.authenticated() => Ok(Vec::new()),
        Err(error) => Err(lost(sftp, address, session, &error)),
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

/// Why a proof did not do.
enum Failed {
    By(ssh2::Error),
    /// What ends the sign-in, whatever else could be tried.
    For(Verdict),
}

impl From<ssh2::Error> for Failed {
    fn from(error: ssh2::Error) -> Self {
        Failed::By(error)
    }
}

/// What is to be said of the proof where the server has not accepted us by it yet.
fn prove(session: &Session, sftp: &Sftp, secrets: &Secrets, proof: Proof) -> Result<String, Failed> {
    let password = secrets.password.as_ref().map(Secret::expose);
    match (proof, &secrets.agent) {
        (Proof::Agent, Some(agent)) => {
            let accepted = agent.prove(session, &sftp.username)?;
            return Ok(accepted.map_or_else(|| agent.refusal(), |_| MORE.to_owned()));
        }
        (Proof::Key | Proof::Agent, _) => session.userauth_pubkey_memory(
            &sftp.username,
            None, // derived from the private key
            secrets.key.as_ref().map_or("", |key| key.text.expose()),
            secrets.passphrase.as_ref().map(Secret::expose),
        )?,
        (Proof::Password, _) => session.userauth_password(&sftp.username, password.unwrap_or_default())?,
        (Proof::Interactive, _) => {
            let mut answering = Answering::new(password, &secrets.answers);
            let answered = session.userauth_keyboard_interactive(&sftp.username, &mut answering);
            if let (Err(_), Some(said)) = (&answered, &answering.expired) {
                return Err(Failed::For(expired(sftp, &sftp.host, Some(said))));
            }
            if answered.is_err() && !answering.unanswered.is_empty() {
                let questions = answering.unanswered.join(", ");
                return Ok(format!("refused; it asked {questions}, to which there is no answer"));
            }
            answered?;
        }
    }
    Ok(MORE.to_owned())
}

/// Contact was lost on the way, perhaps because the server wanted no more of it.
fn lost(sftp: &Sftp, address: &str, session: &Session, error: &ssh2::Error) -> Verdict {
    let reason = if is_closed(error) { disconnect::reason(sftp) } else { None };
    let reason = reason.unwrap_or_else(|| describe(error));
    unreached(format!("sign in to {address} as {}: {reason}{}", sftp.username, banner(session)))
}

/// Some servers end the connection where a password is wrong, and some where there are too many connections. Which it was
/// is not known, so the password is shown again as seldom as a key that was refused.
fn closed_on_password(sftp: &Sftp, address: &str, session: &Session) -> Verdict {
    let said = banner(session);
    Verdict::Refused {
        what: Refused::SignIn,
        reason: format!(
            "sign in to {address} as {}: the server closed the connection when the password was shown{said}",
            sftp.username
        ),
        hint: Some("check the password: some servers answer a wrong one so".to_owned()),
    }
}

/// The text that a server shows to whoever signs in (RFC 4252, 5.4): closed for maintenance, account locked.
fn banner(session: &Session) -> String {
    let said = session.userauth_banner().ok().flatten().map(|banner| printable(banner.as_bytes()));
    said.filter(|said| !said.is_empty()).map(|said| format!("; the server says: \"{said}\"")).unwrap_or_default()
}

fn expired(sftp: &Sftp, address: &str, said: Option<&str>) -> Verdict {
    let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
    Verdict::Rejected {
        reason: format!(
            "the password of {} at {address} has expired: the server asks for a new one{said}",
            sftp.username
        ),
        hint: Some(
            "set a new password with the server's own means, and put it into the destination's `password`; a key does \
             not expire"
                .to_owned(),
        ),
    }
}

/// What is said of a key that the server refuses (`Ok`: another proof may do).
///
/// # Errors
/// The key cannot be read, or it can sign nothing that the server takes.
fn key_refusal(meaning: Meaning, sftp: &Sftp, address: &str, secrets: &Secrets) -> Result<String, Verdict> {
    let Some(key) = &secrets.key else { return Ok("refused".to_owned()) };
    let place = sftp.key.as_ref().map(SecretRef::place).unwrap_or_default();
    let rejected = |what: &str, fix: &str| {
        let reason = format!("the private key for {} ({place}) {what}", sftp.host);
        Err(Verdict::Rejected { reason, hint: Some(fix.to_owned()) })
    };
    match meaning {
        Meaning::NoSignature if key.is_rsa => Err(Verdict::Rejected {
            reason: format!(
                "sign in to {address} as {}: the server takes RSA keys with SHA-1 signatures (ssh-rsa) only, which are \
                 too weak to be made",
                sftp.username
            ),
            hint: Some(
                "use an ed25519 key (`ssh-keygen -t ed25519 -f key`), or have the server's administrator enable \
                 rsa-sha2-256"
                    .to_owned(),
            ),
        }),
        Meaning::KeyUnreadable | Meaning::NoSignature if key.encrypted => rejected(
            "cannot be opened with the passphrase",
            "correct the destination's `passphrase`; if it is right, `ssh-keygen -p -f key` encrypts the key anew",
        ),
        Meaning::KeyUnreadable => rejected(
            "cannot be read: it is not an OpenSSH or PEM key of kind ed25519, ECDSA or RSA, or it is damaged",
            "give the file as ssh-keygen wrote it",
        ),
        _ => Ok(match &key.shown {
            Some(shown) => format!("refused {shown}"),
            None => "refused".to_owned(),
        }),
    }
}

fn shown(none: &str, items: Vec<String>) -> String {
    if items.is_empty() { none.to_owned() } else { items.join(", ") }
}

/// A key is refused by servers in passing too, so it may be shown again later; a password never, because it locks accounts.
fn refused(sftp: &Sftp, address: &str, session: &Session, tried: &[(Proof, String)], offered: &[String]) -> Verdict {
    let by_key = tried.iter().all(|(proof, _)| matches!(proof, Proof::Key | Proof::Agent))
        && tried.iter().any(|(_, why)| why != MORE);
    let tried = shown("nothing", tried.iter().map(|(proof, why)| format!("{} ({why})", proof.name())).collect());
    let offers = shown("nothing more", offered.iter().map(|method| printable(method.as_bytes())).collect());
    let said = banner(session);
    let reason = format!("sign in to {address} as {}: tried {tried}; the server offers {offers}{said}", sftp.username);
    if by_key {
        let mut hint = "compare the key's fingerprint with the one that the server has for this account, and the \
                        destination's `username` with the account's name"
            .to_owned();
        if tried.contains("ssh-rsa") {
            hint.push_str(
                "; a server that takes SHA-1 signatures only refuses every RSA key here, an ed25519 key helps",
            );
        }
        return Verdict::Refused { what: Refused::SignIn, reason, hint: Some(hint) };
    }
    let hint = "correct the destination's `username`, `key` or `password`, or have the server accept them";
    Verdict::Rejected { reason, hint: Some(hint.to_owned()) }
}
