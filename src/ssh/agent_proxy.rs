//! Requests to an ssh-agent, with a timeout.
//!
//! libssh2 waits for an agent without a limit, and an agent may be waiting for a person (`ssh-add -c`), or be stopped. So
//! libssh2 gets an [`AgentProxy`]: a socket of ours that forwards requests to the agent, and refuses them in its name when
//! the response is late.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tempfile::TempDir;

use super::stream::{DeadlineStream, Stream};
use crate::wire::put_string;

/// The longest message accepted from either side (as in OpenSSH's agent).
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Wait before an agent with a full queue is tried again.
const QUEUE_RETRY: Duration = Duration::from_millis(20);

const FAILURE: u8 = 5;
pub(super) const REQUEST_IDENTITIES: u8 = 11;
pub(super) const IDENTITIES_ANSWER: u8 = 12;
const SIGN_RESPONSE: u8 = 14;

/// Errors of a request to an agent.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("the agent did not answer within {:.1} s", .0.as_secs_f32())]
    Timeout(Duration),
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Sends one request to the agent at `socket` and returns its response.
///
/// # Errors
/// There is no agent, it closes the connection, or it takes longer than `timeout` in total.
pub(super) fn ask(socket: &Path, request: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
    let deadline = Instant::now() + timeout;
    let asked = connect_to(socket, deadline).and_then(|stream| {
        let mut stream = DeadlineStream { stream: &Stream::Unix(stream), deadline };
        send(&mut stream, request)?;
        receive(&mut stream)
    });
    asked.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => AskError::Timeout(timeout),
        ErrorKind::UnexpectedEof => AskError::Failed(io::Error::new(error.kind(), "it closed the connection")),
        _ => AskError::Failed(error),
    })
}

/// Connects to the agent. `UnixStream::connect` would wait forever for a stopped agent.
fn connect_to(socket: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(socket)?;
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let made = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match connect(&made, &address) {
            Ok(()) => {
                let stream = UnixStream::from(made);
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(Errno::AGAIN) if Instant::now() < deadline => std::thread::sleep(QUEUE_RETRY),
            Err(error) => return Err(error.into()),
        }
    }
}

fn send(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let mut framed = Vec::new();
    put_string(&mut framed, message);
    stream.write_all(&framed)
}

/// Reads one message, without its length.
fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if !(1..=MESSAGE_BYTES_MAX).contains(&length) {
        return Err(io::Error::new(ErrorKind::InvalidData, "it does not answer as an agent does"));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// Reasons why the agent did not sign.
#[derive(Debug)]
pub(super) enum SignProblem {
    /// The agent does not respond; another attempt may succeed.
    Silent(AskError),
    /// Another attempt would fail too.
    Refused(String),
}

/// Forwards requests to an agent from one client, which connects to [`AgentProxy::path`].
pub(super) struct AgentProxy {
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
    /// A folder that no other user may enter.
    _folder: TempDir,
}

impl AgentProxy {
    /// `identities` is the agent's response to a request for its keys. The reason for the first missing signature goes into
    /// `problem`.
    pub(super) fn start(
        agent: &Path,
        identities: Vec<u8>,
        timeout: Duration,
        problem: Arc<OnceLock<SignProblem>>,
    ) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("agent-").tempdir()?;
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path)?;
        let agent = agent.to_owned();
        let thread = std::thread::spawn(move || {
            // An error means that the client is gone.
            let _ = listener.accept().and_then(|(client, _)| forward(client, &agent, &identities, timeout, &problem));
        });
        Ok(Self { path, thread: Some(thread), _folder: folder })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AgentProxy {
    /// The client must have disconnected.
    fn drop(&mut self) {
        // Ends the wait for a client that never connected.
        drop(UnixStream::connect(&self.path));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // returns nothing
        }
    }
}

