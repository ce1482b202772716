//! Shared by all HTTP clients of the process: leniency towards servers, and parsing of `Retry-After`.

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::ClientBuilder;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

/// Maximum header lines of a response; the default of 100 is exceeded by some gateways.
const HEADERS_MAX: usize = 500;

/// Accepts responses with slightly invalid headers, as browsers and curl do: a space before the colon (`X-Bad : 1`), values
/// folded over several lines, and unreadable header lines, which are skipped.
pub fn lenient(builder: ClientBuilder) -> ClientBuilder {
    builder
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_max_headers(HEADERS_MAX)
}

/// Returns the wait requested by `Retry-After` (RFC 9110, 10.2.3), the longest of several: seconds, or a date in one of
/// HTTP's three forms. A date in the past is zero; anything else is ignored.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    headers.get_all(RETRY_AFTER).iter().filter_map(|value| wait(value, now)).max()
}

fn wait(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean "very long".
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = match httpdate::parse_http_date(text) {
        Ok(at) => Timestamp::try_from(at).ok()?,
        // Not HTTP's, but seen: a numeric zone in place of GMT.
        Err(_) => jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?,
    };
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// Finds the first error of type `E` in a chain of causes. An error inside an `io::Error` counts as its cause, which
/// [`Error::source`] omits.
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| find(wrapped)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Duration> {
        let now = "2026-11-23T05:30:00Z".parse().unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        retry_after(&headers, now)
    }

    #[test]
    fn d01_retry_after_is_read_in_all_its_forms() {
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("0", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Mon, 23 Nov 2026 05:31:30 GMT", Some(90)),
            ("Monday, 23-Nov-26 05:31:30 GMT", Some(90)),
            ("Mon Nov 23 05:31:30 2026", Some(90)),
            ("Mon, 23 Nov 2026 05:31:30 +0000", Some(90)),
            ("Mon, 23 Nov 2026 05:29:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
            ("Sun Nov  6 08:49:37 1994", Some(0)),
            ("soon", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("5 seconds", None),
            ("Mon, 99 Nov 2026 05:31:30 GMT", None),
            ("\u{fc}", None),
        ] {
            assert_eq!(read(&[text]), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn d01_of_several_retry_after_the_longest_holds() {
        assert_eq!(read(&["0", "soon", "30"]), Some(Duration::from_secs(30)));
        assert_eq!(read(&[]), None);
    }
}
