//! One open destination: the same steps and the same promises, over SFTP or into a directory.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::local::LocalDrop;
use super::sftp::{SftpDrop, SshWire};
use super::webhook::WebhookDrop;
use super::{About, Coming, Cutting, Intent, Lies, Parts, Seen, Verdict, Whole};
use crate::encode::Artifact;
use crate::pipeline::plan::{DeliveryPlan, Existing};
use crate::progress::Meter;
use crate::settings::{Destination, DestinationKind, ModifiedTime};

/// What is to be put where.
#[derive(Clone, Copy)]
pub struct Put<'a> {
    /// The run's id: 16 hexadecimal digits.
    pub run: &'a str,
    pub artifact: &'a Artifact,
    pub plan: &'a DeliveryPlan,
    pub about: &'a About,
    /// What the receiver acknowledged of it already.
    pub parts: &'a dyn Parts,
    /// How an earlier attempt cut the rows.
    pub cutting: Option<Cutting>,
    /// Whether they may be cut otherwise now.
    pub may_cut: bool,
    /// When the attempt must be over.
    pub until: Option<Instant>,
}

impl<'a> Put<'a> {
    /// A delivery in one part, of which nothing is told but its bytes.
    pub fn new(run: &'a str, artifact: &'a Artifact, plan: &'a DeliveryPlan) -> Self {
        static NOTHING: LazyLock<About> = LazyLock::new(About::default);
        static WHOLE: LazyLock<Whole> = LazyLock::new(Whole::default);
        Self { run, artifact, plan, about: &NOTHING, parts: &*WHOLE, cutting: None, may_cut: true, until: None }
    }
}

impl Put<'_> {
    /// The modification time that the destination's `mtime` asks for; `None` where it asks for none, or none is known.
    pub(super) fn modified(&self, wanted: Option<ModifiedTime>) -> Option<Timestamp> {
        match wanted? {
            ModifiedTime::Slot => self.about.slot.parse().ok(),
            ModifiedTime::Artifact => {
                let made = std::fs::metadata(&self.artifact.path).and_then(|there| there.modified()).ok()?;
                Timestamp::try_from(made).ok()
            }
        }
    }

    pub(super) fn replacing(&self) -> bool {
        self.plan.existing == Existing::Replace
    }
}

/// The steps of an SFTP delivery at which a fault can be injected, in the order in which they are reached.
pub const FAULT_STEPS: &[&str] = &[
    "sftp.connect",
    "sftp.open",
    "sftp.write",
    "sftp.fsync",
    "sftp.fstat",
    "sftp.close",
    "sftp.setstat",
    "sftp.lstat",
    "sftp.rename",
    "done.open",
    "done.write",
    "done.close",
    "done.rename",
];

/// The steps of the files beside the data, over SFTP; a local delivery has them too, but for `close`.
pub const SIDE_FAULT_STEPS: &[&str] = &[
    "checksum.open",
    "checksum.write",
    "checksum.close",
    "checksum.rename",
    "manifest.open",
    "manifest.write",
    "manifest.close",
    "manifest.rename",
];

/// The steps of a session that writes a file along with another one.
pub const SPLIT_FAULT_STEPS: &[&str] = &["split.open", "split.write", "split.close"];

/// The steps of a local delivery at which a fault can be injected, in the order in which they are reached.
pub const LOCAL_FAULT_STEPS: &[&str] =
    &["local.open", "local.write", "local.fsync", "local.rename", "done.open", "done.write", "done.rename"];

/// An open destination. All methods block; a session belongs to one thread at a time.
pub enum Session {
    Sftp(Box<SftpDrop<SshWire>>),
    Local(LocalDrop),
    Webhook(WebhookDrop),
}

impl Session {
    /// Connects and signs in. Secrets are read here and forgotten.
    ///
    /// # Errors
    /// `Distrusted` for a host key that is not pinned, `Rejected` for a refused sign-in or settings that cannot work,
    /// `Unreached` otherwise.
    pub fn connect(destination: &Arc<Destination>) -> Result<Session, Verdict> {
        match &destination.kind {
            DestinationKind::Sftp(sftp) => Ok(Session::Sftp(Box::new(SftpDrop::connect(sftp)?))),
            DestinationKind::Local(local) => Ok(Session::Local(LocalDrop::open(local)?)),
            DestinationKind::Webhook(webhook) => Ok(Session::Webhook(WebhookDrop::open(destination, webhook)?)),
        }
    }

    /// How long ago it was signed in to, where it was.
    pub fn age(&self) -> Option<Duration> {
        match self {
            Session::Sftp(drop) => Some(drop.signed_in.elapsed()),
            Session::Local(_) | Session::Webhook(_) => None,
        }
    }

    /// Whether a session that was idle for so long can be used again: the server is there, and its key is still trusted.
    pub fn is_good(&mut self, destination: &Destination, idle: Duration) -> bool {
        match (self, &destination.kind) {
            (Session::Sftp(drop), DestinationKind::Sftp(sftp)) => drop.is_good(sftp, idle),
            _ => false,
        }
    }

    /// Lets other sessions of the same destination write a large file along with this one, as soon as they are there.
    pub fn join(&mut self, coming: Vec<Coming>) {
        if let Session::Sftp(drop) = self {
            drop.join(coming.into_iter().map(|coming| {
                move || match coming.wait()? {
                    Session::Sftp(drop) => Ok(*drop),
                    Session::Local(_) | Session::Webhook(_) => {
                        Err(Verdict::Rejected { reason: "this is no SFTP session".to_owned(), hint: None })
                    }
                }
            }));
        }
    }

