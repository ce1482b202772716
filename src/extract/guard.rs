//! A request about to be sent → its URL, or a refusal: only what the plan declares leaves the process.
//!
//! The possible calls are a closed enum; the guard is a second safeguard. It checks the final URL, as sent over the
//! wire, so that no ID from a file or a response can turn one declared path into another.

use reqwest::{Method, Url};

use crate::extract::ExtractError;

/// The maximum length of a report's or an execution's ID.
const ID_CHARS_MAX: usize = 128;

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Exactly(String),
    /// An ID known only from a response: letters, digits, `-` and `_`.
    Id(String),
}

/// A method and a path that the plan declares.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    method: Method,
    segments: Vec<Segment>,
}

/// The requests that one plan may send to one platform.
#[derive(Clone)]
pub(super) struct Guard {
    base: Url,
    patterns: Vec<Pattern>,
}

/// Parses the platform's address: scheme, host and port.
///
/// # Errors
/// It is not a URL, or more than an address.
pub(super) fn base_of(tenant: &str, base: &str) -> Result<Url, ExtractError> {
    let hint = "write https://, the host, and nothing more: https://acme.docebosaas.com";
    let refused = |how: String| ExtractError::refused(format!("tenant {tenant}: {base:?} {how}"), hint);
    let url = Url::parse(base).map_err(|error| refused(format!("is not an address: {error}")))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() || url.path() != "/" || !plain {
        return Err(refused("is not just an address".into()));
    }
    Ok(url)
}

/// Returns true if `id` is safe as a path segment.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= ID_CHARS_MAX
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl Guard {
    /// Declares requests by method and path; a segment in braces is an ID known only from a response.
    pub(super) fn new(base: Url, declared: impl IntoIterator<Item = (Method, String)>) -> Self {
        let segment = |segment: &str| match segment.starts_with('{') {
            true => Segment::Id(segment.to_owned()),
            false => Segment::Exactly(segment.to_owned()),
        };
        let pattern = |(method, path): (Method, String)| Pattern {
            method,
            segments: path.split('/').skip(1).map(segment).collect(),
        };
        Self { base, patterns: declared.into_iter().map(pattern).collect() }
    }

    /// Returns the URL of `path` (and query pairs) on the platform, if the plan declares it.
    ///
    /// # Errors
    /// `Refused`: nothing was sent.
    pub(super) fn admit(&self, method: &Method, path: &str, query: &[(&str, &str)]) -> Result<Url, ExtractError> {
        let refused = || ExtractError::Refused {
            what: format!("{method} {path:?} is not among the requests that the plan declares: not sent"),
            hint: None,
        };
        let segments: Vec<&str> = path.split('/').collect();
        let declared = self.patterns.iter().any(|pattern| pattern.matches(method, &segments));
        if !declared {
            return Err(refused());
        }
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        // URL normalization decides what is sent over the wire.
        if url.path() != path || url.origin() != self.base.origin() || !url.username().is_empty() {
            return Err(refused());
        }
        Ok(url)
    }

    /// Lists every request that may be sent: the method and the path, with IDs known only from a response in braces.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&Method, String)> {
        self.patterns.iter().map(|pattern| {
            (&pattern.method, pattern.segments.iter().map(|segment| format!("/{}", segment.text())).collect())
        })
    }

    /// Lists every request that may be sent, as `METHOD URL`.
    pub(super) fn declared(&self) -> Vec<String> {
        let base = self.base.as_str().trim_end_matches('/');
        self.requests().map(|(method, path)| format!("{method} {base}{path}")).collect()
    }
}

impl Pattern {
    fn matches(&self, method: &Method, segments: &[&str]) -> bool {
        let [first, segments @ ..] = segments else { return false };
        first.is_empty()
            && self.method == *method
            && self.segments.len() == segments.len()
            && self.segments.iter().zip(segments).all(|(pattern, segment)| match pattern {
                Segment::Exactly(text) => text == segment,
                Segment::Id(_) => is_id(segment),
            })
    }
}

