//! SFTP version 3 packets, to bytes and back: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL for its extensions.
//!
//! Every packet is `uint32 length, byte kind, uint32 request id, body`; INIT and VERSION have a version in place of the
//! id. Strings are counted bytes: handles and names need not be text.

/// The one version that every server speaks; drafts 4 to 6 have few speakers.
pub const VERSION: u32 = 3;

/// The longest answer that is read. OpenSSH's own limit; the draft asks for 34,000 at least.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

pub mod kind {
    pub const INIT: u8 = 1;
    pub const VERSION: u8 = 2;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const SETSTAT: u8 = 9;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const REALPATH: u8 = 16;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const NAME: u8 = 104;
    pub const ATTRS: u8 = 105;
    pub const EXTENDED: u8 = 200;
    pub const EXTENDED_REPLY: u8 = 201;
}

/// How a file is opened (draft 6.3).
pub mod open {
    pub const READ: u32 = 0x01;
    pub const WRITE: u32 = 0x02;
    pub const CREATE: u32 = 0x08;
    pub const TRUNCATE: u32 = 0x10;
    pub const EXCLUSIVE: u32 = 0x20;
}

/// Status numbers (draft 7, and those of later drafts, which servers send to clients of version 3 all the same).
pub mod code {
    pub const OK: u32 = 0;
    pub const EOF: u32 = 1;
    pub const NO_SUCH_FILE: u32 = 2;
    pub const PERMISSION_DENIED: u32 = 3;
    pub const FAILURE: u32 = 4;
    pub const UNSUPPORTED: u32 = 8;
    pub const NO_SUCH_PATH: u32 = 10;
    pub const WRITE_PROTECT: u32 = 12;
    pub const NO_SPACE: u32 = 14;
    pub const QUOTA: u32 = 15;
}

/// A request under construction, in a buffer that is used again for the next one.
#[derive(Default)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// Starts over. `number` is the request id, or the version of an INIT.
    pub fn begin(&mut self, kind: u8, number: u32) -> &mut Self {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.push(kind);
        self.u32(number)
    }

    /// Gives the request another id.
    pub fn renumber(&mut self, id: u32) {
        self.bytes[5..9].copy_from_slice(&id.to_be_bytes());
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn string(&mut self, value: &[u8]) -> &mut Self {
        // No string of ours comes near 4 GiB: paths are limited by the plan, data by `write_bytes`.
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.bytes.extend_from_slice(value);
        self
    }

    /// Attributes that set nothing.
    pub fn no_attributes(&mut self) -> &mut Self {
        self.u32(0)
    }

    /// Makes room for a string of up to `most` bytes, lets `fill` write into it, and keeps as many bytes as it says:
    /// file data goes from the disk into the packet without a copy between.
    ///
    /// # Errors
    /// What `fill` answers.
    pub fn string_from<E>(
        &mut self,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let at = self.bytes.len();
        self.bytes.resize(at + 4 + most, 0);
        let filled = fill(&mut self.bytes[at + 4..])?.min(most);
        self.bytes.truncate(at + 4 + filled);
        self.bytes[at..at + 4].copy_from_slice(&(filled as u32).to_be_bytes());
        Ok(filled)
    }

    /// The last `count` bytes of the body.
    pub fn tail(&self, count: usize) -> &[u8] {
        &self.bytes[self.bytes.len() - count..]
    }

    /// The whole packet, its length filled in.
    pub fn finish(&mut self) -> &[u8] {
        let length = (self.bytes.len() - 4) as u32;
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        &self.bytes
    }
}

/// An answer that breaks the protocol, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Reads a body from its front.
pub struct Body<'a>(pub &'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(Malformed("an answer ends in the middle of a field"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        let mut number = [0; 4];
        number.copy_from_slice(self.take(4)?);
        Ok(u32::from_be_bytes(number))
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        let mut number = [0; 8];
        number.copy_from_slice(self.take(8)?);
        Ok(u64::from_be_bytes(number))
    }

    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.u32()? as usize;
        self.take(count)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_its_own_bytes() {
        let mut request = Request::default();
        request.begin(kind::OPEN, 7).string(b"/in/a").u32(open::WRITE).no_attributes();
        assert_eq!(
            request.finish(),
            [0, 0, 0, 22, 3, 0, 0, 0, 7, 0, 0, 0, 5, b'/', b'i', b'n', b'/', b'a', 0, 0, 0, 2, 0, 0, 0, 0]
        );
    }

    #[test]
    fn data_is_filled_in_place_and_cut_to_what_came() {
        let mut request = Request::default();
        request.begin(kind::WRITE, 1);
        let filled = request.string_from(10, |room| {
            room[..3].copy_from_slice(b"abc");
            Ok::<_, ()>(3)
        });
        assert_eq!(filled, Ok(3));
        assert_eq!(request.tail(3), b"abc");
        assert_eq!(request.finish()[9..], [0, 0, 0, 3, b'a', b'b', b'c']);
    }
}
