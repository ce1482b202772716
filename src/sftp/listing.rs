//! Directory listings: several READDIR requests in flight, within limits of number and time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::packet::{code, kind};
use super::response::{Entry, Response, Status};
use super::{Client, Error, Handle, RequestId, Transport, or_refusal};

/// Maximum READDIR requests in flight. A directory of 100,000 names takes about 1,000 of them.
const IN_FLIGHT_MAX: usize = 64;

/// Time for pending responses after the time limit, so that the session stays usable.
const GRACE: Duration = Duration::from_millis(500);

/// Limits of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Maximum number of names.
    pub names: usize,
    pub until: Instant,
}

impl<T: Transport> Client<T> {
    /// Passes the names of a directory to `each`, including `.` and `..`. Returns true if all were read.
    ///
    /// # Errors
    /// A refusal, or no response in time, which ends the session.
    pub fn list(&mut self, directory: &str, bounds: Bounds, each: impl FnMut(Entry)) -> Result<bool, Error> {
        let handle = self.until(bounds, |client| client.open_directory(directory))?;
        self.list_opened(&handle, bounds, each)
    }

    /// Does what [`Client::list`] does for an open directory, and closes it.
    pub fn list_opened(&mut self, handle: &Handle, bounds: Bounds, mut each: impl FnMut(Entry)) -> Result<bool, Error> {
        let listed = self.read_directory(handle, bounds, &mut each)?;
        self.until(bounds, |client| client.close(handle))?;
        listed.map_err(Error::Refused)
    }

    /// Starts with one request and doubles their number with each response: a small directory needs few.
    fn read_directory(
        &mut self,
        handle: &Handle,
        bounds: Bounds,
        each: &mut impl FnMut(Entry),
    ) -> Result<Result<bool, Status>, Error> {
        let mut pending: VecDeque<RequestId> = VecDeque::new();
        let (mut left, mut in_flight, mut outcome) = (bounds.names, 1, Ok(true));
        let mut ended = false;
        loop {
            while !ended && pending.len() < in_flight {
                pending.push_back(self.submit(kind::READDIR, |request| _ = request.string(&handle.0))?);
            }
            let Some(id) = pending.pop_front() else { return Ok(outcome) };
            match self.until(bounds, |client| client.response(id))? {
                Response::Names(entries) if !entries.is_empty() => {
                    in_flight = (in_flight * 2).min(IN_FLIGHT_MAX);
                    let taken = entries.len().min(left);
                    left -= taken;
                    entries.into_iter().take(taken).for_each(&mut *each);
                }
                Response::Names(_) | Response::Status(Status { code: code::EOF, .. }) => ended = true,
                // Requests beyond the end may be refused.
                _ if ended => {}
                other => {
                    ended = true;
                    outcome = or_refusal(self.unexpected(other))?;
                }
            }
            if !ended && (left == 0 || Instant::now() >= bounds.until) {
                (ended, outcome) = (true, Ok(false));
            }
        }
    }

    /// Runs `op` with the remaining time as its timeout.
    pub fn until<R>(&mut self, bounds: Bounds, op: impl FnOnce(&mut Self) -> R) -> R {
        let left = bounds.until.saturating_duration_since(Instant::now());
        self.with_timeout(left.saturating_add(GRACE), op)
    }
}
