//! Checks of accounts as a Markdown page, with date, version and digest.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::Checked;
use super::answer::{self, CERTAINTY};
use super::view::{assigned, fixes};
use crate::digest;
use crate::extract::{ScopeCheck, ScopeVerdict};

pub(super) const MADE_BY: &str = concat!("reportferry ", env!("CARGO_PKG_VERSION"));

/// Renders the page. Its last line has the digest of all lines above it.
pub(super) fn page(checks: &[Checked], at: Timestamp) -> String {
    let mut page = format!("# What the account can reach\n\nMade by {MADE_BY} at {at}.\n");
    for checked in checks {
        let _ = write!(page, "\n## Tenant {}\n\n", escaped(&checked.tenant));
        match &checked.outcome {
            Ok(check) => section(&mut page, check),
            Err(error) => {
                let _ = writeln!(page, "Not checked: {}", escaped(error));
            }
        }
    }
    let _ = write!(page, "\n{CERTAINTY}\n\n");
    let sha256 = digest::of(page.as_bytes());
    let _ = writeln!(page, "SHA-256 of all lines above this one: {sha256}");
    page
}

fn section(page: &mut String, check: &ScopeCheck) {
    let _ = write!(page, "{}\n\n", escaped(&answer::answer(check)));
    let identity = check.identity.as_ref().map_or_else(
        || "not identified".to_owned(),
        |identity| format!("{} (id {}), level \"{}\"", identity.username, identity.id, identity.level_word),
    );
    for (name, value) in [
        ("platform", &check.address),
        ("account", &identity),
        ("grant", &check.grant),
        ("accepted level", &check.allowed_level),
        ("assigned", &assigned(check)),
    ] {
        let _ = writeln!(page, "- {name}: {}", escaped(value));
    }
    let _ = write!(page, "\n| request | area | path is | needed by | access | verdict |\n|---|---|---|---|---|---|\n");
    for line in &check.lines {
        let report = line.report.as_ref().map(|report| format!(" (report {report})")).unwrap_or_default();
        let cells = [
            format!("{} {}{report}", line.method, line.path),
            line.area.title().to_owned(),
            line.certainty.map_or("declared", |certainty| certainty.name()).to_owned(),
            line.pipelines.join(", "),
            answer::access(line),
            answer::verdict(line).to_owned(),
        ];
        let _ = writeln!(page, "| {} |", cells.map(|cell| escaped(&cell)).join(" | "));
    }
    for (head, verdict) in
        [("Needed but denied", ScopeVerdict::NeededDenied), ("Allowed but not needed", ScopeVerdict::Unneeded)]
    {
        let fixes = fixes(check, verdict);
        if !fixes.is_empty() {
            let _ = write!(page, "\n### {head}\n\n");
            fixes.iter().for_each(|fix| {
                let _ = writeln!(page, "- {}", escaped(fix));
            });
        }
    }
    let _ = write!(page, "\n### Why no write was tried\n\n{}\n", escaped(&answer::why_reads(check)));
}

/// Escapes what the platform or a person wrote: it stays text, on one line.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}
