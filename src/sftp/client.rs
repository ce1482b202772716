//! The session: sends requests, matches responses.
//!
//! Responses are matched by request id and may come in any order. Every wait is limited: a missing response ends the
//! session after its timeout.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use super::packet::{Request, VERSION, kind};
use super::read_buffer::{PacketError, ReadBuffer};
use super::response::{Response, Status};
use super::{Error, Options, Transport, code};
use crate::wire::{Malformed, Reader, printable};

/// The extensions in use, as the server offers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Renames over an existing file, atomically.
    pub posix_rename: bool,
    /// Syncs a file to disk.
    pub fsync: bool,
    /// Reports how full its file system is.
    pub statvfs: bool,
}

impl Extensions {
    /// Returns the names of those that are offered, as text.
    pub fn describe(&self) -> String {
        let names = [
            (self.posix_rename, "posix-rename@openssh.com"),
            (self.fsync, "fsync@openssh.com"),
            (self.statvfs, "statvfs@openssh.com"),
        ];
        let offered: Vec<&str> = names.into_iter().filter(|(offered, _)| *offered).map(|(_, name)| name).collect();
        if offered.is_empty() { "none of those that are used".to_owned() } else { offered.join(", ") }
    }
}

/// A handle from the server: bytes, not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle(pub(super) Vec<u8>);

/// A request that was sent, and whose response is still to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(u32);

pub struct Client<T> {
    pub transport: T,
    pub options: Options,
    pub extensions: Extensions,
    /// Text that a login script printed before VERSION.
    pub printed: Option<String>,
    /// The first refused fsync of the file that is being written.
    pub refused_fsync: Option<Status>,
    pub(super) request: Request,
    received: ReadBuffer,
    /// Requests without a response yet (`None`), or whose response arrived during the wait for another one.
    pending: BTreeMap<RequestId, Option<Response>>,
    last_id: u32,
    /// The present timeout.
    timeout: Duration,
    /// The first failure that ended the session; every later request fails with it.
    closed: Option<String>,
}

impl<T: Transport> Client<T> {
    /// Starts a session: INIT out, VERSION in.
    ///
    /// # Errors
    /// The server is silent, is not an SFTP server, or does not support version 3.
    pub fn start(mut transport: T, options: Options) -> Result<Self, Error> {
        transport.set_timeout(options.timeout);
        let mut client = Client {
            transport,
            options,
            extensions: Extensions::default(),
            printed: None,
            refused_fsync: None,
            request: Request::default(),
            received: ReadBuffer::default(),
            pending: BTreeMap::new(),
            last_id: 0,
            timeout: options.timeout,
            closed: None,
        };
        client.request.begin(kind::INIT, VERSION);
        client.send()?;
        let (text, started) = client.received.text_before(&mut client.transport, options.timeout);
        if let Err(error) = started {
            let why = client.no_version(&text, error);
            return client.lose(why);
        }
        client.printed = Some(printable(&text)).filter(|text| !text.is_empty());
        match client.next_packet(read_version)? {
            Ok(extensions) => client.extensions = extensions,
            Err(why) => return client.lose(why),
        }
        Ok(client)
    }

    /// Describes what the server sent in place of VERSION.
    fn no_version(&mut self, text: &[u8], error: PacketError) -> String {
        let mut parts = Vec::new();
        let (printed, diagnostics) = (printable(text), self.transport.diagnostics());
        if !printed.is_empty() {
            parts.push(format!("the server printed text before SFTP: \"{printed}\""));
        }
        parts.extend(diagnostics);
        parts.push(match error {
            PacketError::Timeout if parts.is_empty() => self.no_response(),
            PacketError::Timeout => format!("no SFTP greeting for {} s", self.timeout.as_secs_f32()),
            PacketError::Io(why) => why,
        });
        if !text.is_empty() {
            parts.push("a login script or a forced command of the account does this".to_owned());
        }
        parts.join("; ")
    }

    /// Runs `op` with another timeout.
    pub fn with_timeout<R>(&mut self, timeout: Duration, op: impl FnOnce(&mut Self) -> R) -> R {
        let usual = std::mem::replace(&mut self.timeout, timeout);
        self.transport.set_timeout(timeout);
        let result = op(self);
        self.timeout = usual;
        self.transport.set_timeout(usual);
        result
    }

    /// Runs `op` with the timeout for slow requests.
    pub fn with_slow_timeout<R>(&mut self, op: impl FnOnce(&mut Self) -> R) -> R {
        self.with_timeout(self.options.slow_timeout.max(self.timeout), op)
    }

