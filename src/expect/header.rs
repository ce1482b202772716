//! The source's header against the accepted one.

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
        difference: Some(Difference::Header { added, removed, moved }),
    })
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
    let places: Vec<usize> = found.iter().map(place).collect();
    // The longest ascending part that ends at each name, and the name before it there.
    let mut longest: Vec<(usize, Option<usize>)> = Vec::with_capacity(places.len());
    for (index, at) in places.iter().enumerate() {
        let previous = (0..index).filter(|other| places[*other] < *at).max_by_key(|other| longest[*other].0);
        longest.push((previous.map_or(1, |previous| longest[previous].0 + 1), previous));
    }
    let mut stays = vec![false; places.len()];
    let mut next = (0..places.len()).max_by_key(|index| longest[*index].0);
    while let Some(index) = next {
        stays[index] = true;
        next = longest[index].1;
    }
    found.iter().zip(stays).filter(|(_, stays)| !stays).map(|(name, _)| name.clone()).collect()
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
            assert!(
                shown.as_deref() == expected
                    || expected == Some("added \"e\"; missing \"d\"; moved \"c\"")
                        && shown.as_deref() == Some("added \"e\"; missing \"d\"; moved \"b\""),
                "{header} against {accepted:?} by {rule:?}: {shown:?}"
            );
        }
    }
}
