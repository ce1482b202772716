//! Renames that stay refused: the state of the two paths shows the cause, and what a person can do.

use super::SftpTarget;
use super::error::{MAKE_DIRECTORY, SftpError, rejected, unreached};
use super::paths::{AtPath, directory_in_the_way, or_current};
use super::rules;
use crate::deliver::companions::name_taken;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{IntendedFile, Role, Verdict, names};
use crate::settings::{Pickup, Verify};
use crate::sftp::{self, Client, Status, Transport, code};

/// The hint for a server that drops empty files.
pub(super) const GIVE_CONTENT: &str =
    "give the done file content: `done_file: {name: \"{name}.done\", content: \"{name}\"}`";

/// Ways to give a file its final name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RenameStrategy {
    /// Replaced an existing file, without a gap.
    Posix,
    /// To a free name.
    Plain,
    /// `replace: with_gap`.
    RemoveFirst,
}

impl RenameStrategy {
    /// Returns its name in the receipt.
    pub(super) fn name(self) -> &'static str {
        match self {
            RenameStrategy::Posix => "posix-rename",
            RenameStrategy::Plain => "rename",
            RenameStrategy::RemoveFirst => "remove+rename",
        }
    }
}

/// A refused rename, and the state of the two paths after it.
pub(super) struct RefusedRename {
    pub error: SftpError,
    pub status: Status,
    pub temporary: AtPath,
    pub at_final: AtPath,
}

/// The hint if the account must not replace a file.
pub(super) const MAY_NOT_REPLACE: &str =
    "have the file's owner remove it or let the account own it, or deliver under a name that is free";

impl<T: Transport> SftpTarget<T> {
    /// Judges by the state of the two paths, because status 4 means "failure" of any kind.
    pub(super) fn after_refused_rename(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        strategy: RenameStrategy,
        found: &RefusedRename,
    ) -> Result<&'static str, Verdict> {
        let error = &found.error;
        let unknown = |why: &dyn std::fmt::Display| Verdict::Unknown { reason: format!("{error}; then {why}") };
        match (found.temporary, found.at_final) {
            // It happened, despite the response.
            (AtPath::Absent, AtPath::There(there)) if self.may_be_whole(there.size, file) => return Ok(strategy.name()),
            (AtPath::Absent, AtPath::Absent | AtPath::Hidden)
                if delivery.plan.destination.pickup == Pickup::Immediate =>
            {
                return Ok("picked up");
            }
            (AtPath::Absent, AtPath::Absent) if file.bytes == 0 && error.source.is_not_found() => {
                return Err(dropped_empty(file));
            }
            (AtPath::Absent, _) => return Err(unknown(&"the temporary file is gone")),
            _ => {}
        }
        let refusal = self.find_reason(delivery, file, strategy, found).map_err(|lost| unknown(&lost));
        self.try_remove(&file.temporary);
        Err(match refusal? {
            Some(verdict) => verdict,
            None => self.unexplained_refusal(file, found),
        })
    }

    fn may_be_whole(&self, size: Option<u64>, file: &IntendedFile) -> bool {
        self.verify == Verify::None || size.is_none_or(|bytes| bytes == file.bytes)
    }

    /// Returns the reason of a refused rename, as far as its paths show it.
    pub(super) fn visible_reason(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        found: &RefusedRename,
    ) -> Result<Option<Verdict>, SftpError> {
        if found.at_final.is_directory() {
            return Ok(Some(directory_in_the_way(&file.final_path)));
        }
        if let AtPath::There(there) = found.at_final {
            if !delivery.replacing() {
                return Ok(Some(name_taken(delivery.plan.existing, &file.final_path)));
            }
            if let Some(reason) = self.owned_by_another(file, there)? {
                return Ok(Some(rejected(reason, MAY_NOT_REPLACE)));
            }
        }
        let (staging, directory) = (names::remote_parent(&file.temporary), names::remote_parent(&file.final_path));
        if staging == directory {
            return Ok(None);
        }
        if self.at_target(or_current(directory))? == AtPath::Absent {
            return Ok(Some(rejected(format!("{}: there is no directory {directory}", found.error), MAKE_DIRECTORY)));
        }
        let one = self.client.doing("measure", directory, |client| client.on_one_file_system(staging, directory))?;
        Ok((one == Some(false))
            .then(|| rejected(format!("{}: {}", found.error, other_file_system(staging, directory)), CHANGE_STAGING)))
    }

    /// Returns the reason of a rename that stays refused, if it can be determined.
    fn find_reason(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        strategy: RenameStrategy,
        found: &RefusedRename,
    ) -> Result<Option<Verdict>, SftpError> {
        if let Some(verdict) = self.visible_reason(delivery, file, found)? {
            return Ok(Some(verdict));
        }
        let is_unsupported = strategy == RenameStrategy::Posix && found.status.code == code::UNSUPPORTED;
        if is_unsupported && matches!(found.at_final, AtPath::There(_)) {
            let why = "it offers posix-rename@openssh.com and refuses it";
            return Ok(Some(cannot_rename_over(&file.final_path, why)));
        }
        let (staging, directory) = (names::remote_parent(&file.temporary), names::remote_parent(&file.final_path));
        if staging == directory {
            return Ok(None);
        }
        let crosses =
            |client: &mut Client<T>| client.cross_device_reason(&file.temporary, staging, directory, &found.status);
        let crossing = self.client.doing("rename within", staging, crosses)?;
        Ok(crossing.map(|crossing| rejected(format!("{}: {crossing}", found.error), CHANGE_STAGING)))
    }

    fn unexplained_refusal(&self, file: &IntendedFile, found: &RefusedRename) -> Verdict {
        let (error, code) = (found.error.clone(), found.status.code);
        if found.status.is_not_found() {
            return unreached(error.to_string());
        }
        if !matches!(code, code::PERMISSION_DENIED | code::UNSUPPORTED) {
            return error.before_publishing();
        }
        match found.at_final {
            AtPath::There(there) => {
                let owner = there.owner.map_or(String::new(), |owner| format!(" of user {owner}"));
                let what = format!("{error}: the account may not replace the existing file{owner} there");
                rejected(format!("{what}, or the server forbids renaming"), MAY_NOT_REPLACE)
            }
            _ if file.role == Role::Data || code == code::UNSUPPORTED => rejected(
                error.to_string(),
                "where the server forbids renaming, set `publish: direct` for the destination, with a `done_file` as the guard",
            ),
            _ => error.before_publishing(),
        }
    }
}

