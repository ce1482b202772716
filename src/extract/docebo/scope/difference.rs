//! Two checks of the same tenant → what changed, one sentence each.

use std::collections::BTreeSet;

use super::{Access, ScopeCheck, ScopeLine};
use crate::expect::AccountScope;

impl ScopeCheck {
    /// Returns what changed since `before`. Endpoints that only one of the checks tried say nothing, nor do those that
    /// could not be requested.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let account = |check: &Self| {
            check.identity.as_ref().map_or_else(
                || "not identified".to_owned(),
                |identity| format!("{} ({})", identity.username, identity.level_word),
            )
        };
        let (old, new) = (account(before), account(self));
        if old != new {
            changes.push(format!("the account was {old} and is {new}"));
        }
        match (&before.refusal, &self.refusal) {
            (None, Some(reason)) => changes.push(format!("the account is refused now: {reason}")),
            (Some(_), None) => changes.push("the account is no longer refused".to_owned()),
            _ => {}
        }
        assignments(before.assignments.as_ref(), self.assignments.as_ref(), &mut changes);
        for line in &self.lines {
            let known = before.lines.iter().find(|known| key(known) == key(line));
            if let Some(known) =
                known.filter(|known| known.access != line.access && is_known(known.access) && is_known(line.access))
            {
                let report = line.report.as_ref().map(|report| format!(" (report {report})")).unwrap_or_default();
                let (was, is) = (known.access.name(), line.access.name());
                changes.push(format!("{} {}{report} was {was} and is {is}", line.method, line.path));
            }
        }
        changes
    }
}

fn key(line: &ScopeLine) -> (&str, &str, Option<&str>) {
    (&line.method, &line.path, line.report.as_deref())
}

fn is_known(access: Access) -> bool {
    !matches!(access, Access::Error | Access::NotTried)
}

fn assignments(before: Option<&AccountScope>, after: Option<&AccountScope>, changes: &mut Vec<String>) {
    // Whether they can be read at all is a line of its own.
    let (Some(before), Some(after)) = (before, after) else { return };
    let kinds: BTreeSet<&String> = before.assigned.keys().chain(after.assigned.keys()).collect();
    for kind in kinds {
        let count = |scope: &AccountScope| scope.assigned.get(kind).copied().unwrap_or_default();
        let (old, new) = (count(before), count(after));
        if old != new {
            changes.push(format!("assigned {kind}: {old} before, {new} now"));
        }
    }
    let (old, new): (BTreeSet<_>, BTreeSet<_>) =
        (before.permissions.iter().collect(), after.permissions.iter().collect());
    changes.extend(new.difference(&old).map(|permission| format!("permission {permission} was given")));
    changes.extend(old.difference(&new).map(|permission| format!("permission {permission} was taken away")));
}
