//! The account's assignments against the accepted ones.

use std::collections::BTreeSet;

use super::finding::{AccountScope, Difference, Finding};
use super::grouped;
use crate::pipeline::plan::{ScopeRule, Severity};

/// Returns a finding if the assignments changed, or if they must be the same and cannot be read.
pub(super) fn check(found: Option<&AccountScope>, accepted: Option<&AccountScope>, rule: ScopeRule) -> Option<Finding> {
    let accepted = accepted?;
    let severity = match rule {
        ScopeRule::Note => Severity::Warn,
        ScopeRule::Same(severity) => severity,
    };
    let finding = |message, changes| Finding {
        expectation: "scope".into(),
        severity,
        message,
        difference: Some(Difference::Scope { changes }),
    };
    let Some(found) = found else {
        let message = "the account's assignments could not be read, so they cannot be compared with the accepted ones";
        return matches!(rule, ScopeRule::Same(_)).then(|| finding(message.to_owned(), Vec::new()));
    };
    let changes = scope_changes(accepted, found);
    let message = format!("the account's assignments changed: {}", changes.join("; "));
    (!changes.is_empty()).then(|| finding(message, changes))
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
    let counted = |count: Option<&u64>| count.map_or_else(|| "unknown".to_owned(), |count| grouped(*count));
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
