//! Keys that an ssh-agent holds (draft-ietf-sshm-ssh-agent): which there are, and signing in with them.
//!
//! The agent is asked for its keys by a few bytes of our own, with a time limit, because libssh2 waits for an agent
//! without one. The signature itself is libssh2's to ask for; an agent that has just answered is there.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh2::Session;

use super::hostkey::fingerprint;
use super::packet::Body;
use crate::deliver::Verdict;
use crate::settings::{Agent, AgentSocket};

/// Keys that are shown to a server: most give up on a sign-in after six.
const KEYS_MAX: usize = 5;
const ANSWER_BYTES_MAX: u32 = 256 * 1024;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;

/// An agent that answered, and the keys of it that may be shown.
pub struct Keys {
    socket: PathBuf,
    blobs: Vec<Vec<u8>>,
    left_out: usize,
}

/// # Errors
/// There is no agent, it does not answer, or it has no key that may be used.
pub fn keys(agent: &Agent, within: Duration) -> Result<Keys, Verdict> {
    let rejected = |reason: String, hint: &str| Verdict::Rejected { reason, hint: Some(hint.to_owned()) };
    let Some(socket) = agent.socket.path() else {
        return Err(rejected(
            "ask the ssh-agent: SSH_AUTH_SOCK is not set".to_owned(),
            "start the worker where an agent is, or write the agent's socket as `agent: PATH`",
        ));
    };
    let listed = ask(&socket, within).map_err(|error| {
        let named = match agent.socket {
            AgentSocket::Environment => " (by SSH_AUTH_SOCK)",
            AgentSocket::Path(_) => "",
        };
        rejected(
            format!("ask the ssh-agent at {}{named}: {error}", socket.display()),
            "start an agent there, or correct the destination's `agent`",
        )
    })?;
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
    Ok(Keys { socket, blobs, left_out })
}

fn ask(socket: &Path, within: Duration) -> io::Result<Vec<Vec<u8>>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "it does not answer as an agent does");
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(&[0, 0, 0, 1, REQUEST_IDENTITIES])?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::other(format!("no answer within {:.1} s", within.as_secs_f32())),
        _ => error,
    })?;
    let length = u32::from_be_bytes(length);
    if !(5..=ANSWER_BYTES_MAX).contains(&length) {
        return Err(invalid());
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer)?;
    read_identities(&answer).ok_or_else(invalid)
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
    /// when all were refused.
    ///
    /// # Errors
    /// Contact was lost, with the server or with the agent.
    pub fn prove(&self, session: &Session, username: &str) -> Result<Option<String>, ssh2::Error> {
        let mut agent = session.agent()?;
        agent.set_identity_path(&self.socket)?;
        agent.connect()?;
        agent.list_identities()?;
        let identities = agent.identities()?;
        for blob in &self.blobs {
            let Some(identity) = identities.iter().find(|identity| identity.blob() == blob.as_slice()) else {
                continue;
            };
            match agent.userauth(username, identity) {
                Ok(()) => return Ok(Some(fingerprint(blob))),
                Err(error) if super::sign_in::is_contact(&error) => return Err(error),
                Err(error) if super::sign_in::is_partial(&error) => return Ok(Some(fingerprint(blob))),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// How many were shown, for a refusal.
    pub fn refusal(&self) -> String {
        let shown: Vec<String> = self.blobs.iter().map(|blob| fingerprint(blob)).collect();
        let more = match self.left_out {
            0 => String::new(),
            more => format!(" and {more} more were not tried: name one by `agent_key`"),
        };
        format!("refused {}{more}", shown.join(" "))
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
