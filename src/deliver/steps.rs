//! Fault steps of publishing one file.

use super::Role;
use crate::fault::FaultStep;

/// The removal of the old done file before a delivery replaces what it covers.
pub(super) const OLD_DONE_FILE: FaultStep = FaultStep::new("done.remove");
/// The removal of a file that the replaced delivery has and the new one has not.
pub(super) const LEFTOVER: FaultStep = FaultStep::new("leftover.remove");

pub(super) struct Steps {
    pub open: FaultStep,
    pub write: FaultStep,
    pub close: FaultStep,
    pub rename: FaultStep,
}

impl Steps {
    /// Returns the steps of a file of this role; the caller supplies those of the data file.
    pub(super) fn of(role: Role, data: Steps) -> Steps {
        match role {
            Role::Data => data,
            Role::Checksum => steps!("checksum"),
            Role::Manifest => steps!("manifest"),
            Role::Done => steps!("done"),
        }
    }
}

/// Expands `steps!("sftp")` to `sftp.open`, `sftp.write`, `sftp.close`, `sftp.rename`.
macro_rules! steps {
    ($prefix:literal) => {
        const {
            crate::deliver::steps::Steps {
                open: crate::fault::FaultStep::new(concat!($prefix, ".open")),
                write: crate::fault::FaultStep::new(concat!($prefix, ".write")),
                close: crate::fault::FaultStep::new(concat!($prefix, ".close")),
                rename: crate::fault::FaultStep::new(concat!($prefix, ".rename")),
            }
        }
    };
}
pub(super) use steps;
