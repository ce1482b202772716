//! What servers answer: statuses, handles, data, names and attributes (draft-ietf-secsh-filexfer-02, 5 and 7).

use super::packet::{Body, Malformed, code, kind};

/// Characters that are kept of a text that a server wrote.
const TEXT_CHARS_MAX: usize = 200;

const ATTR_SIZE: u32 = 0x1;
const ATTR_UIDGID: u32 = 0x2;
pub const ATTR_PERMISSIONS: u32 = 0x4;
pub const ATTR_ACMODTIME: u32 = 0x8;
const ATTR_EXTENDED: u32 = 0x8000_0000;

/// What a server says about a file; servers leave out what they do not know.
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
    fn read(body: &mut Body<'_>) -> Result<Self, Malformed> {
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

/// The file type's bits of permissions, and those of a directory.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const STICKY: u32 = 0o1000;

impl Attributes {
    /// Returns whether it is a directory; `None` where the server does not report the type.
    pub fn is_directory(&self) -> Option<bool> {
        let kind = self.permissions? & TYPE_MASK;
        (kind != 0).then_some(kind == TYPE_DIRECTORY)
    }

    /// Returns true for a directory in which only a file's owner may rename or remove it.
    pub fn is_sticky(&self) -> bool {
        self.permissions.is_some_and(|permissions| permissions & STICKY != 0)
    }
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Vec<u8>,
    pub attributes: Attributes,
}

/// A status that a server answered, its text shortened and made printable.
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

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Status(Status),
    Handle(Vec<u8>),
    Data(Vec<u8>),
    Names(Vec<Entry>),
    Attributes(Attributes),
    Extended(Vec<u8>),
}

impl Answer {
    /// Reads kind, request id and body; bytes after the body are let be, as some servers pad.
    ///
    /// # Errors
    /// What is wrong with the packet.
    pub fn read(packet: &[u8]) -> Result<(u32, Answer), Malformed> {
        let mut body = Body(packet);
        let kind = body.u8()?;
        let id = body.u32()?;
        let answer = match kind {
            kind::STATUS => Answer::Status(read_status(&mut body)?),
            kind::HANDLE => Answer::Handle(body.string()?.to_vec()),
            kind::DATA => Answer::Data(body.string()?.to_vec()),
            kind::NAME => Answer::Names(read_names(&mut body)?),
            kind::ATTRS => Answer::Attributes(Attributes::read(&mut body)?),
            kind::EXTENDED_REPLY => Answer::Extended(body.0.to_vec()),
            _ => return Err(Malformed("an answer is of no kind that SFTP version 3 knows")),
        };
        Ok((id, answer))
    }
}

fn read_status(body: &mut Body<'_>) -> Result<Status, Malformed> {
    let code = body.u32()?;
    // Text and language are left out by servers that grew up on version 2.
    let text = if body.is_empty() { &[][..] } else { body.string()? };
    Ok(Status { code, text: printable(text) })
}

fn read_names(body: &mut Body<'_>) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    for _ in 0..body.u32()? {
        let name = body.string()?.to_vec();
        body.string()?; // the long name: `ls -l` for people, in no fixed form
        entries.push(Entry { name, attributes: Attributes::read(body)? });
    }
    Ok(entries)
}

/// A server's text, fit to be shown: control characters escaped, cut after 200 characters. What is not UTF-8 is taken for
/// Latin-1, as old servers write it.
pub fn printable(text: &[u8]) -> String {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut shown = String::new();
    for (count, character) in text.trim().chars().enumerate() {
        if count == TEXT_CHARS_MAX {
            shown.push('…');
            break;
        }
        // Marks of direction would turn the rest of the line around.
        let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if turns {
            shown.extend(character.escape_unicode());
        } else if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
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
        let (id, Answer::Status(status)) = Answer::read(&full).unwrap() else { panic!() };
        assert_eq!((id, status.to_string().as_str()), (5, r"file already exists (status 11: file\nexists)"));
        let bare = packet(kind::STATUS, 6, |p| _ = p.u32(4711));
        let (_, Answer::Status(status)) = Answer::read(&bare).unwrap() else { panic!() };
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
            let (_, Answer::Attributes(read)) = Answer::read(&bytes).unwrap() else { panic!() };
            assert_eq!(read.size, (flags & ATTR_SIZE != 0).then_some(1 << 40));
            assert_eq!(read.owner, (flags & ATTR_UIDGID != 0).then_some(1000));
            assert_eq!(read.permissions, (flags & ATTR_PERMISSIONS != 0).then_some(0o100_640));
            assert_eq!(read.modified_s, (flags & ATTR_ACMODTIME != 0).then_some(2));
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_an_error_and_never_a_panic() {
        let name = packet(kind::NAME, 1, |p| _ = p.u32(1).string(b"a.csv").string(b"-rw").u32(ATTR_SIZE).u64(9));
        for cut in 0..name.len() {
            assert!(Answer::read(&name[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Answer::read(&name).is_ok());
        // A count that promises more than there is must not reserve memory for it.
        let greedy = packet(kind::NAME, 1, |p| _ = p.u32(u32::MAX));
        assert!(Answer::read(&greedy).is_err());
        let endless = packet(kind::DATA, 1, |p| _ = p.u32(u32::MAX));
        assert!(Answer::read(&endless).is_err());
    }

    #[test]
    fn text_is_kept_printable_and_short() {
        assert_eq!(printable(b"  no\x1b[31m way\r\n"), r"no\u{1b}[31m way");
        assert_eq!(printable(&[b'x'; 200]).chars().count(), 200);
        assert_eq!(printable(&[b'x'; 201]).chars().last(), Some('…'));
    }
}
