//! The byte stream under SFTP: an SSH channel, its session and its socket, cut together.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::client::Wire;

/// A subsystem's channel. `ssh2` locks the session around each call, so one thread uses it at a time.
pub struct SshWire {
    // Dropped in this order: a channel's end wants its session, and a session its socket.
    pub(super) channel: ssh2::Channel,
    pub(super) session: ssh2::Session,
    /// The socket itself: cutting it is the only way to end a blocked call and a slow drop.
    pub(super) socket: TcpStream,
}

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

impl SshWire {
    /// Says goodbye, so that the server logs a clean end.
    pub fn goodbye(&mut self) {
        self.set_patience(GOODBYE);
        // What is delivered is delivered: a server that is deaf to goodbyes changes nothing.
        let _ = self.channel.send_eof();
        let _ = self.channel.close();
        let _ = self.session.disconnect(None, "done", None);
    }
}

impl Read for SshWire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.channel.read(into)
    }
}

impl Write for SshWire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.channel.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // a channel keeps nothing back
    }
}

impl Wire for SshWire {
    fn set_patience(&mut self, patience: Duration) {
        self.session.set_timeout(milliseconds(patience));
    }

    fn sever(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both); // fails only when it is cut already
    }
}

/// For `ssh2`, to which 0 would mean "for ever".
pub(super) fn milliseconds(patience: Duration) -> u32 {
    u32::try_from(patience.as_millis()).unwrap_or(u32::MAX).max(1)
}
