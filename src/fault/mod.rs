//! Faults injected at named steps, for tests of recovery.
//!
//! Only builds with the feature `fault-injection` contain them (as tests do). Without it, [`step`] and its siblings only
//! call the operation, and a [`FaultStep`] has no name.

/// Rules and their effects.
#[cfg(feature = "fault-injection")]
mod inject;

#[cfg(feature = "fault-injection")]
pub use inject::{arm, step, step_async, step_or_drop};
#[cfg(not(feature = "fault-injection"))]
pub use plain::{step, step_async, step_or_drop};

/// An injected failure, which is converted to the error type of the step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Injected {
    #[error("injected: the step was refused")]
    Refused,
    #[error("injected: contact was lost")]
    Lost,
}

impl From<Injected> for std::io::Error {
    fn from(injected: Injected) -> Self {
        Self::other(injected)
    }
}

/// A named step at which faults can be injected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultStep {
    #[cfg(feature = "fault-injection")]
    name: &'static str,
}

impl FaultStep {
    #[inline(always)]
    pub const fn new(_name: &'static str) -> Self {
        Self {
            #[cfg(feature = "fault-injection")]
            name: _name,
        }
    }
}

impl From<&'static str> for FaultStep {
    // Inlined everywhere, so that a build without faults has no names.
    #[inline(always)]
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

#[cfg(not(feature = "fault-injection"))]
mod plain {
    use super::{FaultStep, Injected};

    /// Runs `op`.
    ///
    /// # Errors
    /// What `op` returns.
    #[inline(always)]
    pub fn step<T, E: From<Injected>>(_: impl Into<FaultStep>, mut op: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        op()
    }

    /// Runs `op`.
    ///
    /// # Errors
    /// What `op` returns.
    #[inline(always)]
    pub fn step_or_drop<E: From<Injected>>(
        _: impl Into<FaultStep>,
        mut op: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        op()
    }

    /// Runs `op`.
    #[inline(always)]
    pub fn step_async<T, E: From<Injected>, F>(_: impl Into<FaultStep>, op: impl Fn() -> F) -> F
    where
        F: Future<Output = Result<T, E>>,
    {
        op()
    }
}
