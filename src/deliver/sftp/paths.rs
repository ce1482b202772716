//! What is at a path, directories made, and why a path cannot be used: in the server's terms, not by its ambiguous status.

use super::SftpDrop;
use super::answer::Attributes;
use super::client::{Client, Failure, Wire};
use super::publish::rejected;
use super::requests::SetAttributes;
use super::trouble::{Trouble, is_absent};
use crate::deliver::{IntendedFile, Verdict, names};
use crate::settings::Sftp;

/// What a look at a path found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtPath {
    Absent,
    There(Attributes),
    /// The server does not say.
    Hidden,
}

impl AtPath {
    pub(super) fn is_directory(self) -> bool {
        matches!(self, AtPath::There(there) if there.is_directory() == Some(true))
    }
}

/// The directory and its parents, the topmost first.
pub(super) fn prefixes(directory: &str) -> impl Iterator<Item = &str> {
    let ends = directory.char_indices().filter(|&(at, c)| c == '/' && at > 0).map(|(at, _)| at);
    ends.chain((!directory.is_empty() && directory != "/").then_some(directory.len())).map(|end| &directory[..end])
}

/// As requests write it: the empty path is where sign-in leads.
pub(super) fn or_here(directory: &str) -> &str {
    if directory.is_empty() { "." } else { directory }
}

pub(super) fn directory_in_the_way(path: &str) -> Verdict {
    rejected(
        format!("{path} is a directory, and the file cannot take its name"),
        "remove the directory, or correct the artifact's `name` or the delivery's `path`",
    )
}

fn not_a_directory(path: &str) -> Verdict {
    rejected(
        format!("{path} is a file, not a directory: no path leads through it"),
        "correct the delivery's `path`, or the destination's `base` or `staging`",
    )
}

impl<W: Wire> Client<W> {
    /// What is at `path`, a symbolic link itself.
    pub(super) fn at(&mut self, path: &str) -> Result<AtPath, Failure> {
        at_path(self.lstat(path))
    }

    /// What is at `path`, symbolic links followed.
    pub(super) fn behind(&mut self, path: &str) -> Result<AtPath, Failure> {
        at_path(self.stat(path))
    }

    /// Makes a directory and its parents, and calls `made` for each that it made. What a server says about one that exists
    /// differs, so its word counts only where the directory is not there in the end; then the first failure is returned,
    /// not one that follows from it.
    ///
    /// # Errors
    /// A file in the way, or what the server refused.
    pub(super) fn make_directories(
        &mut self,
        directory: &str,
        mut made: impl FnMut(&mut Self, &str) -> Result<(), Failure>,
    ) -> Result<(), Verdict> {
        let stat = |client: &mut Self, path: &str| {
            client.doing("stat", path, |client| client.behind(path)).map_err(Trouble::before_publishing)
        };
        if directory.is_empty()
            || matches!(stat(self, directory)?, AtPath::There(there) if there.is_directory() != Some(false))
        {
            return Ok(());
        }
        let (mut first, mut last) = (None, None);
        for path in prefixes(directory) {
            let trouble = match self.doing("make the directory", path, |client| client.mkdir(path)) {
                Ok(()) => {
                    let told = self.doing("set the mode of", path, |client| made(client, path));
                    told.map_err(Trouble::before_publishing)?;
                    continue;
                }
                Err(trouble) if trouble.is_lost() => return Err(trouble.before_publishing()),
                Err(trouble) => trouble,
            };
            match stat(self, path)? {
                AtPath::There(there) if there.is_directory() == Some(false) => return Err(not_a_directory(path)),
                AtPath::There(_) => {}
                AtPath::Absent => _ = first.get_or_insert(trouble),
                AtPath::Hidden => last = Some(trouble),
            }
        }
        match (stat(self, directory)?, first.or(last)) {
            (AtPath::There(_), _) | (_, None) => Ok(()),
            (_, Some(trouble)) => Err(trouble.before_publishing()),
        }
    }

    /// Whether both directories are on one file system, as `statvfs@openssh.com` says; `None` where that is not said.
    pub(super) fn on_one_file_system(&mut self, one: &str, other: &str) -> Result<Option<bool>, Failure> {
        if !self.extensions.statvfs {
            return Ok(None);
        }
        let mut ids = [0; 2];
        for (id, directory) in ids.iter_mut().zip([one, other]) {
            match self.space(or_here(directory)) {
                Ok(space) => *id = space.file_system,
                Err(Failure::Refused(_)) => return Ok(None),
                Err(lost) => return Err(lost),
            }
        }
        Ok((ids[0] != 0 && ids[1] != 0).then_some(ids[0] == ids[1]))
    }

