//! The next command for what needs a person: the same text in `status`, `show` and alerts.

use super::record::{Origin, Run};
use super::state::RunState;
use crate::deliver::OfferedKey;

/// A decision or a fix that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// It has not ended; a person may hurry or end it.
    Open {
        /// The worker continues it by itself: not what a person began and that is not delivering yet.
        by_worker: bool,
    },
    /// It was skipped before any work was done for its slot.
    NeverStarted {
        slot: String,
    },
    Held,
    Blocked(Vec<Blocker>),
    /// Failed, or rejected by a destination.
    Failed,
    /// Failed, because rows were refused or not answered for.
    Partial(PartialRows),
    Late,
    /// It takes longer than `alert_after`: nothing to deliver yet, or not delivered to the destination.
    NotDelivered {
        destination: Option<String>,
    },
    PickupOverdue {
        destination: String,
    },
    Paused,
    /// The pipeline's file cannot be used.
    InvalidFile,
    /// The pipeline's file is gone, and something of it is open.
    RemovedFile,
}

/// A delivery that is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    pub destination: String,
    /// The host key to accept, if that is the cause.
    pub offered: Option<OfferedKey>,
}

/// The rows of a run's partial deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialRows {
    pub has_refused: bool,
    pub has_unanswered: bool,
    /// They were in a file, which its reader has: they cannot be sent again alone.
    pub is_file: bool,
}

/// The runs that the command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs<'a> {
    One(&'a str),
    /// All runs of the pipeline in this state.
    All(RunState),
}

impl Need {
    /// Returns what the run needs; `None` if it needs nothing. `is_superseded`: a later run has replaced its content.
    pub fn of(run: &Run, blockers: Vec<Blocker>, partial: Option<PartialRows>, is_superseded: bool) -> Option<Self> {
        match run.state {
            RunState::Due | RunState::Extracting | RunState::Transforming => {
                Some(Self::Open { by_worker: run.origin != Origin::Person })
            }
            RunState::Delivering => Some(Self::Open { by_worker: true }),
            RunState::Held => Some(Self::Held),
            RunState::Blocked => Some(Self::Blocked(blockers)),
            RunState::Failed | RunState::Rejected => {
                let is_handled = run.rejected_by.is_some() || run.dismissed.is_some() || is_superseded;
                (!is_handled).then_some(partial.map_or(Self::Failed, Self::Partial))
            }
            RunState::Skipped if run.may_be_backfilled() => Some(Self::NeverStarted { slot: run.slot.clone() }),
            RunState::Skipped | RunState::Delivered | RunState::Cancelled => None,
        }
    }
}

/// Returns the commands that meet the need, in one line: `reportferry trust hris --accept SHA256:…, then reportferry retry
/// 1ce96314…`.
pub fn next_command(need: &Need, pipeline: &str, runs: Runs) -> String {
    let retry = match runs {
        Runs::One(run) => format!("reportferry retry {run}"),
        Runs::All(state) => format!("reportferry retry --pipeline {pipeline} --state {}", state.name()),
    };
    let which = |command: &str| match runs {
        Runs::One(run) => format!("reportferry {command} {run}"),
        Runs::All(state) => format!("reportferry runs {pipeline} --state {}", state.name()),
    };
    match need {
        Need::Open { by_worker: false } => {
            format!("{retry} continues it, or {} --because TEXT ends it", which("cancel"))
        }
        Need::Open { by_worker: true } => {
            format!("the worker continues it, or {retry} does now, or {} --because TEXT ends it", which("cancel"))
        }
        Need::NeverStarted { slot } => {
            format!("reportferry backfill {pipeline} --since {slot} --until {slot} --yes")
        }
        Need::Held => match runs {
            Runs::One(run) => format!("reportferry release {run}, or reportferry reject {run} --because TEXT"),
            Runs::All(_) => which("show"),
        },
        Need::Blocked(blockers) => {
            let mut steps: Vec<String> = Vec::new();
            for Blocker { destination, offered } in blockers {
                let step = match offered {
                    Some(key) => format!("reportferry trust {} --accept {}", key.server, key.fingerprint),
                    None => format!("fix the cause at {destination}"),
                };
                if !steps.contains(&step) {
                    steps.push(step);
                }
            }
            if steps.is_empty() {
                steps.push("fix the cause".to_owned());
            }
            steps.push(retry);
            steps.join(", then ")
        }
        Need::Failed => {
            let dismiss = match runs {
                Runs::One(run) => format!("reportferry dismiss {run} --because TEXT"),
                Runs::All(_) => format!("reportferry dismiss --pipeline {pipeline} --before TIME --because TEXT"),
            };
            format!("fix the cause, then {retry}, or {dismiss}")
        }
        Need::Partial(rows) => match runs {
            Runs::One(run) => partial(*rows, pipeline, run),
            Runs::All(_) => next_command(&Need::Failed, pipeline, runs),
        },
        Need::Late | Need::NotDelivered { destination: None } => which("show"),
        Need::NotDelivered { destination: Some(destination) } => {
            format!("{}, then reportferry doctor {destination}", which("show"))
        }
        Need::PickupOverdue { destination } => {
            format!("{}, then ask whoever runs the reader of {destination}", which("verify"))
        }
        Need::Paused => format!("reportferry resume {pipeline}"),
        Need::InvalidFile => "reportferry check".to_owned(),
        Need::RemovedFile => {
            format!(
                "put {pipeline}.yaml back, or end what is open: reportferry runs {pipeline}, reportferry cancel RUN --because TEXT"
            )
        }
    }
}

