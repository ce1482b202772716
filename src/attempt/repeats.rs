//! Repeats failed parts of a delivery within the attempt, while the delivery as a whole progresses.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Backoff;
use crate::clock::Clock;

/// Waits between two sends of one part.
const BACKOFF: Backoff = Backoff {
    initial: Duration::from_millis(100),
    max: Duration::from_secs(5),
    give_up_after: Duration::from_secs(60),
};

/// Maximum sends of one part in one attempt.
const SENDS_MAX: u32 = 8;

/// Failures in a row, over all parts, that end the attempt.
const FAILURES_MAX: u32 = 16;

/// Longest `Retry-After` that is awaited within the attempt; a longer one ends it, and the delivery waits.
const ASKED_MAX: Duration = Duration::from_secs(10);

/// Decides whether a failed part is sent again before the attempt ends.
///
/// Only while others succeed. Otherwise the attempt ends and the destination's own backoff follows, so a receiver that
/// refuses everything gets no more requests than that backoff allows.
pub struct Repeats {
    clock: Clock,
    failed_in_a_row: AtomicU32,
    /// No part is sent before this: the receiver requested a pause.
    pause_until: Mutex<Timestamp>,
}

impl Repeats {
    pub fn new(clock: Clock) -> Self {
        let pause_until = Mutex::new(Timestamp::MIN);
        Self { clock, failed_in_a_row: AtomicU32::new(FAILURES_MAX), pause_until }
    }

    /// Waits until the receiver's pause is over, if it requested one.
    pub async fn ready(&self) {
        loop {
            let until = *self.pause_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match Duration::try_from(until.duration_since(self.clock.now())) {
                Ok(left) if !left.is_zero() => self.clock.sleep(left).await,
                _ => return,
            }
        }
    }

    /// Notes that a part was acknowledged.
    pub fn succeeded(&self) {
        self.failed_in_a_row.store(0, Relaxed);
    }

    /// Waits until a part whose send failed for the `failed`-th time may be sent again. Returns false immediately if the
    /// attempt must end. `asked` is the receiver's `Retry-After`, which delays all parts.
    pub async fn again(&self, failed: u32, asked: Option<Duration>) -> bool {
        let in_a_row = self.failed_in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        let asked = asked.unwrap_or_default();
        if in_a_row > FAILURES_MAX || failed >= SENDS_MAX || asked > ASKED_MAX {
            return false;
        }
        if !asked.is_zero() {
            let wait = SignedDuration::try_from(asked).unwrap_or(SignedDuration::MAX);
            let until = self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
            let mut pause_until = self.pause_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *pause_until = until.max(*pause_until);
        }
        self.clock.sleep(BACKOFF.wait(failed, Some(asked))).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether another send follows, and the milliseconds waited for it.
    fn again(repeats: &Repeats, hand: &crate::clock::ManualClock, failed: u32, asked: Option<u64>) -> (bool, i64) {
        let started = repeats.clock.now();
        let mut again = std::pin::pin!(repeats.again(failed, asked.map(Duration::from_secs)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            match again.as_mut().poll(&mut context) {
                std::task::Poll::Ready(is_again) => {
                    return (is_again, repeats.clock.now().as_millisecond() - started.as_millisecond());
                }
                std::task::Poll::Pending => hand.advance(Duration::from_millis(10)),
            }
        }
    }

    fn repeats() -> (Repeats, std::sync::Arc<crate::clock::ManualClock>) {
        let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
        (Repeats::new(clock), hand)
    }

    #[test]
    fn d01_nothing_is_sent_again_before_anything_succeeded() {
        let (repeats, hand) = repeats();
        assert_eq!(again(&repeats, &hand, 1, None), (false, 0));
        assert_eq!(again(&repeats, &hand, 1, Some(0)), (false, 0));
    }

    #[test]
    fn d05_a_part_is_sent_again_after_waits_that_grow() {
        let (repeats, hand) = repeats();
        repeats.succeeded();
        let mut last = 0;
        for failed in 1..SENDS_MAX {
            let (is_again, waited) = again(&repeats, &hand, failed, Some(0));
            let step = (100 << (failed - 1)).min(5_000);
            assert!(is_again && waited >= step / 2 && waited <= step + 10, "{failed}: {waited} ms");
            last = last.max(waited);
        }
        assert!(last >= 2_500);
        assert_eq!(again(&repeats, &hand, SENDS_MAX, None), (false, 0), "a part has its most sends");
    }

    #[test]
    fn d05_an_attempt_ends_where_all_fail() {
        let (repeats, hand) = repeats();
        repeats.succeeded();
        for _ in 0..FAILURES_MAX {
            assert!(again(&repeats, &hand, 1, None).0);
        }
        assert!(!again(&repeats, &hand, 1, None).0);
        repeats.succeeded();
        assert!(again(&repeats, &hand, 1, None).0, "one success is enough");
    }

    #[test]
    fn d23_a_short_pause_is_waited_for_by_all_and_a_long_one_ends_the_attempt() {
        let (repeats, hand) = repeats();
        repeats.succeeded();
        let (is_again, waited) = again(&repeats, &hand, 1, Some(2));
        assert!(is_again && waited >= 2_000, "{waited}");
        let mut others = std::pin::pin!(repeats.ready());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(others.as_mut().poll(&mut context).is_ready(), "the pause is over");
        assert_eq!(again(&repeats, &hand, 1, Some(11)), (false, 0));
        assert_eq!(again(&repeats, &hand, 1, Some(u64::MAX)), (false, 0));
    }
}
