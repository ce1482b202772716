//! A request about to be sent → its URL, or a refusal: only what the plan declares leaves the process.
//!
//! The calls that can be made are a closed enum; the guard is the second lock. It looks at the finished URL, as it
//! would go over the wire, so that no id from a file or an answer can turn one declared path into another.

use reqwest::{Method, Url};

use crate::extract::ExtractError;
use crate::pipeline::plan::{DoceboSource, ReportRef, Via};

/// Characters of a report's or an execution's id.
const ID_CHARS_MAX: usize = 128;

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Exactly(String),
    /// An id that only an answer tells: letters, digits, `-` and `_`.
    Id(&'static str),
}

/// A method and a path that the plan declares.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    method: Method,
    parts: Vec<Part>,
}

/// What one plan may send to one platform.
#[derive(Clone)]
pub(super) struct Guard {
    base: Url,
    patterns: Vec<Pattern>,
}

/// The platform's address: scheme, host and port.
///
/// # Errors
/// It is no URL, or more than an address.
pub(super) fn base_of(tenant: &str, base: &str) -> Result<Url, ExtractError> {
    let hint = "write https://, the host, and nothing more: https://acme.docebosaas.com";
    let refused = |how: String| ExtractError::refused(format!("tenant {tenant}: {base:?} {how}"), hint);
    let url = Url::parse(base).map_err(|error| refused(format!("is no address: {error}")))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() || url.path() != "/" || !plain {
        return Err(refused("is more or less than an address".into()));
    }
    Ok(url)
}

/// Whether `id` can stand in a path.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= ID_CHARS_MAX
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl Guard {
    pub fn new(base: Url, report: &ReportRef, via: Via) -> Self {
        let pattern = |method: Method, path: &str| Pattern {
            method,
            parts: path
                .split('/')
                .skip(1)
                .map(|part| match (part, report) {
                    ("{report}", ReportRef::Id(id)) => Part::Exactly(id.clone()),
                    ("{report}", ReportRef::Name(_)) => Part::Id("{report}"),
                    ("{execution}", _) => Part::Id("{execution}"),
                    _ => Part::Exactly(part.to_owned()),
                })
                .collect(),
        };
        let mut patterns =
            vec![pattern(Method::POST, "/oauth2/token"), pattern(Method::GET, "/manage/v1/user/session")];
        if matches!(report, ReportRef::Name(_)) {
            patterns.push(pattern(Method::GET, "/analytics/v1/reports"));
        }
        patterns.push(pattern(Method::GET, "/analytics/v1/reports/{report}/export/csv"));
        patterns.push(pattern(Method::GET, "/analytics/v1/reports/{report}/exports/{execution}"));
        patterns.push(pattern(
            Method::GET,
            match via {
                Via::Download => "/analytics/v1/reports/{report}/exports/{execution}/download",
                Via::Results => "/analytics/v1/reports/{report}/exports/{execution}/results",
            },
        ));
        Self { base, patterns }
    }

    /// The URL of `path` (and query pairs) at the platform, if the plan declares it.
    ///
    /// # Errors
    /// `Refused`: nothing was sent.
    pub fn admit(&self, method: &Method, path: &str, query: &[(&str, &str)]) -> Result<Url, ExtractError> {
        let refused = || ExtractError::Refused {
            what: format!("{method} {path:?} is not among the requests that the plan declares: not sent"),
            hint: None,
        };
        let parts: Vec<&str> = path.split('/').collect();
        let declared = self.patterns.iter().any(|pattern| pattern.matches(method, &parts));
        if !declared {
            return Err(refused());
        }
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        // What the URL's own rules made of it is what goes over the wire.
        if url.path() != path || url.origin() != self.base.origin() || !url.username().is_empty() {
            return Err(refused());
        }
        Ok(url)
    }

    fn declared(&self) -> Vec<String> {
        let base = self.base.as_str().trim_end_matches('/');
        self.patterns
            .iter()
            .map(|pattern| {
                let path: String = pattern.parts.iter().map(|part| format!("/{}", part.shown())).collect();
                format!("{} {base}{path}", pattern.method)
            })
            .collect()
    }
}

impl Pattern {
    fn matches(&self, method: &Method, parts: &[&str]) -> bool {
        let [first, parts @ ..] = parts else { return false };
        first.is_empty()
            && self.method == *method
            && self.parts.len() == parts.len()
            && self.parts.iter().zip(parts).all(|(pattern, part)| match pattern {
                Part::Exactly(text) => text == part,
                Part::Id(_) => is_id(part),
            })
    }
}

impl Part {
    fn shown(&self) -> &str {
        match self {
            Part::Exactly(text) => text,
            Part::Id(name) => name,
        }
    }
}

/// Every request that the plan may send, one `METHOD URL` each, ids that only an answer tells in braces.
pub fn declared(source: &DoceboSource) -> Vec<String> {
    match base_of(&source.tenant.name, &source.tenant.base) {
        Ok(base) => Guard::new(base, &source.report, source.via).declared(),
        Err(error) => vec![error.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "619bf79c-970a-4a8e-be8a-dde48a05c652";

    fn guard(report: ReportRef, via: Via) -> Guard {
        Guard::new(base_of("acme", "https://acme.docebosaas.com").unwrap(), &report, via)
    }

    #[test]
    fn only_declared_requests_pass() {
        let by_id = guard(ReportRef::Id(REPORT.into()), Via::Download);
        let exports = format!("/analytics/v1/reports/{REPORT}/exports");
        let odd = [
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
            // one path that turns into another
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
        for (method, path, passes) in odd {
            assert_eq!(by_id.admit(&method, &path, &[]).is_ok(), passes, "{method} {path:?}");
        }
    }

    #[test]
    fn ids_end_at_their_limit() {
        assert!(is_id(&"a".repeat(ID_CHARS_MAX)));
        assert!(!is_id(&"a".repeat(ID_CHARS_MAX + 1)));
        assert!(!is_id(""));
    }

    #[test]
    fn a_query_cannot_change_the_path() {
        let guard = guard(ReportRef::Name("Compliance".into()), Via::Results);
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

    #[test]
    fn declares_in_words() {
        let lines = guard(ReportRef::Name("Compliance".into()), Via::Results).declared();
        insta::assert_snapshot!(lines.join("\n"), @r"
        POST https://acme.docebosaas.com/oauth2/token
        GET https://acme.docebosaas.com/manage/v1/user/session
        GET https://acme.docebosaas.com/analytics/v1/reports
        GET https://acme.docebosaas.com/analytics/v1/reports/{report}/export/csv
        GET https://acme.docebosaas.com/analytics/v1/reports/{report}/exports/{execution}
        GET https://acme.docebosaas.com/analytics/v1/reports/{report}/exports/{execution}/results
        ");
    }
}
