//! SFTP version 3 packets: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL for its extensions.
//!
//! Every packet is `uint32 length, byte kind, uint32 request id, body`; INIT and VERSION have a version in place of the id.
//! Strings are counted bytes, because handles and names need not be text.

use crate::wire::put_string;

/// The one version that every server speaks; drafts 4 to 6 are rare.
pub(super) const VERSION: u32 = 3;

/// The longest packet that is read: OpenSSH's own limit; the draft requires at least 34,000.
pub(super) const PACKET_BYTES_MAX: usize = 256 * 1024;

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
    pub const RMDIR: u8 = 15;
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

/// Flags of OPEN (draft 6.3).
pub mod open {
    pub const READ: u32 = 0x01;
    pub const WRITE: u32 = 0x02;
    pub const CREATE: u32 = 0x08;
    pub const TRUNCATE: u32 = 0x10;
    pub const EXCLUSIVE: u32 = 0x20;
}

/// Status codes (draft 7, and those of later drafts, which servers also send to clients of version 3).
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

/// A request under construction, in a buffer that is reused for the next one.
#[derive(Default)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// Starts a new request. `number` is its id, or the version of an INIT.
    pub fn begin(&mut self, kind: u8, number: u32) -> &mut Self {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.push(kind);
        self.u32(number)
    }

    /// Changes the request's id.
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
        put_string(&mut self.bytes, value);
        self
    }

    /// Appends attributes that set nothing.
    pub fn no_attributes(&mut self) -> &mut Self {
        self.u32(0)
    }

    /// Appends a string of up to `max` bytes that `fill` writes in place; keeps as many bytes as `fill` returns. File data
    /// goes from disk into the packet without a copy.
    pub fn string_from<E>(&mut self, max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        let at = self.bytes.len();
        self.bytes.resize(at + 4 + max, 0);
        let filled = fill(&mut self.bytes[at + 4..])?.min(max);
        self.bytes.truncate(at + 4 + filled);
        self.bytes[at..at + 4].copy_from_slice(&(filled as u32).to_be_bytes());
        Ok(filled)
    }

    /// Returns the last `count` bytes of the body.
    pub(crate) fn tail(&self, count: usize) -> &[u8] {
        &self.bytes[self.bytes.len() - count..]
    }

    /// Fills in the length and returns the whole packet.
    pub fn finish(&mut self) -> &[u8] {
        let length = (self.bytes.len() - 4) as u32;
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        &self.bytes
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
