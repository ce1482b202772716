//! Texts of responses, as they are shown.

use std::time::Duration;

use reqwest::Response;

/// Adds the wait that the receiver asks for.
pub(super) fn with_retry_after(reason: String, wait: Option<Duration>) -> String {
    match wait {
        Some(wait) if !wait.is_zero() => format!("{reason} (Retry-After: {} s)", wait.as_secs()),
        _ => reason,
    }
}

/// Returns the first `max` bytes of a body.
pub(super) async fn beginning(mut response: Response, max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < max {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(max - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    bytes
}

/// Returns a body of at most `max` bytes.
///
/// # Errors
/// Text: it is longer, or its end did not come.
pub(super) async fn whole(mut response: Response, max: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= max => bytes.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(format!("the response has more than {max} bytes: `response.rows.max_bytes`")),
            Ok(None) => return Ok(bytes),
            Err(_) => return Err("the response ended before its end".to_owned()),
        }
    }
}

/// Returns one line without control characters and without our secrets.
pub(super) fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "…");
    }
    // The text may end in the middle of a secret.
    let cut =
        |secret: &String| (4..secret.len()).rev().find(|end| secret.get(..*end).is_some_and(|s| text.ends_with(s)));
    if let Some(end) = secrets.iter().filter_map(cut).max() {
        text.truncate(text.len() - end);
        text.push('…');
    }
    text.split(is_invisible).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Matches spaces, control characters, and characters without width or that change the direction of text.
fn is_invisible(c: char) -> bool {
    let formats = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    c.is_whitespace() || c.is_control() || formats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted() {
        let secrets = ["hunter2".to_owned()];
        assert_eq!(redact("bad token\r\n hunter2\u{7}!", &secrets), "bad token … !");
        assert_eq!(redact("the end is cut: hunter", &secrets), "the end is cut: …");
        assert_eq!(redact("the hunt", &secrets), "the …");
        assert_eq!(redact("a\u{1b}[31mb\u{202e}c\u{0}", &secrets), "a [31mb c");
    }
}
