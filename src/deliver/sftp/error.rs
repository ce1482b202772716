//! Verdicts for errors of SSH, SFTP and files: the operation, its subject, and what a person can do.

use super::rules;
use crate::attempt::RenameRefusal;
use crate::deliver::{OfferedKey, Refused, Verdict};
use crate::fault::Injected;
use crate::settings::{CredentialError, Sftp};
use crate::sftp::{self, Client, Status, Transport, code};
use crate::ssh::{self, AgentProblem, SignInProblem};

/// `open /in/.a.csv.….part: permission denied (status 3)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{doing} {subject}: {source}")]
pub struct SftpError {
    doing: &'static str,
    subject: String,
    pub source: sftp::Error,
}

impl SftpError {
    pub fn new(doing: &'static str, subject: &str, source: sftp::Error) -> Self {
        SftpError { doing, subject: subject.to_owned(), source }
    }

    /// Returns the verdict before anything is published.
    pub fn before_publishing(self) -> Verdict {
        let reason = self.to_string();
        let hint = match &self.source {
            // Only when opening does it mean the directory; later the file was moved, or the handle is gone.
            sftp::Error::Refused(_) if self.source.is_not_found() && self.doing != "open" => None,
            // It may be free a moment later.
            sftp::Error::Refused(status) if rules::refused_rename(status) == RenameRefusal::Held => None,
            sftp::Error::Refused(status) => hint(status),
            sftp::Error::Lost(_) => None,
        };
        match hint {
            // A missing directory: the share behind it may not be mounted.
            Some(hint) if self.source.is_not_found() => {
                Verdict::Refused { what: Refused::Directory, reason, hint: Some(hint.to_owned()) }
            }
            Some(hint) => rejected(reason, hint),
            None => unreached(reason),
        }
    }

    pub fn is_lost(&self) -> bool {
        matches!(self.source, sftp::Error::Lost(_))
    }
}

/// Returns what a person can do about a permanent refusal.
fn hint(status: &Status) -> Option<&'static str> {
    match status.code {
        code::NO_SUCH_FILE | code::NO_SUCH_PATH => Some(MAKE_DIRECTORY),
        code::PERMISSION_DENIED | code::WRITE_PROTECT => {
            Some("let the account write there, or deliver to another directory")
        }
        code::QUOTA => Some("free space in the account's quota, then retry"),
        code::UNSUPPORTED => Some("the server cannot do this: `doctor` shows what it can"),
        _ => None,
    }
}

pub(super) const MAKE_DIRECTORY: &str = "make the directory there, or set `mkdir: true` for the destination";

impl<T: Transport> Client<T> {
    /// Runs `op`, and adds its name to an error. A lost connection is aborted immediately.
    pub fn doing<R>(
        &mut self,
        doing: &'static str,
        subject: &str,
        op: impl FnOnce(&mut Self) -> Result<R, sftp::Error>,
    ) -> Result<R, SftpError> {
        op(self).map_err(|error| {
            if let sftp::Error::Lost(why) = &error {
                self.abort(why);
            }
            SftpError::new(doing, subject, error)
        })
    }
}

impl From<Injected> for sftp::Error {
    fn from(injected: Injected) -> Self {
        match injected {
            Injected::Refused => sftp::Error::Refused(Status { code: code::FAILURE, text: injected.to_string() }),
            Injected::Lost => sftp::Error::Lost(injected.to_string()),
        }
    }
}

pub(super) fn rejected(reason: impl Into<String>, hint: &str) -> Verdict {
    Verdict::Rejected { reason: reason.into(), hint: Some(hint.to_owned()) }
}

/// Maps the error to a verdict: nothing has been published.
pub(super) fn unreached(reason: String) -> Verdict {
    Verdict::Retryable { reason, wait: None }
}

/// Returns the verdict for a secret that cannot be read.
pub(super) fn no_credentials(error: &CredentialError) -> Verdict {
    Verdict::Rejected { reason: error.to_string(), hint: error.is_key_not_text().then(|| ssh::NOT_TEXT.to_owned()) }
}

