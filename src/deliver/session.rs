//! An open SFTP server or folder, with the same steps and guarantees.
//!
//! Webhooks have no files and no session: see [`super::webhook::WebhookTarget`].

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::local::LocalTarget;
use super::request::DeliveryRequest;
use super::sftp::SftpTarget;
use super::{Intent, PathState, RemoteState, Verdict, publish_target};
use crate::progress::Meter;
use crate::settings::{Destination, DestinationKind};
use crate::ssh::Channel;

/// An open destination that keeps files. All methods block. A session belongs to one thread at a time.
pub enum Session {
    Sftp(Box<SftpTarget<Channel>>),
    Local(LocalTarget),
}

impl Session {
    /// Connects and signs in. Reads secrets and does not keep them.
    ///
    /// # Errors
    /// `HostKeyMismatch` for a host key that is not pinned, `Rejected` for a refused sign-in, impossible settings or a
    /// webhook, `Retryable` otherwise.
    pub fn connect(destination: &Arc<Destination>) -> Result<Session, Verdict> {
        match &destination.kind {
            DestinationKind::Sftp(sftp) => Ok(Session::Sftp(Box::new(SftpTarget::connect(sftp)?))),
            DestinationKind::Local(local) => Ok(Session::Local(LocalTarget::open(local)?)),
            DestinationKind::Webhook(_) => Err(Verdict::Rejected {
                reason: format!("{} is a webhook: its receiver does not report what it has", destination.name),
                hint: None,
            }),
        }
    }

    /// Returns how long ago the session signed in; `None` for a folder, which need not be kept open.
    pub fn age(&self) -> Option<Duration> {
        match self {
            Session::Sftp(target) => Some(target.signed_in.elapsed()),
            Session::Local(_) => None,
        }
    }

    /// Returns true if a session that was idle for this long is still usable: the server responds, and its key is still
    /// trusted.
    pub fn is_usable(&mut self, destination: &Destination, idle: Duration) -> bool {
        match (self, destination.sftp()) {
            (Session::Sftp(target), Some(sftp)) => target.is_good(sftp, idle),
            _ => false,
        }
    }

    /// Attaches further sessions, which write a large file together with this one as soon as they are open.
    pub fn attach(&mut self, pending: Vec<PendingSession>) {
        if let Session::Sftp(target) = self {
            target.attach(pending.into_iter().map(|pending| {
                move || match pending.wait()? {
                    Session::Sftp(target) => Ok(*target),
                    Session::Local(_) => {
                        Err(Verdict::Rejected { reason: "not an SFTP session".to_owned(), hint: None })
                    }
                }
            }));
        }
    }

    /// Returns the attached sessions that are still usable, and why others could not be opened. Waits for sessions that are
    /// still opening.
    pub fn detach(&mut self) -> Vec<Result<Session, Verdict>> {
        match self {
            Session::Sftp(target) => {
                let session = |target| Session::Sftp(Box::new(target));
                target.detach().into_iter().map(|target| target.map(session)).collect()
            }
            Session::Local(_) => Vec::new(),
        }
    }

    /// Chooses the names. Inspects the destination only if the plan's `existing` requires it.
    ///
    /// # Errors
    /// `Rejected` (`fail`) or `Skipped` (`keep`) if the name is taken; `Rejected` for a path that leaves the base;
    /// `Retryable` when contact is lost.
    pub fn prepare(&mut self, delivery: &DeliveryRequest<'_>) -> Result<Intent, Verdict> {
        match self {
            Session::Sftp(target) => target.prepare(delivery),
            Session::Local(target) => target.prepare(delivery),
        }
    }

    /// Inspects the names of an intent. Changes nothing.
    ///
    /// # Errors
    /// `Retryable` when contact is lost.
    pub fn inspect(&mut self, intent: &Intent) -> Result<RemoteState, Verdict> {
        self.check(intent, true)
    }

    /// Like [`Session::inspect`], but reads files back only if `read` is set.
    ///
    /// # Errors
    /// `Retryable` when contact is lost.
    pub fn check(&mut self, intent: &Intent, read: bool) -> Result<RemoteState, Verdict> {
        match self {
            Session::Sftp(target) => target.check(intent, read),
            Session::Local(target) => Ok(target.check(intent, read)),
        }
    }

    /// Returns the state of one path.
    ///
    /// # Errors
    /// `Retryable` when contact is lost.
    pub(super) fn path_state(&mut self, path: &str) -> Result<PathState, Verdict> {
        match self {
            Session::Sftp(target) => target.path_state(path),
            Session::Local(target) => Ok(target.path_state(path)),
        }
    }

    /// Reads a file of at most `max` bytes.
    ///
    /// # Errors
    /// `Retryable` when contact is lost; `Rejected` if it is larger or cannot be read.
    pub(super) fn read_file(&mut self, path: &str, max: u64) -> Result<Vec<u8>, Verdict> {
        let bytes = match self {
            Session::Sftp(target) => target.read_file(path, max)?,
            Session::Local(target) => target.read_file(path, max)?,
        };
        if bytes.len() as u64 > max {
            let reason = format!("{path} has more than {max} bytes");
            return Err(Verdict::Rejected { reason, hint: Some("`ack_rows.max_bytes`".to_owned()) });
        }
        Ok(bytes)
    }

    /// Returns the address as receipts name it; `None` where the path alone identifies the file.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Session::Sftp(target) => Some(target.address()),
            Session::Local(..) => None,
        }
    }

    /// Publishes the intent's files in order. Skips what is published already by `seen`, the result of
    /// [`Session::inspect`]. Adds the acknowledged bytes to `meter`.
    ///
    /// `Retryable` guarantees that no final name has been touched, except that an old done file may be removed; after
    /// `Unknown`, inspect first.
    pub fn publish(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        seen: Option<&RemoteState>,
        meter: &Meter,
    ) -> Verdict {
        match self {
            Session::Sftp(target) => target.publish(delivery, intent, seen, meter),
            Session::Local(target) => publish_target::publish(target, delivery, intent, seen, meter),
        }
    }

    /// Removes what an earlier attempt at `intent` left, according to [`Session::inspect`], so that names can be chosen
    /// again.
    ///
    /// # Errors
    /// `Retryable` when contact is lost.
    pub fn clear(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        seen: &RemoteState,
    ) -> Result<(), Verdict> {
        match self {
            Session::Sftp(target) => target.clear(delivery, intent, seen),
            Session::Local(target) => {
                target.clear(intent, seen);
                Ok(())
            }
        }
    }

    /// Removes our temporary files from the intent's directories: those of this delivery, and those older than a day by the
    /// destination's clock. Returns how many. Call it after the receipt is written, because a slow server ends the session.
    ///
    /// # Errors
    /// What could not be listed or removed within a second or two, as text. Nothing depends on it.
    pub fn sweep(&mut self, delivery: &DeliveryRequest<'_>, intent: &Intent, now: Timestamp) -> Result<u32, String> {
        match self {
            Session::Sftp(target) => target.sweep(delivery, intent, now),
            Session::Local(target) => target.sweep(delivery, intent, now),
        }
    }

    /// Closes the session cleanly. Dropping it aborts the connection instead.
    pub fn close(self) {
        if let Session::Sftp(target) = self {
            target.close();
        }
    }
}

/// A session that a thread of its own is opening.
pub struct PendingSession(pub(super) std::thread::JoinHandle<Result<Session, Verdict>>);

impl PendingSession {
    /// Blocks until the session is open.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub fn wait(self) -> Result<Session, Verdict> {
        self.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
