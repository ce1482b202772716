//! Retry decisions: the only module that makes them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

mod repeats;
pub use repeats::Repeats;

/// Longest wait granted to a server's `Retry-After`. Longer ones are cut to this.
pub const ASKED_MAX: Duration = Duration::from_secs(3600);

/// A backoff: `initial`, doubling, up to `max`, with jitter, until `give_up_after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub initial: Duration,
    pub max: Duration,
    pub give_up_after: Duration,
}

impl Backoff {
    /// Returns the wait after the `failed`-th failure in a row (1 is the first): uniform between half the step and the
    /// step, so never zero.
    ///
    /// `asked` is the server's `Retry-After`. It lengthens the wait, up to [`ASKED_MAX`], but never shortens it: a value of
    /// zero would cause requests without pause.
    pub fn wait(&self, failed: u32, asked: Option<Duration>) -> Duration {
        longer(self.own_wait(failed), asked)
    }

    fn own_wait(&self, failed: u32) -> Duration {
        let step =
            self.initial.saturating_mul(1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX)).min(self.max);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Returns when to retry after the `failed`-th failure in a row, with a backoff since `since`. A wait that the server
    /// requests ends no later than the backoff, with one last try.
    pub fn next(&self, now: Timestamp, since: Timestamp, failed: u32, asked: Option<Duration>) -> Next {
        let span = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        let after = |wait: Duration| now.saturating_add(span(wait)).unwrap_or(Timestamp::MAX);
        let given_up = since.saturating_add(span(self.give_up_after)).unwrap_or(Timestamp::MAX);
        let own = self.own_wait(failed);
        if after(own) > given_up { Next::End } else { Next::At(after(longer(own, asked)).min(given_up)) }
    }
}

/// Backoff of a run that found a disk of this machine full: somebody has to free space.
pub const DISK_FULL: Backoff =
    Backoff { initial: Duration::from_secs(5), max: Duration::from_secs(60), give_up_after: Duration::MAX };

/// Meaning of a server's refusal of a rename, right after the file was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameRefusal {
    /// Permanent: the name is taken, the directory is missing, the request is not supported.
    Final,
    /// No reason given: a virus scanner or a gateway may hold the file.
    PerhapsHeld,
    /// Another process holds the file, as the server reports.
    Held,
}

/// Time limit for repeating a refused rename if the server does not report that the file is held.
const MAYBE_HELD_LIMIT: Duration = Duration::from_secs(20);

const RENAME_STEPS: Backoff =
    Backoff { initial: Duration::from_millis(150), max: Duration::from_secs(2), give_up_after: Duration::MAX };

/// Returns the wait before repeating a rename that was refused `refused` times in `spent`; `None` after `limit`, or after
/// 20 s if the server does not report that the file is held.
pub fn rename_again(refusal: RenameRefusal, refused: u32, spent: Duration, limit: Duration) -> Option<Duration> {
    let limit = match refusal {
        RenameRefusal::Final => Duration::ZERO,
        RenameRefusal::PerhapsHeld => limit.min(MAYBE_HELD_LIMIT),
        RenameRefusal::Held => limit,
    };
    let left = limit.checked_sub(spent).filter(|left| !left.is_zero())?;
    Some(RENAME_STEPS.wait(refused, None).min(left))
}

/// Returns the longer of our own wait and the requested one.
fn longer(own: Duration, asked: Option<Duration>) -> Duration {
    let asked = asked.unwrap_or_default();
    if asked > ASKED_MAX {
        let (asked_s, waits_s) = (asked.as_secs(), ASKED_MAX.as_secs());
        tracing::warn!(asked_s, waits_s, "Retry-After is longer than the limit, using the limit");
    }
    own.max(asked.min(ASKED_MAX))
}

/// Waits after a refusal that may be temporary (sign-in by key, missing directory): three retries within half an hour.
pub const REFUSAL_WAITS: [Duration; 3] =
    [Duration::from_secs(30), Duration::from_secs(5 * 60), Duration::from_secs(20 * 60)];

impl Backoff {
    /// Returns when to retry after `refused` refusals (1 is the first), with a backoff since `since`.
    ///
    /// Only if deliveries succeeded before: what worked yesterday and is refused today may be a server in maintenance,
    /// while what never worked is a mistake in the settings, which a person should see immediately. No wait is longer than
    /// `max`.
    pub fn after_refusal(&self, now: Timestamp, since: Timestamp, refused: u32, delivered_before: bool) -> Next {
        let index = usize::try_from(refused.saturating_sub(1)).unwrap_or(usize::MAX);
        match REFUSAL_WAITS.get(index) {
            Some(wait) if delivered_before => self.next(now, since, refused, Some((*wait).min(self.max))),
            _ => Next::End,
        }
    }
}

/// Waits between two looks at a final name that is taken.
const NAME_WAITS: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(300));