fn forward(
    mut client: UnixStream,
    agent: &Path,
    identities: &[u8],
    timeout: Duration,
    problem: &OnceLock<SignProblem>,
) -> io::Result<()> {
    loop {
        let request = receive(&mut client)?;
        let response = match request.first() {
            Some(&REQUEST_IDENTITIES) => identities.to_vec(),
            // An agent that did not respond is not asked again.
            _ if matches!(problem.get(), Some(SignProblem::Silent(_))) => vec![FAILURE],
            _ => {
                let answer = ask(agent, &request, timeout);
                let why = match &answer {
                    Ok(answer) if answer.first() == Some(&SIGN_RESPONSE) => None,
                    Ok(_) => Some(SignProblem::Refused("the agent refused to sign".to_owned())),
                    Err(AskError::Timeout(timeout)) => Some(SignProblem::Silent(AskError::Timeout(*timeout))),
                    Err(AskError::Failed(error)) => Some(SignProblem::Refused(format!("ask the agent: {error}"))),
                };
                if let Some(why) = why {
                    let _ = problem.set(why); // the first counts
                }
                answer.unwrap_or_else(|_| vec![FAILURE])
            }
        };
        send(&mut client, &response)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(200);

    /// Starts an agent that sends each client what `answer` returns: nothing, or some bytes.
    fn agent(folder: &TempDir, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> PathBuf {
        let path = folder.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for client in listener.incoming() {
                let mut client = client.unwrap();
                match answer(&receive(&mut client).unwrap_or_default()) {
                    Some(bytes) => client.write_all(&bytes).unwrap(),
                    None => silent.push(client),
                }
            }
        });
        path
    }

    fn describe(response: Result<Vec<u8>, AskError>) -> String {
        response.map_or_else(|error| error.to_string(), |answer| format!("{answer:?}"))
    }

    #[test]
    fn a_response_comes_whole_and_in_time_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let socket = agent(&folder, |request| match request[0] {
            0 => Some(vec![0, 0, 0, 2, 9, 9]),
            1 => None,
            2 => Some(vec![0, 0, 0, 2, 9]), // and hangs up
            3 => Some(vec![0, 0, 0, 0]),
            _ => Some(vec![255, 0, 0, 0]),
        });
        let ask = |request: u8| describe(ask(&socket, &[request], TIMEOUT));
        assert_eq!(ask(0), "[9, 9]");
        assert_eq!(ask(1), "the agent did not answer within 0.2 s");
        assert_eq!(ask(2), "it closed the connection");
        assert_eq!(ask(3), "it does not answer as an agent does");
        assert_eq!(ask(4), "it does not answer as an agent does");
    }

    #[test]
    fn a_response_that_trickles_is_not_awaited() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            client.write_all(&[0, 0, 1, 0]).unwrap();
            while client.write_all(&[7]).is_ok() {
                std::thread::sleep(TIMEOUT / 8);
            }
        });
        assert_eq!(describe(ask(&socket, &[0], TIMEOUT)), "the agent did not answer within 0.2 s");
    }

    #[test]
    fn an_agent_that_accepts_no_connection_is_not_awaited() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut waiting = Vec::new();
        // These fill its queue; the last one does not fit.
        while let Ok(stream) = connect_to(&socket, Instant::now() + QUEUE_RETRY) {
            waiting.push(stream);
            assert!(waiting.len() < 100);
        }
        assert_eq!(describe(ask(&socket, &[0], TIMEOUT)), "the agent did not answer within 0.2 s");
    }

    #[test]
    fn the_proxy_refuses_in_the_agents_name() {
        let folder = tempfile::tempdir().unwrap();
        let socket = agent(&folder, |request| match request[0] {
            1 => Some(vec![0, 0, 0, 2, SIGN_RESPONSE, 1]),
            2 => Some(vec![0, 0, 0, 1, FAILURE]),
            _ => None,
        });
        let problem: Arc<OnceLock<SignProblem>> = Arc::default();
        let proxy = AgentProxy::start(&socket, vec![IDENTITIES_ANSWER, 7], TIMEOUT, problem.clone()).unwrap();
        let mut client = UnixStream::connect(proxy.path()).unwrap();
        let mut ask = |request: u8| {
            send(&mut client, &[request]).unwrap();
            receive(&mut client).unwrap()
        };
        assert_eq!(ask(REQUEST_IDENTITIES), [IDENTITIES_ANSWER, 7]);
        assert_eq!(ask(1), [SIGN_RESPONSE, 1]);
        assert!(problem.get().is_none());
        assert_eq!(ask(3), [FAILURE]);
        assert!(matches!(problem.get(), Some(SignProblem::Silent(AskError::Timeout(_)))));
        assert_eq!(ask(1), [FAILURE], "it is not asked again");
        drop(client);
    }

    #[test]
    fn a_proxy_without_a_client_ends() {
        let proxy = AgentProxy::start(Path::new("nowhere"), Vec::new(), TIMEOUT, Arc::default()).unwrap();
        let path = proxy.path().to_owned();
        drop(proxy);
        assert!(!path.exists());
    }
}
