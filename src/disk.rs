//! Files of this machine: private ones of ours, regular ones that people write, and the space that is left for them.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, StatVfsMountFlags};

/// Permission bits of anyone but the owner.
const OTHERS: u32 = 0o077;
/// File systems in memory, as container platforms mount secrets (`statfs`).
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// Returns options whose new files only this account can read, whatever the umask.
pub fn private_file() -> OpenOptions {
    let mut options = File::options();
    options.mode(0o600);
    options
}

/// Creates a folder that only this account can enter, and its missing parents.
///
/// # Errors
/// It cannot be created.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes permissions from everyone but the owner: of the data folder, and of our files in it. Returns how many had more.
/// What another account owns, as a mounted volume, is not changed.
pub fn tighten(data: &Path, ledger: Option<&Path>) -> u64 {
    let mut pending = vec![data.join("spool"), data.join("baselines")];
    let mut tightened = tighten_one(data);
    for name in ["known_hosts", "worker.lock", "credentials.salt"] {
        tightened += tighten_one(&data.join(name));
    }
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let Some(ledger) = ledger else { break };
        let mut path = ledger.as_os_str().to_owned();
        path.push(suffix);
        tightened += tighten_one(Path::new(&path));
    }
    while let Some(path) = pending.pop() {
        tightened += tighten_one(&path);
        pending.extend(fs::read_dir(&path).into_iter().flatten().flatten().filter_map(|entry| {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_folder {
                tightened += tighten_one(&entry.path());
            }
            is_folder.then(|| entry.path())
        }));
    }
    tightened
}

fn tighten_one(path: &Path) -> u64 {
    let Ok(facts) = fs::symlink_metadata(path) else { return 0 };
    let mode = facts.mode() & 0o7777;
    if facts.is_symlink() || mode & OTHERS == 0 {
        return 0;
    }
    u64::from(fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)).is_ok())
}

/// Opens a regular file, or a link to one, to read it. Never waits, as opening a named pipe would.
///
/// # Errors
/// It cannot be opened, or is something else.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let regular = |facts: &Metadata| match describe_special(facts) {
        None => Ok(()),
        Some(kind) => Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {kind}, not a file"))),
    };
    // First by name: opening a device may have effects.
    regular(&fs::metadata(path)?)?;
    let file = File::options().read(true).custom_flags(flags(OFlags::NONBLOCK)).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens the file itself to read it: no link is followed, and nothing waits.
///
/// # Errors
/// It cannot be opened.
pub fn open_itself(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(flags(OFlags::NONBLOCK | OFlags::NOFOLLOW)).open(path)
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// Names what is not a regular file: `a directory`, `a named pipe`. `None` for a regular file.
pub fn describe_special(facts: &Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    Some(match () {
        () if kind.is_file() => return None,
        () if kind.is_dir() => "a directory",
        () if kind.is_symlink() => "a link",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    })
}

/// Returns who else can read or change a file with a secret: `everyone`, or its group. `None` if nobody can, or if the
/// file is mounted read-only or from memory, as container platforms mount secrets. Our own group may read it.
pub fn exposed_to(path: &Path) -> Option<&'static str> {
    let facts = fs::metadata(path).ok().filter(Metadata::is_file)?;
    let mode = facts.mode();
    let ours = || {
        let group = facts.gid();
        rustix::process::getegid().as_raw() == group
            || rustix::process::getgroups().is_ok_and(|groups| groups.iter().any(|one| one.as_raw() == group))
    };
    let exposed_to = match mode {
        mode if mode & 0o007 != 0 => "everyone",
        mode if mode & 0o030 != 0 || (mode & 0o040 != 0 && !ours()) => "its group",
        _ => return None,
    };
    (!is_secret_mount(path)).then_some(exposed_to)
}

fn is_secret_mount(path: &Path) -> bool {
    let read_only = rustix::fs::statvfs(path).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
    #[allow(clippy::unnecessary_cast)] // other platforms have other types
    let in_memory = || rustix::fs::statfs(path).is_ok_and(|fs| IN_MEMORY.contains(&(fs.f_type as i64)));
    read_only || in_memory()
}

/// Space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Free for this account.
    pub free: u64,
    pub total: u64,
}

/// Returns the space where `folder` is, or will be.
///
/// # Errors
/// The file system does not respond.
pub fn space(folder: &Path) -> io::Result<Space> {
    let exists = folder.ancestors().find(|path| path.exists());
    let fs = rustix::fs::statvfs(exists.map_or(PathBuf::from("."), Path::to_owned))?;
    let bytes = |blocks: u64| blocks.saturating_mul(fs.f_frsize);
    Ok(Space { free: bytes(fs.f_bavail), total: bytes(fs.f_blocks) })
}

/// Returns true if the error says that a disk or a quota is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_and_old_files_of_ours_become_private() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
        create_private_folder(&data.join("spool/0123456789abcdef/artifact")).unwrap();
        assert_eq!(mode(&data), 0o700);
        let made = data.join("spool/0123456789abcdef/artifact/a.csv");
        private_file().write(true).create(true).truncate(true).open(&made).unwrap();
        assert_eq!((mode(&made), tighten(&data, None)), (0o600, 0));
        let outside = home.path().join("outside");
        fs::write(&outside, "").unwrap();
        std::os::unix::fs::symlink(&outside, data.join("spool/link")).unwrap();
        for path in [data.clone(), data.join("spool"), made.clone(), outside.clone()] {
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(data.join("ledger.db-wal"), "").unwrap();
        fs::set_permissions(data.join("ledger.db-wal"), Permissions::from_mode(0o644)).unwrap();
        assert_eq!(tighten(&data, Some(&data.join("ledger.db"))), 4);
        assert_eq!((mode(&made), mode(&data), mode(&data.join("ledger.db-wal"))), (0o700, 0o700, 0o600));
        assert_eq!(mode(&outside), 0o755, "a link is not followed");
    }

    #[test]
    fn only_regular_files_are_opened_and_none_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let open = |name: &str| open_regular(&path(name)).map_err(|error| error.to_string());
        fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        std::os::unix::fs::symlink("gone", path("dangling")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        assert!(open("file").is_ok() && open("link").is_ok());
        assert!(open("dangling").is_err());
        assert_eq!(open("pipe").unwrap_err(), "it is a named pipe, not a file");
        assert_eq!(open("socket").unwrap_err(), "it is a socket, not a file");
        assert_eq!(open("").unwrap_err(), "it is a directory, not a file");
        assert_eq!(open_regular(Path::new("/dev/null")).unwrap_err().to_string(), "it is a device, not a file");
        assert!(open_itself(&path("file")).is_ok() && open_itself(&path("link")).is_err());
    }

    #[test]
    fn a_secret_is_exposed_to_everyone_or_to_another_group() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        fs::write(&path, "x").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o400, None),
            (0o640, None), // our own group
            (0o660, Some("its group")),
            (0o604, Some("everyone")),
            (0o644, Some("everyone")),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(exposed_to(&path), expected, "{mode:o}");
        }
        let memory = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        memory.as_file().set_permissions(Permissions::from_mode(0o644)).unwrap();
        assert_eq!(exposed_to(memory.path()), None);
    }
}
