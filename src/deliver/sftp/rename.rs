//! The moment of publishing: a whole file takes its final name, or the truth about why not.
//!
//! Virus scanners and gateways hold a file for some seconds once it is closed: a refused rename is repeated before anything
//! is judged, and what is at the two names decides whether there is anything to wait for.

use std::time::{Duration, Instant};

use super::SftpDrop;
use super::client::{Client, Failure, Wire};
use super::paths::{AtPath, directory_in_the_way};
use super::publish::{rejected, steps, taken};
use super::refused::cannot_rename_over;
use super::rules;
use super::trouble::{Trouble, is_absent};
use crate::attempt::{RenameRefusal, rename_again};
use crate::deliver::session::Put;
use crate::deliver::{IntendedFile, Role, Verdict, names};
use crate::fault;

/// The ways to a final name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Over an existing file, without a gap.
    Posix,
    /// To a free name.
    Plain,
    /// `replace: with_gap`.
    RemoveFirst,
}

impl Way {
    /// As the receipt calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Way::Posix => "posix-rename",
            Way::Plain => "rename",
            Way::RemoveFirst => "remove+rename",
        }
    }
}

/// A refused rename, and what is at the two names after it.
pub(super) struct Refused {
    pub trouble: Trouble,
    pub temporary: AtPath,
    pub at_final: AtPath,
}

impl<W: Wire> SftpDrop<W> {
    /// Renames the temporary file of `file` to its final name; returns how.
    pub(super) fn rename_into_place(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<&'static str, Verdict> {
        let way = match self.choose_way(put, file) {
            Ok(way) => way,
            Err(verdict) => {
                self.remove_quietly(&file.temporary);
                return Err(verdict);
            }
        };
        if way == Way::RemoveFirst { self.replace_with_gap(put, file) } else { self.take_free(put, file, way) }
    }

