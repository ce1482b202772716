//! What an answer says went wrong → words for a person, bounded and without secrets.

use reqwest::StatusCode;
use serde_json::Value;

use crate::extract::ExtractError;

/// Characters of the platform's own words that are passed on.
const WORDS_CHARS_MAX: usize = 200;

/// The platform's own words in a JSON body: `message` (text or list), `error_description`, `error` or `name`.
pub(in crate::extract) fn words(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    let said = ["message", "error_description", "error", "name"].iter().find_map(|key| said(value.get(key)?))?;
    Some(quiet(&said))
}

fn said(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        Value::Object(inner) => return inner.get("message").and_then(said),
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// One bounded line, without control characters.
pub(super) fn quiet(text: &str) -> String {
    let mut line: String =
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(WORDS_CHARS_MAX).collect();
    if text.chars().nth(WORDS_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

/// The step of a run that a request belongs to; decides the hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Identity,
    Reports,
    Start,
    Status,
    Download,
    Results,
}

impl Step {
    /// "cannot …"
    pub fn doing(self) -> &'static str {
        match self {
            Self::Identity => "ask who the account is",
            Self::Reports => "list the reports",
            Self::Start => "start the export",
            Self::Status => "ask for the export's status",
            Self::Download => "download the export",
            Self::Results => "read the export's results",
        }
    }
}

/// A status that ends the run's attempt. Those that may pass (429, 5xx) never come here.
pub(super) fn of_status(step: Step, status: StatusCode, said: Option<String>, subject: &str) -> ExtractError {
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    let what = format!("{subject}: cannot {}: {status}{said}", step.doing());
    match (status.as_u16(), step) {
        (404 | 410, Step::Status | Step::Download | Step::Results) => {
            ExtractError::Lapsed { what: format!("{what}: the export is gone") }
        }
        (404 | 410, Step::Start) => ExtractError::refused(
            what,
            "the report does not exist or is not shared with this account: check its id, and its visibility in Docebo",
        ),
        (401, _) => ExtractError::refused(what, "the platform refuses a token that it has just given out"),
        (403, Step::Identity) => ExtractError::refused(what, "the account may not use the API: is it active?"),
        (403, _) => ExtractError::refused(
            what,
            "the account's Power User profile needs the permission to view and export reports, and the report must be \
             visible to it",
        ),
        (300..=399, _) => ExtractError::refused(
            what,
            "redirects are not followed: write the platform's own address (or its custom domain) in the settings; a \
             redirect to the sign-in page means that the account is denied",
        ),
        _ => ExtractError::Refused { what, hint: None },
    }
}

/// 200, but a web page.
pub(super) fn web_page(step: Step, subject: &str) -> ExtractError {
    ExtractError::refused(
        format!("{subject}: cannot {}: the answer is a web page (HTML), not the API's", step.doing()),
        "Docebo denies by showing its sign-in page: check the account's rights, and that the tenant's address is the \
         platform's (or its custom domain)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_platforms_words() {
        for (body, expected) in [
            (r#"{"message":"no"}"#, Some("no")),
            (r#"{"message":["a","b"]}"#, Some("a; b")),
            (r#"{"error":"x","error_description":"why"}"#, Some("why")),
            (r#"{"error":{"message":"deep"}}"#, Some("deep")),
            (r#"{"name":"Not Found","message":""}"#, Some("Not Found")),
            (r#"{"name":"two\nlines"}"#, Some("two lines")),
            (r#"{"data":[]}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(words(body).as_deref(), expected, "{body}");
        }
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(WORDS_CHARS_MAX + 1));
        assert_eq!(words(&long).unwrap().chars().count(), WORDS_CHARS_MAX + 1);
    }
}
