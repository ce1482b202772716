//! The ends of a run before its delivery, and the errors that leave it as it is.

use super::spool::SpoolError;
use crate::disk;
use crate::ledger::LedgerError;
use crate::ledger::state::RunState;

/// The run cannot be executed at all; its state in the ledger is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{0}; the run waits: it continues once there is space")]
    DiskFull(String),
}

impl RunError {
    /// Returns true if a disk of this machine is full: the run continues once there is space.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull(_) => true,
            Self::Spool(SpoolError::Io { source, .. }) => disk::is_full(source),
            Self::Spool(SpoolError::Busy { .. }) => false,
            Self::Ledger(error) => error.is_disk_full(),
        }
    }
}

/// The reason for which a run stops early.
pub(super) enum Stop {
    End {
        state: RunState,
        reason: String,
    },
    /// The process is stopping; the run's state is unchanged.
    Parked,
    Error(RunError),
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Error(error.into())
    }
}

pub(super) fn failed(reason: impl Into<String>) -> Stop {
    Stop::End { state: RunState::Failed, reason: reason.into() }
}