    /// Renames until it is done, or until nothing speaks for another try.
    fn take_free(&mut self, put: &Put<'_>, file: &IntendedFile, way: Way) -> Result<&'static str, Verdict> {
        let begun = Instant::now();
        let (mut refused, mut now) = (0, way);
        loop {
            let trouble = match self.rename_once(file, now) {
                Ok(()) => return Ok(now.name()),
                Err(trouble) if trouble.is_lost() => return Err(Verdict::Unknown { reason: trouble.to_string() }),
                Err(trouble) => trouble,
            };
            refused += 1;
            let unknown =
                |trouble: &Trouble, lost: &Trouble| Verdict::Unknown { reason: format!("{trouble}; then {lost}") };
            let looked = self.at(&file.final_path).and_then(|there| Ok((there, self.at(&file.temporary)?)));
            let (at_final, temporary) = looked.map_err(|lost| unknown(&trouble, &lost))?;
            let found = Refused { trouble, temporary, at_final };
            // Offered and refused: a free name needs no posix-rename.
            if now == Way::Posix && found.at_final == AtPath::Absent && found.temporary != AtPath::Absent {
                now = Way::Plain;
                continue;
            }
            let refusal = self.refusal(put, file, &found).map_err(|lost| unknown(&found.trouble, &lost))?;
            match rename_again(refusal, refused, begun.elapsed(), self.rename_limit(put)) {
                Some(wait) => {
                    tracing::debug!(path = file.final_path, refusal = %found.trouble, ?wait, "rename refused, repeated");
                    std::thread::sleep(wait);
                }
                None if way == Way::Posix && self.may_go_with_gap(put, file, &found) => {
                    return self.replace_with_gap(put, file);
                }
                None => return self.after_refused_rename(put, file, now, &found),
            }
            now = way;
            // Somebody may have taken the name meanwhile, and some servers would overwrite it.
            if way == Way::Plain && !put.replacing() {
                match self.at(&file.final_path) {
                    Ok(AtPath::There(_)) => {
                        self.remove_quietly(&file.temporary);
                        return Err(taken(put.plan.existing, &file.final_path));
                    }
                    Ok(AtPath::Absent | AtPath::Hidden) => {}
                    Err(lost) => return Err(unknown(&found.trouble, &lost)),
                }
            }
        }
    }

    /// Whether `replace: with_gap` is left, where posix-rename is offered and stays refused.
    fn may_go_with_gap(&mut self, put: &Put<'_>, file: &IntendedFile, found: &Refused) -> bool {
        match found.at_final {
            AtPath::There(there) => {
                put.plan.replace_with_gap
                    && there.is_directory() != Some(true)
                    && found.temporary != AtPath::Absent
                    && matches!(self.owned_by_another(file, there), Ok(None))
            }
            AtPath::Absent | AtPath::Hidden => false,
        }
    }

    fn rename_once(&mut self, file: &IntendedFile, way: Way) -> Result<(), Trouble> {
        let (from, to, patience) = (&file.temporary, &file.final_path, self.rename_patience);
        self.client.doing("rename to", to, |client| {
            client.with_patience(patience, |client| {
                fault::step(steps(file.role).rename, || match way {
                    Way::Posix => client.posix_rename(from, to),
                    Way::Plain | Way::RemoveFirst => client.rename(from, to),
                })
            })
        })
    }

    /// How long a rename may be repeated.
    fn rename_limit(&self, put: &Put<'_>) -> Duration {
        let left = put.until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(self.rename_patience, |left| left.min(self.rename_patience))
    }

    /// What speaks for another try. What is at the names is clear at once; a status is not.
    fn refusal(&mut self, put: &Put<'_>, file: &IntendedFile, found: &Refused) -> Result<RenameRefusal, Trouble> {
        let Failure::Refused(status) = &found.trouble.failure else { return Ok(RenameRefusal::Final) };
        let is_over = found.temporary == AtPath::Absent
            || found.at_final.is_directory()
            || (matches!(found.at_final, AtPath::There(_)) && !put.replacing());
        if is_over || rules::refused_rename(status) == RenameRefusal::Final {
            return Ok(RenameRefusal::Final);
        }
        if let AtPath::There(there) = found.at_final
            && self.owned_by_another(file, there)?.is_some()
        {
            return Ok(RenameRefusal::Final);
        }
        let (staging, directory) = (names::remote_parent(&file.temporary), names::remote_parent(&file.final_path));
        if staging != directory {
            let path = super::paths::or_here(directory);
            let parent = self.client.doing("stat", path, |client| client.behind(path))?;
            let one = |client: &mut Client<W>| client.on_one_file_system(staging, directory);
            if parent == AtPath::Absent || self.client.doing("measure", directory, one)? == Some(false) {
                return Ok(RenameRefusal::Final);
            }
        }
        Ok(rules::refused_rename(status))
    }

    /// `replace: with_gap`: the old file is moved aside, and removed once the new one is in its place. Where that fails, it
    /// is moved back: removing it first could leave readers with neither.
    fn replace_with_gap(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<&'static str, Verdict> {
        let to = &file.final_path;
        let name = to.rsplit('/').next().unwrap_or_default();
        let aside = IntendedFile {
            temporary: to.clone(),
            final_path: names::remote_path(
                names::remote_parent(to),
                &names::temporary(&format!("{name}.old"), put.run),
            ),
            ..file.clone()
        };
        // One that an attempt left there which was cut short: with a file at the final name, nobody needs it.
        self.remove_quietly(&aside.final_path);
        let moved = self.client.doing("move aside", to, |client| {
            client.slowly(|client| client.rename(&aside.temporary, &aside.final_path))
        });
        match moved {
            Ok(()) => {}
            Err(trouble) if trouble.is_lost() => return Err(Verdict::Unknown { reason: trouble.to_string() }),
            Err(trouble) if is_absent(&trouble.failure) => return self.take_free(put, file, Way::Plain),
            Err(trouble) => {
                let blocked = match self.at(to) {
                    Ok(AtPath::There(there)) => self.owned_by_another(file, there).unwrap_or_default(),
                    _ => None,
                };
                self.remove_quietly(&file.temporary);
                return Err(match blocked {
                    Some(reason) => rejected(reason, MAY_NOT_REPLACE),
                    None => trouble.before_publishing(),
                });
            }
        }
        match self.take_free(put, file, Way::RemoveFirst) {
            Ok(how) => {
                if let Err(trouble) =
                    self.client.doing("remove", &aside.final_path, |client| client.remove(&aside.final_path))
                    && !is_absent(&trouble.failure)
                {
                    self.note(format!("the replaced file stays at the server: {trouble}"));
                }
                Ok(how)
            }
            Err(verdict) => Err(self.move_back(&aside, verdict)),
        }
    }

    /// The old file takes its name again, if that is free.
    fn move_back(&mut self, aside: &IntendedFile, verdict: Verdict) -> Verdict {
        let (old, to) = (&aside.final_path, &aside.temporary);
        let back = match self.at(to) {
            Ok(AtPath::Absent | AtPath::Hidden) => {
                self.client.doing("move back to", to, |client| client.slowly(|client| client.rename(old, to)))
            }
            Ok(AtPath::There(_)) => Ok(()),
            Err(lost) => Err(lost),
        };
        match back {
            Ok(()) => verdict,
            Err(trouble) => {
                Verdict::Unknown { reason: format!("{}; the old file is at {old}: {trouble}", verdict.into_reason()) }
            }
        }
    }

    /// A plain rename overwrites on some servers (SFTPGo), so the final name is looked at before.
    fn choose_way(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<Way, Verdict> {
        if put.replacing() && self.client.extensions.posix_rename {
            return Ok(Way::Posix);
        }
        let path = &file.final_path;
        let there = self.client.doing("stat", path, |client| match file.role {
            Role::Data => fault::step("sftp.lstat", || client.at(path)),
            _ => client.at(path),
        });
        match there {
            Ok(AtPath::Absent) => Ok(Way::Plain),
            Ok(found) if found.is_directory() => Err(directory_in_the_way(path)),
            Ok(AtPath::There(_)) if !put.replacing() => Err(taken(put.plan.existing, path)),
            Ok(AtPath::There(_)) if put.plan.replace_with_gap => Ok(Way::RemoveFirst),
            Ok(AtPath::There(there)) => {
                // Root may do what others may not.
                let blocked = self.owned_by_another(file, there).map_err(Trouble::before_publishing)?;
                Err(match blocked.filter(|_| there.owner != Some(0)) {
                    Some(reason) => rejected(reason, MAY_NOT_REPLACE),
                    None => cannot_rename_over(path, "it offers no posix-rename@openssh.com"),
                })
            }
            Err(trouble) if trouble.is_lost() => Err(trouble.before_publishing()),
            // A refusal to say (a write-only drop box) leaves it to the rename itself.
            Ok(AtPath::Hidden) | Err(_) => Ok(Way::Plain),
        }
    }
}

/// What a person can do where the account may not replace a file.
pub(super) const MAY_NOT_REPLACE: &str =
    "have the file's owner remove it or let the account own it, or deliver under a name that is free";
