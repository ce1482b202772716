//! A server in memory with the quirks of many, for behaviour that no real server shows on demand.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::time::Duration;

use super::Transport;
use super::packet::{Request, code, kind, open};
use crate::wire::Reader;

/// Deviations of the server.
#[derive(Clone, Default)]
pub(crate) struct Quirks {
    pub posix_rename: bool,
    pub fsync: bool,
    /// Status for an exclusive open or a rename onto an existing file; 4 by default.
    pub exists_status: Option<u32>,
    /// A plain rename overwrites silently (SFTPGo).
    pub rename_overwrites: bool,
    /// The nth request of a kind, from 1, gets this status and is not done.
    pub refuse: Vec<(u8, usize, u32)>,
    /// The nth request of a kind is done, and gets this status anyway.
    pub do_and_refuse: Vec<(u8, usize, u32)>,
    /// The connection ends at the nth request of a kind, before or after it is done.
    pub end_before: Option<(u8, usize)>,
    pub end_after: Option<(u8, usize)>,
    /// Files that get their final name are moved away immediately.
    pub picks_up: bool,
    /// Responses come in pairs, the later one first.
    pub swaps_answers: bool,
    /// Sizes are not reported.
    pub no_sizes: bool,
    /// Maximum bytes in the response to a read.
    pub read_bytes_max: Option<usize>,
    /// Bytes that fit on the disk; a write beyond is refused with this status.
    pub room: Option<(usize, u32)>,
    /// A gateway to an object store: data appears at its path only after closing; until then, the reported size of the open
    /// file is that of the previous object.
    pub content_at_close: bool,
    /// Empty files are dropped when they are closed.
    pub drops_empty: bool,
    /// Added to every reported size.
    pub adds_to_sizes: u64,
    /// Raw bytes sent in place of the greeting.
    pub greeting: Option<Vec<u8>>,
    /// Raw bytes sent in place of the nth response of a kind.
    pub garbage: Option<(u8, usize, Vec<u8>)>,
}

#[derive(Default)]
pub(crate) struct Scripted {
    pub files: BTreeMap<String, Vec<u8>>,
    pub removed: Vec<String>,
    pub quirks: Quirks,
    asked: BTreeMap<u8, usize>,
    handles: BTreeMap<Vec<u8>, String>,
    /// Data of open files, if it appears at its path only after closing.
    open: BTreeMap<Vec<u8>, Vec<u8>>,
    incoming: Vec<u8>,
    outgoing: VecDeque<u8>,
    held: Option<Vec<u8>>,
    ended: bool,
    opened: u32,
}

impl Scripted {
    pub(crate) fn new(quirks: Quirks) -> Self {
        Scripted { quirks, ..Scripted::default() }
    }

    pub(crate) fn with(mut self, path: &str, content: &[u8]) -> Self {
        self.files.insert(path.to_owned(), content.to_vec());
        self
    }

    pub(crate) fn times_asked(&self, kind: u8) -> usize {
        self.asked.get(&kind).copied().unwrap_or(0)
    }

    fn take_packets(&mut self) {
        while let Some(length) = self.incoming.first_chunk::<4>().map(|b| u32::from_be_bytes(*b) as usize) {
            if self.incoming.len() < 4 + length || self.ended {
                return;
            }
            let packet: Vec<u8> = self.incoming.drain(..4 + length).skip(4).collect();
            self.take_packet(&packet);
        }
    }

