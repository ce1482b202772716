//! The policy for a final name that is taken.

use std::time::Duration;

/// The policy for a final name that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Fail,
    Replace,
    /// Keep the existing file; this delivery ends as skipped.
    Keep,
    /// Try `name-1.csv`, `name-2.csv`, … up to 999.
    Number,
    /// Wait until the reader has taken the existing file away; later slots wait behind.
    Wait(NameWait),
}

/// The limit to waiting for a final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameWait {
    pub deadline: Duration,
    pub then: AfterNameWait,
}

/// The end of a delivery whose final name stayed taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterNameWait {
    /// It is blocked: a person decides.
    Hold,
    Fail,
}
