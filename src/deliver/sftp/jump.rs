//! A connection made by another SSH server: its `direct-tcpip` channel (RFC 4254, 7.2), fed to a pair of sockets.
//!
//! libssh2 speaks SSH over a socket of the system and nothing else, so one thread carries bytes between the channel and
//! a pair of sockets for as long as both last. It waits in poll, and holds at most one buffer each way.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::BlockDirections;

use super::connect::{self, unreached};
use super::line::{Line, endpoint};
use super::ssh_error::describe;
use super::watch::Watch;
use super::wire::milliseconds;
use crate::deliver::Verdict;
use crate::settings::Sftp;

const BUFFER_BYTES: usize = 64 * 1024;

/// Signs in to `through` and has it connect to `to`.
///
/// # Errors
/// The step that failed, said of the jump host.
pub fn reach(through: &Sftp, to: &Sftp) -> Result<Line, Verdict> {
    let name = endpoint(&through.host, through.port);
    let signed_in = connect::signed_in(through, &mut Watch::none()).map_err(|verdict| of_jump(verdict, &name))?;
    let connect::SignedIn { session, line, .. } = signed_in;
    session.set_timeout(milliseconds(to.timeouts.connect));
    let opened = session.channel_direct_tcpip(&to.host, to.port, None);
    let channel = match opened {
        Ok(channel) => channel,
        Err(error) => {
            line.cut();
            let what = endpoint(&to.host, to.port);
            return Err(unreached(format!("ask the jump host {name} for {what}: {}", describe(&error))));
        }
    };
    let failed = |error: io::Error| unreached(format!("set up the connection by {name}: {error}"));
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    theirs.set_nonblocking(true).map_err(failed)?;
    session.set_blocking(false);
    std::thread::spawn(move || {
        let mut pump = Pump { channel, session, theirs, out: Buffer::default(), back: Buffer::default() };
        let _ = pump.run(&line); // whoever reads sees the end
        line.cut();
    });
    Ok(Line::Pair(ours))
}

/// A verdict on the jump host, told as such.
fn of_jump(verdict: Verdict, name: &str) -> Verdict {
    let said = |reason: String| format!("jump host {name}: {reason}");
    match verdict {
        Verdict::Unreached { reason, wait } => Verdict::Unreached { reason: said(reason), wait },
        Verdict::Rejected { reason, hint } => Verdict::Rejected { reason: said(reason), hint },
        Verdict::Refused { what, reason, hint } => Verdict::Refused { what, reason: said(reason), hint },
        Verdict::Distrusted { reason, hint } => Verdict::Distrusted { reason: said(reason), hint },
        other => other,
    }
}

/// Bytes on their way.
struct Buffer {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer { bytes: vec![0; BUFFER_BYTES], from: 0, to: 0 }
    }
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Moves what can be moved now, and says how much; `None` at the end of `source`.
    fn carry(&mut self, source: &mut impl Read, sink: &mut impl Write) -> io::Result<Option<usize>> {
        let mut moved = 0;
        loop {
            if self.is_empty() {
                match source.read(&mut self.bytes) {
                    Ok(0) => return Ok(None),
                    Ok(read) => (self.from, self.to) = (0, read),
                    Err(error) if is_later(&error) => return Ok(Some(moved)),
                    Err(error) => return Err(error),
                }
            }
            match sink.write(&self.bytes[self.from..self.to]) {
                Ok(0) => return Ok(Some(moved)),
                Ok(written) => (self.from, moved) = (self.from + written, moved + written),
                Err(error) if is_later(&error) => return Ok(Some(moved)),
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

struct Pump {
    // Dropped in this order: a channel's end wants its session.
    channel: ssh2::Channel,
    session: ssh2::Session,
    theirs: UnixStream,
    /// To the server.
    out: Buffer,
    /// From the server.
    back: Buffer,
}

/// A channel's window may open in a packet that was read for its data: then nothing wakes the poll.
const WINDOW_MAY_HAVE_OPENED_MS: i64 = 20;

impl Pump {
    /// Until one of the two sides ends.
    fn run(&mut self, line: &Line) -> io::Result<()> {
        loop {
            let Some(out) = self.out.carry(&mut self.theirs, &mut self.channel)? else { return Ok(()) };
            let Some(back) = self.back.carry(&mut self.channel, &mut self.theirs)? else { return Ok(()) };
            if out + back == 0 {
                self.wait(line)?;
            }
        }
    }

    /// Each side is waited for only where there is room for what it brings, or something for it to take.
    fn wait(&self, line: &Line) -> io::Result<()> {
        let mut near = PollFlags::empty();
        near.set(PollFlags::IN, self.out.is_empty());
        near.set(PollFlags::OUT, !self.back.is_empty());
        let mut far = PollFlags::empty();
        far.set(PollFlags::IN, self.back.is_empty());
        let outbound = matches!(self.session.block_directions(), BlockDirections::Outbound | BlockDirections::Both);
        far.set(PollFlags::OUT, outbound);
        let limit = (!self.out.is_empty()).then_some(WINDOW_MAY_HAVE_OPENED_MS);
        let limit = limit.map(|ms| Timespec { tv_sec: 0, tv_nsec: ms * 1_000_000 });
        let far_end = match line {
            Line::Tcp(socket) => socket.as_fd(),
            Line::Pair(socket) => socket.as_fd(),
        };
        let mut both = [PollFd::new(&self.theirs, near), PollFd::new(&far_end, far)];
        match poll(&mut both, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let _ = self.theirs.shutdown(std::net::Shutdown::Both); // fails only when it is cut already
    }
}