    fn take_packet(&mut self, packet: &[u8]) {
        let mut body = Reader(packet);
        let (asked, id) = (body.u8().unwrap(), body.u32().unwrap());
        let nth = self.asked.entry(asked).or_default();
        *nth += 1;
        let nth = *nth;
        if self.quirks.end_before == Some((asked, nth)) {
            self.ended = true;
            return;
        }
        let find = |rules: &[(u8, usize, u32)]| rules.iter().find(|r| (r.0, r.1) == (asked, nth)).map(|r| r.2);
        let (refuse, after) = (find(&self.quirks.refuse), find(&self.quirks.do_and_refuse));
        let mut answer = match refuse {
            Some(status) => status_response(id, status),
            None => self.response(asked, id, &mut body),
        };
        if let Some(status) = after {
            answer = status_response(id, status);
        }
        if self.quirks.end_after == Some((asked, nth)) {
            self.ended = true;
            return;
        }
        match &self.quirks.garbage {
            Some((kind, when, bytes)) if (*kind, *when) == (asked, nth) => self.outgoing.extend(bytes.clone()),
            _ if self.quirks.swaps_answers && asked == kind::WRITE => match self.held.take() {
                None => self.held = Some(answer),
                Some(earlier) => self.outgoing.extend(answer.into_iter().chain(earlier)),
            },
            _ => self.outgoing.extend(answer),
        }
    }

    fn response(&mut self, asked: u8, id: u32, body: &mut Reader<'_>) -> Vec<u8> {
        let text = |body: &mut Reader<'_>| String::from_utf8(body.string().unwrap().to_vec()).unwrap();
        let status = match asked {
            kind::INIT => return self.greet(),
            kind::OPEN => {
                let (path, how) = (text(body), body.u32().unwrap());
                return self.open(id, &path, how);
            }
            kind::WRITE => {
                let handle = body.string().unwrap().to_vec();
                let (offset, bytes) = (body.u64().unwrap() as usize, body.string().unwrap());
                self.write(&handle, offset, bytes)
            }
            kind::READ => {
                let path = self.handles[body.string().unwrap()].clone();
                let (offset, count) = (body.u64().unwrap() as usize, body.u32().unwrap() as usize);
                let count = count.min(self.quirks.read_bytes_max.unwrap_or(count));
                let content = &self.files[&path];
                match content.get(offset..content.len().min(offset + count)) {
                    Some(bytes) if !bytes.is_empty() => return packet(kind::DATA, id, |p| _ = p.string(bytes)),
                    _ => code::EOF,
                }
            }
            kind::CLOSE => self.close(body.string().unwrap()),
            kind::FSTAT => {
                let path = self.handles[body.string().unwrap()].clone();
                return self.attributes(id, &path);
            }
            kind::LSTAT | kind::STAT => {
                let path = text(body);
                return self.attributes(id, &path);
            }
            kind::REMOVE => self.remove(&text(body)),
            kind::SETSTAT => code::OK,
            kind::RENAME => {
                let (from, to) = (text(body), text(body));
                self.rename(&from, &to, self.quirks.rename_overwrites)
            }
            kind::EXTENDED => match body.string().unwrap() {
                b"posix-rename@openssh.com" if self.quirks.posix_rename => {
                    let (from, to) = (text(body), text(body));
                    self.rename(&from, &to, true)
                }
                b"fsync@openssh.com" if self.quirks.fsync => code::OK,
                _ => code::UNSUPPORTED,
            },
            _ => code::UNSUPPORTED,
        };
        status_response(id, status)
    }

    fn greet(&self) -> Vec<u8> {
        if let Some(greeting) = &self.quirks.greeting {
            return greeting.clone();
        }
        packet(kind::VERSION, 3, |p| {
            if self.quirks.posix_rename {
                p.string(b"posix-rename@openssh.com").string(b"1");
            }
            if self.quirks.fsync {
                p.string(b"fsync@openssh.com").string(b"1");
            }
        })
    }

