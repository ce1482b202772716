//! A check of an account as text.

use std::fmt::Write as _;

use super::Checked;
use super::answer::{self, CERTAINTY};
use crate::cli::WIDTH;
use crate::cli::text::table;
use crate::extract::{ScopeCheck, ScopeLine, ScopeVerdict};

/// Columns of a cell with a reason.
const REASON_MAX: usize = 60;

/// Renders a check, or the reason for which there is none.
pub(super) fn text(checked: &Checked) -> String {
    let check = match &checked.outcome {
        Ok(check) => check,
        Err(error) => return format!("tenant {}\n{}", checked.tenant, wrapped(&format!("not checked: {error}"))),
    };
    let mut text = format!("tenant {} ({})\n{}\n", check.tenant, check.address, wrapped(&answer::answer(check)));
    if let Some(identity) = &check.identity {
        let level = answer::level(&identity.level);
        let _ = writeln!(text, "account   {}, {level} (\"{}\")", identity.username, identity.level_word);
    }
    let _ = writeln!(text, "sign-in   grant {}, accepted level {}", check.grant, check.allowed_level);
    let _ = writeln!(text, "assigned  {}\n", assigned(check));
    let needed: Vec<&ScopeLine> =
        check.lines.iter().filter(|line| line.certainty.is_none() || is_needed(line)).collect();
    let rows: Vec<Vec<String>> = needed.iter().map(|line| needed_row(line)).collect();
    text.push_str(&table(&["NEEDED REQUEST", "BY", "ACCESS", "VERDICT"], &rows));
    let others = check.lines.iter().filter(|line| line.certainty.is_some() && !is_needed(line));
    let rows: Vec<Vec<String>> = others.map(other_row).collect();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table(&["OTHER REQUEST (GET)", "AREA", "PATH IS", "ACCESS", "VERDICT"], &rows));
    }
    for (head, verdict) in [
        ("To allow what is needed:", ScopeVerdict::NeededDenied),
        ("To take away what is not needed:", ScopeVerdict::Unneeded),
    ] {
        let fixes: Vec<String> = fixes(check, verdict);
        if !fixes.is_empty() {
            let _ = writeln!(text, "\n{head}");
            fixes.iter().for_each(|fix| text.push_str(&wrapped(&format!("- {fix}"))));
        }
    }
    let _ = write!(text, "\n{}\n{}", wrapped(&answer::why_reads(check)), wrapped(CERTAINTY));
    text
}

/// Returns the fixes of lines with this verdict, each once, with its paths.
pub(super) fn fixes(check: &ScopeCheck, verdict: ScopeVerdict) -> Vec<String> {
    answer::of(check, verdict)
        .filter_map(|line| Some(format!("{} {}: {}", line.method, line.path, line.fix.as_ref()?)))
        .collect()
}

/// Describes the assignments: `users 125, courses 24; permissions: …`.
pub(super) fn assigned(check: &ScopeCheck) -> String {
    let Some(scope) = &check.assignments else { return "the account may not read its assignments".to_owned() };
    let counts: Vec<String> = scope.assigned.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let permissions = if scope.permissions.is_empty() { "none".to_owned() } else { scope.permissions.join(", ") };
    format!("{}; permissions: {permissions}", counts.join(", "))
}

fn is_needed(line: &ScopeLine) -> bool {
    !line.pipelines.is_empty()
}

fn needed_row(line: &ScopeLine) -> Vec<String> {
    let by = if line.pipelines.is_empty() { "sign-in".to_owned() } else { line.pipelines.join(", ") };
    let request = format!("{} {}", line.method, line.path);
    vec![request, by, shortened(&answer::access(line)), answer::verdict(line).to_owned()]
}

fn other_row(line: &ScopeLine) -> Vec<String> {
    vec![
        line.path.clone(),
        line.area.title().to_owned(),
        line.certainty.map_or("", |certainty| certainty.name()).to_owned(),
        shortened(&answer::access(line)),
        answer::verdict(line).to_owned(),
    ]
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(REASON_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Breaks a text into lines between words.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    format!("{}\n", lines.join("\n"))
}
