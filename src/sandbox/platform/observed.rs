//! Access of tests to a running sandbox.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header;
use jiff::Timestamp;

use super::Platform;
use crate::sandbox::Sandbox;
use crate::sandbox::misbehave::Misbehaviours;
use crate::sandbox::records::List;

/// Requests kept in the log; later ones are only counted.
const LOG_MAX: usize = 100_000;

/// A received request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedRequest {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub agent: String,
}

impl Sandbox {
    /// Returns the received requests in order, up to 100,000.
    pub fn log(&self) -> Vec<ReceivedRequest> {
        self.platform.memory().log.clone()
    }

    /// Returns the number of started exports.
    pub fn exports(&self) -> usize {
        self.platform.memory().exports.started.len()
    }

    /// Changes these records at a moment, by their index; one beyond the last is added, with those before it. `list` is
    /// `users`, `courses` or `enrollments`.
    pub fn change_records(&self, list: &str, indexes: impl IntoIterator<Item = u64>, at: Timestamp) {
        let list = match list {
            "users" => List::Users,
            "courses" => List::Courses,
            _ => List::Enrollments,
        };
        let mut memory = self.platform.memory();
        indexes.into_iter().for_each(|index| memory.records.change(list, index, at));
    }

    /// Returns the assertions that asked for a token.
    pub fn assertions(&self) -> Vec<String> {
        self.platform.memory().tokens.assertions.clone()
    }

    /// Replaces the misbehaviours from now on, and restarts the count of faults.
    pub fn misbehave(&self, misbehave: Misbehaviours) {
        *self.platform.misbehave.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(misbehave);
        self.platform.memory().injected.clear();
    }
}

impl Platform {
    pub(super) fn log_request(&self, request: &Request) {
        let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let seen = ReceivedRequest {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            agent: agent.unwrap_or_default().to_owned(),
        };
        let mut memory = self.memory();
        if memory.log.len() < LOG_MAX {
            memory.log.push(seen);
        }
    }
}
