//! Whole packets from a byte stream, within limits of time and length.

use std::io;
use std::time::{Duration, Instant};

use super::Transport;
use super::packet::PACKET_BYTES_MAX;
use crate::wire::printable;

pub(super) enum PacketError {
    Timeout,
    /// The stream ended, or its bytes are not a packet: the reason, as text.
    Io(String),
}

/// Received bytes that are not consumed yet; never more than one packet and one read.
#[derive(Default)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

/// Maximum bytes of text before VERSION.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bytes requested by one read.
const READ_BYTES: usize = 32 * 1024;

impl ReadBuffer {
    /// Returns the next packet, without its length.
    pub(super) fn packet(&mut self, transport: &mut impl Transport, timeout: Duration) -> Result<&[u8], PacketError> {
        let deadline = Instant::now() + timeout;
        self.fill(4, transport, deadline)?;
        let mut length = [0; 4];
        length.copy_from_slice(&self.bytes[self.from..self.from + 4]);
        let length = u32::from_be_bytes(length) as usize;
        if !(5..=PACKET_BYTES_MAX).contains(&length) {
            return Err(PacketError::Io(self.bad_length(length)));
        }
        self.fill(4 + length, transport, deadline)?;
        let packet = self.from + 4..self.from + 4 + length;
        self.from = packet.end;
        Ok(&self.bytes[packet])
    }

    /// Skips and returns what a login script prints before the server's VERSION. Text has no zero byte, and the length of
    /// every packet begins with one. An error includes the text received so far.
    pub(super) fn text_before(
        &mut self,
        transport: &mut impl Transport,
        timeout: Duration,
    ) -> (Vec<u8>, Result<(), PacketError>) {
        let deadline = Instant::now() + timeout;
        let mut text = Vec::new();
        loop {
            if let Err(error) = self.fill(1, transport, deadline) {
                return (text, Err(error));
            }
            let received = &self.bytes[self.from..self.to];
            let length = received.iter().position(|byte| *byte == 0).unwrap_or(received.len());
            text.extend_from_slice(&received[..length]);
            self.from += length;
            if self.from < self.to {
                return (text, Ok(()));
            }
            if text.len() > TEXT_BYTES_MAX {
                let why = format!("then more text than the {TEXT_BYTES_MAX} bytes that are skipped");
                return (text, Err(PacketError::Io(why)));
            }
        }
    }

    /// Describes a packet of impossible length; a login script that prints something is the usual cause.
    fn bad_length(&self, length: usize) -> String {
        let start = &self.bytes[self.from..self.to.min(self.from + 60)];
        if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
            return format!(
                "the server wrote text where SFTP was expected ({:?}): a login script may print it",
                printable(start)
            );
        }
        format!("the server breaks the protocol: an answer of {length} bytes (5 to {PACKET_BYTES_MAX} are allowed)")
    }

    /// Reads until `count` bytes are in the buffer.
    fn fill(&mut self, count: usize, transport: &mut impl Transport, deadline: Instant) -> Result<(), PacketError> {
        while self.to - self.from < count {
            if self.from > 0 {
                self.bytes.copy_within(self.from..self.to, 0);
                self.to -= self.from;
                self.from = 0;
            }
            let room = self.to + READ_BYTES.max(count - self.to);
            if self.bytes.len() < room {
                self.bytes.resize(room, 0);
            }
            match transport.read(&mut self.bytes[self.to..]) {
                Ok(0) => return Err(PacketError::Io("the server closed the connection".to_owned())),
                Ok(read) => self.to += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(PacketError::Timeout),
                Err(error) => return Err(PacketError::Io(format!("contact was lost: {error}"))),
            }
            // A server that trickles bytes counts as silent.
            if self.to - self.from < count && Instant::now() > deadline {
                return Err(PacketError::Timeout);
            }
        }
        Ok(())
    }
}
