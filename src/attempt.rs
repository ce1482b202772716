//! The only place that decides to try again.

use std::time::Duration;

/// A retry schedule: `first`, doubling, up to `max`, with full jitter, given up after `within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub max: Duration,
    pub within: Duration,
}

impl Backoff {
    /// The wait after the `failed`-th failure in a row (1 is the first): uniform between half the step and the step.
    ///
    /// `asked` is what the other side asked for (`Retry-After`); it is honoured up to `max`.
    pub fn wait(&self, failed: u32, asked: Option<Duration>) -> Duration {
        if let Some(asked) = asked {
            return asked.min(self.max);
        }
        let step =
            self.first.saturating_mul(1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX)).min(self.max);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}
