//! Leave to send one request: never more in flight, in a minute or in an hour than the tenant's settings say.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;
use crate::settings;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// One tenant's budget; all pipelines of the tenant draw on it.
pub(super) struct Budget {
    clock: Clock,
    settings: settings::Budget,
    in_flight: Arc<Semaphore>,
    minute: Window,
    hour: Window,
}

/// What is left at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Requests that may be sent at once, without waiting for either window.
    pub at_once: u32,
    pub in_flight: u32,
}

/// Leave to send one request; dropped when its answer has been read.
pub(super) struct Leave(#[allow(dead_code)] OwnedSemaphorePermit);

impl Budget {
    /// A budget of 0 counts as 1: nothing could ever be sent.
    pub fn new(settings: settings::Budget, clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            settings,
            in_flight: Arc::new(Semaphore::new(settings.in_flight.max(1) as usize)),
            minute: Window::new(settings.per_minute, MINUTE, clock),
            hour: Window::new(settings.per_hour, HOUR, clock),
        }
    }

    pub fn settings(&self) -> settings::Budget {
        self.settings
    }

    /// Waits, in the order of asking, until one more request may be sent.
    pub async fn leave(&self) -> Leave {
        // The semaphore is never closed; were it, there would be nothing to wait for.
        let permit = loop {
            if let Ok(permit) = self.in_flight.clone().acquire_owned().await {
                break permit;
            }
        };
        self.hour.pass(&self.clock).await;
        self.minute.pass(&self.clock).await;
        Leave(permit)
    }

    pub fn remaining(&self) -> Remaining {
        Remaining {
            at_once: self.minute.left().min(self.hour.left()),
            in_flight: u32::try_from(self.in_flight.available_permits()).unwrap_or(u32::MAX),
        }
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>;

/// "At most n in any span of this length", kept by a leaky bucket (GCRA).
///
/// A bucket of n that refills n in the span lets 2n − 1 through in the first span, so a tenth of n is the burst and
/// the rest is the refill: together n.
struct Window {
    limiter: Limiter,
    ticks: Ticks,
    burst: u32,
    period: Duration,
    /// Cells left after the last pass, and when that was.
    last: Mutex<(u32, Duration)>,
}

impl Window {
    fn new(most: u32, span: Duration, clock: &Clock) -> Self {
        let most = most.max(1);
        let burst = NonZeroU32::new(most.div_ceil(10)).unwrap_or(NonZeroU32::MIN);
        let period = span / (most - burst.get()).max(1);
        let ticks = Ticks { clock: clock.clone(), since: clock.now() };
        let quota =
            Quota::with_period(period.max(Duration::from_nanos(1))).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let limiter = RateLimiter::direct_with_clock(quota.allow_burst(burst), ticks.clone())
            .with_middleware::<StateInformationMiddleware>();
        Self { limiter, ticks, burst: burst.get(), period, last: Mutex::new((burst.get(), Duration::ZERO)) }
    }

    async fn pass(&self, clock: &Clock) {
        loop {
            match self.limiter.check() {
                Ok(state) => {
                    *self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
                        (state.remaining_burst_capacity(), self.ticks.now());
                    return;
                }
                Err(not_yet) => clock.sleep(not_yet.wait_time_from(self.ticks.now())).await,
            }
        }
    }

    fn left(&self) -> u32 {
        let (left, at) = *self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let since = self.ticks.now().saturating_sub(at);
        let refilled = since.as_nanos() / self.period.as_nanos().max(1);
        left.saturating_add(u32::try_from(refilled).unwrap_or(u32::MAX)).min(self.burst)
    }
}

/// Our clock as the limiter reads it: time since the budget began.
#[derive(Clone)]
struct Ticks {
    clock: Clock,
    since: Timestamp,
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        // A system clock that is set back stands still here until it has caught up.
        Duration::try_from(self.clock.now().duration_since(self.since)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn budget(per_minute: u32, per_hour: u32, in_flight: u32) -> (Budget, Arc<crate::clock::ManualClock>) {
        let (clock, hand) = Clock::manual("2026-11-23T05:30:00Z".parse().unwrap());
        (Budget::new(settings::Budget { per_minute, per_hour, in_flight }, &clock), hand)
    }

    fn at_once(budget: &Budget) -> Option<Leave> {
        match pin!(budget.leave()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(leave) => Some(leave),
            Poll::Pending => None,
        }
    }

    /// Sends as fast as it may for `seconds`; answers how many went in each second.
    fn drive(budget: &Budget, hand: &crate::clock::ManualClock, seconds: usize) -> Vec<u32> {
        (0..seconds)
            .map(|_| {
                let sent = std::iter::from_fn(|| at_once(budget)).count() as u32;
                hand.advance(Duration::from_secs(1));
                sent
            })
            .collect()
    }

    #[test]
    fn never_more_than_the_settings_in_any_minute_or_hour() {
        for (per_minute, per_hour) in [(60, 800), (1, 10), (7, 30), (10, 1000), (100, 100)] {
            let (budget, hand) = budget(per_minute, per_hour, 4);
            let sent = drive(&budget, &hand, 7200);
            for (most, span) in [(per_minute, 60), (per_hour, 3600)] {
                let worst = sent.windows(span).map(|window| window.iter().sum::<u32>()).max().unwrap();
                assert!(worst <= most, "{per_minute}/min {per_hour}/h: {worst} in {span} s");
            }
            assert!(
                sent.iter().sum::<u32>() * 10 >= per_hour.min(per_minute * 60) * 12,
                "{per_minute} {per_hour}: too few"
            );
        }
    }

    #[test]
    fn in_flight_is_bounded_and_given_back() {
        let (budget, _hand) = budget(600, 6000, 2);
        let (first, second) = (at_once(&budget).unwrap(), at_once(&budget).unwrap());
        assert_eq!(budget.remaining(), Remaining { at_once: 58, in_flight: 0 });
        assert!(at_once(&budget).is_none());
        drop(first);
        assert!(at_once(&budget).is_some());
        drop(second);
        assert_eq!(budget.remaining().in_flight, 2);
    }
}
