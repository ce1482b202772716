//! Detects receivers that close their connections. Their connections are not reused, because a request on a closing
//! connection is lost, at worst until its timeout.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::Response;

/// Maximum interval between responses that count: receivers close idle connections.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// New connections in a row, beyond twice the idle ones, that prove that the receiver closes them.
const FRESH_MAX: usize = 8;

/// Evidence from the responses so far.
pub(super) struct Connections {
    open_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Connections that may be open and idle: one for each response.
    idle: usize,
    /// Local ports of the latest responses, one for each connection.
    ports: VecDeque<u16>,
    fresh_in_a_row: usize,
    last_response: Option<Instant>,
}

impl Connections {
    /// Keeps at most `open_max` open.
    pub(super) fn new(open_max: usize) -> Self {
        Self { open_max, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Returns true if connections should be kept for the next request.
    pub(super) fn are_kept(&self) -> bool {
        self.state().fresh_in_a_row <= 2 * self.open_max + FRESH_MAX
    }

    /// Counts a response; its connection may stay open.
    pub(super) fn responded(&self, response: &Response) {
        if !self.are_kept() {
            return;
        }
        let mut state = self.state();
        state.idle = self.open_max.min(state.idle + 1);
        let previous = state.last_response.replace(Instant::now());
        let Some(info) = response.extensions().get::<HttpInfo>() else { return };
        let port = info.local_addr().port();
        if state.ports.contains(&port) || previous.is_none_or(|previous| previous.elapsed() > IDLE_MAX) {
            state.fresh_in_a_row = 0;
        } else {
            state.fresh_in_a_row += 1;
        }
        state.ports.push_back(port);
        if state.ports.len() > self.open_max {
            state.ports.pop_front();
        }
    }

    /// Returns true if a connection that ended without a response may have been a reused one, and removes it from the
    /// count.
    pub(super) fn lost(&self) -> bool {
        let mut state = self.state();
        let reused = state.idle > 0;
        state.idle = state.idle.saturating_sub(1);
        reused
    }
}
