//! The states of runs and deliveries, and which may follow which.

use serde::Serialize;

/// Where a run stands. The last five are ends; a person or a later attempt may take up some of them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its slot is in the ledger; nothing was done yet.
    Due,
    Extracting,
    Shaping,
    Delivering,
    /// Every required destination has a receipt (or its rule said to leave what lies there).
    Delivered,
    /// Nothing was to be sent.
    Skipped,
    /// Stopped on purpose; waits for a person.
    Held,
    Failed,
    /// A destination refused it for good, or a person did.
    Rejected,
}

/// Where one delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Due,
    /// An attempt is under way, or was when the process died.
    Publishing,
    /// An attempt failed; the next is due at a stated time.
    Waiting,
    Delivered,
    /// `existing: keep` found a file.
    Skipped,
    /// The server's identity is in doubt.
    Held,
    Failed,
    Rejected,
}

/// Whether what was delivered was picked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PickupState {
    /// It is not known to be.
    Awaited,
    PickedUp,
    /// Its time is over and it was not, or could not be looked at. It may be picked up late.
    Overdue,
    /// Nobody waits any more: another file took its name, or the settings say so now.
    LetGo,
}

impl RunState {
    pub const ALL: [Self; 9] = [
        Self::Due,
        Self::Extracting,
        Self::Shaping,
        Self::Delivering,
        Self::Delivered,
        Self::Skipped,
        Self::Held,
        Self::Failed,
        Self::Rejected,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Extracting => "extracting",
            Self::Shaping => "shaping",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Skipped => "skipped",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether the slot has come to its end: nothing more happens by itself.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Delivered | Self::Skipped | Self::Held | Self::Failed | Self::Rejected)
    }

    /// Whether `next` may follow. A stage may be entered again after a crash; what was delivered or skipped stays so.
    pub fn may_become(self, next: Self) -> bool {
        use RunState as S;
        match self {
            S::Due => matches!(next, S::Extracting | S::Skipped | S::Failed),
            S::Extracting => matches!(next, S::Extracting | S::Shaping | S::Failed),
            S::Shaping => {
                matches!(next, S::Extracting | S::Shaping | S::Delivering | S::Skipped | S::Held | S::Failed)
            }
            S::Delivering => {
                matches!(
                    next,
                    S::Extracting
                        | S::Shaping
                        | S::Delivering
                        | S::Delivered
                        | S::Skipped
                        | S::Held
                        | S::Failed
                        | S::Rejected
                )
            }
            // A person takes them up again; the line may then end otherwise than before.
            S::Held | S::Failed | S::Rejected => !matches!(next, S::Due | S::Delivered),
            S::Delivered | S::Skipped => false,
        }
    }

    /// Whether a backfill may make the slot due after all: it was skipped (missed, overlapping, paused) before anything
    /// was `begun` for it. One that was skipped for its rows, or by a destination's rule, was done. No other move leads
    /// out of `Skipped`, and to what failed, is held or was rejected a person says `retry`, `release` or nothing.
    pub fn may_be_backfilled(self, begun: bool) -> bool {
        self == Self::Skipped && !begun
    }
}

impl DeliveryState {
    pub const ALL: [Self; 8] = [
        Self::Due,
        Self::Publishing,
        Self::Waiting,
        Self::Delivered,
        Self::Skipped,
        Self::Held,
        Self::Failed,
        Self::Rejected,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Publishing => "publishing",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Skipped => "skipped",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Nothing is left to do: a receipt exists, or the destination's rule said to do nothing.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Delivered | Self::Skipped)
    }
}

impl PickupState {
    pub const ALL: [Self; 4] = [Self::Awaited, Self::PickedUp, Self::Overdue, Self::LetGo];

    pub fn name(self) -> &'static str {
        match self {
            Self::Awaited => "awaited",
            Self::PickedUp => "picked_up",
            Self::Overdue => "overdue",
            Self::LetGo => "let_go",
        }
    }

    /// As a run's story says it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Awaited => "awaited",
            Self::PickedUp => "picked up",
            Self::Overdue => "not picked up",
            Self::LetGo => "awaited no more",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    pub fn is_end(self) -> bool {
        matches!(self, Self::PickedUp | Self::LetGo)
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Awaited => matches!(next, Self::PickedUp | Self::Overdue | Self::LetGo),
            Self::Overdue => matches!(next, Self::PickedUp | Self::LetGo),
            Self::PickedUp | Self::LetGo => false,
        }
    }
}

/// How an attempt ended, as the ledger names it.
pub fn verdict_name(verdict: &crate::deliver::Verdict) -> &'static str {
    use crate::deliver::Verdict;
    match verdict {
        Verdict::Delivered(_) => "delivered",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Rejected { .. } => "rejected",
        Verdict::Refused { .. } => "refused",
        Verdict::Distrusted { .. } => "distrusted",
        Verdict::Gone { .. } => "gone",
        Verdict::Unreached { .. } => "unreached",
        Verdict::Unknown { .. } => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for state in RunState::ALL {
            assert_eq!(RunState::from_name(state.name()), Some(state));
        }
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_name(state.name()), Some(state));
        }
        assert_eq!(RunState::from_name("lost"), None);
        for state in PickupState::ALL {
            assert_eq!(PickupState::from_name(state.name()), Some(state));
        }
    }

    #[test]
    fn what_was_picked_up_is_never_overdue_and_nothing_is_awaited_twice() {
        for next in PickupState::ALL {
            assert!(!PickupState::PickedUp.may_become(next) && !PickupState::LetGo.may_become(next));
            assert!(!next.may_become(PickupState::Awaited));
        }
        assert!(PickupState::Overdue.may_become(PickupState::PickedUp), "late");
    }

    #[test]
    fn what_was_delivered_stays_delivered() {
        for next in RunState::ALL {
            assert!(!RunState::Delivered.may_become(next));
            assert!(!RunState::Skipped.may_become(next));
        }
        for state in RunState::ALL {
            assert!(!state.may_be_backfilled(true));
            assert_eq!(state.may_be_backfilled(false), state == RunState::Skipped);
        }
        assert!(!RunState::Held.may_become(RunState::Delivered), "a hold is released before anything is delivered");
        assert!(!RunState::Due.may_become(RunState::Delivered));
    }
}
