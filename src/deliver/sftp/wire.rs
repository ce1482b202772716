//! The byte stream under SFTP: an SSH channel, its session and its socket, cut together.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::answer::printable;
use super::client::Wire;
use super::line::Line;
use crate::settings::Sftp;

/// A subsystem's channel. `ssh2` locks the session around each call, so one thread uses it at a time.
pub struct SshWire {
    // Dropped in this order: a channel's end wants its session, and a session its socket.
    pub(super) channel: ssh2::Channel,
    pub(super) session: ssh2::Session,
    pub(super) line: Line,
    patience: Duration,
    keepalive: Option<Duration>,
}

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long error output is waited for, once a session has failed.
const ASIDE: Duration = Duration::from_secs(1);

impl SshWire {
    pub(super) fn new(channel: ssh2::Channel, session: ssh2::Session, line: Line, sftp: &Sftp) -> Self {
        SshWire { channel, session, line, patience: sftp.timeouts.idle, keepalive: sftp.keepalive }
    }

    /// A request that wants no answer: it keeps firewalls from forgetting the connection, and finds out one that is dead.
    fn sign_of_life(&self) -> io::Result<()> {
        self.session.set_keepalive(false, 1); // libssh2 sends nothing while its own interval is 0
        let sent = self.session.keepalive_send();
        self.session.set_keepalive(false, 0);
        sent.map(|_| ()).map_err(io::Error::from)
    }

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
        let Some(every) = self.keepalive else { return self.channel.read(into) };
        let deadline = Instant::now() + self.patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.session.set_timeout(milliseconds(every.min(left)));
            let read = self.channel.read(into);
            self.session.set_timeout(milliseconds(self.patience));
            match read {
                Err(error) if error.kind() == io::ErrorKind::TimedOut && left > every => self.sign_of_life()?,
                read => return read,
            }
        }
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
        self.patience = patience;
        self.session.set_timeout(milliseconds(patience));
    }

    fn aside(&mut self) -> Option<String> {
        self.session.set_timeout(milliseconds(ASIDE));
        let mut text = [0; 1024];
        let read = self.channel.stderr().read(&mut text).unwrap_or(0);
        let printed = printable(&text[..read]);
        let printed = Some(format!("the server's error output is \"{printed}\"")).filter(|_| !printed.is_empty());
        if self.channel.eof() {
            let _ = self.channel.wait_close(); // the status comes before; without it, nothing is said of it
        }
        let status = self.channel.exit_status().ok().filter(|status| *status != 0);
        let ended = status.map(|status| format!("the server's program for SFTP ended with status {status}"));
        let said: Vec<String> = printed.into_iter().chain(ended).collect();
        Some(said.join("; ")).filter(|said| !said.is_empty())
    }

    fn sever(&mut self) {
        self.line.cut();
    }
}

/// For `ssh2`, to which 0 would mean "for ever".
pub(super) fn milliseconds(patience: Duration) -> u32 {
    u32::try_from(patience.as_millis()).unwrap_or(u32::MAX).max(1)
}
