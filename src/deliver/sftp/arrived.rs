//! Bytes as they come → whole packets, within a time and a length.

use std::io;
use std::time::{Duration, Instant};

use super::answer::printable;
use super::client::Wire;
use super::packet::ANSWER_BYTES_MAX;

pub enum PacketError {
    /// Nothing, or too little, within the patience.
    Late,
    /// The end, or bytes that are no packet, in words.
    Io(String),
}

/// Bytes that have come and are not yet consumed; never more than one packet and one read.
#[derive(Default)]
pub struct Arrived {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

/// Bytes of text before the greeting.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bytes asked for by one read.
const READ_BYTES: usize = 32 * 1024;

impl Arrived {
    /// The next packet, without its length.
    pub fn packet(&mut self, wire: &mut impl Wire, patience: Duration) -> Result<&[u8], PacketError> {
        let deadline = Instant::now() + patience;
        self.need(4, wire, deadline)?;
        let mut length = [0; 4];
        length.copy_from_slice(&self.bytes[self.from..self.from + 4]);
        let length = u32::from_be_bytes(length) as usize;
        if !(5..=ANSWER_BYTES_MAX).contains(&length) {
            return Err(PacketError::Io(self.nonsense(length)));
        }
        self.need(4 + length, wire, deadline)?;
        let packet = self.from + 4..self.from + 4 + length;
        self.from = packet.end;
        Ok(&self.bytes[packet])
    }

    /// Skips what a login script prints before the server's greeting, and returns it. No text has a zero byte, and the
    /// length of every packet that is read begins with one. With an error comes what was printed until then.
    pub fn text_before(&mut self, wire: &mut impl Wire, patience: Duration) -> (Vec<u8>, Result<(), PacketError>) {
        let deadline = Instant::now() + patience;
        let mut text = Vec::new();
        loop {
            if let Err(error) = self.need(1, wire, deadline) {
                return (text, Err(error));
            }
            let arrived = &self.bytes[self.from..self.to];
            let length = arrived.iter().position(|byte| *byte == 0).unwrap_or(arrived.len());
            text.extend_from_slice(&arrived[..length]);
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

    /// A login script that prints something is the usual cause of a first packet of absurd length.
    fn nonsense(&self, length: usize) -> String {
        let start = &self.bytes[self.from..self.to.min(self.from + 60)];
        if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
            return format!(
                "the server wrote text where SFTP was due ({:?}): a login script may print it",
                printable(start)
            );
        }
        format!("the server breaks the protocol: an answer of {length} bytes (5 to {ANSWER_BYTES_MAX} are read)")
    }

    /// Reads until `count` bytes are there.
    fn need(&mut self, count: usize, wire: &mut impl Wire, deadline: Instant) -> Result<(), PacketError> {
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
            match wire.read(&mut self.bytes[self.to..]) {
                Ok(0) => return Err(PacketError::Io("the server closed the connection".to_owned())),
                Ok(read) => self.to += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(PacketError::Late),
                Err(error) => return Err(PacketError::Io(format!("contact was lost: {error}"))),
            }
            // A server that trickles bytes is as good as silent.
            if self.to - self.from < count && Instant::now() > deadline {
                return Err(PacketError::Late);
            }
        }
        Ok(())
    }
}