/// Returns the commands for a run some of whose rows were refused or not answered for.
fn partial(PartialRows { has_refused, has_unanswered, is_file }: PartialRows, pipeline: &str, run: &str) -> String {
    let which = match (has_refused, has_unanswered) {
        (true, false) => "refused",
        (false, true) => "unanswered",
        _ => "refused|unanswered",
    };
    match is_file {
        true => format!(
            "look at its {which} rows, then reportferry run {pipeline} for a new slot, and reportferry dismiss {run} --because TEXT"
        ),
        false => format!(
            "look at its {which} rows, then reportferry retry {run} --rows {which}, or reportferry dismiss {run} --because TEXT"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_need_has_its_commands() {
        let key =
            |server: &str, fingerprint: &str| OfferedKey { server: server.into(), fingerprint: fingerprint.into() };
        let at = |destination: &str, offered| Blocker { destination: destination.into(), offered };
        let hris = || at("hris", Some(key("hris", "SHA256:a")));
        let (one, failed) = (Runs::One("1ce96314"), Runs::All(RunState::Failed));
        for (need, runs, expected) in [
            (
                Need::Open { by_worker: false },
                one,
                "reportferry retry 1ce96314 continues it, or reportferry cancel 1ce96314 --because TEXT ends it",
            ),
            (
                Need::Open { by_worker: true },
                one,
                "the worker continues it, or reportferry retry 1ce96314 does now, or reportferry cancel 1ce96314 --because TEXT \
                 ends it",
            ),
            (
                Need::NeverStarted { slot: "2026-11-23T05:30:00-05:00".into() },
                one,
                "reportferry backfill p --since 2026-11-23T05:30:00-05:00 --until 2026-11-23T05:30:00-05:00 --yes",
            ),
            (Need::Held, one, "reportferry release 1ce96314, or reportferry reject 1ce96314 --because TEXT"),
            (Need::Held, Runs::All(RunState::Held), "reportferry runs p --state held"),
            (
                Need::Blocked(vec![hris()]),
                one,
                "reportferry trust hris --accept SHA256:a, then reportferry retry 1ce96314",
            ),
            (
                Need::Blocked(vec![at("hris", Some(key("hris --jump", "SHA256:b")))]),
                one,
                "reportferry trust hris --jump --accept SHA256:b, then reportferry retry 1ce96314",
            ),
            (
                Need::Blocked(vec![at("bi", None), hris(), hris()]),
                Runs::All(RunState::Blocked),
                "fix the cause at bi, then reportferry trust hris --accept SHA256:a, then reportferry retry --pipeline p \
                 --state blocked",
            ),
            (Need::Blocked(Vec::new()), one, "fix the cause, then reportferry retry 1ce96314"),
            (
                Need::Partial(PartialRows { has_refused: true, has_unanswered: false, is_file: false }),
                one,
                "look at its refused rows, then reportferry retry 1ce96314 --rows refused, or reportferry dismiss 1ce96314 \
                 --because TEXT",
            ),
            (
                Need::Failed,
                one,
                "fix the cause, then reportferry retry 1ce96314, or reportferry dismiss 1ce96314 --because TEXT",
            ),
            (
                Need::Failed,
                failed,
                "fix the cause, then reportferry retry --pipeline p --state failed, or reportferry dismiss --pipeline p \
                 --before TIME --because TEXT",
            ),
            (Need::Late, one, "reportferry show 1ce96314"),
            (
                Need::PickupOverdue { destination: "hris".into() },
                one,
                "reportferry verify 1ce96314, then ask whoever runs the reader of hris",
            ),
            (Need::Paused, one, "reportferry resume p"),
            (Need::InvalidFile, one, "reportferry check"),
            (
                Need::RemovedFile,
                one,
                "put p.yaml back, or end what is open: reportferry runs p, reportferry cancel RUN --because TEXT",
            ),
        ] {
            assert_eq!(next_command(&need, "p", runs), expected, "{need:?}");
        }
    }
}
