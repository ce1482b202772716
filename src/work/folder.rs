//! The pipelines folder: which files are new, changed or removed since the last poll.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::pipeline;

/// Distinguishes versions of a file without reading it. Links are followed, because a mounted ConfigMap swaps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Option<Self> {
        // A link to nothing has one too: it is a problem, while a file that is gone ends its pipeline.
        let meta = std::fs::metadata(path).or_else(|_| std::fs::symlink_metadata(path)).ok()?;
        Some(Self {
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// The files that a pipeline file names; `None` for one that is not there.
pub(super) type Named = BTreeMap<PathBuf, Option<Stamp>>;

/// The files of a folder at the last poll.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    seen: BTreeMap<PathBuf, Stamp>,
    /// The files that each of them names, as they were when it was read.
    named: BTreeMap<PathBuf, Named>,
}

/// Returns the versions of files as they are now.
pub(super) fn stamps(paths: impl IntoIterator<Item = PathBuf>) -> Named {
    paths.into_iter().map(|path| (path.clone(), Stamp::of(&path))).collect()
}

/// Changes since the last poll.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub changed: Vec<PathBuf>,
    pub gone: Vec<PathBuf>,
}

impl Folder {
    /// Lists the folder. A folder that cannot be listed is an error, not an empty one.
    ///
    /// # Errors
    /// It is absent or cannot be listed.
    pub(super) fn poll(&mut self, folder: &Path) -> io::Result<Changes> {
        std::fs::read_dir(folder)?;
        let mut problems = Vec::new();
        let files = pipeline::files(folder, &[], &mut problems);
        if let Some(problem) = problems.first() {
            return Err(io::Error::other(problem.what.clone()));
        }
        let now: BTreeMap<PathBuf, Stamp> =
            files.into_iter().filter_map(|path| Stamp::of(&path).map(|stamp| (path, stamp))).collect();
        self.named.retain(|path, _| now.contains_key(path));
        let names_changed = |path: &Path| {
            self.named.get(path).is_some_and(|named| named.iter().any(|(path, stamp)| Stamp::of(path) != *stamp))
        };
        let changed =
            now.iter().filter(|(path, stamp)| self.seen.get(*path) != Some(stamp) || names_changed(path.as_path()));
        let changes = Changes {
            changed: changed.map(|(path, _)| path.clone()).collect(),
            gone: self.seen.keys().filter(|path| !now.contains_key(*path)).cloned().collect(),
        };
        self.seen = now;
        Ok(changes)
    }

    /// Watches the files that a pipeline file names, which were so when it was read.
    pub(super) fn watch(&mut self, path: &Path, named: Named) {
        match named.is_empty() {
            true => drop(self.named.remove(path)),
            false => drop(self.named.insert(path.to_owned(), named)),
        }
    }

    /// Makes the file count as changed at the next poll; without a path, all files.
    pub(super) fn forget(&mut self, path: Option<&Path>) {
        match path {
            Some(path) => drop(self.seen.remove(path)),
            // The keys stay, so that removed files are still noticed.
            None => self.seen.values_mut().for_each(|stamp| stamp.inode = u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_changes_with_those_that_it_names() {
        let base = tempfile::tempdir().unwrap();
        let (pipeline, table) = (base.path().join("a.yaml"), base.path().join("tables/codes.csv"));
        std::fs::write(&pipeline, "one").unwrap();
        let mut watched = Folder::default();
        assert_eq!(names(&watched.poll(base.path()).unwrap().changed), ["a.yaml"]);
        watched.watch(&pipeline, stamps([table.clone()]));
        assert_eq!(watched.poll(base.path()).unwrap(), Changes::default(), "it is not there, as before");
        std::fs::create_dir(base.path().join("tables")).unwrap();
        std::fs::write(&table, "a,b\n").unwrap();
        assert_eq!(names(&watched.poll(base.path()).unwrap().changed), ["a.yaml"]);
        watched.watch(&pipeline, stamps([table.clone()]));
        assert_eq!(watched.poll(base.path()).unwrap(), Changes::default());
        std::fs::write(&table, "a,c\n").unwrap();
        assert_eq!(names(&watched.poll(base.path()).unwrap().changed), ["a.yaml"], "same length, other text");
        watched.watch(&pipeline, Named::new());
        std::fs::remove_file(&table).unwrap();
        assert_eq!(watched.poll(base.path()).unwrap(), Changes::default(), "it names no file any more");
    }

    #[test]
    fn new_changed_swapped_and_gone_files_are_seen_once() {
        let base = tempfile::tempdir().unwrap();
        let (folder, store) = (base.path().join("pipelines"), base.path().join("store"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&store).unwrap();
        let mut watched = Folder::default();
        std::fs::write(folder.join("a.yaml"), "one").unwrap();
        std::fs::write(store.join("1"), "one").unwrap();
        std::fs::write(store.join("2"), "two").unwrap();
        std::os::unix::fs::symlink(store.join("1"), folder.join("b.yaml")).unwrap();
        assert_eq!(names(&watched.poll(&folder).unwrap().changed), ["a.yaml", "b.yaml"]);
        assert_eq!(watched.poll(&folder).unwrap(), Changes::default());
        std::fs::write(folder.join("a.yaml"), "two").unwrap();
        assert_eq!(names(&watched.poll(&folder).unwrap().changed), ["a.yaml"], "same length, other text");
        std::os::unix::fs::symlink(store.join("2"), base.path().join("swap")).unwrap();
        std::fs::rename(base.path().join("swap"), folder.join("b.yaml")).unwrap();
        assert_eq!(names(&watched.poll(&folder).unwrap().changed), ["b.yaml"]);
        std::fs::remove_file(folder.join("a.yaml")).unwrap();
        assert_eq!(names(&watched.poll(&folder).unwrap().gone), ["a.yaml"]);
        watched.forget(None);
        assert_eq!(names(&watched.poll(&folder).unwrap().changed), ["b.yaml"]);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(watched.poll(&folder).is_err(), "a folder that is away has lost no file");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(names(&watched.poll(&folder).unwrap().gone), ["b.yaml"]);
    }
}
