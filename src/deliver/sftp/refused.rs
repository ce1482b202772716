//! A rename that stays refused: what is at the two names shows what happened, and what a person can do.

use super::SftpDrop;
use super::client::{Client, Failure, Wire};
use super::packet::code;
use super::paths::{AtPath, directory_in_the_way, or_here};
use super::publish::{rejected, taken};
use super::rename::{MAY_NOT_REPLACE, Refused, Way};
use super::rules;
use super::trouble::{Trouble, is_absent};
use crate::deliver::session::Put;
use crate::deliver::{IntendedFile, Role, Verdict, names};
use crate::settings::{Pickup, Verify};

/// The hint where a server drops empty files.
pub(super) const GIVE_CONTENT: &str =
    "give the done file content: `done_file: {name: \"{name}.done\", content: \"{name}\"}`";

impl<W: Wire> SftpDrop<W> {
    /// Status 4 says "failure" for everything: what is at the two names decides.
    pub(super) fn after_refused_rename(
        &mut self,
        put: &Put<'_>,
        file: &IntendedFile,
        way: Way,
        found: &Refused,
    ) -> Result<&'static str, Verdict> {
        let trouble = &found.trouble;
        let unknown = |why: &dyn std::fmt::Display| Verdict::Unknown { reason: format!("{trouble}; then {why}") };
        match (found.temporary, found.at_final) {
            // It took place; only the answer says otherwise.
            (AtPath::Absent, AtPath::There(there)) if self.may_be_whole(there.size, file) => return Ok(way.name()),
            (AtPath::Absent, AtPath::Absent | AtPath::Hidden) if put.plan.destination.pickup == Pickup::Immediate => {
                return Ok("picked up");
            }
            (AtPath::Absent, AtPath::Absent) if file.bytes == 0 && is_absent(&trouble.failure) => {
                return Err(dropped_empty(file));
            }
            (AtPath::Absent, _) => return Err(unknown(&"the temporary file is gone")),
            _ => {}
        }
        let refusal = self.why_refused(put, file, way, found).map_err(|lost| unknown(&lost));
        self.remove_quietly(&file.temporary);
        Err(match refusal? {
            Some(verdict) => verdict,
            None => self.refused_for_no_known_reason(file, found),
        })
    }

    fn may_be_whole(&self, size: Option<u64>, file: &IntendedFile) -> bool {
        self.verify == Verify::None || size.is_none_or(|bytes| bytes == file.bytes)
    }

    /// The reason, where there is one to be seen.
    fn why_refused(
        &mut self,
        put: &Put<'_>,
        file: &IntendedFile,
        way: Way,
        found: &Refused,
    ) -> Result<Option<Verdict>, Trouble> {
        let trouble = &found.trouble;
        if found.at_final.is_directory() {
            return Ok(Some(directory_in_the_way(&file.final_path)));
        }
        if let AtPath::There(there) = found.at_final {
            if !put.replacing() {
                return Ok(Some(taken(put.plan.existing, &file.final_path)));
            }
            if let Some(reason) = self.owned_by_another(file, there)? {
                return Ok(Some(rejected(reason, MAY_NOT_REPLACE)));
            }
            if way == Way::Posix
                && matches!(&trouble.failure, Failure::Refused(status) if status.code == code::UNSUPPORTED)
            {
                return Ok(Some(cannot_rename_over(
                    &file.final_path,
                    "it offers posix-rename@openssh.com and refuses it",
                )));
            }
        }
        let (staging, directory) = (names::remote_parent(&file.temporary), names::remote_parent(&file.final_path));
        if staging == directory {
            return Ok(None);
        }
        if self.client.doing("stat", directory, |client| client.behind(or_here(directory)))? == AtPath::Absent {
            let hint = "make the directory there, or set `mkdir: true` for the destination";
            return Ok(Some(rejected(format!("{trouble}: there is no directory {directory}"), hint)));
        }
        let crosses = |client: &mut Client<W>| client.crossing(&file.temporary, staging, directory, &trouble.failure);
        let crossing = self.client.doing("rename within", staging, crosses)?;
        Ok(crossing.map(|crossing| rejected(format!("{trouble}: {crossing}"), CHANGE_STAGING)))
    }

    fn refused_for_no_known_reason(&self, file: &IntendedFile, found: &Refused) -> Verdict {
        let trouble = found.trouble.clone();
        let Failure::Refused(status) = &trouble.failure else { return trouble.before_publishing() };
        if !matches!(status.code, code::PERMISSION_DENIED | code::UNSUPPORTED) {
            return match is_absent(&trouble.failure) {
                true => Verdict::Unreached { reason: trouble.to_string(), wait: None },
                false => trouble.before_publishing(),
            };
        }
        match found.at_final {
            AtPath::There(there) => {
                let owner = there.owner.map_or(String::new(), |owner| format!(" of user {owner}"));
                let what = format!("{trouble}: the account may not replace the existing file{owner} there");
                rejected(format!("{what}, or the server forbids renaming"), MAY_NOT_REPLACE)
            }
            _ if file.role == Role::Data || status.code == code::UNSUPPORTED => rejected(
                trouble.to_string(),
                "where the server forbids renaming, set `publish: direct` for the destination, with a `done_file` as the guard",
            ),
            _ => trouble.before_publishing(),
        }
    }
}

/// A file is there, and the server has no way to replace it at once.
pub(super) fn cannot_rename_over(path: &str, why: &str) -> Verdict {
    rejected(
        format!("{path} is there, and the server cannot rename over it ({why})"),
        "set `replace: with_gap` for the delivery: readers may find no file for a moment",
    )
}

/// What a person can do where `staging` is on another file system.
pub(super) const CHANGE_STAGING: &str = "choose a `staging` directory on the file system of the delivery's directory, or \
    leave `staging` out: the temporary file is written beside the final name then";

pub(super) fn dropped_empty(file: &IntendedFile) -> Verdict {
    let reason = format!(
        "the server dropped the empty {}: {} is not there once it is closed",
        file.role.in_words(),
        file.temporary
    );
    match file.role {
        Role::Done => rejected(reason, GIVE_CONTENT),
        _ => rejected(reason, "set `expect: {when_empty: skip}` or `hold`, or have the server accept empty files"),
    }
}

impl<W: Wire> Client<W> {
    /// Says why a refused rename from `staging` to `directory` cannot work, where the file systems are the reason: the
    /// server says so, or it renames the file at `temporary` within its own directory.
    pub(super) fn crossing(
        &mut self,
        temporary: &str,
        staging: &str,
        directory: &str,
        failure: &Failure,
    ) -> Result<Option<String>, Failure> {
        let said = matches!(failure, Failure::Refused(status) if rules::says_crossing(status));
        let known = if said { Some(false) } else { self.on_one_file_system(staging, directory)? };
        let (staging, to) = (or_here(staging), or_here(directory));
        Ok(match known {
            Some(true) => None,
            Some(false) => {
                Some(format!("staging {staging} is on another file system than {to}, and a rename cannot cross"))
            }
            None if self.renames_within(temporary)? => Some(format!(
                "a rename within staging {staging} works, so it is on another file system than {to}, which a rename cannot \
                 cross, or the account may not write in {to}"
            )),
            None => None,
        })
    }
}