    /// The sessions that were joined to this one, as far as they are still good, and why others never came. Waits for
    /// those that are still coming.
    pub fn part(&mut self) -> Vec<Result<Session, Verdict>> {
        match self {
            Session::Sftp(drop) => {
                let session = |drop| Session::Sftp(Box::new(drop));
                drop.part().into_iter().map(|drop| drop.map(session)).collect()
            }
            Session::Local(_) | Session::Webhook(_) => Vec::new(),
        }
    }

    /// Decides the names. The destination is looked at only where the plan's `existing` asks for it.
    ///
    /// # Errors
    /// `Rejected` (`fail`) or `Skipped` (`keep`) for a name that is taken; `Rejected` for a path that leaves the base;
    /// `Unreached` when contact is lost.
    pub fn prepare(&mut self, put: &Put<'_>) -> Result<Intent, Verdict> {
        match self {
            Session::Sftp(drop) => drop.prepare(put),
            Session::Local(drop) => drop.prepare(put),
            Session::Webhook(drop) => drop.prepare(put),
        }
    }

    /// Looks what lies at the names of an intent. Changes nothing.
    ///
    /// # Errors
    /// `Unreached` when contact is lost: look again later.
    pub fn look(&mut self, intent: &Intent) -> Result<Seen, Verdict> {
        match self {
            Session::Sftp(drop) => drop.look(intent),
            Session::Local(drop) => drop.look(intent),
            Session::Webhook(drop) => Ok(drop.look(intent)),
        }
    }

    /// As [`Session::look`], and without reading files back unless `read` says so.
    ///
    /// # Errors
    /// `Unreached` when contact is lost.
    pub fn check(&mut self, intent: &Intent, read: bool) -> Result<Seen, Verdict> {
        match self {
            Session::Sftp(drop) => drop.check(intent, read),
            Session::Local(drop) => drop.check(intent, read),
            Session::Webhook(drop) => Ok(drop.hidden(intent)),
        }
    }

    /// Looks what lies at one path.
    ///
    /// # Errors
    /// `Unreached` when contact is lost.
    pub(super) fn lies_at(&mut self, path: &str) -> Result<Lies, Verdict> {
        match self {
            Session::Sftp(drop) => drop.lies_at(path),
            Session::Local(drop) => Ok(drop.lies_at(path)),
            Session::Webhook(..) => Ok(Lies::Hidden { why: "a webhook has no files".to_owned() }),
        }
    }

    /// As receipts name it; `None` where a path alone says which file is meant.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Session::Sftp(drop) => Some(drop.address()),
            Session::Local(..) | Session::Webhook(..) => None,
        }
    }

    /// Publishes the intent's files in their order. `seen` is what a look found: what is published already is left as it
    /// is. `meter` is raised by the bytes that the destination acknowledged.
    ///
    /// `Unreached` promises that no final name has been touched; `Unknown` asks for a look.
    pub fn publish(&mut self, put: &Put<'_>, intent: &Intent, seen: Option<&Seen>, meter: &Meter) -> Verdict {
        match self {
            Session::Sftp(drop) => drop.publish(put, intent, seen, meter),
            Session::Local(drop) => drop.publish(put, intent, seen, meter),
            Session::Webhook(drop) => drop.publish(put, intent, meter),
        }
    }

    /// Removes what an earlier attempt at `intent` left and nobody needs, by what a look found: names can be chosen afresh.
    ///
    /// # Errors
    /// `Unreached` when contact is lost.
    pub fn clear(&mut self, put: &Put<'_>, intent: &Intent, seen: &Seen) -> Result<(), Verdict> {
        match self {
            Session::Sftp(drop) => drop.clear(put, intent, seen),
            Session::Local(drop) => drop.clear(intent, seen),
            Session::Webhook(..) => Ok(()),
        }
    }

    /// Removes temporary files of ours from the intent's directories: those of this delivery, and those older than a day
    /// by the destination's clock. Returns how many. To be called once the receipt is written: a server that is late ends
    /// the session.
    ///
    /// # Errors
    /// What could not be listed or removed within a second or two, in words; nothing depends on it.
    pub fn sweep(&mut self, put: &Put<'_>, intent: &Intent, now: Timestamp) -> Result<u32, String> {
        match self {
            Session::Sftp(drop) => drop.sweep(put, intent, now),
            Session::Local(drop) => drop.sweep(put, intent, now),
            Session::Webhook(..) => Ok(0),
        }
    }

    /// Says goodbye. Dropping a session cuts the connection instead.
    pub fn close(self) {
        if let Session::Sftp(drop) = self {
            drop.close();
        }
    }
}

/// Seconds after which a temporary file of ours is nobody's.
pub(super) const ORPHAN_AGE_S: i64 = 24 * 60 * 60;

/// Whether the file `name`, last modified at `modified_s`, may be swept.
pub(super) fn may_sweep(put: &Put<'_>, intent: &Intent, name: &str, modified_s: Option<i64>, now: Timestamp) -> bool {
    let Some((inner, run)) = super::names::temporary_parts(name) else { return false };
    let last = |path: &str| path.rsplit('/').next() == Some(name);
    let intended = intent.files.iter().any(|file| !file.is_direct() && last(&file.temporary));
    // A file that was moved aside was a reader's: it goes only once this run's own is in its place.
    let moved_aside = inner.strip_suffix(".old");
    let inner = moved_aside.unwrap_or(inner);
    let ours = || put.artifact.data_files().iter().any(|file| super::names::belongs_to(inner, file.name));
    let earlier = run == put.run && ours();
    let is_old = |modified_s: i64| now.as_second().saturating_sub(modified_s) > ORPHAN_AGE_S;
    let orphaned = moved_aside.is_none() && modified_s.is_some_and(is_old);
    intended || earlier || orphaned
}
