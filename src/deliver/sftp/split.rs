//! One open file over several sessions: each takes the pieces that come next, and writes them where they belong.
//!
//! A session is bounded by its window, about 33 MiB in a second at 50 ms there and back; several are not.

use std::fs::File;
use std::io::Read;
use std::panic::resume_unwind;
use std::thread::ScopedJoinHandle;

use super::SftpDrop;
use super::ahead::{PORTION_BYTES, read_ahead};
use super::blocks::{InOrder, Pieces};
use super::client::{Handle, Wire};
use super::flow::{UploadError, Uploaded};
use super::packet::open;
use super::publish::steps;
use super::trouble::Trouble;
use crate::deliver::paced::{Pace, Paced};
use crate::deliver::{IntendedFile, Role, Verdict};
use crate::fault;
use crate::progress::Meter;

/// Where a file's bytes come from.
pub(super) enum Content {
    /// A file of the spool that stands at `start`, of which `most` bytes may be read.
    Spool {
        source: File,
        start: u64,
        most: u64,
        pace: Pace,
    },
    Made(Vec<u8>),
}

/// A session beside another one.
pub(super) enum Beside<W: Wire> {
    Coming(Box<dyn FnOnce() -> Result<SftpDrop<W>, Verdict> + Send>),
    Here(SftpDrop<W>),
    Absent(Verdict),
}

impl<W: Wire> Beside<W> {
    fn wait(self) -> Result<SftpDrop<W>, Verdict> {
        match self {
            Beside::Coming(coming) => coming(),
            Beside::Here(drop) => Ok(drop),
            Beside::Absent(verdict) => Err(verdict),
        }
    }

    /// Waits for it, does `work`, and keeps it. One that does not come does nothing.
    fn when_here<T: Default, E>(self, work: impl FnOnce(&mut SftpDrop<W>) -> Result<T, E>) -> (Self, Result<T, E>) {
        match self.wait() {
            Ok(mut drop) => {
                let done = work(&mut drop);
                (Beside::Here(drop), done)
            }
            Err(verdict) => (Beside::Absent(verdict), Ok(T::default())),
        }
    }
}

impl<W: Wire> SftpDrop<W> {
    /// Lets others write beside this one, as soon as they are there.
    pub fn join<F>(&mut self, coming: impl Iterator<Item = F>)
    where
        F: FnOnce() -> Result<Self, Verdict> + Send + 'static,
    {
        self.beside.extend(coming.map(|coming| Beside::Coming(Box::new(coming))));
    }

    /// Those that wrote beside this one and are still good, and why others never came.
    pub fn part(&mut self) -> Vec<Result<Self, Verdict>> {
        let parted = self.beside.drain(..).map(Beside::wait);
        parted.filter(|drop| !drop.as_ref().is_ok_and(|drop| drop.client.is_over())).collect()
    }

    /// Sends all bytes of a file into `handle`, over the sessions beside this one as well.
    pub(super) fn send(
        &mut self,
        file: &IntendedFile,
        handle: &Handle,
        content: &Content,
        meter: &Meter,
    ) -> Result<Uploaded, UploadError> {
        let step = steps(file.role).write;
        match content {
            Content::Spool { source, start, pace, .. } if file.role == Role::Data && !self.beside.is_empty() => {
                let pieces = Pieces::new(source, *start, file.bytes, self.beside.len() + 1);
                self.send_pieces(file, handle, &pieces, *pace, meter)
            }
            Content::Spool { source, most, pace, .. } if file.bytes > self.flow.bytes as u64 => {
                // What is held back goes evenly.
                let blocks = if pace.bandwidth.is_some() { 1 } else { (PORTION_BYTES / self.flow.bytes).max(1) };
                let source = Paced::new(source.take(*most), *pace);
                read_ahead(source, file.bytes, step, blocks * self.flow.bytes, |blocks| {
                    self.client.upload(handle, blocks, self.flow, meter)
                })
            }
            Content::Spool { source, most, pace, .. } => {
                self.send_in_order(handle, Paced::new(source.take(*most), *pace), file.bytes, step, meter)
            }
            Content::Made(bytes) => self.send_in_order(handle, &bytes[..], file.bytes, step, meter),
        }
    }

    /// What is one block needs no thread to read it.
    fn send_in_order(
        &mut self,
        handle: &Handle,
        source: impl Read,
        expected: u64,
        step: &'static str,
        meter: &Meter,
    ) -> Result<Uploaded, UploadError> {
        let mut blocks = InOrder::new(source, expected, step);
        self.client.upload(handle, &mut blocks, self.flow, meter)?;
        Ok(blocks.uploaded())
    }

    /// The digest is that of the file as a thread of its own reads it meanwhile: the pieces go in no order.
    fn send_pieces(
        &mut self,
        file: &IntendedFile,
        handle: &Handle,
        pieces: &Pieces<'_>,
        pace: Pace,
        meter: &Meter,
    ) -> Result<Uploaded, UploadError> {
        let pace = pace.shared_by(self.beside.len() + 1);
        let (flow, client) = (self.flow, &mut self.client);
        std::thread::scope(|scope| {
            let digest = scope.spawn(|| pieces.digest());
            let help = |beside: Beside<W>| {
                beside.when_here(|drop| drop.help(file, pieces, pace, meter).inspect_err(|_| pieces.give_up()))
            };
            // This one writes what it can while the others still sign in.
            let helping: Vec<_> = self.beside.drain(..).map(|beside| scope.spawn(move || help(beside))).collect();
            let ours = client.upload(handle, &mut pieces.taker(pace, steps(file.role).write), flow, meter);
            let ours = ours.inspect_err(|_| pieces.give_up());
            let (beside, helped): (Vec<_>, Vec<_>) = helping.into_iter().map(joined).unzip();
            self.beside = beside;
            // A fsync that was refused over another session concerns the same file.
            let others = self.beside.iter_mut().filter_map(|beside| match beside {
                Beside::Here(drop) => drop.client.refused_fsync.take(),
                Beside::Coming(_) | Beside::Absent(_) => None,
            });
            if let Some(status) = others.last() {
                client.refused_fsync.get_or_insert(status);
            }
            let digest = joined(digest);
            ours?;
            helped.into_iter().collect::<Result<(), _>>()?;
            Ok(Uploaded { bytes: file.bytes, sha256: digest.map_err(UploadError::Source)? })
        })
    }

    /// Opens the file that another session made, and writes pieces of it. A server that forbids it is done without.
    fn help(&mut self, file: &IntendedFile, pieces: &Pieces<'_>, pace: Pace, meter: &Meter) -> Result<(), UploadError> {
        let path = &file.temporary;
        let opened = self
            .client
            .doing("open beside", path, |client| fault::step("split.open", || client.open(path, open::WRITE)));
        let handle = opened.map_err(UploadError::Beside)?;
        let sent = self.client.upload(&handle, &mut pieces.taker(pace, "split.write"), self.flow, meter);
        // Where a write failed, that is what is told.
        let closed = self.client.slowly(|client| {
            client.doing("close beside", path, |client| fault::step("split.close", || client.close(&handle)))
        });
        match sent {
            Ok(()) => closed.map_err(UploadError::Beside),
            Err(UploadError::Server(failure)) => Err(UploadError::Beside(Trouble::new("write beside", path, failure))),
            Err(error) => Err(error),
        }
    }
}

/// What a thread came to; its panic goes on in this one.
pub(super) fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
