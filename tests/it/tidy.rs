//! The invariants of ARCHITECTURE.md that the text of the code can show.

use std::path::{Path, PathBuf};

/// Lines of one source file, its tests not counted.
const LINES_MAX: usize = 400;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file with its path below `src` and its text up to its tests.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 50);
    found.sort();
    // Files that are tests themselves: their parent declares them so.
    let declared: Vec<String> = found
        .iter()
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let parts: Vec<String> = text
                .split("#[cfg(test)]\nmod ")
                .skip(1)
                .filter_map(|rest| rest.split_once(';'))
                .map(|(name, _)| format!("{name}.rs"))
                .collect();
            parts.into_iter().filter(|name| name.len() < 40).collect::<Vec<_>>()
        })
        .collect();
    found
        .into_iter()
        .filter(|path| !declared.iter().any(|name| path.file_name().is_some_and(|file| file == name.as_str())))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
            (path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), code)
        })
        .collect()
}

/// No file of these rooms says any of these words.
fn check(rooms: &[&str], forbidden: &[&str]) {
    for (path, text) in code() {
        if !rooms.iter().any(|room| path.starts_with(room)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for word in forbidden {
                assert!(!line.contains(word), "src/{path}:{}: {word} does not belong in this room", number + 1);
            }
        }
    }
}

#[test]
fn pure_rooms_touch_neither_network_nor_ledger() {
    check(
        &["pipeline", "schedule", "transform", "expect", "encode"],
        &[
            "reqwest",
            "ssh2",
            "sqlx",
            "std::net::Tcp",
            "tokio::net",
            "crate::ledger",
            "crate::deliver",
            "crate::run",
            "crate::cli",
        ],
    );
}

#[test]
fn delivering_knows_no_retries_and_no_ledger() {
    check(
        &["deliver"],
        &[
            "crate::ledger",
            "attempt::Backoff",
            "attempt::Tries",
            "crate::run",
            "crate::cli",
            "crate::extract",
            "crate::schedule",
        ],
    );
}

#[test]
fn extracting_knows_no_destinations() {
    check(
        &["extract"],
        &["crate::deliver", "crate::ledger", "crate::encode", "crate::transform", "crate::run", "crate::cli"],
    );
}

#[test]
fn only_the_command_line_prints() {
    let elsewhere: Vec<String> =
        code().into_iter().map(|(path, _)| path).filter(|path| !path.starts_with("cli")).collect();
    let elsewhere: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
    check(&elsewhere, &["println!(", "eprintln!(", "print!(", "eprint!(", "stdout()"]);
}

#[test]
fn nothing_is_left_for_later() {
    check(&[""], &["todo!(", "unimplemented!(", "TODO", "FIXME", "#[ignore"]);
}

#[test]
fn files_do_one_thing() {
    for (path, text) in code() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "src/{path} has {lines} lines: which two things is it?");
    }
}
