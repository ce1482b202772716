//! Responses: statuses, handles, data, names and attributes (draft-ietf-secsh-filexfer-02, 5 and 7).

use super::packet::{code, kind};
use crate::wire::{Malformed, Reader, printable};

const ATTR_SIZE: u32 = 0x1;
const ATTR_UIDGID: u32 = 0x2;
pub(super) const ATTR_PERMISSIONS: u32 = 0x4;
pub(super) const ATTR_ACMODTIME: u32 = 0x8;
const ATTR_EXTENDED: u32 = 0x8000_0000;

/// The attributes of a file; servers omit unknown ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: Option<u64>,
    pub permissions: Option<u32>,
    /// The owner's user id.
    pub owner: Option<u32>,
    /// Last modification, seconds since the Unix epoch by the server's clock.
    pub modified_s: Option<u32>,
}

impl Attributes {
    fn read(body: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = body.u32()?;
        let mut attributes = Attributes::default();
        if flags & ATTR_SIZE != 0 {
            attributes.size = Some(body.u64()?);
        }
        if flags & ATTR_UIDGID != 0 {
            attributes.owner = Some(body.u32()?);
            body.u32()?;
        }
        if flags & ATTR_PERMISSIONS != 0 {
            attributes.permissions = Some(body.u32()?);
        }
        if flags & ATTR_ACMODTIME != 0 {
            body.u32()?;
            attributes.modified_s = Some(body.u32()?);
        }
        if flags & ATTR_EXTENDED != 0 {
            for _ in 0..body.u32()? {
                body.string()?;
                body.string()?;
            }
        }
        Ok(attributes)
    }
}

/// The file type bits of permissions, and their value for a directory.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const STICKY: u32 = 0o1000;

impl Attributes {
    /// Returns whether it is a directory; `None` where the server does not report the type.
    pub fn is_directory(&self) -> Option<bool> {
        let kind = self.permissions? & TYPE_MASK;
        (kind != 0).then_some(kind == TYPE_DIRECTORY)
    }

    /// Returns true for a directory in which only owners may rename or remove files.
    pub fn is_sticky(&self) -> bool {
        self.permissions.is_some_and(|permissions| permissions & STICKY != 0)
    }
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Vec<u8>,
    pub attributes: Attributes,
}

/// The status of a request, its text shortened and made printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: u32,
    pub text: String,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.code {
            code::OK => "done",
            code::EOF => "end of file",
            code::NO_SUCH_FILE => "no such file",
            code::PERMISSION_DENIED => "permission denied",
            code::FAILURE => "failure",
            5 => "bad message",
            6 => "no connection",
            7 => "connection lost",
            code::UNSUPPORTED => "operation not supported",
            9 => "invalid handle",
            code::NO_SUCH_PATH => "no such path",
            11 => "file already exists",
            code::WRITE_PROTECT => "write protected",
            13 => "no media",
            code::NO_SPACE => "no space left",
            code::QUOTA => "quota exceeded",
            _ => "refused",
        };
        write!(f, "{name} (status {}", self.code)?;
        if self.text.is_empty() || self.text.eq_ignore_ascii_case(name) {
            return f.write_str(")");
        }
        write!(f, ": {})", self.text)
    }
}

/// Meaning of a refused `fsync@openssh.com`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedSync {
    /// Offered but not supported: the file is as safe as this server makes it.
    Unsupported,
    /// The disk or the quota is full: the file is not safe.
    Failed,
    /// "Failure" is the status of a broken disk, and of servers that never sync: [`Client::fsync_works`] distinguishes
    /// them.
    ///
    /// [`Client::fsync_works`]: super::Client::fsync_works
    Unclear,
}

impl Status {
    /// Returns true if there is no such file or directory.
    pub fn is_not_found(&self) -> bool {
        matches!(self.code, code::NO_SUCH_FILE | code::NO_SUCH_PATH)
    }

    /// Returns true if the file ends there.
    pub fn is_end_of_file(&self) -> bool {
        self.code == code::EOF
    }

    /// Returns the meaning of this status as the response to a fsync.
    pub fn as_refused_sync(&self) -> RefusedSync {
        match self.code {
            code::NO_SPACE | code::QUOTA => RefusedSync::Failed,
            code::FAILURE => RefusedSync::Unclear,
            _ => RefusedSync::Unsupported,
        }
    }
}

/// The response to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response {
    Status(Status),
    Handle(Vec<u8>),
    Data(Vec<u8>),
    Names(Vec<Entry>),
    Attributes(Attributes),
    Extended(Vec<u8>),
}

