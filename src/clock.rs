//! The time: the only module that reads it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// Source of the time: the system, or a manual clock in tests.
#[derive(Clone, Default)]
pub enum Clock {
    #[default]
    System,
    Manual(Arc<ManualClock>),
}

/// A clock that stops until [`ManualClock::advance`].
pub struct ManualClock {
    now: Mutex<Timestamp>,
    turned: Notify,
}

impl Clock {
    pub fn manual(now: Timestamp) -> (Clock, Arc<ManualClock>) {
        let hand = Arc::new(ManualClock { now: Mutex::new(now), turned: Notify::new() });
        (Clock::Manual(hand.clone()), hand)
    }

    #[allow(clippy::disallowed_methods)] // the one place
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => Timestamp::now(),
            Clock::Manual(hand) => hand.now(),
        }
    }

    /// Returns the present as milliseconds since the Unix epoch, as in the ledger.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// Returns once `wait` has passed on this clock.
    pub async fn sleep(&self, wait: Duration) {
        match self {
            Clock::System => tokio::time::sleep(wait).await,
            Clock::Manual(hand) => hand.sleep(wait).await,
        }
    }
}

impl ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn advance(&self, by: Duration) {
        {
            let mut now = self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *now = now
                .saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX))
                .unwrap_or(Timestamp::MAX);
        }
        self.turned.notify_waiters();
    }

    /// Sets the time, also backwards, as a person or a time server does.
    pub fn set(&self, now: Timestamp) {
        *self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = now;
        self.turned.notify_waiters();
    }

    async fn sleep(&self, wait: Duration) {
        let until = self
            .now()
            .saturating_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX);
        loop {
            let mut turned = std::pin::pin!(self.turned.notified());
            // Registered before the check, so that no change between the two is missed.
            turned.as_mut().enable();
            if self.now() >= until {
                return;
            }
            turned.await;
        }
    }
}
