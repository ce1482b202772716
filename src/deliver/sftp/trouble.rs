//! A failure with what was being done to what, and the verdict that follows from it.

use super::answer::Status;
use super::client::{Client, Failure, Wire};
use super::packet::code;
use super::rules;
use crate::attempt::RenameRefusal;
use crate::deliver::{Refused, Verdict};

/// `open /in/.a.csv.….part: permission denied (status 3)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    doing: &'static str,
    subject: String,
    pub failure: Failure,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.doing, self.subject, self.failure)
    }
}

impl Trouble {
    pub fn new(doing: &'static str, subject: &str, failure: Failure) -> Self {
        Trouble { doing, subject: subject.to_owned(), failure }
    }

    /// Nothing has been published yet.
    pub fn before_publishing(self) -> Verdict {
        let reason = self.to_string();
        let hint = match &self.failure {
            // Only at the opening does it mean the directory; later on the file was moved or the handle is gone.
            Failure::Refused(_) if is_absent(&self.failure) && self.doing != "open" => None,
            // A moment later it may be free.
            Failure::Refused(status) if rules::refused_rename(status) == RenameRefusal::Held => None,
            Failure::Refused(status) => hint(status),
            Failure::Lost(_) => None,
        };
        match hint {
            // A directory that is not there: the share behind it may not be mounted.
            Some(hint) if is_absent(&self.failure) => {
                Verdict::Refused { what: Refused::Directory, reason, hint: Some(hint.to_owned()) }
            }
            Some(hint) => Verdict::Rejected { reason, hint: Some(hint.to_owned()) },
            None => Verdict::Unreached { reason, wait: None },
        }
    }

    pub fn is_lost(&self) -> bool {
        matches!(self.failure, Failure::Lost(_))
    }
}

/// What a person can do about a refusal that will not go away by itself.
fn hint(status: &Status) -> Option<&'static str> {
    match status.code {
        code::NO_SUCH_FILE | code::NO_SUCH_PATH => {
            Some("make the directory there, or set `mkdir: true` for the destination")
        }
        code::PERMISSION_DENIED | code::WRITE_PROTECT => {
            Some("let the account write there, or deliver to another directory")
        }
        code::QUOTA => Some("make room in the account's quota, then retry"),
        code::UNSUPPORTED => Some("the server cannot do this: `doctor` shows what it can"),
        _ => None,
    }
}

/// Whether the server said that there is no such file.
pub fn is_absent(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(Status { code: code::NO_SUCH_FILE | code::NO_SUCH_PATH, .. }))
}

impl<W: Wire> Client<W> {
    /// Does `op`, naming it when it fails; a connection that is lost is cut at once.
    pub fn doing<T>(
        &mut self,
        doing: &'static str,
        subject: &str,
        op: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Trouble> {
        op(self).map_err(|failure| {
            if let Failure::Lost(why) = &failure {
                self.sever(why);
            }
            Trouble::new(doing, subject, failure)
        })
    }
}
