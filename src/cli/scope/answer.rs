//! A check of an account → the sentences that people read first.

use std::collections::BTreeSet;

use crate::extract::{Access, Level, ScopeCheck, ScopeLine, ScopeVerdict, Standing};

/// Describes in one paragraph if the account can do anything but the requests of the reports.
pub(super) fn answer(check: &ScopeCheck) -> String {
    let (account, needed) = (account(check), count(check, ScopeVerdict::Needed));
    let beside = beside(check);
    match check.standing {
        Standing::Least => format!(
            "Yes, as far as reads show it: {account} can make the {} that the pipelines need, and {beside}. A Superadmin \
             is not needed.",
            requests(needed)
        ),
        Standing::Excess => {
            let open: Vec<&ScopeLine> = of(check, ScopeVerdict::Unneeded).collect();
            let areas: BTreeSet<_> = open.iter().map(|line| line.area.title()).collect();
            format!(
                "Not yet: {account} can make the {} that the pipelines need, but it can also read {} that none of them needs \
                 ({}). Tighten its profile as shown below. A Superadmin is not needed.",
                requests(needed),
                endpoints(open.len()),
                areas.into_iter().collect::<Vec<_>>().join(", ")
            )
        }
        Standing::Denied => format!(
            "Not yet: {account} is denied {} that the pipelines need; the fix of each is below. Otherwise, {beside}. A \
             Superadmin is not needed for it.",
            requests(count(check, ScopeVerdict::NeededDenied))
        ),
        Standing::Refused => {
            let reason = check.refusal.as_deref().unwrap_or_default();
            let open = count(check, ScopeVerdict::Unneeded);
            let reach = match (&check.identity, open) {
                (None, _) => String::new(),
                (Some(_), open) => {
                    format!(" It can also read {} that no pipeline needs, as shown below.", endpoints(open))
                }
            };
            format!("No: extracts refuse this account. {reason}.{reach}")
        }
    }
}

/// Explains what was sent, and why no write was tried.
pub(super) fn why_reads(check: &ScopeCheck) -> String {
    let sent = |method: &str| check.requests.get(method).copied().unwrap_or_default();
    let denied = check.lines.iter().filter(|line| line.access == Access::Denied).count();
    format!(
        "No write was tried: this check sent {} GET and {} POST (for the token) and nothing else, and started no export. \
         Reads are enough, for three reasons. The platform gives permissions by area, and those to create, change and delete \
         beside the one to view, so an area whose reads are denied shows no permission of it. This program sends nothing but \
         GETs besides the token's POST: a guard compares each request with those that the plans declare. And the platform \
         itself denied this account {denied} of the requests below. A permission to write without one to read would not be \
         seen here: look for it in the profile.",
        sent("GET"),
        sent("POST")
    )
}

/// Explains the words about paths.
pub(super) const CERTAINTY: &str = "How sure a path is: seen (several public clients use it), documented (the platform's own \
    description has it), one (a single public client uses it), unverified (nobody is known to use it), settings. An \
    unverified path that answers 404 proves nothing.";

/// Describes the account: `the account svc (a Power User) of tenant acme`.
pub(super) fn account(check: &ScopeCheck) -> String {
    let Some(identity) = &check.identity else { return format!("the account of tenant {}", check.tenant) };
    format!("the account {} ({}) of tenant {}", identity.username, level(&identity.level), check.tenant)
}

pub(super) fn level(level: &Level) -> String {
    match level {
        Level::PowerUser => "a Power User".to_owned(),
        Level::User => "a user without administration".to_owned(),
        Level::Superadmin => "a SUPERADMIN".to_owned(),
        Level::Unknown(word) => format!("of the unknown level {word:?}, which counts as a Superadmin"),
    }
}

/// Describes the endpoints that no pipeline needs: `of the 29 other …, 20 are denied and none is open`.
fn beside(check: &ScopeCheck) -> String {
    let tried = || check.lines.iter().filter(|line| line.pipelines.is_empty() && line.certainty.is_some());
    let (closed, open) = (count(check, ScopeVerdict::Closed), count(check, ScopeVerdict::Unneeded));
    let areas: BTreeSet<_> = tried().map(|line| line.area).collect();
    let total = tried().count();
    let unclear = total.saturating_sub(closed + open);
    let open = if open == 0 { "none is open to it".to_owned() } else { format!("{open} are open to it") };
    format!(
        "of the {total} other read endpoints tried in {} areas, {closed} are denied, {open} and {unclear} gave no evidence \
         (nothing to see, not found, or an error)",
        areas.len()
    )
}

pub(super) fn of(check: &ScopeCheck, verdict: ScopeVerdict) -> impl Iterator<Item = &ScopeLine> {
    check.lines.iter().filter(move |line| line.verdict == verdict)
}

fn count(check: &ScopeCheck, verdict: ScopeVerdict) -> usize {
    of(check, verdict).count()
}

fn requests(count: usize) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}

fn endpoints(count: usize) -> String {
    if count == 1 { "1 endpoint".to_owned() } else { format!("{count} endpoints") }
}

/// Returns the word of a verdict in tables.
pub(super) fn verdict(line: &ScopeLine) -> &'static str {
    match line.verdict {
        ScopeVerdict::Needed => "needed and allowed",
        ScopeVerdict::NeededDenied => "NEEDED BUT DENIED",
        ScopeVerdict::Unneeded => "ALLOWED BUT NOT NEEDED",
        ScopeVerdict::Closed => "denied, not needed",
        ScopeVerdict::Unclear => "no evidence",
    }
}

/// Returns the access in a few words: `allowed, 125 entries`, `denied: 403`.
pub(super) fn access(line: &ScopeLine) -> String {
    let total = line.total.filter(|total| *total > 0).map(|total| format!(", {total} entries")).unwrap_or_default();
    let detail = line.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{total}{detail}", line.access.name())
}
