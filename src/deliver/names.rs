//! Names and paths at a destination: the only ones that a delivery may touch.

use crate::name::split_ending;

/// `number` tries `name-1` to `name-999`.
pub(super) const NUMBER_MAX: u32 = 999;

const TEMPORARY_ENDING: &str = ".part";
/// Hexadecimal digits of a run's id, and of a random part.
const ID_DIGITS: usize = 16;

/// Returns `.<name>.<run>.part`: hidden from readers, and recognisable as ours.
pub(super) fn temporary(name: &str, run: &str) -> String {
    format!(".{name}.{run}{TEMPORARY_ENDING}")
}

/// Returns `.<name>.<run>-<random>.part`, which nobody can guess: for a folder in which others may plant links.
pub(super) fn random_temporary(name: &str, run: &str) -> String {
    format!(".{name}.{run}-{:016x}{TEMPORARY_ENDING}", fastrand::u64(..))
}

/// Returns the name and run id in one of our temporary names; `None` for any other name.
pub(super) fn temporary_parts(name: &str) -> Option<(&str, &str)> {
    let inner = name.strip_prefix('.')?.strip_suffix(TEMPORARY_ENDING)?;
    let (name, id) = inner.rsplit_once('.')?;
    let is_id =
        |id: &str| id.len() == ID_DIGITS && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let (run, random) = id.split_once('-').map_or((id, None), |(run, random)| (run, Some(random)));
    (is_id(run) && random.is_none_or(is_id) && !name.is_empty()).then_some((name, run))
}

/// Returns a numbered name: `completions.csv` → `completions-3.csv`.
pub(super) fn numbered(name: &str, number: u32) -> String {
    let (stem, ending) = split_ending(name);
    format!("{stem}-{number}{ending}")
}

/// Returns true if this delivery may use `name`: the artifact's name, or a numbered one.
pub(super) fn belongs_to(name: &str, artifact_name: &str) -> bool {
    let (stem, ending) = split_ending(artifact_name);
    let Some(middle) = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending)) else { return false };
    let number = middle.strip_prefix('-').unwrap_or("");
    middle.is_empty() || (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Returns the components of a `/` separated directory, without empty ones and `.`.
///
/// # Errors
/// A component would leave the directory, or is not a valid file name.
pub(super) fn components(directory: &str) -> Result<Vec<&str>, String> {
    let parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for part in &parts {
        check_component(part)?;
    }
    Ok(parts)
}

fn check_component(part: &str) -> Result<(), String> {
    if part == ".." {
        return Err("\"..\" would leave the destination's base".to_owned());
    }
    if part.chars().any(char::is_control) {
        return Err(format!("{part:?} has control characters"));
    }
    Ok(())
}

/// Checks a file name, which must be one path component.
///
/// # Errors
/// The name is empty or a path.
pub(super) fn check_file_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name == "." || name.contains(['/', '\\']) {
        return Err(format!("{name:?} is not a file's name"));
    }
    check_component(name)
}

/// Returns `directory` below `base` as a remote path without a trailing `/`; empty for the directory after sign-in.
///
/// A base of `""` or `"."` is the directory after sign-in; a directory that begins with `/` is then absolute, because no
/// base confines it. With any other base, every directory is below it.
///
/// # Errors
/// The directory would leave the base.
pub(super) fn remote_directory(base: &str, directory: &str) -> Result<String, String> {
    let below = components(directory)?.join("/");
    let base = if base == "." { "" } else { base };
    let path = match base {
        "" if directory.starts_with('/') => format!("/{below}"),
        "" => below,
        base => {
            let stem = base.trim_end_matches('/');
            match (stem, below.as_str()) {
                ("", _) => format!("/{below}"),
                (_, "") => stem.to_owned(),
                _ => format!("{stem}/{below}"),
            }
        }
    };
    Ok(path)
}

/// Returns the path of `name` in a `directory` from [`remote_directory`].
pub(super) fn remote_path(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        directory if directory.ends_with('/') => format!("{directory}{name}"),
        directory => format!("{directory}/{name}"),
    }
}

/// Returns the directory of a remote path, in the form of [`remote_directory`].
pub(super) fn remote_parent(path: &str) -> &str {
    match path.rfind('/') {
        None => "",
        Some(0) => "/",
        Some(at) => &path[..at],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_before_the_ending() {
        for (name, third) in [
            ("a.csv", "a-3.csv"),
            ("a.csv.gz", "a-3.csv.gz"),
            ("a.2026.csv", "a.2026-3.csv"),
            ("a", "a-3"),
            (".hidden", ".hidden-3"),
            ("a.gz", "a-3.gz"),
            ("größe.csv", "größe-3.csv"),
        ] {
            assert_eq!(numbered(name, 3), third);
            assert!(belongs_to(third, name) && belongs_to(name, name), "{name}");
            assert!(!belongs_to(&format!("x{name}"), name));
        }
        assert!(!belongs_to("a-.csv", "a.csv") && !belongs_to("a-x.csv", "a.csv"));
    }

    #[test]
    fn only_our_own_temporaries_are_recognised() {
        let ours = temporary("a.csv", "0123456789abcdef");
        assert_eq!(ours, ".a.csv.0123456789abcdef.part");
        assert_eq!(temporary_parts(&ours), Some(("a.csv", "0123456789abcdef")));
        let random = random_temporary("a.csv", "0123456789abcdef");
        assert_eq!(temporary_parts(&random), Some(("a.csv", "0123456789abcdef")));
        assert_ne!(random, random_temporary("a.csv", "0123456789abcdef"));
        for other in [
            "a.csv.0123456789abcdef.part",
            ".a.csv.0123456789abcde.part",
            ".a.csv.0123456789abcdeg.part",
            ".a.csv.0123456789ABCDEF.part",
            ".a.csv.part",
            ".a.csv.0123456789abcdef-.part",
            ".a.csv.0123456789abcdef-0.part",
            "..0123456789abcdef.part",
            ".0123456789abcdef.part",
            ".a.csv.0123456789abcdef.parts",
        ] {
            assert_eq!(temporary_parts(other), None, "{other}");
        }
    }

    #[test]
    fn a_directory_stays_below_the_base() {
        for (base, directory, path) in [
            ("", "in/learning", "in/learning"),
            ("", "/in/learning", "/in/learning"),
            ("", "/", "/"),
            ("", "", ""),
            (".", "in", "in"),
            ("/", "/in", "/in"),
            ("/", "", "/"),
            ("/drop", "/in//x/./", "/drop/in/x"),
            ("/drop/", "in", "/drop/in"),
            ("/drop", "", "/drop"),
            ("drop", "/in", "drop/in"),
        ] {
            assert_eq!(remote_directory(base, directory).as_deref(), Ok(path), "{base:?} + {directory:?}");
        }
        for directory in ["..", "../x", "a/../../b", "/..", "a/..", "a\0b", "a\nb"] {
            assert!(remote_directory("/drop", directory).is_err(), "{directory:?}");
        }
    }

    #[test]
    fn a_file_name_is_one_component() {
        for bad in ["", ".", "..", "a/b", "a\\b", "a\0"] {
            assert!(check_file_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_file_name("..a").is_ok() && check_file_name("a b.csv").is_ok());
    }

    #[test]
    fn a_path_and_its_directory() {
        for (directory, path) in [("", "n"), ("/", "/n"), ("/a", "/a/n"), ("a/b", "a/b/n")] {
            assert_eq!(remote_path(directory, "n"), path);
            assert_eq!(remote_parent(path), directory);
        }
    }
}
