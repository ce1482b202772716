//! State of paths, creation of directories, and why a path cannot be used: determined by inspection, because a status is
//! ambiguous.

use super::SftpTarget;
use super::error::{MAKE_DIRECTORY, SftpError, rejected};
use crate::deliver::{IntendedFile, Verdict, names};
use crate::settings::Sftp;
use crate::sftp::{self, Attributes, Client, SetAttributes, Transport, or_refusal};

/// State of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtPath {
    Absent,
    There(Attributes),
    /// The server does not report it.
    Hidden,
}

impl AtPath {
    pub(super) fn is_directory(self) -> bool {
        matches!(self, AtPath::There(there) if there.is_directory() == Some(true))
    }

    fn is_file(self) -> bool {
        matches!(self, AtPath::There(there) if there.is_directory() == Some(false))
    }

    /// Returns true if files may be written into it.
    fn may_be_directory(self) -> bool {
        matches!(self, AtPath::There(there) if there.is_directory() != Some(false))
    }
}

/// Returns the directory and its parents, the topmost first.
pub(super) fn prefixes(directory: &str) -> impl Iterator<Item = &str> {
    let ends = directory.char_indices().filter(|&(at, c)| c == '/' && at > 0).map(|(at, _)| at);
    ends.chain((!directory.is_empty() && directory != "/").then_some(directory.len())).map(|end| &directory[..end])
}

/// Returns the path for a request: `.` if empty, the directory after sign-in.
pub(super) fn or_current(directory: &str) -> &str {
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

impl<T: Transport> Client<T> {
    /// Returns the state of `path`, without following a symbolic link.
    pub(super) fn at(&mut self, path: &str) -> Result<AtPath, sftp::Error> {
        at_path(self.lstat(path))
    }

    /// Returns the state of `path`, following symbolic links.
    pub(super) fn at_target(&mut self, path: &str) -> Result<AtPath, sftp::Error> {
        at_path(self.stat(path))
    }

    /// Creates a directory and its parents, and calls `made` for each new one. Servers report an existing one differently,
    /// so an error counts only if the directory is absent in the end; the first error is returned, because later ones
    /// follow from it.
    ///
    /// # Errors
    /// A file is in the way, or the server refused.
    pub(super) fn make_directories(
        &mut self,
        directory: &str,
        mut made: impl FnMut(&mut Self, &str) -> Result<(), sftp::Error>,
    ) -> Result<(), Verdict> {
        let stat = |client: &mut Self, path: &str| {
            client.doing("stat", path, |client| client.at_target(path)).map_err(SftpError::before_publishing)
        };
        if directory.is_empty() || stat(self, directory)?.may_be_directory() {
            return Ok(());
        }
        let (mut first, mut last) = (None, None);
        for path in prefixes(directory) {
            let error = match self.doing("make the directory", path, |client| client.mkdir(path)) {
                Ok(()) => {
                    let set = self.doing("set the mode of", path, |client| made(client, path));
                    set.map_err(SftpError::before_publishing)?;
                    continue;
                }
                Err(error) if error.is_lost() => return Err(error.before_publishing()),
                Err(error) => error,
            };
            match stat(self, path)? {
                found if found.is_file() => return Err(not_a_directory(path)),
                AtPath::There(_) => {}
                AtPath::Absent => _ = first.get_or_insert(error),
                AtPath::Hidden => last = Some(error),
            }
        }
        match (stat(self, directory)?, first.or(last)) {
            (AtPath::There(_), _) | (_, None) => Ok(()),
            (_, Some(error)) => Err(error.before_publishing()),
        }
    }

    /// Returns whether both directories are on one file system, by `statvfs@openssh.com`; `None` if it does not show that.
    pub(super) fn on_one_file_system(&mut self, one: &str, other: &str) -> Result<Option<bool>, sftp::Error> {
        if !self.extensions.statvfs {
            return Ok(None);
        }
        let mut ids = [0; 2];
        for (id, directory) in ids.iter_mut().zip([one, other]) {
            let Ok(space) = or_refusal(self.space(or_current(directory)))? else { return Ok(None) };
            *id = space.file_system;
        }
        Ok((ids[0] != 0 && ids[1] != 0).then_some(ids[0] == ids[1]))
    }

    /// Returns true if the server renames the file at `path` within its directory; it is renamed back.
    pub(super) fn renames_within(&mut self, path: &str) -> Result<bool, sftp::Error> {
        let aside = format!("{path}.r");
        if or_refusal(self.rename(path, &aside))?.is_err() {
            return Ok(false);
        }
        if or_refusal(self.rename(&aside, path))?.is_err() {
            let _ = self.remove(&aside); // a loss shows at the next request
        }
        Ok(true)
    }
}

fn at_path(found: Result<Attributes, sftp::Error>) -> Result<AtPath, sftp::Error> {
    Ok(match or_refusal(found)? {
        Ok(attributes) => AtPath::There(attributes),
        Err(status) if status.is_not_found() => AtPath::Absent,
        Err(_) => AtPath::Hidden,
    })
}

impl<T: Transport> SftpTarget<T> {
    /// Returns the state of `path`, without following a symbolic link.
    pub(super) fn at(&mut self, path: &str) -> Result<AtPath, SftpError> {
        self.client.doing("stat", path, |client| client.at(path))
    }

    /// Returns the state of `path`, following symbolic links.
    pub(super) fn at_target(&mut self, path: &str) -> Result<AtPath, SftpError> {
        self.client.doing("stat", path, |client| client.at_target(path))
    }

    /// Creates a directory and its parents; new ones get the mode from the settings.
    pub(super) fn make_directory(&mut self, sftp: &Sftp, directory: &str) -> Result<(), Verdict> {
        let mut refused = None;
        let mode = sftp.directory_mode();
        let made = self.client.make_directories(directory, |client, path| {
            let Some(mode) = mode else { return Ok(()) };
            match client.set_attributes(path, SetAttributes::Mode(mode)) {
                Err(sftp::Error::Refused(status)) => {
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

    /// Returns why a file in `directory` could not be opened, if the path is the reason.
    ///
    /// # Errors
    /// Contact is lost.
    pub(super) fn path_problem(&mut self, directory: &str, error: &SftpError) -> Result<Option<Verdict>, Verdict> {
        let mut at = |path: &str| self.at_target(path).map_err(SftpError::before_publishing);
        if directory.is_empty() || at(directory)?.may_be_directory() {
            return Ok(None);
        }
        for path in prefixes(directory) {
            match at(path)? {
                found if found.is_file() => return Ok(Some(not_a_directory(path))),
                AtPath::Absent if !error.source.is_not_found() => {
                    return Ok(Some(rejected(format!("{error}: there is no directory {path}"), MAKE_DIRECTORY)));
                }
                AtPath::There(_) | AtPath::Absent | AtPath::Hidden => {}
            }
        }
        Ok(None)
    }

    /// Returns why the account must not replace the file at `file`'s final name: another account owns it, and in this
    /// directory only owners may. `None` if that is not so, or cannot be determined.
    pub(super) fn owned_by_another(
        &mut self,
        file: &IntendedFile,
        there: Attributes,
    ) -> Result<Option<String>, SftpError> {
        let directory = names::remote_parent(&file.final_path);
        let ours = match self.at(&file.temporary)? {
            AtPath::There(ours) => ours.owner,
            AtPath::Absent | AtPath::Hidden => None,
        };
        let (Some(owner), Some(ours)) = (there.owner, ours) else { return Ok(None) };
        if owner == ours {
            return Ok(None);
        }
        let found = self.at_target(or_current(directory))?;
        let AtPath::There(parent) = found else { return Ok(None) };
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
