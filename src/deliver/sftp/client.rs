//! Requests in, answers out: an SFTP version 3 client over any [`Wire`].
//!
//! Answers are matched by request id and may come in any order. Every wait has an end: an answer that does not come
//! within the patience set for it ends the connection.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::answer::{Answer, Status, printable};
use super::arrived::{Arrived, PacketError};
use super::packet::{Body, Malformed, Request, VERSION, code, kind};
use crate::fault::Injected;

/// A byte stream to a server's SFTP subsystem. One thread uses it at a time.
pub trait Wire: Read + Write + Send {
    /// Bounds how long one read or write may stand still.
    fn set_patience(&mut self, patience: Duration);
    /// What the other side said beside the stream, in words: error output, and how its program ended.
    fn aside(&mut self) -> Option<String> {
        None
    }
    /// Cuts the connection, so that nothing that is still on its way can wait for it.
    fn sever(&mut self);
}

/// Why a request has not been done, or is not known to have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server answered that it did not do it; the connection is good.
    Refused(Status),
    /// No answer, or none that makes sense; the connection is over.
    Lost(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Refused(status) => status.fmt(f),
            Failure::Lost(why) => f.write_str(why),
        }
    }
}

impl From<Injected> for Failure {
    fn from(injected: Injected) -> Self {
        match injected {
            Injected::Refused => Failure::Refused(Status { code: code::FAILURE, text: injected.to_string() }),
            Injected::Lost => Failure::Lost(injected.to_string()),
        }
    }
}

/// What the server said it can do beyond version 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Renames over an existing file, atomically.
    pub posix_rename: bool,
    /// Writes a file through to the disk.
    pub fsync: bool,
    /// Tells its limits.
    pub limits: bool,
    /// Tells how full its file system is.
    pub statvfs: bool,
}

impl Extensions {
    /// The names of those that are offered.
    pub fn listed(&self) -> String {
        let names = [
            (self.posix_rename, "posix-rename@openssh.com"),
            (self.fsync, "fsync@openssh.com"),
            (self.limits, "limits@openssh.com"),
            (self.statvfs, "statvfs@openssh.com"),
        ];
        let offered: Vec<&str> = names.into_iter().filter(|(offered, _)| *offered).map(|(_, name)| name).collect();
        if offered.is_empty() { "none of those that are used".to_owned() } else { offered.join(", ") }
    }
}

/// A handle that the server gave: bytes, not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle(pub(super) Vec<u8>);

/// A request that has been sent; its answer is asked for by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u32);

pub struct Client<W> {
    pub(super) wire: W,
    pub(super) request: Request,
    arrived: Arrived,
    /// Requests without an answer yet (`None`), or whose answer came while another was waited for.
    open: BTreeMap<u32, Option<Answer>>,
    next_id: u32,
    pub extensions: Extensions,
    /// What the server printed before its greeting: a login script's text.
    pub printed: Option<String>,
    patience: Duration,
    /// How long requests are waited for that may take the server long: fsync, CLOSE, rename.
    pub(super) slow_patience: Duration,
    /// The first fsync that the server refused for the file that is being written.
    pub(super) refused_fsync: Option<Status>,
    /// Set by the first failure that ends the connection; everything after answers with it.
    over: Option<String>,
}

impl<W: Wire> Client<W> {
    /// Greets the server: INIT out, VERSION in.
    ///
    /// # Errors
    /// The server is silent, is no SFTP server, or speaks no version 3.
    pub fn start(mut wire: W, patience: Duration) -> Result<Self, Failure> {
        wire.set_patience(patience);
        let mut client = Client {
            wire,
            request: Request::default(),
            arrived: Arrived::default(),
            open: BTreeMap::new(),
            next_id: 0,
            extensions: Extensions::default(),
            printed: None,
            patience,
            slow_patience: patience,
            refused_fsync: None,
            over: None,
        };
        client.request.begin(kind::INIT, VERSION);
        client.send()?;
        let (text, begun) = client.arrived.text_before(&mut client.wire, patience);
        if let Err(ended) = begun {
            let why = client.no_greeting(&text, ended);
            return client.lost(why);
        }
        client.printed = Some(printable(&text)).filter(|text| !text.is_empty());
        match client.next_packet(read_version)? {
            Ok(extensions) => client.extensions = extensions,
            Err(why) => return client.lost(why),
        }
        Ok(client)
    }

    /// What came in place of a greeting, in the server's own words.
    fn no_greeting(&mut self, text: &[u8], ended: PacketError) -> String {
        let mut said = Vec::new();
        let (printed, aside) = (printable(text), self.wire.aside());
        if !printed.is_empty() {
            said.push(format!("the server printed text before SFTP: \"{printed}\""));
        }
        said.extend(aside);
        said.push(match ended {
            PacketError::Late if said.is_empty() => self.no_answer(),
            PacketError::Late => format!("no SFTP greeting followed for {} s", self.patience.as_secs_f32()),
            PacketError::Io(why) => why,
        });
        if !text.is_empty() {
            said.push("a login script or a forced command of the account does this".to_owned());
        }
        said.join("; ")
    }

