//! The moment of publishing: a whole file takes its final name, or the truth about why not.

use super::SftpDrop;
use super::client::{Client, Failure, Wire};
use super::packet::code;
use super::publish::{rejected, steps, taken};
use super::trouble::{Trouble, is_absent};
use crate::deliver::session::Put;
use crate::deliver::{IntendedFile, Role, Verdict};
use crate::fault;
use crate::settings::Pickup;

/// The ways to a final name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Over an existing file, without a gap.
    Posix,
    /// To a free name.
    Plain,
    /// `replace: with_gap`.
    RemoveFirst,
}

impl Way {
    /// As the receipt calls it.
    fn name(self) -> &'static str {
        match self {
            Way::Posix => "posix-rename",
            Way::Plain => "rename",
            Way::RemoveFirst => "remove+rename",
        }
    }
}

impl<W: Wire> SftpDrop<W> {
    /// Renames the temporary file of `file` to its final name; returns how.
    pub(super) fn rename_into_place(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<&'static str, Verdict> {
        let (from, to) = (&file.temporary, &file.final_path);
        let way = match self.choose_way(put, file) {
            Ok(way) => way,
            Err(verdict) => {
                self.remove_quietly(from);
                return Err(verdict);
            }
        };
        if way == Way::RemoveFirst {
            let removed = self.client.doing("remove", to, |client| client.remove(to));
            match removed {
                Ok(()) => {}
                Err(trouble) if trouble.is_lost() => return Err(Verdict::Unknown { reason: trouble.to_string() }),
                Err(trouble) if is_absent(&trouble.failure) => {}
                Err(trouble) => {
                    self.remove_quietly(from);
                    return Err(trouble.before_publishing());
                }
            }
        }
        let patience = self.rename_patience;
        let renamed = self.client.doing("rename to", to, |client| {
            client.with_patience(patience, |client| {
                fault::step(steps(file.role).rename, || match way {
                    Way::Posix => client.posix_rename(from, to),
                    Way::Plain | Way::RemoveFirst => client.rename(from, to),
                })
            })
        });
        match renamed {
            Ok(()) => Ok(way.name()),
            Err(trouble) if trouble.is_lost() => Err(Verdict::Unknown { reason: trouble.to_string() }),
            Err(trouble) => self.after_refused_rename(put, file, way, trouble),
        }
    }

    /// A plain rename overwrites on some servers (SFTPGo), so the final name is looked at before.
    fn choose_way(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<Way, Verdict> {
        if put.replacing() && self.client.extensions.posix_rename {
            return Ok(Way::Posix);
        }
        let path = &file.final_path;
        let look = |client: &mut Client<W>| match client.lstat(path) {
            Err(failure) if is_absent(&failure) => Ok(false),
            other => other.map(|_| true),
        };
        let there = self.client.doing("stat", path, |client| match file.role {
            Role::Data => fault::step("sftp.lstat", || look(client)),
            _ => look(client),
        });
        match there {
            Ok(false) => Ok(Way::Plain),
            Ok(true) if !put.replacing() => Err(taken(put.plan.existing, path)),
            Ok(true) if put.plan.replace_with_gap => Ok(Way::RemoveFirst),
            Ok(true) => Err(rejected(
                format!(
                    "{path} is there, and the server cannot rename over it (it offers no posix-rename@openssh.com)"
                ),
                "set `replace: with_gap` for the delivery: readers may find no file for a moment",
            )),
            Err(trouble) if trouble.is_lost() => Err(trouble.before_publishing()),
            // A refusal to say (a write-only drop box) leaves it to the rename itself.
            Err(_) => Ok(Way::Plain),
        }
    }

    /// Status 4 says "failure" for everything: what lies at the two names tells what happened.
    fn after_refused_rename(
        &mut self,
        put: &Put<'_>,
        file: &IntendedFile,
        way: Way,
        trouble: Trouble,
    ) -> Result<&'static str, Verdict> {
        let unknown = |why: &dyn std::fmt::Display| Verdict::Unknown { reason: format!("{trouble}; then {why}") };
        let size_at_final = match self.client.doing("stat", &file.final_path, |client| client.lstat(&file.final_path)) {
            Ok(attributes) => Some(attributes.size),
            Err(lost) if lost.is_lost() => return Err(unknown(&lost)),
            Err(_) => None,
        };
        let at_temporary = self.is_taken(&file.temporary).map_err(|lost| unknown(&lost))?;
        match (at_temporary, size_at_final) {
            // It took place; only the answer says otherwise.
            (Some(false), Some(size)) if size.is_none_or(|bytes| bytes == file.bytes) => return Ok(way.name()),
            (Some(false), None) if put.plan.destination.pickup == Pickup::Immediate => return Ok("picked up"),
            (Some(false), _) => return Err(unknown(&"the temporary file is gone")),
            _ => {}
        }
        self.remove_quietly(&file.temporary);
        if !put.replacing() && size_at_final.is_some() {
            return Err(taken(put.plan.existing, &file.final_path));
        }
        let refused_for_good = matches!(
            &trouble.failure,
            Failure::Refused(status) if matches!(status.code, code::PERMISSION_DENIED | code::UNSUPPORTED)
        );
        if refused_for_good {
            return Err(rejected(
                trouble.to_string(),
                "where the server forbids renaming, set `publish: direct` for the destination, with a `done_file` as the guard",
            ));
        }
        // With the old file removed and the new one not in place, readers have seen a change.
        if way == Way::RemoveFirst {
            return Err(unknown(&"the old file is gone"));
        }
        Err(trouble.before_publishing())
    }
}
