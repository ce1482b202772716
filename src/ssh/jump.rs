//! A connection through another SSH server: its `direct-tcpip` channel (RFC 4254, 7.2), fed to a socket pair.
//!
//! libssh2 needs a system socket, so a thread copies bytes between the channel and a socket pair as long as both last. It
//! waits in `poll`, and holds at most one buffer each way.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::BlockDirections;

use super::libssh2::describe;
use super::stream::Stream;
use super::{Channel, Connection, Endpoint, Error};

const BUFFER_BYTES: usize = 64 * 1024;

/// Requests from the server of `jump`, at `name`, a connection to `target`.
pub(super) fn tunnel(jump: Connection, name: &Endpoint, target: &Endpoint, timeout: Duration) -> Result<Stream, Error> {
    jump.set_timeout(timeout);
    let opened = jump.session.channel_direct_tcpip(&target.host, target.port, None);
    let channel = opened
        .map_err(|error| Error::Connection(format!("ask the jump host {name} for {target}: {}", describe(&error))))?;
    let failed = |error: io::Error| Error::Connection(format!("set up the connection by {name}: {error}"));
    let (near, far) = UnixStream::pair().map_err(failed)?;
    far.set_nonblocking(true).map_err(failed)?;
    jump.session.set_blocking(false);
    let channel = Channel::new(channel, jump, timeout, None);
    std::thread::spawn(move || {
        let mut relay = Relay { channel, socket: far, outbound: Buffer::default(), inbound: Buffer::default() };
        let _ = relay.run(); // the reader sees the end
    });
    Ok(Stream::Unix(near))
}

/// Bytes in transit.
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

    /// Copies what can be copied without waiting, and returns how much; `None` at the end of `source`.
    fn copy(&mut self, source: &mut impl Read, sink: &mut impl Write) -> io::Result<Option<usize>> {
        let mut copied = 0;
        loop {
            if self.is_empty() {
                match source.read(&mut self.bytes) {
                    Ok(0) => return Ok(None),
                    Ok(read) => (self.from, self.to) = (0, read),
                    Err(error) if would_block(&error) => return Ok(Some(copied)),
                    Err(error) => return Err(error),
                }
            }
            match sink.write(&self.bytes[self.from..self.to]) {
                Ok(0) => return Ok(Some(copied)),
                Ok(written) => (self.from, copied) = (self.from + written, copied + written),
                Err(error) if would_block(&error) => return Ok(Some(copied)),
                Err(error) => return Err(error),
            }
        }
    }
}

fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

struct Relay {
    channel: Channel,
    socket: UnixStream,
    /// To the server.
    outbound: Buffer,
    /// From the server.
    inbound: Buffer,
}

/// The packet that opens a channel's window may already be read with its data; then nothing wakes the poll.
const WINDOW_MAY_HAVE_OPENED_MS: i64 = 20;

impl Relay {
    /// Copies until one of the two sides ends.
    fn run(&mut self) -> io::Result<()> {
        loop {
            let Some(out) = self.outbound.copy(&mut self.socket, &mut self.channel)? else { return Ok(()) };
            let Some(back) = self.inbound.copy(&mut self.channel, &mut self.socket)? else { return Ok(()) };
            if out + back == 0 {
                self.wait()?;
            }
        }
    }

    /// Waits for each side only where there is space for its data, or data for it.
    fn wait(&self) -> io::Result<()> {
        let connection = &self.channel.connection;
        let mut near = PollFlags::empty();
        near.set(PollFlags::IN, self.outbound.is_empty());
        near.set(PollFlags::OUT, !self.inbound.is_empty());
        let mut far = PollFlags::empty();
        far.set(PollFlags::IN, self.inbound.is_empty());
        let directions = connection.session.block_directions();
        far.set(PollFlags::OUT, matches!(directions, BlockDirections::Outbound | BlockDirections::Both));
        let limit = (!self.outbound.is_empty()).then_some(WINDOW_MAY_HAVE_OPENED_MS);
        let limit = limit.map(|ms| Timespec { tv_sec: 0, tv_nsec: ms * 1_000_000 });
        let mut both = [PollFd::new(&self.socket, near), PollFd::new(&connection.stream, far)];
        match poll(&mut both, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both); // fails only where it is cut already
    }
}