    /// Aborts the connection; every later request fails with `why`.
    pub fn abort(&mut self, why: &str) {
        if self.closed.is_none() {
            self.closed = Some(why.to_owned());
            self.transport.abort();
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) fn lose<R>(&mut self, why: String) -> Result<R, Error> {
        self.abort(&why);
        Err(Error::Lost(why))
    }

    /// Sends a request of `kind` whose body `fill` writes, without waiting for the response: see [`Client::finish`].
    ///
    /// # Errors
    /// The session has ended.
    pub fn submit(&mut self, kind: u8, fill: impl FnOnce(&mut Request)) -> Result<RequestId, Error> {
        fill(self.request.begin(kind, 0));
        self.submit_buffered()
    }

    /// Sends the request in the buffer under a new id.
    pub(super) fn submit_buffered(&mut self) -> Result<RequestId, Error> {
        self.last_id = self.last_id.wrapping_add(1);
        self.request.renumber(self.last_id);
        self.send()?;
        let id = RequestId(self.last_id);
        self.pending.insert(id, None);
        Ok(id)
    }

    fn send(&mut self) -> Result<(), Error> {
        if let Some(why) = &self.closed {
            return Err(Error::Lost(why.clone()));
        }
        let mut left = self.request.finish();
        let started = Instant::now();
        while !left.is_empty() {
            let why = match self.transport.write(left) {
                Ok(0) => "the server closed the connection".to_owned(),
                Ok(written) if started.elapsed() <= self.timeout => {
                    left = &left[written..];
                    continue;
                }
                Ok(_) => self.no_response(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.no_response(),
                Err(error) => format!("contact was lost: {error}"),
            };
            return self.lose(why);
        }
        Ok(())
    }

    fn no_response(&self) -> String {
        format!("no acknowledgement for {} s", self.timeout.as_secs_f32())
    }

    /// Reads one packet and parses it by `read`.
    fn next_packet<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        if let Some(why) = &self.closed {
            return Err(Error::Lost(why.clone()));
        }
        let why = match self.received.packet(&mut self.transport, self.timeout) {
            Ok(packet) => return Ok(read(packet)),
            Err(PacketError::Timeout) => self.no_response(),
            Err(PacketError::Io(why)) => why,
        };
        self.lose(why)
    }

    fn next_response(&mut self) -> Result<(RequestId, Response), Error> {
        let (id, response) = match self.next_packet(Response::read)? {
            Ok(response) => response,
            Err(malformed) => return self.lose(format!("the server breaks the protocol: {}", malformed.0)),
        };
        match self.pending.get(&RequestId(id)) {
            Some(None) => Ok((RequestId(id), response)),
            _ => self.lose(format!("the server breaks the protocol: it answers request {id}, which is not open")),
        }
    }

    /// Waits for the response to `id`; keeps other responses until they are requested.
    pub(super) fn response(&mut self, id: RequestId) -> Result<Response, Error> {
        if let Some(Some(_)) = self.pending.get(&id)
            && let Some(Some(response)) = self.pending.remove(&id)
        {
            return Ok(response);
        }
        loop {
            let (next, response) = self.next_response()?;
            if next == id {
                self.pending.remove(&id);
                return Ok(response);
            }
            self.pending.insert(next, Some(response));
        }
    }

    /// Waits for the next response to any request.
    pub(super) fn any_response(&mut self) -> Result<(RequestId, Response), Error> {
        let (id, response) = self.next_response()?;
        self.pending.remove(&id);
        Ok((id, response))
    }

    /// Waits for the response to a request that returns only a status.
    ///
    /// # Errors
    /// The server refused it, or the session has ended.
    pub fn finish(&mut self, id: RequestId) -> Result<(), Error> {
        let response = self.response(id)?;
        self.expect_ok(response)
    }

    pub(super) fn expect_ok(&mut self, response: Response) -> Result<(), Error> {
        match response {
            Response::Status(Status { code: code::OK, .. }) => Ok(()),
            other => self.unexpected(other),
        }
    }

    /// Returns the error for a response of an unexpected kind.
    pub(super) fn unexpected<R>(&mut self, response: Response) -> Result<R, Error> {
        match response {
            Response::Status(status) if status.code != code::OK => Err(Error::Refused(status)),
            _ => self.lose("the server breaks the protocol: an answer does not fit its request".to_owned()),
        }
    }
}

fn read_version(packet: &[u8]) -> Result<Extensions, String> {
    let mut body = Reader(packet);
    let version = (|| Ok::<_, Malformed>((body.u8()?, body.u32()?)))();
    match version {
        Ok((kind::VERSION, VERSION)) => {}
        Ok((kind::VERSION, other)) => {
            return Err(format!("the server speaks SFTP version {other}, reportferry version {VERSION}"));
        }
        _ => return Err("the server's greeting is not SFTP".to_owned()),
    }
    let mut extensions = Extensions::default();
    while !body.is_empty() {
        // An unreadable extension is not offered; the session starts anyway.
        let (Ok(name), Ok(_)) = (body.string(), body.string()) else { break };
        match name {
            b"posix-rename@openssh.com" => extensions.posix_rename = true,
            b"fsync@openssh.com" => extensions.fsync = true,
            b"statvfs@openssh.com" => extensions.statvfs = true,
            _ => {}
        }
    }
    Ok(extensions)
}