/// Returns the verdict when there is no connection to the server of `sftp`.
pub(super) fn not_connected(error: &ssh::Error, sftp: &Sftp) -> Verdict {
    let reason = error.to_string();
    let (mut cause, mut server) = (error, sftp);
    while let ssh::Error::Jump { source, .. } = cause {
        (cause, server) = (source, server.jump.as_deref().unwrap_or(server));
    }
    let hint = match cause {
        ssh::Error::Connection(_) | ssh::Error::Jump { .. } => return unreached(reason),
        ssh::Error::UntrustedHostKey { shown, .. } => {
            let (name, first) = (&server.name, shown.first().map_or("FINGERPRINT", |key| key.fingerprint.as_str()));
            let hint = format!(
                "compare the fingerprint with the one that the server's administrator gives you; if it is right, \
                 `reportferry trust {name} --accept {first}` (or put it into `host_keys`)"
            );
            let offered =
                shown.first().map(|key| OfferedKey { server: name.clone(), fingerprint: key.fingerprint.clone() });
            return Verdict::HostKeyMismatch { reason, hint: Some(hint), offered };
        }
        ssh::Error::RevokedHostKey { .. } => {
            let hint = "the server must get a new key before anything is delivered to it".to_owned();
            return Verdict::HostKeyMismatch { reason, hint: Some(hint), offered: None };
        }
        ssh::Error::SignIn { problem, .. } => return not_signed_in(reason, *problem),
        ssh::Error::ProxyAccount(_) => "correct the `username` and `password` of the destination's `proxy`",
        ssh::Error::NoCommonAlgorithm { .. } => {
            "have the server's administrator enable one of those that are offered here, or change the destination's \
             `algorithms` where it leaves out what the server has"
        }
        ssh::Error::KnownHosts { .. } => "correct the destination's `known_hosts`, or pin the server in `host_keys`",
        ssh::Error::PrivateKey { fix, .. } => fix,
        ssh::Error::Agent { problem: AgentProblem::NotSet, .. } => {
            "start the worker where an agent is, or write the agent's socket as `agent: PATH`"
        }
        ssh::Error::Agent { problem: AgentProblem::Unavailable, .. } => {
            "start an agent there, or correct the destination's `agent`"
        }
        ssh::Error::Agent { problem: AgentProblem::NoKey, .. } => {
            "add the key with ssh-add, or correct the destination's `agent_key`"
        }
        ssh::Error::PasswordExpired { .. } => {
            "set a new password with the server's own means, and put it into the destination's `password`; a key does not \
             expire"
        }
        ssh::Error::SubsystemRefused { .. } => "the account may not use SFTP: ask the server's administrator",
    };
    rejected(reason, hint)
}

/// Servers refuse keys temporarily, so a key may be offered again later; never a password, because repeated passwords lock
/// accounts.
fn not_signed_in(reason: String, problem: SignInProblem) -> Verdict {
    let refused = |reason, hint| Verdict::Refused { what: Refused::SignIn, reason, hint: Some(hint) };
    match problem {
        SignInProblem::KeyRefused { is_rsa } => {
            let hint = "compare the key's fingerprint with the one that the server has for this account, and the \
                        destination's `username` with the account's name";
            let rsa = "; a server that takes SHA-1 signatures only refuses every RSA key here, an ed25519 key helps";
            refused(reason, format!("{hint}{}", if is_rsa { rsa } else { "" }))
        }
        SignInProblem::ClosedOnPassword => {
            refused(reason, "check the password: some servers respond to a wrong one this way".to_owned())
        }
        SignInProblem::Refused => rejected(
            reason,
            "correct the destination's `username`, `key` or `password`, or have the server accept them",
        ),
        SignInProblem::Sha1Only => rejected(
            reason,
            "use an ed25519 key (`ssh-keygen -t ed25519 -f key`), or have the server's administrator enable rsa-sha2-256",
        ),
    }
}
