//! Keys that an ssh-agent holds (draft-ietf-sshm-ssh-agent): which there are, and signing in with them.
//!
//! Which keys it has is asked by us; the signature is libssh2's to ask for, by a stand-in for the agent that bounds it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ssh2::Session;

use super::connect::unreached;
use super::hostkey::fingerprint;
use super::packet::Body;
use super::stand_in::{IDENTITIES_ANSWER, REQUEST_IDENTITIES, StandIn, Unanswered, Unsigned, ask};
use crate::deliver::Verdict;
use crate::settings::{Agent, AgentSocket};

/// Keys that are shown to a server: most give up on a sign-in after six.
const KEYS_MAX: usize = 5;

/// An agent that answered, and the keys of it that may be shown.
pub struct Keys {
    socket: PathBuf,
    /// Its answer to who asks for its keys.
    listed: Vec<u8>,
    blobs: Vec<Vec<u8>>,
    left_out: usize,
    /// For one answer.
    within: Duration,
    /// What kept it from signing.
    unsigned: Arc<OnceLock<Unsigned>>,
}

/// # Errors
/// `Rejected`: there is no agent, or it has no key that may be used. `Unreached`: it does not answer in time.
pub fn keys(agent: &Agent, within: Duration) -> Result<Keys, Verdict> {
    let rejected = |reason: String, hint: &str| Verdict::Rejected { reason, hint: Some(hint.to_owned()) };
    let Some(socket) = agent.socket.path() else {
        return Err(rejected(
            "ask the ssh-agent: SSH_AUTH_SOCK is not set".to_owned(),
            "start the worker where an agent is, or write the agent's socket as `agent: PATH`",
        ));
    };
    let named = match agent.socket {
        AgentSocket::Environment => " (by SSH_AUTH_SOCK)",
        AgentSocket::Path(_) => "",
    };
    let asking = format!("ask the ssh-agent at {}{named}", socket.display());
    let failed =
        |why: &str| rejected(format!("{asking}: {why}"), "start an agent there, or correct the destination's `agent`");
    let answer = ask(&socket, &[REQUEST_IDENTITIES], within).map_err(|why| match why {
        Unanswered::Late(_) => unreached(format!("{asking}: {why}")),
        Unanswered::Failed(error) => failed(&error.to_string()),
    })?;
    let listed = read_identities(&answer).ok_or_else(|| failed("it does not answer as an agent does"))?;
    let mut blobs = match &agent.key {
        None => listed.clone(),
        Some(wanted) => listed.iter().filter(|blob| fingerprint(blob) == *wanted).cloned().collect(),
    };
    if blobs.is_empty() {
        let has: Vec<String> = listed.iter().map(|blob| fingerprint(blob)).collect();
        let has = if has.is_empty() { "no key".to_owned() } else { has.join(", ") };
        let wanted = agent.key.as_deref().map(|key| format!(", not {key}")).unwrap_or_default();
        return Err(rejected(
            format!("the ssh-agent at {} has {has}{wanted}", socket.display()),
            "add the key with ssh-add, or correct the destination's `agent_key`",
        ));
    }
    let left_out = blobs.len().saturating_sub(KEYS_MAX);
    blobs.truncate(KEYS_MAX);
    Ok(Keys { socket, listed: answer, blobs, left_out, within, unsigned: Arc::default() })
}

fn read_identities(answer: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut body = Body(answer);
    if body.u8().ok()? != IDENTITIES_ANSWER {
        return None;
    }
    let count = body.u32().ok()?;
    let mut blobs = Vec::new();
    for _ in 0..count {
        blobs.push(body.string().ok()?.to_vec());
        body.string().ok()?; // the comment
    }
    Some(blobs)
}

impl Keys {
    /// Shows the keys to the server, one after the other, until it accepts one. Returns that key's fingerprint; `None`
    /// when all were refused, or the agent did not sign.
    ///
    /// # Errors
    /// Contact with the server was lost, or libssh2 cannot speak to the stand-in.
    pub fn prove(&self, session: &Session, username: &str) -> Result<Option<String>, ssh2::Error> {
        match StandIn::start(&self.socket, self.listed.clone(), self.within, self.unsigned.clone()) {
            Ok(stand_in) => self.prove_by(&stand_in, session, username),
            Err(error) => {
                let _ = self.unsigned.set(Unsigned::Refused(format!("a socket cannot be made: {error}"))); // the first
                Ok(None)
            }
        }
    }

    fn prove_by(&self, stand_in: &StandIn, session: &Session, username: &str) -> Result<Option<String>, ssh2::Error> {
        let mut agent = session.agent()?;
        agent.set_identity_path(stand_in.path())?;
        agent.connect()?;
        agent.list_identities()?;
        let identities = agent.identities()?;
        for blob in &self.blobs {
            let Some(identity) = identities.iter().find(|identity| identity.blob() == blob.as_slice()) else {
                continue;
            };
            match agent.userauth(username, identity) {
                Ok(()) => return Ok(Some(fingerprint(blob))),
                Err(error) if super::ssh_error::is_contact(&error) => return Err(error),
                Err(error) if super::ssh_error::is_partial(&error) => return Ok(Some(fingerprint(blob))),
                Err(_) if self.is_silent() => break,
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether it may sign another time: it is there, and a person may have to say so.
    pub fn is_silent(&self) -> bool {
        matches!(self.unsigned.get(), Some(Unsigned::Silent(_)))
    }

    /// What was shown, for a refusal, and what the agent had to do with it.
    pub fn refusal(&self) -> String {
        let shown: Vec<String> = self.blobs.iter().map(|blob| fingerprint(blob)).collect();
        let more = match self.left_out {
            0 => String::new(),
            more => format!(" and {more} more were not tried: name one by `agent_key`"),
        };
        let shown = format!("{}{more}", shown.join(" "));
        match self.unsigned.get() {
            None => format!("refused {shown}"),
            Some(Unsigned::Refused(why)) => format!("refused {shown}; {why}"),
            Some(Unsigned::Silent(why)) => format!("{why}, perhaps because it waits for a person, for {shown}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_and_a_cut_answer_is_none() {
        let mut answer = vec![IDENTITIES_ANSWER, 0, 0, 0, 2];
        for text in ["blob1", "me@here", "blob2", ""] {
            answer.extend((text.len() as u32).to_be_bytes());
            answer.extend(text.as_bytes());
        }
        assert_eq!(read_identities(&answer).unwrap(), [b"blob1".to_vec(), b"blob2".to_vec()]);
        for cut in 0..answer.len() {
            assert!(read_identities(&answer[..cut]).is_none(), "cut at {cut}");
        }
        answer[0] = 5; // failure
        assert!(read_identities(&answer).is_none());
    }
}