/// Returns the verdict for an existing file that the server cannot replace atomically.
pub(super) fn cannot_rename_over(path: &str, why: &str) -> Verdict {
    rejected(
        format!("{path} is there, and the server cannot rename over it ({why})"),
        "set `replace: with_gap` for the delivery: readers may find no file for a moment",
    )
}

/// The hint if `staging` is on another file system.
pub(super) const CHANGE_STAGING: &str = "choose a `staging` directory on the file system of the delivery's directory, or \
    leave `staging` out: the temporary file is written beside the final name then";

fn other_file_system(staging: &str, directory: &str) -> String {
    let (staging, to) = (or_current(staging), or_current(directory));
    format!("staging {staging} is on another file system than {to}, and a rename cannot cross")
}

pub(super) fn dropped_empty(file: &IntendedFile) -> Verdict {
    let reason = format!(
        "the server dropped the empty {}: {} is not there once it is closed",
        file.role.label(),
        file.temporary
    );
    match file.role {
        Role::Done => rejected(reason, GIVE_CONTENT),
        _ => rejected(reason, "set `expect: {when_empty: skip}` or `hold`, or have the server accept empty files"),
    }
}

impl<T: Transport> Client<T> {
    /// Returns why a refused rename from `staging` to `directory` cannot work, if they are on different file systems: the
    /// server reports it, or it renames the file at `temporary` within its own directory.
    pub(super) fn cross_device_reason(
        &mut self,
        temporary: &str,
        staging: &str,
        directory: &str,
        status: &Status,
    ) -> Result<Option<String>, sftp::Error> {
        let known =
            if rules::says_cross_device(status) { Some(false) } else { self.on_one_file_system(staging, directory)? };
        Ok(match known {
            Some(true) => None,
            Some(false) => Some(other_file_system(staging, directory)),
            None if self.renames_within(temporary)? => Some(format!(
                "a rename within staging {staging} works, so it is on another file system than {to}, which a rename cannot \
                 cross, or the account may not write in {to}",
                staging = or_current(staging),
                to = or_current(directory),
            )),
            None => None,
        })
    }
}
