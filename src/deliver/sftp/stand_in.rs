//! A request to an ssh-agent → its answer, or the end of the time there is for it.
//!
//! libssh2 waits for an agent without a limit, and an agent may be waiting for a person (`ssh-add -c`), or be stopped.
//! So libssh2 is given a [`StandIn`]: a socket of ours that passes requests on to the agent, and refuses in its name
//! where the answer does not come in time.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tempfile::TempDir;

/// The longest message that is taken from either side (OpenSSH's agent takes as much).
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// An agent that has no room for one more caller is called again after this time.
const CROWDED: Duration = Duration::from_millis(20);

const FAILURE: u8 = 5;
pub(super) const REQUEST_IDENTITIES: u8 = 11;
pub(super) const IDENTITIES_ANSWER: u8 = 12;
const SIGN_RESPONSE: u8 = 14;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the agent did not answer within {:.1} s", .0.as_secs_f32())]
    Late(Duration),
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Asks the agent at `socket` one thing.
///
/// # Errors
/// There is no agent, it breaks off, or it takes longer than `within`, in all.
pub(super) fn ask(socket: &Path, request: &[u8], within: Duration) -> Result<Vec<u8>, Unanswered> {
    let deadline = Instant::now() + within;
    let asked = call(socket, deadline).and_then(|mut stream| {
        stream.set_write_timeout(Some(left(deadline)?))?;
        send(&mut stream, request)?;
        receive(&mut stream, Some(deadline))
    });
    asked.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Unanswered::Late(within),
        ErrorKind::UnexpectedEof => Unanswered::Failed(io::Error::new(error.kind(), "it breaks off")),
        _ => Unanswered::Failed(error),
    })
}

