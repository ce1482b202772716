//! Files that a pipeline file names: tables of codes, whose content is part of the pipeline's version.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Component, Path, PathBuf};

use crate::yaml::problem::Problem;
use crate::yaml::read::At;
use crate::{digest, disk};

/// A file beside the pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFile {
    /// As it is written: relative to the pipeline file's folder.
    pub name: String,
    pub path: PathBuf,
    /// SHA-256 of its content, lower-case hex, when the pipeline was loaded.
    pub sha256: String,
}

impl TableFile {
    /// Returns the path of a file that is written in `pipeline`; `None` if it is absolute or leaves that file's folder.
    pub(super) fn path(pipeline: &Path, name: &str) -> Option<PathBuf> {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        (!name.is_empty() && inside).then(|| pipeline.parent().unwrap_or(Path::new("")).join(name))
    }

    /// Finds the file that is written in `pipeline`.
    ///
    /// # Errors
    /// The path is absolute, leaves the pipeline file's folder, or is not a readable file.
    pub(super) fn find(pipeline: &Path, written: &At<String>) -> Result<Self, Problem> {
        let name = &written.value;
        let path = path_inside(pipeline, written)?;
        match digest_of(&path) {
            Ok(sha256) => Ok(Self { name: name.clone(), path, sha256 }),
            Err(error) => {
                let problem = written.origin.error(format!("cannot read {}: {error}", path.display()));
                Err(problem.hint("a path is relative to the pipeline file's folder"))
            }
        }
    }

    /// Reads the file, whose content must still be the one that was found.
    ///
    /// # Errors
    /// It cannot be read, has more than `max` bytes, or has changed.
    pub(super) fn read(&self, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.take(max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(io::Error::other(format!("it has more than {max} bytes, the most that is read")));
        }
        Ok(bytes)
    }

    /// Opens the file, which must be what it was when the pipeline was loaded.
    ///
    /// # Errors
    /// It cannot be read, or it has changed.
    pub(crate) fn open(&self) -> io::Result<File> {
        let mut file = disk::open_regular(&self.path)?;
        if digest::of_open(file.try_clone()?)? != self.sha256 {
            return Err(io::Error::other("it has changed since the pipeline file was read; run the pipeline again"));
        }
        file.rewind()?;
        Ok(file)
    }
}

/// Returns the path of a file that is written in `pipeline`, which may be missing.
///
/// # Errors
/// The path is absolute, or leaves the pipeline file's folder.
pub(super) fn path_inside(pipeline: &Path, written: &At<String>) -> Result<PathBuf, Problem> {
    let name = &written.value;
    TableFile::path(pipeline, name).ok_or_else(|| {
        let problem = written.origin.error(format!("{name:?} is not a path below the pipeline file's folder"));
        problem.hint("put the file beside the pipeline file, and write its name: `courses.csv`")
    })
}

fn digest_of(path: &Path) -> io::Result<String> {
    digest::of_open(disk::open_regular(path)?)
}

/// Returns the version of a pipeline: the digest of its text, or of its text's digest and those of its tables.
pub(super) fn version(text: &str, profile: Option<&str>, tables: &[TableFile]) -> String {
    let own = digest::of(text.as_bytes());
    if tables.is_empty() && profile.is_none() {
        return own;
    }
    let profile = profile.map(|profile| format!("{} reader\n", digest::of(profile.as_bytes())));
    let lines = tables.iter().map(|table| format!("{} {}\n", table.sha256, table.name));
    digest::of(std::iter::once(format!("{own}\n")).chain(profile).chain(lines).collect::<String>().as_bytes())
}
