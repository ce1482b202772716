//! A status of Docebo's → an error with a hint.

use reqwest::StatusCode;

use crate::extract::ExtractError;

/// The API call of a request; selects the hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiStep {
    Identity,
    Assignments,
    Reports,
    Start,
    Status,
    Download,
    Results,
    Records,
}

impl ApiStep {
    /// Returns the text after "cannot …".
    pub(super) fn doing(self) -> &'static str {
        match self {
            Self::Identity => "identify the account",
            Self::Assignments => "read the account's assignments",
            Self::Reports => "list the reports",
            Self::Start => "start the export",
            Self::Status => "get the export's status",
            Self::Download => "download the export",
            Self::Results => "read the export's results",
            Self::Records => "read the records",
        }
    }
}

/// Returns the error for a status that is not temporary (429, 5xx).
pub(super) fn of_status(step: ApiStep, status: StatusCode, message: Option<String>, subject: &str) -> ExtractError {
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    let what = format!("{subject}: cannot {}: {status}{message}", step.doing());
    match (status.as_u16(), step) {
        (404 | 410, ApiStep::Status | ApiStep::Download | ApiStep::Results) => {
            ExtractError::Expired { what: format!("{what}: the export is gone") }
        }
        (404 | 410, ApiStep::Start) => ExtractError::refused(
            what,
            "the report does not exist or is not shared with this account: check its id, and its visibility in Docebo",
        ),
        (401, _) => ExtractError::refused(what, "the platform refuses a token that it has just issued"),
        (403, ApiStep::Identity) => ExtractError::refused(what, "the account may not use the API: is it active?"),
        (403, ApiStep::Records) => ExtractError::refused(
            what,
            "the account's Power User profile needs the permission to view these records (users, courses, enrollments), \
             and the users and courses assigned to it",
        ),
        (404 | 410, ApiStep::Records) => ExtractError::refused(what, "this platform has no such list of records"),
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

/// Returns the error for a 200 with a web page.
pub(super) fn web_page(step: ApiStep, subject: &str) -> ExtractError {
    ExtractError::refused(
        format!("{subject}: cannot {}: the response is a web page (HTML), not JSON", step.doing()),
        "Docebo denies by showing its sign-in page: check the account's rights, and that the tenant's address is the \
         platform's (or its custom domain)",
    )
}
