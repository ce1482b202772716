//! A byte stream to an SSH port or an ssh-agent.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(super) enum Stream {
    Tcp(TcpStream),
    /// The socket of an agent, or our end of a socket pair whose other end a jump host's channel feeds.
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Tcp(socket) => socket.try_clone().map(Stream::Tcp),
            Stream::Unix(socket) => socket.try_clone().map(Stream::Unix),
        }
    }

    /// Gives the stream to libssh2.
    pub(super) fn attach_to(self, session: &mut ssh2::Session) {
        match self {
            Stream::Tcp(socket) => session.set_tcp_stream(socket),
            Stream::Unix(socket) => session.set_tcp_stream(socket),
        }
    }

    /// Aborts the stream: the only way to end a blocked call or a slow drop.
    pub(super) fn abort(&self) {
        // Fails only if it is aborted already.
        let _ = match self {
            Stream::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Stream::Unix(socket) => socket.shutdown(Shutdown::Both),
        };
    }

    /// Returns true if something can be read, including the end or an error.
    pub(super) fn has_pending_input(&self) -> bool {
        let mut polled = [PollFd::new(self, PollFlags::IN | PollFlags::RDHUP)];
        !matches!(poll(&mut polled, Some(&Timespec::default())), Ok(0))
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        let timeout = Some(timeout.max(Duration::from_millis(1)));
        match self {
            Stream::Tcp(socket) => socket.set_read_timeout(timeout).and_then(|()| socket.set_write_timeout(timeout)),
            Stream::Unix(socket) => socket.set_read_timeout(timeout).and_then(|()| socket.set_write_timeout(timeout)),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(socket) => socket.as_fd(),
            Stream::Unix(socket) => socket.as_fd(),
        }
    }
}

/// A stream that fails with `TimedOut` after the deadline, however the bytes trickle in.
pub(super) struct DeadlineStream<'a> {
    pub stream: &'a Stream,
    pub deadline: Instant,
}

impl DeadlineStream<'_> {
    fn limit(&self) -> io::Result<()> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.stream.set_timeout(left),
        }
    }
}

impl Read for DeadlineStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        match self.stream {
            Stream::Tcp(socket) => (&*socket).read(buffer),
            Stream::Unix(socket) => (&*socket).read(buffer),
        }
    }
}

impl Write for DeadlineStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limit()?;
        match self.stream {
            Stream::Tcp(socket) => (&*socket).write(bytes),
            Stream::Unix(socket) => (&*socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // sockets have no buffer of ours
    }
}
