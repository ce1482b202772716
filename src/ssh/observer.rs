//! Observes the steps of a connection: `doctor` reports them, a delivery does not.

use std::time::{Duration, Instant};

use super::Error;

/// Receives each step after it ends.
pub trait Observer {
    fn step(&mut self, step: ConnectStep<'_>);
}

/// One step of a connection.
pub struct ConnectStep<'a> {
    pub name: &'static str,
    pub took: Duration,
    pub outcome: Result<StepOutcome, &'a Error>,
}

/// Result of a step.
#[derive(Default)]
pub struct StepOutcome {
    pub summary: String,
    /// Label and value.
    pub details: Vec<(String, String)>,
}

impl From<String> for StepOutcome {
    fn from(summary: String) -> Self {
        StepOutcome { summary, details: Vec::new() }
    }
}

/// Runs steps, and reports them to the observer if there is one.
pub(super) struct Steps<'a>(pub Option<&'a mut dyn Observer>);

impl Steps<'_> {
    pub(super) fn unobserved() -> Self {
        Steps(None)
    }

    pub(super) fn are_observed(&self) -> bool {
        self.0.is_some()
    }

    /// Runs `op` as the step `name`, and reports its result formatted by `describe`, or its error.
    pub(super) fn run<T, D: Into<StepOutcome>>(
        &mut self,
        name: &'static str,
        op: impl FnOnce() -> Result<T, Error>,
        describe: impl FnOnce(&T) -> D,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let result = op();
        if let Some(observer) = &mut self.0 {
            let outcome = result.as_ref().map(|done| describe(done).into());
            observer.step(ConnectStep { name, took: began.elapsed(), outcome });
        }
        result
    }
}
