//! A directory's names: READDIR requests several at a time, within a number and a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::answer::{Answer, Entry, Status};
use super::client::{Client, Failure, Handle, Ticket, Wire};
use super::packet::{code, kind};

/// READDIR requests in flight, at most. A directory of 100,000 names takes about 1,000 of them.
const IN_FLIGHT_MAX: usize = 64;

/// How long what is on its way is waited for once the time is over, so that the session stays good.
const GRACE: Duration = Duration::from_millis(500);

/// How far a directory is read.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Names, at most.
    pub names: usize,
    pub until: Instant,
}

impl<W: Wire> Client<W> {
    /// Hands the names of a directory to `each`, `.` and `..` among them. Returns whether it came to the end.
    ///
    /// # Errors
    /// A refusal, or a server that does not answer in time: the connection is over then.
    pub fn list(&mut self, directory: &str, bounds: Bounds, each: impl FnMut(Entry)) -> Result<bool, Failure> {
        let handle = self.in_time(bounds, |client| client.open_directory(directory))?;
        self.list_opened(&handle, bounds, each)
    }

    /// The same, of a directory that is open; it is closed in the end.
    pub(super) fn list_opened(
        &mut self,
        handle: &Handle,
        bounds: Bounds,
        mut each: impl FnMut(Entry),
    ) -> Result<bool, Failure> {
        let listed = self.read_directory(handle, bounds, &mut each);
        if matches!(listed, Err(Failure::Lost(_))) {
            return listed;
        }
        self.in_time(bounds, |client| client.close(handle))?;
        listed
    }

    /// One request first, then twice as many with each answer: a small directory is not asked more than it takes.
    fn read_directory(
        &mut self,
        handle: &Handle,
        bounds: Bounds,
        each: &mut impl FnMut(Entry),
    ) -> Result<bool, Failure> {
        let mut due: VecDeque<Ticket> = VecDeque::new();
        let (mut left, mut in_flight, mut outcome) = (bounds.names, 1, Ok(true));
        let mut ended = false;
        loop {
            while !ended && due.len() < in_flight {
                let (ticket, request) = self.begin(kind::READDIR);
                request.string(&handle.0);
                self.post(ticket)?;
                due.push_back(ticket);
            }
            let Some(ticket) = due.pop_front() else { return outcome };
            match self.in_time(bounds, |client| client.answer(ticket))? {
                Answer::Names(entries) if !entries.is_empty() => {
                    in_flight = (in_flight * 2).min(IN_FLIGHT_MAX);
                    let taken = entries.len().min(left);
                    left -= taken;
                    entries.into_iter().take(taken).for_each(&mut *each);
                }
                Answer::Names(_) | Answer::Status(Status { code: code::EOF, .. }) => ended = true,
                // What the server says once it was at the end is of no interest.
                _ if ended => {}
                other => {
                    ended = true;
                    outcome = self.refused(other);
                    if matches!(outcome, Err(Failure::Lost(_))) {
                        return outcome;
                    }
                }
            }
            if !ended && (left == 0 || Instant::now() >= bounds.until) {
                (ended, outcome) = (true, Ok(false));
            }
        }
    }

    /// Does `op` with the patience that is left.
    pub(super) fn in_time<T>(&mut self, bounds: Bounds, op: impl FnOnce(&mut Self) -> T) -> T {
        let left = bounds.until.saturating_duration_since(Instant::now());
        self.with_patience(left.saturating_add(GRACE), op)
    }
}
