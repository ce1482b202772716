//! Differences between two headers, and between two accounts' assignments.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{AccountScope, Difference};

/// Returns how a header differs from the accepted one. A moved column is one that has to change places among the columns
/// that both have: as few as possible.
pub fn header_difference(accepted: &[String], found: &[String]) -> Difference {
    let (before, now): (HashSet<&String>, HashSet<&String>) = (accepted.iter().collect(), found.iter().collect());
    let only = |of: &[String], others: &HashSet<&String>| -> Vec<String> {
        of.iter().filter(|name| !others.contains(name)).cloned().collect()
    };
    let places: HashMap<&String, usize> = accepted.iter().enumerate().map(|(place, name)| (name, place)).collect();
    let common: Vec<(&String, usize)> = found.iter().filter_map(|name| Some((name, *places.get(name)?))).collect();
    let kept = longest_ascending(&common.iter().map(|(_, place)| *place).collect::<Vec<_>>());
    let moved = common.iter().enumerate().filter(|(index, _)| !kept.contains(index));
    Difference::Header {
        added: only(found, &before),
        removed: only(accepted, &now),
        moved: moved.map(|(_, (name, _))| (*name).clone()).collect(),
    }
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

/// Returns what changed in an account's assignments, one change a text: `courses: 12, now 9`.
pub fn scope_changes(accepted: &AccountScope, found: &AccountScope) -> Vec<String> {
    let mut changes = Vec::new();
    for (what, before, now) in
        [("account", &accepted.username, &found.username), ("level", &accepted.level, &found.level)]
    {
        if before != now {
            changes.push(format!("{what}: {before}, now {now}"));
        }
    }
    let kinds: BTreeSet<&String> = accepted.assigned.keys().chain(found.assigned.keys()).collect();
    let counted = |count: Option<&u64>| count.map_or_else(|| "unknown".to_owned(), u64::to_string);
    for kind in kinds {
        let (before, now) = (accepted.assigned.get(kind), found.assigned.get(kind));
        if before != now {
            changes.push(format!("{kind}: {}, now {}", counted(before), counted(now)));
        }
    }
    let only = |of: &[String], others: &[String], what: &str| -> Vec<String> {
        of.iter().filter(|name| !others.contains(name)).map(|name| format!("permission {what}: {name}")).collect()
    };
    changes.extend(only(&found.permissions, &accepted.permissions, "added"));
    changes.extend(only(&accepted.permissions, &found.permissions, "removed"));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
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
            let expected = Difference::Header { added: names(added), removed: names(removed), moved: names(moved) };
            assert_eq!(header_difference(&names(accepted), &names(found)), expected, "{accepted} -> {found}");
        }
    }

    #[test]
    fn assignments_differ_by_count_and_permission() {
        let scope = |level: &str, courses: Option<u64>, permissions: &str| AccountScope {
            username: "svc".to_owned(),
            level: level.to_owned(),
            assigned: courses.map(|count| ("courses".to_owned(), count)).into_iter().collect(),
            permissions: names(permissions),
        };
        let before = scope("power_user", Some(12), "report/view user/view");
        assert_eq!(scope_changes(&before, &before), Vec::<String>::new());
        assert_eq!(
            scope_changes(&before, &scope("super_admin", Some(9), "report/view user/mod")),
            [
                "level: power_user, now super_admin",
                "courses: 12, now 9",
                "permission added: user/mod",
                "permission removed: user/view"
            ]
        );
        assert_eq!(scope_changes(&scope("user", None, ""), &scope("user", Some(1), "")), ["courses: unknown, now 1"]);
    }
}