/// Returns when to look again at a final name that a reader has not freed since `since`: after a tenth of that time, within
/// 15 seconds and 5 minutes, with a last look at the deadline.
pub fn look_again(now: Timestamp, since: Timestamp, deadline: Duration) -> Next {
    let waited = now.duration_since(since).unsigned_abs();
    let Some(left) = deadline.checked_sub(waited).filter(|left| !left.is_zero()) else { return Next::End };
    let wait = (waited / 10).clamp(NAME_WAITS.0, NAME_WAITS.1).min(left);
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    Next::At(now.saturating_add(wait).unwrap_or(Timestamp::MAX))
}

/// Decision after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    At(Timestamp),
    /// The backoff is over.
    End,
}

/// Failure of one try.
#[derive(Debug)]
pub enum Failure<E> {
    /// Retrying is pointless or harmful.
    Stop(E),
    /// Retrying is fine, after `wait` if the server requested one (`Retry-After`).
    Again { error: E, wait: Option<Duration> },
}

/// The tries of one operation, limited in number and time.
///
/// A loop around the operation calls [`Tries::again`] after each failure. (The compiler does not yet accept an async
/// closure's futures as `Send`.)
pub struct Tries<'a> {
    backoff: Backoff,
    tries_max: u32,
    clock: &'a Clock,
    started: Timestamp,
    failed: u32,
}

impl<'a> Tries<'a> {
    /// Allows at most `tries_max` tries, the last of which starts at most `backoff.give_up_after` from now.
    pub fn new(backoff: &Backoff, tries_max: u32, clock: &'a Clock) -> Self {
        Self { backoff: *backoff, tries_max, clock, started: clock.now(), failed: 0 }
    }

    /// Waits until the next try is due.
    ///
    /// # Errors
    /// The failure, if there is no further try.
    pub async fn again<E>(&mut self, failure: Failure<E>) -> Result<(), E> {
        let (error, asked) = match failure {
            Failure::Stop(error) => return Err(error),
            Failure::Again { error, wait } => (error, wait),
        };
        self.failed += 1;
        let wait = self.backoff.wait(self.failed, asked);
        let spent = self.clock.now().duration_since(self.started).unsigned_abs();
        if self.failed >= self.tries_max || spent.saturating_add(wait) > self.backoff.give_up_after {
            return Err(error);
        }
        self.clock.sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        initial: Duration::from_secs(1),
        max: Duration::from_secs(8),
        give_up_after: Duration::from_secs(60),
    };

    /// Fails forever while the manual clock advances; returns the number of tries and the seconds they took.
    fn fail(tries_max: u32, wait: Option<Duration>) -> (u32, u64) {
        let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
        let mut tries = Tries::new(&BACKOFF, tries_max, &clock);
        let mut tried = 0;
        loop {
            tried += 1;
            let mut again = std::pin::pin!(tries.again(Failure::Again { error: "no", wait }));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            loop {
                match again.as_mut().poll(&mut context) {
                    std::task::Poll::Ready(Ok(())) => break,
                    std::task::Poll::Ready(Err("no")) => return (tried, clock.now().as_second().unsigned_abs()),
                    std::task::Poll::Ready(Err(_)) => unreachable!(),
                    std::task::Poll::Pending => hand.advance(Duration::from_millis(100)),
                }
            }
        }
    }

    #[test]
    fn ends_by_number_and_by_time() {
        assert_eq!(fail(1, None), (1, 0));
        assert_eq!(fail(3, Some(Duration::from_secs(5))), (3, 10));
        assert_eq!(fail(100, Some(Duration::from_secs(10))), (7, 60), "the last try begins at the edge");
        assert_eq!(
            fail(4, Some(Duration::from_secs(3600))),
            (1, 0),
            "the requested wait is longer than the time limit"
        );
        let (tried, seconds) = fail(100, Some(Duration::ZERO));
        assert!((8..=20).contains(&tried) && (52..=60).contains(&seconds), "{tried} {seconds}");
        let (tried, seconds) = fail(100, None);
        assert!((8..=20).contains(&tried) && (52..=60).contains(&seconds), "{tried} {seconds}");
    }

    #[test]
    fn a_taken_name_is_looked_at_until_the_deadline() {
        let (since, hour) = (Timestamp::UNIX_EPOCH, Duration::from_secs(3600));
        let (mut now, mut looks) = (since, 0);
        while let Next::At(next) = look_again(now, since, hour) {
            let wait = next.duration_since(now).as_secs();
            assert!((15..=300).contains(&wait) || next.as_second() == 3600, "{wait} s after {now}");
            (now, looks) = (next, looks + 1);
        }
        assert_eq!(now.as_second(), 3600, "the last look is at the deadline");
        assert!((30..=60).contains(&looks), "{looks}");
        assert_eq!(look_again(since, since, Duration::ZERO), Next::End);
    }

    #[test]
    fn waits_double_with_jitter_up_to_the_most() {
        for (failed, step) in [(1, 1000), (2, 2000), (3, 4000), (4, 8000), (5, 8000), (40, 8000)] {
            for _ in 0..100 {
                let wait = BACKOFF.wait(failed, None).as_millis();
                assert!((step / 2..=step).contains(&wait), "{failed}: {wait}");
            }
        }
    }
}