/// A connection to the agent. The system's own way to make one waits for an agent that is stopped, for ever.
fn call(socket: &Path, deadline: Instant) -> io::Result<UnixStream> {
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
            Err(Errno::AGAIN) => std::thread::sleep(left(deadline)?.min(CROWDED)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

fn send(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

/// One message, without its length.
fn receive(stream: &mut UnixStream, deadline: Option<Instant>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    fill(stream, &mut length, deadline)?;
    let length = u32::from_be_bytes(length) as usize;
    if !(1..=MESSAGE_BYTES_MAX).contains(&length) {
        return Err(io::Error::new(ErrorKind::InvalidData, "it does not answer as an agent does"));
    }
    let mut message = vec![0; length];
    fill(stream, &mut message, deadline)?;
    Ok(message)
}

fn fill(stream: &mut UnixStream, mut room: &mut [u8], deadline: Option<Instant>) -> io::Result<()> {
    while !room.is_empty() {
        stream.set_read_timeout(deadline.map(left).transpose()?)?;
        match stream.read(room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => room = &mut room[read..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Why there was no signature.
#[derive(Debug)]
pub(super) enum Unsigned {
    /// The agent is there, and does not answer.
    Silent(Unanswered),
    /// Another try would come to the same.
    Refused(String),
}

/// Speaks for an agent to whoever connects to [`StandIn::path`], once.
pub(super) struct StandIn {
    path: PathBuf,
    speaking: Option<JoinHandle<()>>,
    /// A folder that nobody else may look into.
    _folder: TempDir,
}

impl StandIn {
    /// `identities` is what it answers where it is asked for the agent's keys; why there was no signature is told to
    /// `unsigned`.
    ///
    /// # Errors
    /// No socket can be made.
    pub(super) fn start(
        agent: &Path,
        identities: Vec<u8>,
        within: Duration,
        unsigned: Arc<OnceLock<Unsigned>>,
    ) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("agent-").tempdir()?;
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path)?;
        let agent = agent.to_owned();
        let speaking = std::thread::spawn(move || {
            // Whoever called has hung up: nobody is there to be told.
            let _ = listener.accept().and_then(|(caller, _)| speak(caller, &agent, &identities, within, &unsigned));
        });
        Ok(Self { path, speaking: Some(speaking), _folder: folder })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StandIn {
    /// Whoever connected must have hung up.
    fn drop(&mut self) {
        // Nobody may ever have called.
        drop(UnixStream::connect(&self.path));
        if let Some(speaking) = self.speaking.take() {
            let _ = speaking.join(); // it says nothing
        }
    }
}

fn speak(
    mut caller: UnixStream,
    agent: &Path,
    identities: &[u8],
    within: Duration,
    unsigned: &OnceLock<Unsigned>,
) -> io::Result<()> {
    loop {
        let request = receive(&mut caller, None)?;
        let answer = match request.first() {
            Some(&REQUEST_IDENTITIES) => identities.to_vec(),
            // An agent that was silent once is not waited for again.
            _ if matches!(unsigned.get(), Some(Unsigned::Silent(_))) => vec![FAILURE],
            _ => {
                let answer = ask(agent, &request, within);
                let why = match &answer {
                    Ok(answer) if answer.first() == Some(&SIGN_RESPONSE) => None,
                    Ok(_) => Some(Unsigned::Refused("the agent does not sign".to_owned())),
                    Err(Unanswered::Late(within)) => Some(Unsigned::Silent(Unanswered::Late(*within))),
                    Err(Unanswered::Failed(error)) => Some(Unsigned::Refused(format!("ask the agent: {error}"))),
                };
                if let Some(why) = why {
                    let _ = unsigned.set(why); // the first is what is told
                }
                answer.unwrap_or_else(|_| vec![FAILURE])
            }
        };
        send(&mut caller, &answer)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_millis(200);

    /// An agent that answers each caller with what `answer` says: nothing, or some bytes.
    fn agent(folder: &TempDir, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> PathBuf {
        let path = folder.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for caller in listener.incoming() {
                let mut caller = caller.unwrap();
                match answer(&receive(&mut caller, None).unwrap_or_default()) {
                    Some(bytes) => caller.write_all(&bytes).unwrap(),
                    None => silent.push(caller),
                }
            }
        });
        path
    }

    fn told(asked: Result<Vec<u8>, Unanswered>) -> String {
        asked.map_or_else(|error| error.to_string(), |answer| format!("{answer:?}"))
    }

    #[test]
    fn an_answer_comes_whole_in_time_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let socket = agent(&folder, |request| match request[0] {
            0 => Some(vec![0, 0, 0, 2, 9, 9]),
            1 => None,
            2 => Some(vec![0, 0, 0, 2, 9]), // and hangs up
            3 => Some(vec![0, 0, 0, 0]),
            _ => Some(vec![255, 0, 0, 0]),
        });
        let ask = |request: u8| told(ask(&socket, &[request], WITHIN));
        assert_eq!(ask(0), "[9, 9]");
        assert_eq!(ask(1), "the agent did not answer within 0.2 s");
        assert_eq!(ask(2), "it breaks off");
        assert_eq!(ask(3), "it does not answer as an agent does");
        assert_eq!(ask(4), "it does not answer as an agent does");
    }

    #[test]
    fn an_answer_that_trickles_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (mut caller, _) = listener.accept().unwrap();
            caller.write_all(&[0, 0, 1, 0]).unwrap();
            while caller.write_all(&[7]).is_ok() {
                std::thread::sleep(WITHIN / 8);
            }
        });
        assert_eq!(told(ask(&socket, &[0], WITHIN)), "the agent did not answer within 0.2 s");
    }

    #[test]
    fn an_agent_that_takes_no_calls_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut waiting = Vec::new();
        // Those fill its queue; the last of them finds no room.
        while let Ok(call) = call(&socket, Instant::now() + CROWDED) {
            waiting.push(call);
            assert!(waiting.len() < 100);
        }
        assert_eq!(told(ask(&socket, &[0], WITHIN)), "the agent did not answer within 0.2 s");
    }

    #[test]
    fn a_stand_in_refuses_in_the_agents_name() {
        let folder = tempfile::tempdir().unwrap();
        let socket = agent(&folder, |request| match request[0] {
            1 => Some(vec![0, 0, 0, 2, SIGN_RESPONSE, 1]),
            2 => Some(vec![0, 0, 0, 1, FAILURE]),
            _ => None,
        });
        let unsigned: Arc<OnceLock<Unsigned>> = Arc::default();
        let stand_in = StandIn::start(&socket, vec![IDENTITIES_ANSWER, 7], WITHIN, unsigned.clone()).unwrap();
        let mut caller = UnixStream::connect(stand_in.path()).unwrap();
        let mut ask = |request: u8| {
            send(&mut caller, &[request]).unwrap();
            receive(&mut caller, None).unwrap()
        };
        assert_eq!(ask(REQUEST_IDENTITIES), [IDENTITIES_ANSWER, 7]);
        assert_eq!(ask(1), [SIGN_RESPONSE, 1]);
        assert!(unsigned.get().is_none());
        assert_eq!(ask(3), [FAILURE]);
        assert!(matches!(unsigned.get(), Some(Unsigned::Silent(Unanswered::Late(_)))));
        assert_eq!(ask(1), [FAILURE], "it is not asked again");
        drop(caller);
    }

    #[test]
    fn a_stand_in_that_nobody_calls_goes_away() {
        let stand_in = StandIn::start(Path::new("nowhere"), Vec::new(), WITHIN, Arc::default()).unwrap();
        let path = stand_in.path().to_owned();
        drop(stand_in);
        assert!(!path.exists());
    }
}