impl Response {
    /// Reads kind, request id and body. Ignores bytes after the body, because some servers pad.
    pub(super) fn read(packet: &[u8]) -> Result<(u32, Response), Malformed> {
        let mut body = Reader(packet);
        let kind = body.u8()?;
        let id = body.u32()?;
        let response = match kind {
            kind::STATUS => Response::Status(read_status(&mut body)?),
            kind::HANDLE => Response::Handle(body.string()?.to_vec()),
            kind::DATA => Response::Data(body.string()?.to_vec()),
            kind::NAME => Response::Names(read_names(&mut body)?),
            kind::ATTRS => Response::Attributes(Attributes::read(&mut body)?),
            kind::EXTENDED_REPLY => Response::Extended(body.0.to_vec()),
            _ => return Err(Malformed("a response is of an unknown type")),
        };
        Ok((id, response))
    }
}

fn read_status(body: &mut Reader<'_>) -> Result<Status, Malformed> {
    let code = body.u32()?;
    // Servers that began with version 2 omit text and language.
    let text = if body.is_empty() { &[][..] } else { body.string()? };
    Ok(Status { code, text: printable(text) })
}

fn read_names(body: &mut Reader<'_>) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    for _ in 0..body.u32()? {
        let name = body.string()?.to_vec();
        body.string()?; // the long name: `ls -l` for people, in no fixed form
        entries.push(Entry { name, attributes: Attributes::read(body)? });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::super::packet::Request;
    use super::*;

    fn packet(kind: u8, id: u32, fill: impl Fn(&mut Request)) -> Vec<u8> {
        let mut request = Request::default();
        request.begin(kind, id);
        fill(&mut request);
        request.finish()[4..].to_vec()
    }

    #[test]
    fn statuses_of_any_number_and_without_text_are_read() {
        let full = packet(kind::STATUS, 5, |p| _ = p.u32(11).string(b"file\nexists").string(b"en"));
        let (id, Response::Status(status)) = Response::read(&full).unwrap() else { panic!() };
        assert_eq!((id, status.to_string().as_str()), (5, r"file already exists (status 11: file\nexists)"));
        let bare = packet(kind::STATUS, 6, |p| _ = p.u32(4711));
        let (_, Response::Status(status)) = Response::read(&bare).unwrap() else { panic!() };
        assert_eq!(status.to_string(), "refused (status 4711)");
    }

    #[test]
    fn attributes_are_read_in_every_combination() {
        for flags in 0..16u32 {
            let bytes = packet(kind::ATTRS, 1, |p| {
                p.u32(flags | ATTR_EXTENDED);
                if flags & ATTR_SIZE != 0 {
                    p.u64(1 << 40);
                }
                if flags & ATTR_UIDGID != 0 {
                    p.u32(1000).u32(100);
                }
                if flags & ATTR_PERMISSIONS != 0 {
                    p.u32(0o100_640);
                }
                if flags & ATTR_ACMODTIME != 0 {
                    p.u32(1).u32(2);
                }
                p.u32(1).string(b"kind").string(b"value");
            });
            let (_, Response::Attributes(read)) = Response::read(&bytes).unwrap() else { panic!() };
            assert_eq!(read.size, (flags & ATTR_SIZE != 0).then_some(1 << 40));
            assert_eq!(read.owner, (flags & ATTR_UIDGID != 0).then_some(1000));
            assert_eq!(read.permissions, (flags & ATTR_PERMISSIONS != 0).then_some(0o100_640));
            assert_eq!(read.modified_s, (flags & ATTR_ACMODTIME != 0).then_some(2));
        }
    }

    #[test]
    fn a_truncated_response_is_an_error_and_never_a_panic() {
        let name = packet(kind::NAME, 1, |p| _ = p.u32(1).string(b"a.csv").string(b"-rw").u32(ATTR_SIZE).u64(9));
        for cut in 0..name.len() {
            assert!(Response::read(&name[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Response::read(&name).is_ok());
        // A count that exceeds the content must not reserve memory.
        let greedy = packet(kind::NAME, 1, |p| _ = p.u32(u32::MAX));
        assert!(Response::read(&greedy).is_err());
        let endless = packet(kind::DATA, 1, |p| _ = p.u32(u32::MAX));
        assert!(Response::read(&endless).is_err());
    }

    #[test]
    fn d04_a_refused_fsync_is_a_failure_only_where_the_disk_is_full() {
        let refused = |code| Status { code, text: String::new() }.as_refused_sync();
        for code in [2, 3, 5, 8, 9, 11, 4711] {
            assert_eq!(refused(code), RefusedSync::Unsupported, "{code}");
        }
        assert_eq!(refused(4), RefusedSync::Unclear);
        assert_eq!(refused(14), RefusedSync::Failed);
        assert_eq!(refused(15), RefusedSync::Failed);
    }
}
