//! The lifetime of OAuth2 tokens (RFC 6749, 5.1).

use std::time::Duration;

/// The lifetime of a token if the server does not state it.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(3600);
/// The longest accepted lifetime.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// A token is renewed this long, or a tenth of its lifetime, before it expires, whichever is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// Parses `expires_in`: seconds, as a number or text.
pub fn token_lifetime(expires_in: &serde_json::Value) -> Duration {
    let seconds = expires_in.as_u64().or_else(|| expires_in.as_str()?.trim().parse().ok());
    seconds.map_or(LIFETIME_DEFAULT, Duration::from_secs).min(LIFETIME_MAX)
}

/// Returns how long a token is used before it is renewed.
pub fn usable_for(lifetime: Duration) -> Duration {
    lifetime - RENEW_BEFORE.min(lifetime / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_parsed() {
        for (json, seconds) in [
            ("3600", 3600),
            ("\"120\"", 120),
            ("null", 3600),
            ("\"soon\"", 3600),
            ("-1", 3600),
            ("99999999", 86400),
            ("86400", 86400),
        ] {
            assert_eq!(token_lifetime(&serde_json::from_str(json).unwrap()), Duration::from_secs(seconds), "{json}");
        }
        assert_eq!(usable_for(Duration::from_secs(3600)), Duration::from_secs(3540));
        assert_eq!(usable_for(Duration::from_secs(10)), Duration::from_secs(9));
    }
}
