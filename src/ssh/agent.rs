//! Signs in with the keys of an ssh-agent (draft-ietf-sshm-ssh-agent).
//!
//! The keys are listed here; libssh2 requests the signatures, through a proxy that limits the wait.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ssh2::Session;

use super::agent_proxy::{AgentProxy, AskError, IDENTITIES_ANSWER, REQUEST_IDENTITIES, SignProblem, ask};
use super::host_key::fingerprint;
use super::libssh2::{is_lost, is_partial};
use super::{Agent, AgentProblem, AgentSocket, Error};
use crate::wire::{Malformed, Reader};

/// Maximum keys to try: most servers end a sign-in after six.
const KEYS_MAX: usize = 5;

/// An agent that responded, with its keys to try.
pub(super) struct Keys {
    socket: PathBuf,
    /// Its response to a request for its keys.
    listed: Vec<u8>,
    blobs: Vec<Vec<u8>>,
    left_out: usize,
    /// Timeout of one response.
    timeout: Duration,
    /// Reason of the first failure to sign.
    problem: Arc<OnceLock<SignProblem>>,
}

/// Lists the agent's keys.
pub(super) fn keys(agent: &Agent, timeout: Duration) -> Result<Keys, Error> {
    let failed = |reason: String, problem| Error::Agent { reason, problem };
    let (socket, named) = match &agent.socket {
        AgentSocket::Path(path) => (path, ""),
        AgentSocket::Environment(Some(path)) => (path, " (by SSH_AUTH_SOCK)"),
        AgentSocket::Environment(None) => {
            return Err(failed("ask the ssh-agent: SSH_AUTH_SOCK is not set".to_owned(), AgentProblem::NotSet));
        }
    };
    let asking = format!("ask the ssh-agent at {}{named}", socket.display());
    let unavailable = |why: &str| failed(format!("{asking}: {why}"), AgentProblem::Unavailable);
    let response = ask(socket, &[REQUEST_IDENTITIES], timeout).map_err(|error| match error {
        AskError::Timeout(_) => Error::Connection(format!("{asking}: {error}")),
        AskError::Failed(error) => unavailable(&error.to_string()),
    })?;
    let listed = read_identities(&response).map_err(|_| unavailable("it does not answer as an agent does"))?;
    let wanted = |blob: &&Vec<u8>| agent.key.as_ref().is_none_or(|wanted| fingerprint(blob) == *wanted);
    let mut blobs: Vec<Vec<u8>> = listed.iter().filter(wanted).cloned().collect();
    if blobs.is_empty() {
        let has: Vec<String> = listed.iter().map(|blob| fingerprint(blob)).collect();
        let has = if has.is_empty() { "no key".to_owned() } else { has.join(", ") };
        let wanted = agent.key.as_deref().map(|key| format!(", not {key}")).unwrap_or_default();
        let reason = format!("the ssh-agent at {} has {has}{wanted}", socket.display());
        return Err(failed(reason, AgentProblem::NoKey));
    }
    let left_out = blobs.len().saturating_sub(KEYS_MAX);
    blobs.truncate(KEYS_MAX);
    Ok(Keys { socket: socket.clone(), listed: response, blobs, left_out, timeout, problem: Arc::default() })
}

fn read_identities(response: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut body = Reader(response);
    if body.u8()? != IDENTITIES_ANSWER {
        return Err(Malformed("it is not a list of keys"));
    }
    let mut blobs = Vec::new();
    for _ in 0..body.u32()? {
        blobs.push(body.string()?.to_vec());
        body.string()?; // the comment
    }
    Ok(blobs)
}

impl Keys {
    /// Tries the keys one after the other; returns true if the server accepted one.
    ///
    /// # Errors
    /// Contact with the server was lost, or libssh2 cannot speak to the proxy.
    pub(super) fn sign_in(&self, session: &Session, username: &str) -> Result<bool, ssh2::Error> {
        match AgentProxy::start(&self.socket, self.listed.clone(), self.timeout, self.problem.clone()) {
            Ok(proxy) => self.sign_in_by(&proxy, session, username),
            Err(error) => {
                let problem = SignProblem::Refused(format!("a socket cannot be made: {error}"));
                let _ = self.problem.set(problem); // the first counts
                Ok(false)
            }
        }
    }

    fn sign_in_by(&self, proxy: &AgentProxy, session: &Session, username: &str) -> Result<bool, ssh2::Error> {
        let mut agent = session.agent()?;
        agent.set_identity_path(proxy.path())?;
        agent.connect()?;
        agent.list_identities()?;
        let identities = agent.identities()?;
        for blob in &self.blobs {
            let Some(identity) = identities.iter().find(|identity| identity.blob() == blob.as_slice()) else {
                continue;
            };
            match agent.userauth(username, identity) {
                Ok(()) => return Ok(true),
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) if is_partial(&error) => return Ok(true),
                Err(_) if self.is_silent() => break,
                Err(_) => {}
            }
        }
        Ok(false)
    }

    /// Returns true if it may sign later: it exists, and may be waiting for a person's confirmation.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.problem.get(), Some(SignProblem::Silent(_)))
    }

    /// Describes the refused keys, and the agent's part in it.
    pub(super) fn refusal(&self) -> String {
        let shown: Vec<String> = self.blobs.iter().map(|blob| fingerprint(blob)).collect();
        let more = match self.left_out {
            0 => String::new(),
            more => format!(" and {more} more were not tried: name one by `agent_key`"),
        };
        let shown = format!("{}{more}", shown.join(" "));
        match self.problem.get() {
            None => format!("refused {shown}"),
            Some(SignProblem::Refused(why)) => format!("refused {shown}; {why}"),
            Some(SignProblem::Silent(why)) => format!("{why}, perhaps because it waits for a person, for {shown}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_and_a_truncated_response_is_an_error() {
        let mut response = vec![IDENTITIES_ANSWER, 0, 0, 0, 2];
        for text in ["blob1", "me@here", "blob2", ""] {
            response.extend((text.len() as u32).to_be_bytes());
            response.extend(text.as_bytes());
        }
        assert_eq!(read_identities(&response).unwrap(), [b"blob1".to_vec(), b"blob2".to_vec()]);
        for cut in 0..response.len() {
            assert!(read_identities(&response[..cut]).is_err(), "cut at {cut}");
        }
        response[0] = 5; // failure
        assert!(read_identities(&response).is_err());
    }
}
