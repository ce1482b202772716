//! The state machines of runs, deliveries, pickups and notifications: each one table `(state, event) → state`.
//!
//! Every write of a state uses its table, and has in its `WHERE` the states in which the event is legal.

use serde::Serialize;

use super::history::RunEvent;

/// Defines an enum whose values have names, as in the ledger and JSON.
macro_rules! named_states {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $value:ident => $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $value,)* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$value,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|state| state.name() == name)
            }
        }

        super::store::named_column!($name);
    };
}

named_states! {
    /// Where a run stands. The last seven are ends; a person or a later attempt may take up some of them again.
    RunState {
        /// Its slot is in the ledger; nothing was done yet.
        Due => "due",
        Extracting => "extracting",
        Transforming => "transforming",
        Delivering => "delivering",
        /// Every required destination has a receipt, or kept the existing file by its rule.
        Delivered => "delivered",
        /// There was nothing to send.
        Skipped => "skipped",
        /// Stopped on purpose; waits for `release` or `reject`.
        Held => "held",
        /// A required delivery is blocked: it waits for a fix by a person, then `retry`.
        Blocked => "blocked",
        Failed => "failed",
        /// A destination refused it for good, or a person rejected it.
        Rejected => "rejected",
        /// A person ended it before it was delivered.
        Cancelled => "cancelled",
    }
}

named_states! {
    /// State of one delivery.
    DeliveryState {
        Due => "due",
        /// An attempt is in progress, or was when the process died.
        Publishing => "publishing",
        /// An attempt failed; the next one has a due time.
        Waiting => "waiting",
        Delivered => "delivered",
        /// `existing: keep` found a file.
        Skipped => "skipped",
        /// Waits until a person fixes it: the server's host key, or an endpoint that is gone.
        Blocked => "blocked",
        Failed => "failed",
        Rejected => "rejected",
        /// A person cancelled the run.
        Cancelled => "cancelled",
        /// All was sent, and more rows were refused or not answered for than is allowed.
        Partial => "partial",
    }
}

named_states! {
    /// State of a pickup.
    PickupState {
        /// Not picked up, as far as is known.
        Pending => "pending",
        PickedUp => "picked_up",
        /// Its deadline has passed. It may still be picked up.
        Overdue => "overdue",
        /// A later file took its name, or the settings no longer wait for it.
        Superseded => "superseded",
    }
}

named_states! {
    /// State of an alert at one channel.
    NotificationState {
        Due => "due",
        Sent => "sent",
        /// No further attempts.
        Failed => "failed",
    }
}

impl RunState {
    /// Returns true if nothing more happens automatically.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Due | Self::Extracting | Self::Transforming | Self::Delivering)
    }

    /// The transition table. A stage may be repeated after a crash. Delivered runs stay delivered, unless a reader refuses rows; skipped slots can only
    /// be backfilled. Ends that a person reopens may end differently.
    pub fn after(self, event: &RunEvent) -> Option<Self> {
        use RunEvent as E;
        use RunState as S;
        match (self, event) {
            // Marks, not moves.
            (S::Failed | S::Rejected, E::Dismissed { .. }) | (S::Failed, E::ArtifactDiscarded { .. }) => Some(self),
            // It delivers, in the same transaction.
            (S::Held, E::Released { .. }) => Some(self),
            (S::Due | S::Extracting | S::Transforming | S::Delivering, E::Extracting | E::Failed { .. })
            | (S::Held | S::Blocked | S::Failed | S::Rejected, E::Extracting | E::Failed { .. })
            | (S::Extracting | S::Transforming | S::Delivering, E::Transforming)
            | (S::Held | S::Blocked | S::Failed | S::Rejected, E::Transforming)
            | (S::Transforming | S::Delivering, E::Delivering { .. } | E::Held { .. })
            | (S::Held | S::Blocked | S::Failed | S::Rejected, E::Delivering { .. } | E::Held { .. })
            | (S::Delivering | S::Blocked | S::Failed | S::Rejected, E::Blocked { .. })
            | (
                S::Due | S::Transforming | S::Delivering | S::Held | S::Blocked | S::Failed | S::Rejected,
                E::Skipped { .. },
            )
            | (S::Delivering | S::Held | S::Blocked | S::Failed | S::Rejected, E::Rejected { .. })
            | (S::Delivering, E::Delivered)
            | (S::Held, E::RejectedBy { .. })
            | (S::Due | S::Extracting | S::Transforming | S::Delivering | S::Held | S::Blocked, E::Cancelled { .. })
            | (S::Skipped, E::Backfilled { .. })
            | (S::Delivered, E::RowsRefused { .. }) => event.target(),
            _ => None,
        }
    }

    /// Returns true if a backfill may make the slot due: it was skipped (missed, overlapping, paused) before any work had
    /// `started`. Failed, held or rejected runs have `retry` and `release`.
    pub fn may_be_backfilled(self, started: bool) -> bool {
        !started && self.after(&RunEvent::Backfilled { by: String::new() }).is_some()
    }
}

