//! The rename to the final name.
//!
//! Virus scanners and gateways hold a file for some seconds after it is closed. So a refused rename is repeated before it
//! counts, unless the state of the two paths rules success out.

use std::time::{Duration, Instant};

use super::SftpTarget;
use super::error::{SftpError, rejected};
use super::fault_points::fault_points;
use super::paths::{AtPath, directory_in_the_way};
use super::refused::{MAY_NOT_REPLACE, RefusedRename, RenameStrategy, cannot_rename_over};
use super::rules;
use crate::attempt::{RenameRefusal, rename_again};
use crate::deliver::companions::name_taken;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{IntendedFile, Role, Verdict, names};
use crate::fault;
use crate::sftp::{self, Transport};

impl<T: Transport> SftpTarget<T> {
    /// Renames the temporary file of `file` to its final name; returns how.
    pub(super) fn rename_into_place(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
    ) -> Result<&'static str, Verdict> {
        let strategy = match self.choose_strategy(delivery, file) {
            Ok(strategy) => strategy,
            Err(verdict) => {
                self.try_remove(&file.temporary);
                return Err(verdict);
            }
        };
        if strategy == RenameStrategy::RemoveFirst {
            self.replace_with_gap(delivery, file)
        } else {
            self.rename_with_retry(delivery, file, strategy)
        }
    }

    /// Renames until it succeeds, or until repeating is pointless.
    fn rename_with_retry(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        strategy: RenameStrategy,
    ) -> Result<&'static str, Verdict> {
        let started = Instant::now();
        let (mut refused, mut now) = (0, strategy);
        loop {
            let Err(error) = self.rename_once(file, now) else { return Ok(now.name()) };
            let sftp::Error::Refused(status) = error.source.clone() else {
                return Err(Verdict::Unknown { reason: error.to_string() });
            };
            refused += 1;
            let unknown =
                |error: &SftpError, lost: &SftpError| Verdict::Unknown { reason: format!("{error}; then {lost}") };
            let states = self.at(&file.final_path).and_then(|there| Ok((there, self.at(&file.temporary)?)));
            let (at_final, temporary) = states.map_err(|lost| unknown(&error, &lost))?;
            let found = RefusedRename { error, status, temporary, at_final };
            // A free name needs no posix-rename.
            if now == RenameStrategy::Posix && found.at_final == AtPath::Absent && found.temporary != AtPath::Absent {
                now = RenameStrategy::Plain;
                continue;
            }
            let refusal = self.refusal(delivery, file, &found).map_err(|lost| unknown(&found.error, &lost))?;
            match rename_again(refusal, refused, started.elapsed(), self.rename_limit(delivery)) {
                Some(wait) => {
                    tracing::debug!(path = file.final_path, refusal = %found.error, ?wait, "rename refused, retrying");
                    std::thread::sleep(wait);
                }
                None if strategy == RenameStrategy::Posix && self.can_replace_with_gap(delivery, file, &found) => {
                    return self.replace_with_gap(delivery, file);
                }
                None => return self.after_refused_rename(delivery, file, now, &found),
            }
            now = strategy;
            // The name may be taken by now, and some servers would overwrite the file.
            if strategy == RenameStrategy::Plain && !delivery.replacing() {
                match self.at(&file.final_path) {
                    Ok(AtPath::There(_)) => {
                        self.try_remove(&file.temporary);
                        return Err(name_taken(delivery.plan.existing, &file.final_path));
                    }
                    Ok(AtPath::Absent | AtPath::Hidden) => {}
                    Err(lost) => return Err(unknown(&found.error, &lost)),
                }
            }
        }
    }

    /// Returns true if `replace: with_gap` applies although posix-rename is offered, because it stays refused.
    fn can_replace_with_gap(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        found: &RefusedRename,
    ) -> bool {
        match found.at_final {
            AtPath::There(there) => {
                delivery.plan.replace_with_gap
                    && there.is_directory() != Some(true)
                    && found.temporary != AtPath::Absent
                    && matches!(self.owned_by_another(file, there), Ok(None))
            }
            AtPath::Absent | AtPath::Hidden => false,
        }
    }

    fn rename_once(&mut self, file: &IntendedFile, strategy: RenameStrategy) -> Result<(), SftpError> {
        let (from, to, timeout) = (&file.temporary, &file.final_path, self.client.options.slow_timeout);
        self.client.doing("rename to", to, |client| {
            client.with_timeout(timeout, |client| {
                fault::step(fault_points(file.role).rename, || match strategy {
                    RenameStrategy::Posix => client.posix_rename(from, to),
                    RenameStrategy::Plain | RenameStrategy::RemoveFirst => client.rename(from, to),
                })
            })
        })
    }

    /// Returns how long a rename may be repeated.
    fn rename_limit(&self, delivery: &DeliveryRequest<'_>) -> Duration {
        let left = delivery.until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(self.client.options.slow_timeout, |left| left.min(self.client.options.slow_timeout))
    }

    /// Returns true if the rename may be repeated. The state of the paths is unambiguous; a status is not.
    fn refusal(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        found: &RefusedRename,
    ) -> Result<RenameRefusal, SftpError> {
        let refusal = rules::refused_rename(&found.status);
        let is_final = found.temporary == AtPath::Absent || refusal == RenameRefusal::Final;
        match is_final || self.visible_reason(delivery, file, found)?.is_some() {
            true => Ok(RenameRefusal::Final),
            false => Ok(refusal),
        }
    }

    /// Replaces by `replace: with_gap`: moves the old file aside, and removes it once the new one is in place. On failure,
    /// moves it back; removing it first could leave readers with neither.
    fn replace_with_gap(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
    ) -> Result<&'static str, Verdict> {
        let to = &file.final_path;
        let name = to.rsplit('/').next().unwrap_or_default();
        let aside = IntendedFile {
            temporary: to.clone(),
            final_path: names::remote_path(
                names::remote_parent(to),
                &names::temporary(&format!("{name}.old"), delivery.run),
            ),
            ..file.clone()
        };
        // Left by an interrupted attempt; obsolete once a file has the final name.
        self.try_remove(&aside.final_path);
        let moved = self.client.doing("move aside", to, |client| {
            client.with_slow_timeout(|client| client.rename(&aside.temporary, &aside.final_path))
        });
        match moved {
            Ok(()) => {}
            Err(error) if error.is_lost() => return Err(Verdict::Unknown { reason: error.to_string() }),
            Err(error) if error.source.is_not_found() => {
                return self.rename_with_retry(delivery, file, RenameStrategy::Plain);
            }
            Err(error) => {
                let blocked = match self.at(to) {
                    Ok(AtPath::There(there)) => self.owned_by_another(file, there).unwrap_or_default(),
                    _ => None,
                };
                self.try_remove(&file.temporary);
                return Err(match blocked {
                    Some(reason) => rejected(reason, MAY_NOT_REPLACE),
                    None => error.before_publishing(),
                });
            }
        }
        match self.rename_with_retry(delivery, file, RenameStrategy::RemoveFirst) {
            Ok(how) => {
                if let Err(error) =
                    self.client.doing("remove", &aside.final_path, |client| client.remove(&aside.final_path))
                    && !error.source.is_not_found()
                {
                    self.note(format!("the replaced file stays at the server: {error}"));
                }
                Ok(how)
            }
            Err(verdict) => Err(self.restore(&aside, verdict)),
        }
    }

    /// Moves the old file back, if its name is free.
    fn restore(&mut self, aside: &IntendedFile, verdict: Verdict) -> Verdict {
        let (old, to) = (&aside.final_path, &aside.temporary);
        let back = match self.at(to) {
            Ok(AtPath::Absent | AtPath::Hidden) => self
                .client
                .doing("move back to", to, |client| client.with_slow_timeout(|client| client.rename(old, to))),
            Ok(AtPath::There(_)) => Ok(()),
            Err(lost) => Err(lost),
        };
        match back {
            Ok(()) => verdict,
            Err(error) => {
                Verdict::Unknown { reason: format!("{}; the old file is at {old}: {error}", verdict.reason()) }
            }
        }
    }

    /// Renames to a free name. Checks the final name first, because a plain rename overwrites on some servers (SFTPGo).
    pub(super) fn choose_strategy(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
    ) -> Result<RenameStrategy, Verdict> {
        if delivery.replacing() && self.client.extensions.posix_rename {
            return Ok(RenameStrategy::Posix);
        }
        let path = &file.final_path;
        let there = self.client.doing("stat", path, |client| match file.role {
            Role::Data => fault::step("sftp.lstat", || client.at(path)),
            _ => client.at(path),
        });
        match there {
            Ok(AtPath::Absent) => Ok(RenameStrategy::Plain),
            Ok(found) if found.is_directory() => Err(directory_in_the_way(path)),
            Ok(AtPath::There(_)) if !delivery.replacing() => Err(name_taken(delivery.plan.existing, path)),
            Ok(AtPath::There(_)) if delivery.plan.replace_with_gap => Ok(RenameStrategy::RemoveFirst),
            Ok(AtPath::There(there)) => {
                // Root may do what others may not.
                let blocked = self.owned_by_another(file, there).map_err(SftpError::before_publishing)?;
                Err(match blocked.filter(|_| there.owner != Some(0)) {
                    Some(reason) => rejected(reason, MAY_NOT_REPLACE),
                    None => cannot_rename_over(path, "it offers no posix-rename@openssh.com"),
                })
            }
            Err(error) if error.is_lost() => Err(error.before_publishing()),
            // A write-only drop box refuses to report it; the rename decides.
            Ok(AtPath::Hidden) | Err(_) => Ok(RenameStrategy::Plain),
        }
    }
}
