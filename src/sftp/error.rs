//! Errors of requests.

use super::response::Status;

/// Reason for which a request was not done, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server did not do it; the session stays usable.
    #[error("{0}")]
    Refused(Status),
    /// No response, or an invalid one; the session has ended.
    #[error("{0}")]
    Lost(String),
}

impl Error {
    /// Returns true if the server reported that there is no such file or directory.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Refused(status) if status.is_not_found())
    }

    /// Returns true if there is nothing to read at this offset or after it.
    pub fn is_end_of_file(&self) -> bool {
        matches!(self, Error::Refused(status) if status.is_end_of_file())
    }
}

/// Separates a refusal from a lost session, which is the error.
pub fn or_refusal<T>(result: Result<T, Error>) -> Result<Result<T, Status>, Error> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(Error::Refused(status)) => Ok(Err(status)),
        Err(lost) => Err(lost),
    }
}
