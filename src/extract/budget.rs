//! Rate limits of a tenant: requests in flight, per minute and per hour.

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

/// One tenant's budget, shared by all its pipelines.
pub(super) struct Budget {
    clock: Clock,
    settings: settings::Budget,
    in_flight: Arc<Semaphore>,
    minute: Window,
    hour: Window,
}

/// The budget that is left now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Requests that neither window delays.
    pub at_once: u32,
    pub in_flight: u32,
}

/// A permit to send one request; dropped when its response has been read.
pub(super) struct RequestPermit(#[allow(dead_code)] OwnedSemaphorePermit);

impl Budget {
    /// Creates a budget. A limit of 0 counts as 1, as nothing could ever be sent.
    pub(super) fn new(settings: settings::Budget, clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            settings,
            in_flight: Arc::new(Semaphore::new(settings.in_flight.max(1) as usize)),
            minute: Window::new(settings.per_minute, MINUTE, clock),
            hour: Window::new(settings.per_hour, HOUR, clock),
        }
    }

    pub(super) fn settings(&self) -> settings::Budget {
        self.settings
    }

    /// Waits, in order of arrival, until one more request may be sent.
    pub(super) async fn acquire(&self) -> RequestPermit {
        let permit = loop {
            if let Ok(permit) = self.in_flight.clone().acquire_owned().await {
                break permit;
            }
        };
        self.hour.pass(&self.clock).await;
        self.minute.pass(&self.clock).await;
        RequestPermit(permit)
    }

    pub(super) fn remaining(&self) -> Remaining {
        Remaining {
            at_once: self.minute.left().min(self.hour.left()),
            in_flight: u32::try_from(self.in_flight.available_permits()).unwrap_or(u32::MAX),
        }
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>;

/// A limit of n requests in any span of this length, by a leaky bucket (GCRA).
///
/// A bucket of n that refills n per span admits 2n − 1 in the first span, so a tenth of n is the burst and the rest is
/// the refill: together n.
struct Window {
    limiter: Limiter,
    ticks: Ticks,
    burst: u32,
    period: Duration,
    /// The remaining burst after the last request, and its time.
    last: Mutex<(u32, Duration)>,
}

impl Window {
    fn new(max: u32, span: Duration, clock: &Clock) -> Self {
        let max = max.max(1);
        let burst = NonZeroU32::new(max.div_ceil(10)).unwrap_or(NonZeroU32::MIN);
        let period = span / (max - burst.get()).max(1);
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

/// The clock for the limiter: the time since the budget was created.
#[derive(Clone)]
struct Ticks {
    clock: Clock,
    since: Timestamp,
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        // If the system clock is set back, this one pauses until it has caught up.
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
        let (clock, control) = Clock::manual("2026-11-23T05:30:00Z".parse().unwrap());
        (Budget::new(settings::Budget { per_minute, per_hour, in_flight }, &clock), control)
    }

    fn at_once(budget: &Budget) -> Option<RequestPermit> {
        match pin!(budget.acquire()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    /// Sends as fast as allowed for `seconds`. Returns the number sent in each second.
    fn drive(budget: &Budget, control: &crate::clock::ManualClock, seconds: usize) -> Vec<u32> {
        (0..seconds)
            .map(|_| {
                let sent = std::iter::from_fn(|| at_once(budget)).count() as u32;
                control.advance(Duration::from_secs(1));
                sent
            })
            .collect()
    }

    #[test]
    fn never_more_than_the_settings_in_any_minute_or_hour() {
        for (per_minute, per_hour) in [(60, 800), (1, 10), (7, 30), (10, 1000), (100, 100)] {
            let (budget, control) = budget(per_minute, per_hour, 4);
            let sent = drive(&budget, &control, 7200);
            for (max, span) in [(per_minute, 60), (per_hour, 3600)] {
                let worst = sent.windows(span).map(|window| window.iter().sum::<u32>()).max().unwrap();
                assert!(worst <= max, "{per_minute}/min {per_hour}/h: {worst} in {span} s");
            }
            assert!(
                sent.iter().sum::<u32>() * 10 >= per_hour.min(per_minute * 60) * 12,
                "{per_minute} {per_hour}: too few"
            );
        }
    }

    #[test]
    fn requests_in_flight_are_bounded_and_released() {
        let (budget, _control) = budget(600, 6000, 2);
        let (first, second) = (at_once(&budget).unwrap(), at_once(&budget).unwrap());
        assert_eq!(budget.remaining(), Remaining { at_once: 58, in_flight: 0 });
        assert!(at_once(&budget).is_none());
        drop(first);
        assert!(at_once(&budget).is_some());
        drop(second);
        assert_eq!(budget.remaining().in_flight, 2);
    }
}