    /// Does `op` with another patience: a rename on an object store is a copy.
    pub fn with_patience<T>(&mut self, patience: Duration, op: impl FnOnce(&mut Self) -> T) -> T {
        let usual = std::mem::replace(&mut self.patience, patience);
        self.wire.set_patience(patience);
        let answer = op(self);
        self.patience = usual;
        self.wire.set_patience(usual);
        answer
    }

    /// Does `op` with the patience for what may take the server long: an object store finishes the upload at CLOSE.
    pub fn slowly<T>(&mut self, op: impl FnOnce(&mut Self) -> T) -> T {
        self.with_patience(self.slow_patience.max(self.patience), op)
    }

    /// Cuts the connection; every later request answers `why`.
    pub fn sever(&mut self, why: &str) {
        if self.over.is_none() {
            self.over = Some(why.to_owned());
            self.wire.sever();
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    pub(super) fn lost<T>(&mut self, why: String) -> Result<T, Failure> {
        self.sever(&why);
        Err(Failure::Lost(why))
    }

    /// Begins a request in the client's buffer.
    pub(super) fn begin(&mut self, kind: u8) -> (Ticket, &mut Request) {
        self.next_id = self.next_id.wrapping_add(1);
        (Ticket(self.next_id), self.request.begin(kind, self.next_id))
    }

    /// Sends the request in the buffer and notes that its answer is due.
    pub(super) fn post(&mut self, ticket: Ticket) -> Result<(), Failure> {
        self.send()?;
        self.open.insert(ticket.0, None);
        Ok(())
    }

    /// Sends the request in the buffer under a fresh id.
    pub(super) fn post_again(&mut self) -> Result<Ticket, Failure> {
        self.next_id = self.next_id.wrapping_add(1);
        self.request.renumber(self.next_id);
        let ticket = Ticket(self.next_id);
        self.post(ticket)?;
        Ok(ticket)
    }

    fn send(&mut self) -> Result<(), Failure> {
        if let Some(why) = &self.over {
            return Err(Failure::Lost(why.clone()));
        }
        let mut left = self.request.finish();
        let started = Instant::now();
        while !left.is_empty() {
            let why = match self.wire.write(left) {
                Ok(0) => "the server closed the connection".to_owned(),
                Ok(written) if started.elapsed() <= self.patience => {
                    left = &left[written..];
                    continue;
                }
                Ok(_) => self.no_answer(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.no_answer(),
                Err(error) => format!("contact was lost: {error}"),
            };
            return self.lost(why);
        }
        Ok(())
    }

    fn no_answer(&self) -> String {
        format!("no acknowledgement for {} s", self.patience.as_secs_f32())
    }

    /// Reads one packet whole and hands it to `read`.
    fn next_packet<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Result<T, Failure> {
        if let Some(why) = &self.over {
            return Err(Failure::Lost(why.clone()));
        }
        match self.arrived.packet(&mut self.wire, self.patience) {
            Ok(packet) => Ok(read(packet)),
            Err(PacketError::Late) => {
                let why = self.no_answer();
                self.lost(why)
            }
            Err(PacketError::Io(why)) => self.lost(why),
        }
    }

    fn next_answer(&mut self) -> Result<(u32, Answer), Failure> {
        let (id, answer) = match self.next_packet(Answer::read)? {
            Ok(answered) => answered,
            Err(malformed) => return self.lost(format!("the server breaks the protocol: {}", malformed.0)),
        };
        match self.open.get(&id) {
            Some(None) => Ok((id, answer)),
            _ => self.lost(format!("the server breaks the protocol: it answers request {id}, which is not open")),
        }
    }

    /// The answer to `ticket`; those to others are kept for their turn.
    pub(super) fn answer(&mut self, ticket: Ticket) -> Result<Answer, Failure> {
        if let Some(Some(_)) = self.open.get(&ticket.0)
            && let Some(Some(answer)) = self.open.remove(&ticket.0)
        {
            return Ok(answer);
        }
        loop {
            let (id, answer) = self.next_answer()?;
            if id == ticket.0 {
                self.open.remove(&id);
                return Ok(answer);
            }
            self.open.insert(id, Some(answer));
        }
    }

    /// The next answer, whichever it is.
    pub(super) fn any_answer(&mut self) -> Result<(Ticket, Answer), Failure> {
        let (id, answer) = self.next_answer()?;
        self.open.remove(&id);
        Ok((Ticket(id), answer))
    }
}

fn read_version(packet: &[u8]) -> Result<Extensions, String> {
    let mut body = Body(packet);
    let greeting = (|| Ok::<_, Malformed>((body.u8()?, body.u32()?)))();
    match greeting {
        Ok((kind::VERSION, VERSION)) => {}
        Ok((kind::VERSION, other)) => {
            return Err(format!("the server speaks SFTP version {other}, reportferry version {VERSION}"));
        }
        _ => return Err("the server's greeting is not SFTP".to_owned()),
    }
    let mut extensions = Extensions::default();
    while !body.is_empty() {
        // A greeting that ends oddly still greets: what cannot be read is not offered.
        let (Ok(name), Ok(_)) = (body.string(), body.string()) else { break };
        match name {
            b"posix-rename@openssh.com" => extensions.posix_rename = true,
            b"fsync@openssh.com" => extensions.fsync = true,
            b"limits@openssh.com" => extensions.limits = true,
            b"statvfs@openssh.com" => extensions.statvfs = true,
            _ => {}
        }
    }
    Ok(extensions)
}
