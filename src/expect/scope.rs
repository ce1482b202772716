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
    let changes = changes(found, accepted);
    let message = format!("the account's assignments changed: {}", changes.join("; "));
    (!changes.is_empty()).then(|| finding(message, changes))
}

fn changes(found: &AccountScope, accepted: &AccountScope) -> Vec<String> {
    let mut changes = Vec::new();
    for (what, before, now) in
        [("account", &accepted.username, &found.username), ("level", &accepted.level, &found.level)]
    {
        if before != now {
            changes.push(format!("{what} {before:?} is now {now:?}"));
        }
    }
    let kinds: BTreeSet<&String> = accepted.assigned.keys().chain(found.assigned.keys()).collect();
    for kind in kinds {
        let shown =
            |scope: &AccountScope| scope.assigned.get(kind).map_or("unknown".to_owned(), |count| grouped(*count));
        let (before, now) = (shown(accepted), shown(found));
        if before != now {
            changes.push(format!("{kind} {before}, now {now}"));
        }
    }
    for (word, in_these, not_in) in
        [("added", &found.permissions, &accepted.permissions), ("removed", &accepted.permissions, &found.permissions)]
    {
        for permission in in_these.iter().filter(|permission| !not_in.contains(permission)) {
            changes.push(format!("permission {word}: {permission}"));
        }
    }
    changes
}