    fn open(&mut self, id: u32, path: &str, how: u32) -> Vec<u8> {
        let there = self.files.contains_key(path);
        if there && how & open::EXCLUSIVE != 0 {
            return status_response(id, self.quirks.exists_status.unwrap_or(code::FAILURE));
        }
        if !there && how & open::CREATE == 0 {
            return status_response(id, code::NO_SUCH_FILE);
        }
        self.opened += 1;
        // Handles are bytes: these are neither text nor free of zeros.
        let handle = [&[0, 0xff, 0xfe][..], &self.opened.to_be_bytes()].concat();
        self.handles.insert(handle.clone(), path.to_owned());
        if self.quirks.content_at_close && how & open::WRITE != 0 {
            self.open.insert(handle.clone(), Vec::new());
        } else if !there || how & open::TRUNCATE != 0 {
            self.files.insert(path.to_owned(), Vec::new());
        }
        packet(kind::HANDLE, id, |p| _ = p.string(&handle))
    }

    fn close(&mut self, handle: &[u8]) -> u32 {
        let Some(path) = self.handles.remove(handle) else { return 9 };
        if let Some(content) = self.open.remove(handle) {
            self.files.insert(path.clone(), content);
        }
        if self.quirks.drops_empty && self.files.get(&path).is_some_and(Vec::is_empty) {
            self.files.remove(&path);
        }
        code::OK
    }

    fn write(&mut self, handle: &[u8], offset: usize, bytes: &[u8]) -> u32 {
        let end = offset + bytes.len();
        if let Some((room, status)) = self.quirks.room
            && end > room
        {
            return status;
        }
        let path = self.handles.get(handle).cloned().unwrap_or_default();
        let Some(content) = self.open.get_mut(handle).or(self.files.get_mut(&path)) else { return code::NO_SUCH_FILE };
        content.resize(content.len().max(end), 0);
        content[offset..end].copy_from_slice(bytes);
        code::OK
    }

    fn attributes(&self, id: u32, path: &str) -> Vec<u8> {
        match self.files.get(path) {
            None => status_response(id, code::NO_SUCH_FILE),
            Some(_) if self.quirks.no_sizes => packet(kind::ATTRS, id, |p| _ = p.u32(0)),
            Some(content) => {
                let size = content.len() as u64 + self.quirks.adds_to_sizes;
                packet(kind::ATTRS, id, |p| _ = p.u32(1).u64(size))
            }
        }
    }

    fn remove(&mut self, path: &str) -> u32 {
        self.removed.push(path.to_owned());
        if self.files.remove(path).is_some() { code::OK } else { code::NO_SUCH_FILE }
    }

    fn rename(&mut self, from: &str, to: &str, over: bool) -> u32 {
        if self.files.contains_key(to) && !over {
            return self.quirks.exists_status.unwrap_or(code::FAILURE);
        }
        match self.files.remove(from) {
            Some(_) if self.quirks.picks_up => code::OK,
            Some(content) => {
                self.files.insert(to.to_owned(), content);
                code::OK
            }
            None => code::NO_SUCH_FILE,
        }
    }
}

pub(crate) fn packet(kind: u8, number: u32, fill: impl FnOnce(&mut Request)) -> Vec<u8> {
    let mut request = Request::default();
    request.begin(kind, number);
    fill(&mut request);
    request.finish().to_vec()
}

fn status_response(id: u32, status: u32) -> Vec<u8> {
    packet(kind::STATUS, id, |p| _ = p.u32(status).string(b"").string(b""))
}

impl Read for Scripted {
    /// Few bytes at a time, so that packets arrive in pieces.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.outgoing.is_empty()
            && let Some(held) = self.held.take()
        {
            self.outgoing.extend(held);
        }
        if self.outgoing.is_empty() {
            return if self.ended { Ok(0) } else { Err(io::ErrorKind::TimedOut.into()) };
        }
        let count = into.len().min(self.outgoing.len()).min(7);
        for (slot, byte) in into.iter_mut().zip(self.outgoing.drain(..count)) {
            *slot = byte;
        }
        Ok(count)
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(1_000);
        self.incoming.extend_from_slice(&bytes[..count]);
        self.take_packets();
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Scripted {
    fn set_timeout(&mut self, _timeout: Duration) {}
    fn abort(&mut self) {
        self.ended = true;
    }
}