impl Segment {
    fn text(&self) -> &str {
        match self {
            Segment::Exactly(text) | Segment::Id(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "619bf79c-970a-4a8e-be8a-dde48a05c652";

    fn guard(declared: &[(Method, &str)]) -> Guard {
        let declared = declared.iter().map(|(method, path)| (method.clone(), path.replace("REPORT", REPORT)));
        Guard::new(base_of("acme", "https://acme.docebosaas.com").unwrap(), declared)
    }

    #[test]
    fn only_declared_requests_pass() {
        let by_id = guard(&[
            (Method::POST, "/oauth2/token"),
            (Method::GET, "/manage/v1/user/session"),
            (Method::GET, "/analytics/v1/reports/REPORT/export/csv"),
            (Method::GET, "/analytics/v1/reports/REPORT/exports/{execution}"),
            (Method::GET, "/analytics/v1/reports/REPORT/exports/{execution}/download"),
        ]);
        let exports = format!("/analytics/v1/reports/{REPORT}/exports");
        let requests = [
            (Method::POST, "/oauth2/token".to_owned(), true),
            (Method::GET, "/manage/v1/user/session".to_owned(), true),
            (Method::GET, format!("/analytics/v1/reports/{REPORT}/export/csv"), true),
            (Method::GET, format!("{exports}/e-1_A"), true),
            (Method::GET, format!("{exports}/e-1/download"), true),
            // other methods
            (Method::GET, "/oauth2/token".to_owned(), false),
            (Method::POST, "/manage/v1/user/session".to_owned(), false),
            (Method::HEAD, format!("{exports}/e-1/download"), false),
            (Method::DELETE, format!("{exports}/e-1"), false),
            (Method::PUT, format!("/analytics/v1/reports/{REPORT}/export/csv"), false),
            // other paths
            (Method::GET, "/analytics/v1/reports".to_owned(), false),
            (Method::GET, "/manage/v1/user".to_owned(), false),
            (Method::GET, format!("/analytics/v1/reports/{REPORT}/export/xlsx"), false),
            (Method::GET, format!("{exports}/e-1/results"), false),
            (Method::GET, "/analytics/v1/reports/another/export/csv".to_owned(), false),
            (Method::GET, format!("{exports}/e-1/download/"), false),
            (Method::GET, String::new(), false),
            (Method::GET, "manage/v1/user/session".to_owned(), false),
            // a path that normalizes to another
            (Method::GET, format!("{exports}/.."), false),
            (Method::GET, format!("{exports}/../../../../manage/v1/user"), false),
            (Method::GET, format!("{exports}/%2e%2e/download"), false),
            (Method::GET, format!("{exports}/%2E"), false),
            (Method::GET, format!("{exports}//download"), false),
            (Method::GET, "//evil.example/manage/v1/user/session".to_owned(), false),
            (Method::GET, format!("{exports}/a%2fb"), false),
            (Method::GET, format!("{exports}/a\\b"), false),
            (Method::GET, format!("{exports}/a b"), false),
            (Method::GET, format!("{exports}/a?x=1"), false),
            (Method::GET, format!("{exports}/a#b"), false),
            (Method::GET, format!("{exports}/a;b"), false),
            (Method::GET, format!("{exports}/ä"), false),
            (Method::GET, format!("{exports}/a\r\nHost: evil"), false),
            (Method::GET, "https://evil.example/manage/v1/user/session".to_owned(), false),
            (Method::GET, "/manage/v1/user/session@evil.example".to_owned(), false),
        ];
        for (method, path, passes) in requests {
            assert_eq!(by_id.admit(&method, &path, &[]).is_ok(), passes, "{method} {path:?}");
        }
    }

    #[test]
    fn ids_have_a_maximum_length() {
        assert!(is_id(&"a".repeat(ID_CHARS_MAX)));
        assert!(!is_id(&"a".repeat(ID_CHARS_MAX + 1)));
        assert!(!is_id(""));
    }

    #[test]
    fn a_query_cannot_change_the_path() {
        let guard = guard(&[(Method::GET, "/analytics/v1/reports/{report}/exports/{execution}/results")]);
        let path = format!("/analytics/v1/reports/{REPORT}/exports/e1/results");
        let url = guard.admit(&Method::GET, &path, &[("nextToken", "a/../b&c=#d?é")]).unwrap();
        assert_eq!(url.path(), path);
        assert_eq!(url.query(), Some("nextToken=a%2F..%2Fb%26c%3D%23d%3F%C3%A9"));
    }

    #[test]
    fn addresses_are_nothing_but_addresses() {
        for good in ["https://acme.docebosaas.com", "https://acme.docebosaas.com/", "http://127.0.0.1:8080"] {
            assert!(base_of("acme", good).is_ok(), "{good}");
        }
        for bad in ["acme", "ftp://acme", "https://u:p@acme", "https://acme/lms", "https://acme?x=1", "file:///etc"] {
            assert!(base_of("acme", bad).is_err(), "{bad}");
        }
    }
}
