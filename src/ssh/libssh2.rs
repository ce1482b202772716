//! Meaning of libssh2's errors (`LIBSSH2_ERROR_…`).

use ssh2::{Error, ErrorCode};

/// Meaning of an error for a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The server ended the connection, or it broke.
    Closed,
    Timeout,
    /// RFC 4252, 8: the server requires a new password first.
    PasswordExpired,
    /// The server has no signature algorithm in common with the key.
    NoSignature,
    /// The key's text cannot be used, or not with this passphrase.
    KeyUnreadable,
    Refused,
    Other,
}

pub(super) fn meaning(error: &Error) -> Meaning {
    let ErrorCode::Session(number) = error.code() else { return Meaning::Other };
    let message = error.message();
    match number {
        -7 | -13 | -43 => Meaning::Closed,
        -9 | -30 => Meaning::Timeout,
        // A missing response is reported as a refusal.
        -18 | -19 if message.starts_with("Waiting for") => Meaning::Closed,
        -15 => Meaning::PasswordExpired,
        // libssh2's text for an unanswered request for a new password; a refusal has another one.
        -18 if message == "Authentication failed" => Meaning::PasswordExpired,
        -17 | -51 if message.contains("sign") => Meaning::NoSignature,
        -19 if message.starts_with("Callback") => Meaning::NoSignature,
        -16 | -17 | -33 | -48 => Meaning::KeyUnreadable,
        _ if message.contains("private key") => Meaning::KeyUnreadable,
        -18 | -19 => Meaning::Refused,
        _ => Meaning::Other,
    }
}

/// Describes the error; by libssh2's own text if servers do not cause it.
pub(super) fn describe(error: &Error) -> String {
    let ErrorCode::Session(number) = error.code() else { return error.message().to_owned() };
    let text = match number {
        -2 => "the server sent no SSH greeting",
        -7 => "the connection was lost while sending",
        -9 | -30 => "the server did not answer in time",
        -13 | -43 => "the server closed the connection",
        -18 | -19 if error.message().starts_with("Waiting for") => "the server closed the connection",
        -3 => "the server's greeting could not be answered: the connection was lost",
        -4 | -12 => "a packet arrived damaged",
        -5 | -8 => "the key exchange failed",
        -10 | -11 => "the server's signature does not fit its host key",
        -14 => "the server broke the SSH protocol",
        -15 => "the password has expired",
        -21 => "the server opened no channel for the session",
        -22 => "the server refused",
        _ => return format!("{} (libssh2 error {number})", error.message()),
    };
    text.to_owned()
}

/// Returns true if the server ended the connection, or it broke.
pub(super) fn is_closed(error: &Error) -> bool {
    meaning(error) == Meaning::Closed
}

/// Returns true if the connection is over, so that nothing was refused.
pub(super) fn is_lost(error: &Error) -> bool {
    matches!(meaning(error), Meaning::Closed | Meaning::Timeout)
}

/// Returns true for a partial success (RFC 4252, 5.1), which libssh2 reports as a refusal: a server that accepts a key, but
/// refuses its signature, requires more.
pub(super) fn is_partial(error: &Error) -> bool {
    error.code() == ErrorCode::Session(-19) && error.message().starts_with("Invalid signature")
}