impl RunEvent {
    /// Returns the event that leads a run to this state, unless only entering the slot or a person does.
    pub(super) fn reaching(state: RunState, reason: Option<&str>) -> Option<Self> {
        let text = reason.unwrap_or_default().to_owned();
        Some(match state {
            RunState::Due | RunState::Cancelled => return None,
            RunState::Extracting => Self::Extracting,
            RunState::Transforming => Self::Transforming,
            RunState::Delivering => Self::Delivering { reason: reason.map(str::to_owned) },
            RunState::Delivered => Self::Delivered,
            RunState::Skipped => Self::Skipped { reason: text },
            RunState::Held => Self::Held { reason: text },
            RunState::Blocked => Self::Blocked { reason: text },
            RunState::Failed => Self::Failed { reason: text },
            RunState::Rejected => Self::Rejected { reason: text },
        })
    }

    /// Returns the state that this event leads to, if any.
    pub(super) fn target(&self) -> Option<RunState> {
        Some(match self {
            Self::Backfilled { .. } => RunState::Due,
            Self::Extracting => RunState::Extracting,
            Self::Transforming => RunState::Transforming,
            Self::Delivering { .. } => RunState::Delivering,
            Self::Delivered => RunState::Delivered,
            Self::Skipped { .. } => RunState::Skipped,
            Self::Held { .. } => RunState::Held,
            Self::Blocked { .. } => RunState::Blocked,
            Self::Failed { .. } | Self::RowsRefused { .. } => RunState::Failed,
            Self::Rejected { .. } | Self::RejectedBy { .. } => RunState::Rejected,
            Self::Cancelled { .. } => RunState::Cancelled,
            _ => return None,
        })
    }
}

/// Events of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryEvent {
    AttemptBegun,
    /// The verdict of an attempt.
    AttemptEnded(DeliveryState),
    /// Deferred: it waits for other destinations.
    Postponed,
    /// A person requested a retry.
    Retried,
    /// A person cancelled the run.
    Cancelled,
    /// The reader of a delivered file refused rows.
    RowsRefused,
}

impl DeliveryState {
    /// Returns true if nothing is left to do: a receipt exists, or the destination's rule required nothing.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Delivered | Self::Skipped)
    }

    /// The transition table. An attempt that its process did not survive starts again; its intent is inspected first, so
    /// `retry` keeps it.
    pub(super) fn after(self, event: DeliveryEvent) -> Option<Self> {
        use DeliveryEvent as E;
        use DeliveryState as S;
        match (self, event) {
            (S::Delivered, E::RowsRefused) => Some(S::Partial),
            (S::Delivered | S::Skipped | S::Cancelled, _) | (_, E::RowsRefused) => None,
            (S::Due | S::Publishing | S::Waiting | S::Blocked, E::Cancelled) => Some(S::Cancelled),
            (_, E::AttemptBegun) => Some(S::Publishing),
            (S::Publishing, E::AttemptEnded(S::Due | S::Publishing | S::Cancelled)) => None,
            (S::Publishing, E::AttemptEnded(end)) => Some(end),
            (S::Publishing, _) => None,
            (S::Due | S::Waiting, E::Postponed) => Some(S::Waiting),
            (_, E::Retried) => Some(S::Due),
            _ => None,
        }
    }
}

/// Events of a pickup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PickupEvent {
    PickedUp,
    DeadlinePassed,
    Superseded,
}

impl PickupState {
    pub fn is_end(self) -> bool {
        matches!(self, Self::PickedUp | Self::Superseded)
    }

    /// The transition table.
    pub(super) fn after(self, event: PickupEvent) -> Option<Self> {
        use PickupEvent as E;
        match (self, event) {
            (Self::PickedUp | Self::Superseded, _) => None,
            (_, E::PickedUp) => Some(Self::PickedUp),
            (_, E::DeadlinePassed) => Some(Self::Overdue),
            (_, E::Superseded) => Some(Self::Superseded),
        }
    }
}

/// Outcome of an attempt to send an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotificationEvent {
    Sent,
    RetryScheduled,
    GivenUp,
}

impl NotificationState {
    /// The transition table.
    pub(super) fn after(self, event: NotificationEvent) -> Option<Self> {
        use NotificationEvent as E;
        match (self, event) {
            (Self::Sent | Self::Failed, _) => None,
            (Self::Due, E::Sent) => Some(Self::Sent),
            (Self::Due, E::RetryScheduled) => Some(Self::Due),
            (Self::Due, E::GivenUp) => Some(Self::Failed),
        }
    }
}

/// Returns the states in which `event` is legal, as SQL: `'due', 'waiting'`.
pub(super) fn legal_in<S: Copy + 'static>(
    states: &[S],
    name: impl Fn(S) -> &'static str,
    is_legal: impl Fn(S) -> bool,
) -> String {
    let names = states.iter().filter(|state| is_legal(**state)).map(|state| format!("'{}'", name(*state)));
    names.collect::<Vec<_>>().join(", ")
}

