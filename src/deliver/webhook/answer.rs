//! What a receiver's answer, or its absence, means for the delivery.

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Response;

use super::guard::Refused;
use crate::deliver::Verdict;
use crate::fault::Injected;
use crate::http::{find, retry_after};
use crate::tls::{self, TlsFailure};

/// Bytes of an answer that are kept.
const KEPT: usize = 1024;

/// A request that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub status: u16,
    /// The beginning of what was answered.
    pub said: String,
}

/// Why a request was not taken, as far as we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was sent, or the receiver asks to come again.
    Again { reason: String, wait: Option<Duration> },
    /// It was sent and no answer came. The same id goes again: that is what it is for.
    Lost { reason: String },
    /// The connection ended without an answer; where it was a kept one, it may have ended before the request came.
    Dropped { reason: String },
    /// The receiver understood and refused, or what we would send cannot be sent.
    Refused { reason: String, hint: Option<String> },
    /// The receiver says that it is gone for good (410).
    Gone { reason: String },
}

impl From<Injected> for Trouble {
    fn from(injected: Injected) -> Self {
        match injected {
            Injected::Refused => Self::Again { reason: injected.to_string(), wait: None },
            Injected::Lost => Self::Lost { reason: injected.to_string() },
        }
    }
}

impl Trouble {
    /// Where another send may end better: the wait that the receiver asks for, if it does.
    pub fn may_pass(&self) -> Option<Option<Duration>> {
        match self {
            Self::Again { wait, .. } => Some(*wait),
            Self::Lost { .. } | Self::Dropped { .. } => Some(None),
            Self::Refused { .. } | Self::Gone { .. } => None,
        }
    }

    pub fn reason(&self) -> &str {
        match self {
            Self::Again { reason, .. }
            | Self::Lost { reason }
            | Self::Dropped { reason }
            | Self::Refused { reason, .. }
            | Self::Gone { reason } => reason,
        }
    }

    /// The attempt's verdict; `where_in` tells how far it came.
    pub fn verdict(self, where_in: &str) -> Verdict {
        match self {
            Self::Again { reason, wait } => Verdict::Unreached { reason: format!("{where_in}{reason}"), wait },
            Self::Lost { reason } | Self::Dropped { reason } => {
                Verdict::Unknown { reason: format!("{where_in}{reason}") }
            }
            Self::Refused { reason, hint } => Verdict::Rejected { reason: format!("{where_in}{reason}"), hint },
            Self::Gone { reason } => Verdict::Gone { reason: format!("{where_in}{reason}") },
        }
    }
}

/// Reads an answer: its status, when to come again, and the beginning of its words. `secrets` are blanked in those.
/// `retry_statuses` are those that this receiver answers when it is busy, besides the usual ones.
pub async fn read(
    response: Response,
    now: Timestamp,
    secrets: &[String],
    retry_statuses: &[u16],
) -> Result<Taken, Trouble> {
    let status = response.status().as_u16();
    let wait = retry_after(response.headers(), now);
    let said = quiet(&words(response).await, secrets);
    let told = if said.is_empty() { String::new() } else { format!(": {said}") };
    let reason = format!("the receiver answers {status}{told}");
    match status {
        200..=299 => Ok(Taken { status, said }),
        300..=399 => Err(Trouble::Refused {
            reason,
            hint: Some("redirects are not followed: write the address that it leads to, if you trust it".to_owned()),
        }),
        408 | 425 | 429 | 500..=599 => Err(Trouble::Again { reason: asking(reason, wait), wait }),
        busy if retry_statuses.contains(&busy) => Err(Trouble::Again { reason: asking(reason, wait), wait }),
        410 => Err(Trouble::Gone { reason }),
        401 | 403 => Err(Trouble::Refused {
            reason,
            hint: Some("compare `secret`, `bearer`, `basic` and `headers` with what the receiver expects".to_owned()),
        }),
        413 => Err(Trouble::Refused {
            reason,
            hint: Some("make the batches smaller: `batch: {rows: …, bytes: …}`, then `retry`".to_owned()),
        }),
        _ => Err(Trouble::Refused { reason, hint: None }),
    }
}

/// A request that came to no answer.
pub fn failed(error: reqwest::Error, has_client_certificate: bool) -> Trouble {
    let (connecting, timeout) = (error.is_connect(), error.is_timeout());
    let error = error.without_url();
    if let Some(refused) = find::<Refused>(&error) {
        return Trouble::Refused { reason: refused.to_string(), hint: None };
    }
    if let Some(failure) = tls::explain(&error, has_client_certificate) {
        let TlsFailure { reason, hint, is_final } = failure;
        return match is_final {
            true => Trouble::Refused { reason, hint },
            false => Trouble::Again { reason, wait: None },
        };
    }
    let text = innermost(&error);
    match (connecting, timeout) {
        (true, true) => {
            Trouble::Again { reason: "the receiver does not take the connection in time".to_owned(), wait: None }
        }
        (true, false) => {
            let reason = match text.strip_prefix("tunnel error: ") {
                Some(why) => format!("the proxy does not connect us: {why}"),
                None => format!("cannot connect: {text}"),
            };
            Trouble::Again { reason, wait: None }
        }
        (false, true) => Trouble::Lost { reason: "no answer in time".to_owned() },
        (false, false) if find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse) => {
            Trouble::Lost { reason: format!("the answer is not HTTP/1.1: {text}") }
        }
        (false, false) if was_dropped(&error) => {
            Trouble::Dropped { reason: format!("the receiver closed the connection without an answer: {text}") }
        }
        (false, false) => Trouble::Lost { reason: format!("no answer: {text}") },
    }
}

/// Whether the connection ended before an answer came.
fn was_dropped(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let by_hyper = find::<hyper::Error>(error)
        .is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed());
    let ends = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof];
    by_hyper || find::<std::io::Error>(error).is_some_and(|error| ends.contains(&error.kind()))
}

/// The words of the error that caused all others.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// A request that stood still for longer than `patience`.
pub fn stuck(patience: Duration) -> Trouble {
    Trouble::Lost { reason: format!("nothing moved for {} s", patience.as_secs_f32()) }
}

/// The reason, with what the receiver asks for.
fn asking(reason: String, wait: Option<Duration>) -> String {
    match wait {
        Some(wait) if !wait.is_zero() => format!("{reason} (Retry-After: {} s)", wait.as_secs()),
        _ => reason,
    }
}

async fn words(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < KEPT {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(KEPT - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One line without control characters, and without anything that we sent in confidence.
fn quiet(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "…");
    }
    // The end may be cut in the middle of one.
    let cut =
        |secret: &String| (4..secret.len()).rev().find(|end| secret.get(..*end).is_some_and(|s| text.ends_with(s)));
    if let Some(end) = secrets.iter().filter_map(cut).max() {
        text.truncate(text.len() - end);
        text.push('…');
    }
    let words: Vec<&str> = text.split(is_unseen).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Spaces, control characters, and those that turn the direction of a text or are not seen.
fn is_unseen(c: char) -> bool {
    let formats = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    c.is_whitespace() || c.is_control() || formats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_in_confidence_is_not_kept() {
        let secrets = ["hunter2".to_owned()];
        assert_eq!(quiet("bad token\r\n hunter2\u{7}!", &secrets), "bad token … !");
        assert_eq!(quiet("the end is cut: hunter", &secrets), "the end is cut: …");
        assert_eq!(quiet("the hunt", &secrets), "the …");
        assert_eq!(quiet("a\u{1b}[31mb\u{202e}c\u{0}", &secrets), "a [31mb c");
    }
}
