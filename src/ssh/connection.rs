//! A signed-in connection and its channels, aborted together.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::HostKey;
use super::stream::Stream;
use crate::wire::{Transport, printable};

/// Timeout of a shutdown.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Timeout of error output after a failed session.
const DIAGNOSTICS: Duration = Duration::from_secs(1);

/// A session after the key exchange; from [`super::connect()`], signed in. Dropping it aborts the connection, so that
/// nothing open on the server delays the drop.
pub struct Connection {
    // Dropped in this order: a session uses its socket.
    pub(super) session: ssh2::Session,
    pub(super) stream: Stream,
    pub host_key: HostKey,
}

impl Connection {
    pub(super) fn set_timeout(&self, timeout: Duration) {
        self.session.set_timeout(milliseconds(timeout));
    }
}

/// Converts a timeout for `ssh2`, to which 0 means "forever".
pub(super) fn milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1)
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stream.abort();
    }
}

/// A channel as a byte stream. `ssh2` locks the session around each call, so one thread uses it at a time.
pub struct Channel {
    // Dropped in this order: a channel's end uses its session.
    pub(super) channel: ssh2::Channel,
    pub(super) connection: Connection,
    timeout: Duration,
    keepalive: Option<Duration>,
}

impl Channel {
    pub(super) fn new(
        channel: ssh2::Channel,
        connection: Connection,
        timeout: Duration,
        keepalive: Option<Duration>,
    ) -> Self {
        Channel { channel, connection, timeout, keepalive }
    }

    pub fn host_key(&self) -> &HostKey {
        &self.connection.host_key
    }

    /// Returns true if something can be read, including the end or an error.
    pub fn has_pending_input(&self) -> bool {
        self.connection.stream.has_pending_input()
    }

    /// Closes the session cleanly, so that the server logs it as such.
    pub fn shutdown(&mut self) {
        self.set_timeout(SHUTDOWN);
        // It does not matter if the server does not respond.
        let _ = self.channel.send_eof();
        let _ = self.channel.close();
        let _ = self.connection.session.disconnect(None, "done", None);
    }

    /// Sends a request without a response: it keeps firewalls from dropping the connection, and detects a dead one.
    fn send_keepalive(&self) -> io::Result<()> {
        let session = &self.connection.session;
        session.set_keepalive(false, 1); // libssh2 sends nothing while its own interval is 0
        let sent = session.keepalive_send();
        session.set_keepalive(false, 0);
        sent.map(|_| ()).map_err(io::Error::from)
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(every) = self.keepalive else { return self.channel.read(buffer) };
        let deadline = Instant::now() + self.timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.connection.set_timeout(every.min(left));
            let read = self.channel.read(buffer);
            self.connection.set_timeout(self.timeout);
            match read {
                Err(error) if error.kind() == io::ErrorKind::TimedOut && left > every => self.send_keepalive()?,
                read => return read,
            }
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.channel.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // a channel has no buffer of ours
    }
}

impl Transport for Channel {
    fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
        self.connection.set_timeout(timeout);
    }

    fn diagnostics(&mut self) -> Option<String> {
        self.connection.set_timeout(DIAGNOSTICS);
        let mut text = [0; 1024];
        let read = self.channel.stderr().read(&mut text).unwrap_or(0);
        let printed = printable(&text[..read]);
        let printed = Some(format!("the server's error output is \"{printed}\"")).filter(|_| !printed.is_empty());
        if self.channel.eof() {
            let _ = self.channel.wait_close(); // the status comes before it
        }
        let status = self.channel.exit_status().ok().filter(|status| *status != 0);
        let ended = status.map(|status| format!("the server's program for SFTP ended with status {status}"));
        let parts: Vec<String> = printed.into_iter().chain(ended).collect();
        Some(parts.join("; ")).filter(|text| !text.is_empty())
    }

    fn abort(&mut self) {
        self.connection.stream.abort();
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // Before the channel is freed, which waits for the server.
        self.abort();
    }
}
