//! The source as text and as syntax: module order, cycles, sizes, names and phrases, and what the docs must mention.
//!
//! Nothing is excepted: a violation is fixed, or the rule is changed for everything.

mod examples;
mod graph;
mod invariants;
mod pages;
mod prose;
mod source;
mod structure;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write;

/// What a check found at one or more lines.
pub(crate) struct Violation {
    check: &'static str,
    /// Stable while unrelated lines move.
    text: String,
    lines: Vec<usize>,
}

/// One violation for each text, with all its lines.
fn counted(check: &'static str, found: Vec<(String, usize)>) -> Vec<Violation> {
    let mut by_text: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (text, line) in found {
        by_text.entry(text).or_default().push(line);
    }
    by_text.into_iter().map(|(text, lines)| Violation { check, text, lines }).collect()
}

fn violations() -> Vec<Violation> {
    let sources = source::production_code();
    let imports = graph::imports(&sources);
    let pages = pages::all();
    let page = |name: &str| std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut found = vec![
        structure::unknown(&sources),
        structure::upward(&imports),
        structure::cycles(&imports),
        structure::maps(&sources, &page("src/lib.rs"), &page("ARCHITECTURE.md")),
        structure::long_files(&sources),
        structure::long_functions(&sources),
        invariants::imports(&imports),
        invariants::text(&sources),
        pages::missing(&sources),
        pages::unknown_tests("docs/threat-model.md"),
        words::names(&sources),
    ];
    for source in &sources {
        let (path, prose) = (format!("src/{}", source.path), prose::of_source(source));
        found.push(words::phrases(&path, &prose));
    }
    found.extend(pages::keys().iter().map(|(file, keys)| words::keys(file, keys)));
    for (name, text) in &pages {
        found.push(words::phrases(name, &prose::of_page(text)));
    }
    found.into_iter().flatten().collect()
}

fn render(violations: &[Violation]) -> String {
    let mut by_check: BTreeMap<&str, Vec<&Violation>> = BTreeMap::new();
    for violation in violations {
        by_check.entry(violation.check).or_default().push(violation);
    }
    let mut text = String::new();
    for (check, violations) in by_check {
        writeln!(text, "{check} ({})", violations.len()).unwrap();
        for violation in violations {
            let lines: Vec<String> = violation.lines.iter().filter(|line| **line > 0).map(usize::to_string).collect();
            match lines.is_empty() {
                true => writeln!(text, "  {}", violation.text),
                false => writeln!(text, "  {} [line {}]", violation.text, lines.join(", ")),
            }
            .unwrap();
        }
    }
    text
}

#[test]
fn the_source_has_no_violation() {
    let violations = violations();
    assert!(violations.is_empty(), "\n{}", render(&violations));
}
