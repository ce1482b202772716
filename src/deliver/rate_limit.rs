//! Readers with a rate limit and a deadline.

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

/// A rate limit and a deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// Bytes per second.
    pub bandwidth: Option<u64>,
    /// End of the attempt.
    pub until: Option<Instant>,
}

/// Error text when reading stopped at [`Pace::until`].
pub(super) const TOO_LONG: &str = "the attempt took longer than work.deadlines.attempt";

impl Pace {
    pub(super) fn begin(self) -> Pacer {
        Pacer { pace: self, started: Instant::now(), bytes: 0 }
    }

    /// Returns the limit of each of several parallel senders.
    pub(super) fn shared_by(self, several: usize) -> Self {
        Self { bandwidth: self.bandwidth.map(|bytes| (bytes / several.max(1) as u64).max(1)), ..self }
    }
}

/// A pace, and how much of it is used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    pace: Pace,
    started: Instant,
    bytes: u64,
}

impl Pacer {
    /// Blocks until more may be read.
    ///
    /// # Errors
    /// `TimedOut` past the deadline.
    pub(super) fn wait(&self) -> io::Result<()> {
        if let Some(bandwidth) = self.pace.bandwidth {
            let due = Duration::from_secs_f64(self.bytes as f64 / bandwidth.max(1) as f64);
            let ahead = due.saturating_sub(self.started.elapsed());
            let left = self.pace.until.map(|until| until.saturating_duration_since(Instant::now()));
            std::thread::sleep(left.map_or(ahead, |left| ahead.min(left)));
        }
        match self.pace.until.is_some_and(|until| Instant::now() >= until) {
            true => Err(io::Error::new(ErrorKind::TimedOut, TOO_LONG)),
            false => Ok(()),
        }
    }

    /// Counts bytes that were read.
    pub(super) fn record(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

pub(super) struct Paced<R> {
    inner: R,
    pacer: Pacer,
}

impl<R: Read> Paced<R> {
    pub(super) fn new(inner: R, pace: Pace) -> Self {
        Self { inner, pacer: pace.begin() }
    }
}

impl<R: Read> Read for Paced<R> {
    /// # Errors
    /// `TimedOut` past the deadline, or the source's error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pacer.wait()?;
        let read = self.inner.read(buffer)?;
        self.pacer.record(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_fast_as_it_may_be() {
        let pace = Pace { bandwidth: Some(1_000_000), until: None };
        let started = Instant::now();
        let mut read = Vec::new();
        let mut paced = Paced::new(io::repeat(7).take(200_000), pace);
        let mut block = [0; 10_000];
        while let Ok(count @ 1..) = paced.read(&mut block) {
            read.extend_from_slice(&block[..count]);
        }
        assert_eq!(read.len(), 200_000);
        assert!(started.elapsed() >= Duration::from_millis(150), "{:?}", started.elapsed());
    }

    #[test]
    fn a_source_is_read_until_its_time_is_over() {
        let until = Some(Instant::now() + Duration::from_millis(30));
        let mut paced = Paced::new(io::repeat(7), Pace { bandwidth: Some(1), until });
        assert_eq!(paced.read(&mut [0; 100]).unwrap(), 100);
        assert_eq!(paced.read(&mut [0; 100]).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