#[cfg(test)]
mod rename_tests {
    use super::*;

    /// Returns the tries of a rename that is always refused, and the seconds they take.
    fn tried(refusal: RenameRefusal, limit_s: u64) -> (u32, u64) {
        let (mut refused, mut spent) = (1, Duration::ZERO);
        while let Some(wait) = rename_again(refusal, refused, spent, Duration::from_secs(limit_s)) {
            assert!(!wait.is_zero());
            spent += wait;
            refused += 1;
        }
        (refused, spent.as_secs())
    }

    #[test]
    fn d03_a_refused_rename_is_repeated_for_some_seconds() {
        assert_eq!(tried(RenameRefusal::Final, 600), (1, 0));
        let (times, seconds) = tried(RenameRefusal::PerhapsHeld, 600);
        assert!(seconds == 20 && (10..=30).contains(&times), "{times} in {seconds} s");
        assert_eq!(tried(RenameRefusal::PerhapsHeld, 5).1, 5, "no longer than `timeouts.rename`");
        assert_eq!(tried(RenameRefusal::Held, 600).1, 600);
        let first = rename_again(RenameRefusal::PerhapsHeld, 1, Duration::ZERO, Duration::from_secs(600));
        assert!(first.is_some_and(|wait| wait <= Duration::from_millis(150)), "the first one comes soon");
    }
}

#[cfg(test)]
mod schedule_tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        initial: Duration::from_secs(1),
        max: Duration::from_secs(900),
        give_up_after: Duration::from_secs(86_400),
    };

    #[test]
    fn waits_double_up_to_the_limit() {
        for failed in 1..100 {
            let step = Duration::from_secs((1u64 << (failed - 1).min(20)).min(900));
            let wait = BACKOFF.wait(failed, None);
            assert!(wait <= step && wait >= step / 2, "failure {failed}: {wait:?}");
        }
    }

    #[test]
    fn d01_retry_after_never_shortens_a_wait() {
        for failed in 1..30 {
            let step = Duration::from_secs((1u64 << (failed - 1).min(20)).min(900));
            for asked in [Duration::ZERO, Duration::from_millis(1), step / 4] {
                let wait = BACKOFF.wait(failed, Some(asked));
                assert!(wait >= step / 2 && wait <= step, "failure {failed}, asked for {asked:?}: {wait:?}");
            }
        }
    }

    #[test]
    fn d23_what_is_asked_for_is_waited_for_up_to_the_limit() {
        assert_eq!(BACKOFF.wait(1, Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(BACKOFF.wait(1, Some(Duration::from_secs(3600))), Duration::from_secs(3600), "longer than `max`");
        assert_eq!(BACKOFF.wait(1, Some(Duration::from_secs(86_400))), ASKED_MAX);
        assert_eq!(BACKOFF.wait(1, Some(Duration::MAX)), ASKED_MAX);
    }

    #[test]
    fn the_schedule_ends_at_its_edge() {
        let since = Timestamp::UNIX_EPOCH;
        let day = SignedDuration::from_secs(86_400);
        let ask = Some(Duration::from_secs(10));
        assert_eq!(BACKOFF.next(since + day - SignedDuration::from_secs(10), since, 1, ask), Next::At(since + day));
        assert_eq!(BACKOFF.next(since + day - SignedDuration::from_secs(9), since, 1, ask), Next::At(since + day));
        let ended = since + day - SignedDuration::from_millis(499);
        assert_eq!(BACKOFF.next(ended, since, 1, ask), Next::End);
        assert_eq!(BACKOFF.next(ended, since, 1, None), Next::End);
    }

    #[test]
    fn d12_a_refusal_is_tried_again_three_times_within_half_an_hour_where_deliveries_succeeded_before() {
        let (mut now, since) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        for (refused, wait_s) in [(1, 30), (2, 300), (3, 900)] {
            let next = BACKOFF.after_refusal(now, since, refused, true);
            assert_eq!(next, Next::At(now + SignedDuration::from_secs(wait_s)), "refusal {refused}");
            now += SignedDuration::from_secs(wait_s);
            assert_eq!(BACKOFF.after_refusal(now, since, refused, false), Next::End, "no receipts");
        }
        assert!(now.duration_since(since) <= SignedDuration::from_mins(30));
        for refused in [4, 5, u32::MAX] {
            assert_eq!(BACKOFF.after_refusal(now, since, refused, true), Next::End);
        }
        let short = Backoff { max: Duration::from_secs(2), give_up_after: Duration::from_secs(3), ..BACKOFF };
        let second = since + SignedDuration::from_secs(2);
        assert_eq!(short.after_refusal(since, since, 1, true), Next::At(second), "no longer than `max`");
        assert_eq!(short.after_refusal(second, since, 2, true), Next::End, "not beyond `give_up_after`");
    }
}
