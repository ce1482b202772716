//! What a receiver's answer, or its absence, means for the delivery.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::guard::Refused;
use crate::deliver::Verdict;
use crate::fault::Injected;

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
    /// The attempt's verdict; `where_in` tells how far it came.
    pub fn verdict(self, where_in: &str) -> Verdict {
        match self {
            Self::Again { reason, wait } => Verdict::Unreached { reason: format!("{where_in}{reason}"), wait },
            Self::Lost { reason } => Verdict::Unknown { reason: format!("{where_in}{reason}") },
            Self::Refused { reason, hint } => Verdict::Rejected { reason: format!("{where_in}{reason}"), hint },
            Self::Gone { reason } => Verdict::Gone { reason: format!("{where_in}{reason}") },
        }
    }
}

/// Reads an answer: its status, when to come again, and the beginning of its words. `secrets` are blanked in those.
pub async fn read(response: Response, now: Timestamp, secrets: &[String]) -> Result<Taken, Trouble> {
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
        408 | 425 | 429 | 500..=599 => Err(Trouble::Again { reason, wait }),
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
pub fn failed(error: reqwest::Error) -> Trouble {
    let connecting = error.is_connect();
    let timeout = error.is_timeout();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(&error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Trouble::Refused { reason: refused.to_string(), hint: None };
        }
        text = error.to_string();
        cause = error.source();
    }
    let certificate = text.contains("certificate") || text.contains("CertificateError");
    match (connecting, timeout) {
        (true, _) if certificate => {
            Trouble::Again { reason: format!("the receiver's certificate: {text}"), wait: None }
        }
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
        (false, false) => Trouble::Lost { reason: format!("no answer: {text}") },
    }
}

/// A request that stood still for longer than `patience`.
pub fn stuck(patience: Duration) -> Trouble {
    Trouble::Lost { reason: format!("nothing moved for {} s", patience.as_secs_f32()) }
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
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: Timestamp = "2026-11-23T05:30:00Z".parse().unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Mon, 23 Nov 2026 05:31:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(read("Mon, 23 Nov 2026 05:29:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn what_was_sent_in_confidence_is_not_kept() {
        assert_eq!(quiet("bad token\r\n hunter2\u{7}!", &["hunter2".to_owned()]), "bad token … !");
    }
}
