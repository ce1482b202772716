//! What certain modules never touch.

use super::graph::Import;
use super::source::Source;
use super::words::is_bounded;
use super::{Violation, counted};

/// Modules, and the beginnings of paths that they do not name. A path of the crate begins with the module's name.
const NEVER: &[(&[&str], &[&str])] = &[
    (
        &["pipeline", "schedule", "transform", "expect", "encode", "expr", "name", "yaml"],
        &[
            "reqwest",
            "ssh2",
            "sqlx",
            "rusqlite",
            "tokio_postgres",
            "postgres",
            "tokio::net",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::net::UdpSocket",
            "crate::ledger",
            "crate::deliver",
            "crate::run",
            "crate::cli",
        ],
    ),
    // Within one attempt `deliver` may repeat a request, by a policy of `attempt`; whether there is another attempt is
    // not for it to decide.
    (
        &["deliver"],
        &[
            "crate::ledger",
            "crate::run",
            "crate::cli",
            "crate::extract",
            "crate::schedule",
            "crate::attempt::Backoff",
            "crate::attempt::Next",
            "crate::attempt::Tries",
        ],
    ),
    (
        &["extract"],
        &["crate::deliver", "crate::ledger", "crate::encode", "crate::transform", "crate::run", "crate::cli"],
    ),
    // Each can be tested alone.
    (&["ssh"], &["crate::sftp", "crate::deliver", "crate::settings"]),
    (&["sftp"], &["crate::ssh", "ssh2", "crate::deliver", "crate::settings"]),
];

/// Paths that belong to one module alone.
const ONLY: &[(&str, &[&str])] = &[
    ("std::env::var", &["settings"]),
    ("std::env::var_os", &["settings"]),
    ("std::env::vars", &["settings"]),
    ("std::env::vars_os", &["settings"]),
    ("std::time::SystemTime::now", &["clock"]),
    ("jiff::Timestamp::now", &["clock"]),
    ("jiff::Zoned::now", &["clock"]),
    ("std::io::stdout", &["cli"]),
    ("anyhow", &["cli"]),
    ("clap", &["cli"]),
];

fn is_within(path: &[String], beginning: &str) -> bool {
    let mut segments = beginning.split("::");
    let mut path = path.iter();
    segments.all(|segment| path.next().is_some_and(|found| found == segment))
}

pub(super) fn imports(imports: &[Import]) -> Vec<Violation> {
    let mut found = Vec::new();
    for import in imports {
        let Some(module) = import.from.first().map(String::as_str) else { continue };
        let path = import.full_path();
        for (modules, never) in NEVER {
            if modules.contains(&module) {
                let named = never.iter().filter(|beginning| is_within(&path, beginning));
                found.extend(
                    named.map(|name| (format!("src/{}: {name} does not belong in {module}", import.file), import.line)),
                );
            }
        }
        for (name, modules) in ONLY {
            if is_within(&path, name) && !modules.contains(&module) {
                found.push((format!("src/{}: {name} is for {}", import.file, modules.join(", ")), import.line));
            }
        }
    }
    counted("invariant", found)
}

/// Nothing but `cli` prints, and nothing is left for later.
pub(super) fn text(sources: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in sources {
        let in_cli = source.module.first().is_some_and(|module| module == "cli");
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in ["println!", "eprintln!", "print!", "eprint!", "dbg!"] {
                let is_called = code.match_indices(word).any(|(at, _)| is_bounded(code, at, word.len()));
                if is_called && (!in_cli || word == "dbg!") {
                    found.push((format!("src/{}: {word} is for cli", source.path), number + 1));
                }
            }
            for word in ["todo!(", "unimplemented!(", "TODO", "FIXME", "#[ignore"] {
                if line.contains(word) {
                    found.push((format!("src/{}: {word} leaves something for later", source.path), number + 1));
                }
            }
        }
    }
    counted("invariant", found)
}