/// Outcome of an attempt, as named in the ledger.
pub fn verdict_name(verdict: &crate::deliver::Verdict) -> &'static str {
    use crate::deliver::Verdict;
    match verdict {
        Verdict::Delivered(_) => "delivered",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Rejected { .. } => "rejected",
        Verdict::Refused { .. } => "refused",
        Verdict::HostKeyMismatch { .. } => "host_key_mismatch",
        Verdict::Gone { .. } => "gone",
        Verdict::Retryable { .. } => "retryable",
        Verdict::Unknown { .. } => "unknown",
        Verdict::Unconfirmed { .. } => "unconfirmed",
        Verdict::NameTaken { .. } => "name_taken",
        Verdict::Partial { .. } => "partial",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        assert!(RunState::ALL.iter().all(|state| RunState::from_name(state.name()) == Some(*state)));
        assert!(DeliveryState::ALL.iter().all(|state| DeliveryState::from_name(state.name()) == Some(*state)));
        assert!(PickupState::ALL.iter().all(|state| PickupState::from_name(state.name()) == Some(*state)));
        assert_eq!(RunState::from_name("lost"), None);
    }

    /// Returns the states that may follow.
    fn next(state: RunState) -> String {
        let reason = "because";
        let reached = RunState::ALL.iter().filter_map(|to| RunEvent::reaching(*to, Some(reason)));
        let (by, reason) = ("ann".to_owned(), reason.to_owned());
        let rejected = RunEvent::RejectedBy { by: by.clone(), reason: reason.clone() };
        let cancelled = RunEvent::Cancelled { by: by.clone(), reason };
        let events = reached.chain([RunEvent::Backfilled { by }, rejected, cancelled]);
        let names = events.filter_map(|event| state.after(&event).map(RunState::name));
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn runs_move_by_their_table() {
        let retried = "extracting transforming delivering skipped held failed rejected";
        for (state, expected) in [
            (RunState::Due, "extracting skipped failed cancelled"),
            (RunState::Extracting, "extracting transforming failed cancelled"),
            (RunState::Transforming, "extracting transforming delivering skipped held failed cancelled"),
            (
                RunState::Delivering,
                "extracting transforming delivering delivered skipped held blocked failed rejected cancelled",
            ),
            (RunState::Delivered, ""),
            (RunState::Skipped, "due"),
            (RunState::Held, &format!("{retried} rejected cancelled")),
            (RunState::Blocked, &(retried.replace("failed", "blocked failed") + " cancelled")),
            (RunState::Failed, &retried.replace("failed", "blocked failed")),
            (RunState::Rejected, &retried.replace("failed", "blocked failed")),
            (RunState::Cancelled, ""),
        ] {
            assert_eq!(next(state), expected, "{}", state.name());
            assert_eq!(state.may_be_backfilled(false), state == RunState::Skipped);
            assert!(!state.may_be_backfilled(true));
            let dismissed = state.after(&RunEvent::Dismissed { by: String::new(), reason: String::new() });
            let refused = RunEvent::RowsRefused { destination: String::new(), reason: String::new() };
            assert_eq!(state.after(&refused).is_some(), state == RunState::Delivered);
            let may_be = matches!(state, RunState::Failed | RunState::Rejected);
            assert_eq!(dismissed, may_be.then_some(state), "a mark on what went wrong");
        }
    }

    #[test]
    fn deliveries_that_are_settled_stay_so_and_one_under_way_is_only_ended_or_begun_again() {
        use DeliveryEvent as E;
        for state in DeliveryState::ALL.iter().copied() {
            let ended = DeliveryState::ALL.iter().filter(|to| state.after(E::AttemptEnded(**to)).is_some()).count();
            assert_eq!(ended, if state == DeliveryState::Publishing { 7 } else { 0 }, "{state:?}");
            let is_over = state.is_settled() || state == DeliveryState::Cancelled;
            assert_eq!(state.after(E::RowsRefused).is_some(), state == DeliveryState::Delivered);
            let started = state.after(E::AttemptBegun).is_some();
            assert_eq!(started, !is_over, "{state:?}");
            let retried = state.after(E::Retried).is_some();
            assert_eq!(retried, !is_over && state != DeliveryState::Publishing, "{state:?}");
        }
        assert_eq!(DeliveryEvent::Postponed.legal_in(), "'due', 'waiting'");
        assert_eq!(DeliveryEvent::Cancelled.legal_in(), "'due', 'publishing', 'waiting', 'blocked'");
    }

    #[test]
    fn what_was_picked_up_is_never_overdue_and_nothing_is_pending_twice() {
        use PickupEvent as E;
        for event in [E::PickedUp, E::DeadlinePassed, E::Superseded] {
            assert_eq!((PickupState::PickedUp.after(event), PickupState::Superseded.after(event)), (None, None));
            assert!(PickupState::ALL.iter().all(|state| state.after(event) != Some(PickupState::Pending)));
        }
        assert_eq!(PickupState::Overdue.after(E::PickedUp), Some(PickupState::PickedUp), "late");
    }

    #[test]
    fn a_notification_is_sent_or_given_up_once() {
        use NotificationEvent as E;
        for event in [E::Sent, E::RetryScheduled, E::GivenUp] {
            assert_eq!((NotificationState::Sent.after(event), NotificationState::Failed.after(event)), (None, None));
            assert!(NotificationState::Due.after(event).is_some());
        }
    }
}
