//! The source's header against the accepted one.

use std::collections::HashSet;

use super::finding::{Difference, Finding};
use crate::pipeline::plan::{HeaderRule, Rule, Severity};

/// Returns a finding if the header differs from what is expected. Without a rule, added and removed columns are a warning.
pub(super) fn check(
    header: &[String],
    accepted: Option<&[String]>,
    rule: Option<&Rule<HeaderRule>>,
) -> Option<Finding> {
    let (expected, severity, what) = match rule {
        Some(Rule { severity, expected: HeaderRule::List(names) }) => {
            (names.as_slice(), *severity, "the expected columns")
        }
        Some(Rule { severity, .. }) => (accepted?, *severity, "the accepted header"),
        None => (accepted?, Severity::Warn, "the accepted header"),
    };
    let mut difference = Compared::of(header, expected);
    match rule.map(|rule| &rule.expected) {
        Some(HeaderRule::Superset) => {
            difference.added.clear();
            difference.moved.clear();
        }
        None => difference.moved.clear(),
        Some(HeaderRule::Exact | HeaderRule::List(_)) => {}
    }
    let listed = matches!(rule, Some(Rule { expected: HeaderRule::List(_), .. }));
    let Compared { added, removed, moved } = difference;
    let parts = [("added", &added), ("missing", &removed), ("moved", &moved)];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("{word} {}", list(names)))
        .collect();
    if parts.is_empty() {
        return None;
    }
    Some(Finding {
        expectation: "columns".into(),
        severity,
        message: format!("the source's columns differ from {what}: {}", parts.join("; ")),
        difference: Some(Difference::Header { added, removed, moved, listed }),
    })
}

/// Returns how a header differs from the accepted one.
pub fn header_difference(accepted: &[String], found: &[String]) -> Difference {
    let Compared { added, removed, moved } = Compared::of(found, accepted);
    Difference::Header { added, removed, moved, listed: false }
}

struct Compared {
    added: Vec<String>,
    removed: Vec<String>,
    moved: Vec<String>,
}

impl Compared {
    /// Compares names, of which each may occur several times.
    fn of(found: &[String], expected: &[String]) -> Self {
        let added = without(found, expected);
        let removed = without(expected, found);
        let (common, before) = (without(found, &added), without(expected, &removed));
        let moved = match common == before {
            true => Vec::new(),
            false => moved(&common, &before),
        };
        Self { added, removed, moved }
    }
}

/// Returns the names without those of `others`, as often as they occur there.
fn without(names: &[String], others: &[String]) -> Vec<String> {
    let mut others: Vec<&String> = others.iter().collect();
    let mut left = names.to_vec();
    left.retain(|name| match others.iter().position(|other| *other == name) {
        Some(at) => {
            others.swap_remove(at);
            false
        }
        None => true,
    });
    left
}

/// Returns the fewest names whose move makes one order of the other: those outside the longest common part.
fn moved(found: &[String], before: &[String]) -> Vec<String> {
    let place = |name: &String| before.iter().position(|other| other == name).unwrap_or(0);
    let stays = longest_ascending(&found.iter().map(place).collect::<Vec<_>>());
    let moved = found.iter().enumerate().filter(|(index, _)| !stays.contains(index));
    moved.map(|(_, name)| name.clone()).collect()
}

/// Returns the indexes of a longest ascending subsequence.
fn longest_ascending(values: &[usize]) -> HashSet<usize> {
    // The index of the smallest last value of the subsequences of each length, and each index's predecessor.
    let mut lasts: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let length = lasts.partition_point(|last| values[*last] < *value);
        before.push(length.checked_sub(1).map(|shorter| lasts[shorter]));
        match lasts.get_mut(length) {
            Some(last) => *last = index,
            None => lasts.push(index),
        }
    }
    std::iter::successors(lasts.last().copied(), |index| before[*index]).collect()
}

/// Lists the first names.
fn list(names: &[String]) -> String {
    const SHOWN_MAX: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN_MAX).map(|name| format!("{name:?}")).collect();
    match names.len().saturating_sub(SHOWN_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn found(header: &str, accepted: Option<&str>, rule: Option<HeaderRule>) -> Option<String> {
        let accepted = accepted.map(names);
        let rule = rule.map(|expected| Rule { severity: Severity::Hold, expected });
        let finding = check(&names(header), accepted.as_deref(), rule.as_ref())?;
        assert_eq!(finding.severity, if rule.is_some() { Severity::Hold } else { Severity::Warn });
        Some(finding.message.split_once(": ").unwrap().1.to_owned())
    }

    #[test]
    fn headers_are_compared_by_rule() {
        use HeaderRule::{Exact, List, Superset};
        for (header, accepted, rule, expected) in [
            ("a b", None, Some(Exact), None),
            ("a b", None, None, None),
            ("a b", Some("a b"), Some(Exact), None),
            ("b a", Some("a b"), None, None),
            ("b a", Some("a b"), Some(Superset), None),
            ("a b c", Some("a b"), Some(Superset), None),
            ("a c", Some("a b"), Some(Superset), Some("missing \"b\"")),
            ("a b c", Some("a b"), None, Some("added \"c\"")),
            ("a c", Some("a b"), None, Some("added \"c\"; missing \"b\"")),
            ("a c", Some("a b"), Some(Exact), Some("added \"c\"; missing \"b\"")),
            ("d a b c", Some("a b c d"), Some(Exact), Some("moved \"d\"")),
            ("a c b e", Some("a b c d"), Some(Exact), Some("added \"e\"; missing \"d\"; moved \"c\"")),
            ("a b b", Some("a b"), Some(Exact), Some("added \"b\"")),
            ("a b", None, Some(List(names("a b"))), None),
            ("a b", Some("a b"), Some(List(names("a c"))), Some("added \"b\"; missing \"c\"")),
        ] {
            let shown = found(header, accepted, rule.clone());
            assert_eq!(shown.as_deref(), expected, "{header} against {accepted:?} by {rule:?}");
        }
    }

    #[test]
    fn a_header_differs_by_as_few_columns_as_possible() {
        for (accepted, found, added, removed, moved) in [
            ("a b c", "a b c", "", "", ""),
            ("", "a", "a", "", ""),
            ("a b c", "a c", "", "b", ""),
            ("a b c", "a x c", "x", "b", ""),
            ("a b c d", "b c d a", "", "", "a"),
            ("a b c d", "a d b c", "", "", "d"),
            ("a b c", "c b a", "", "", "c b"),
            ("a b c d e", "e x a c d", "x", "b", "e"),
        ] {
            let expected =
                Difference::Header { added: names(added), removed: names(removed), moved: names(moved), listed: false };
            assert_eq!(header_difference(&names(accepted), &names(found)), expected, "{accepted} -> {found}");
        }
    }
}