    /// Whether the server renames the file at `path` within its directory; it is renamed back.
    pub(super) fn renames_within(&mut self, path: &str) -> Result<bool, Failure> {
        let aside = format!("{path}.r");
        match self.rename(path, &aside) {
            Ok(()) => {}
            Err(Failure::Refused(_)) => return Ok(false),
            Err(lost) => return Err(lost),
        }
        match self.rename(&aside, path) {
            Err(Failure::Refused(_)) => self.remove(&aside).map(|()| true).or(Ok(true)),
            renamed => renamed.map(|()| true),
        }
    }
}

fn at_path(looked: Result<Attributes, Failure>) -> Result<AtPath, Failure> {
    match looked {
        Ok(attributes) => Ok(AtPath::There(attributes)),
        Err(failure) if is_absent(&failure) => Ok(AtPath::Absent),
        Err(Failure::Refused(_)) => Ok(AtPath::Hidden),
        Err(lost) => Err(lost),
    }
}

impl<W: Wire> SftpDrop<W> {
    /// What is at `path`, a symbolic link itself.
    pub(super) fn at(&mut self, path: &str) -> Result<AtPath, Trouble> {
        self.client.doing("stat", path, |client| client.at(path))
    }

    /// Makes a directory and its parents; those that are made get the mode that the settings ask for.
    pub(super) fn make_directory(&mut self, sftp: &Sftp, directory: &str) -> Result<(), Verdict> {
        let mut refused = None;
        let mode = sftp.directory_mode();
        let made = self.client.make_directories(directory, |client, path| {
            let Some(mode) = mode else { return Ok(()) };
            match client.set_attributes(path, SetAttributes::Mode(mode)) {
                Err(Failure::Refused(status)) => {
                    refused.get_or_insert(format!("the server refused the mode {mode:04o} for {path}: {status}"));
                    Ok(())
                }
                set => set,
            }
        });
        if let Some(refused) = refused {
            self.note(refused);
        }
        made
    }

    /// Why a file in `directory` could not be opened, where the path is the reason.
    ///
    /// # Errors
    /// Contact is lost.
    pub(super) fn path_problem(&mut self, directory: &str, trouble: &Trouble) -> Result<Option<Verdict>, Verdict> {
        let mut behind = |path: &str| {
            self.client.doing("stat", path, |client| client.behind(path)).map_err(Trouble::before_publishing)
        };
        if directory.is_empty()
            || matches!(behind(directory)?, AtPath::There(there) if there.is_directory() != Some(false))
        {
            return Ok(None);
        }
        for path in prefixes(directory) {
            match behind(path)? {
                AtPath::There(there) if there.is_directory() == Some(false) => return Ok(Some(not_a_directory(path))),
                AtPath::Absent if !is_absent(&trouble.failure) => {
                    let hint = "make the directory there, or set `mkdir: true` for the destination";
                    return Ok(Some(rejected(format!("{trouble}: there is no directory {path}"), hint)));
                }
                AtPath::There(_) | AtPath::Absent | AtPath::Hidden => {}
            }
        }
        Ok(None)
    }

    /// Why the account may not replace the file at `file`'s final name: another one owns it, and the directory lets owners
    /// alone do so. `None` where that is not so, or not to be seen.
    pub(super) fn owned_by_another(
        &mut self,
        file: &IntendedFile,
        there: Attributes,
    ) -> Result<Option<String>, Trouble> {
        let directory = names::remote_parent(&file.final_path);
        let ours = match self.at(&file.temporary)? {
            AtPath::There(ours) => ours.owner,
            AtPath::Absent | AtPath::Hidden => None,
        };
        let (Some(owner), Some(ours)) = (there.owner, ours) else { return Ok(None) };
        if owner == ours {
            return Ok(None);
        }
        let looked = self.client.doing("stat", directory, |client| client.behind(or_here(directory)))?;
        let AtPath::There(parent) = looked else { return Ok(None) };
        Ok((parent.is_sticky() && parent.owner != Some(ours)).then(|| {
            format!(
                "the account (user {ours}) may not replace the existing file {}: user {owner} owns it, and only owners may \
                 replace files in that directory (sticky, mode {:04o})",
                file.final_path,
                parent.permissions.unwrap_or(0) & 0o7777
            )
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_from_the_top() {
        for (directory, expected) in [
            ("", vec![]),
            ("/", vec![]),
            ("a", vec!["a"]),
            ("/a/b", vec!["/a", "/a/b"]),
            ("a/b/c", vec!["a", "a/b", "a/b/c"]),
        ] {
            assert_eq!(prefixes(directory).collect::<Vec<_>>(), expected, "{directory}");
        }
    }
}
