//! Accounts and their tokens.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::SandboxOptions;
use super::area::Area;
use super::misbehave::Misbehaviour;
use super::reply::{self, Reply};
use crate::clock::Clock;

/// Default lifetime of a token, in seconds.
const TOKEN_SECONDS: u64 = 3600;

/// One account; all have the password of the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: u64,
    pub username: &'static str,
    pub level: &'static str,
    /// The areas that it may read.
    pub areas: &'static [Area],
}

const fn account(id: u64, username: &'static str, level: &'static str, areas: &'static [Area]) -> Account {
    Account { id, username, level, areas }
}

/// Power Users for reports and lists of records, for reports alone, with far too much and with nothing; a learner; and
/// one that must not be used.
pub const ACCOUNTS: &[Account] = &[
    account(11234, "svc-reporting", "power_user", &[Area::Reports, Area::Users, Area::Courses, Area::Enrollments]),
    account(11240, "svc-least", "power_user", &[Area::Reports]),
    account(11241, "svc-broad", "power_user", Area::ALL),
    account(11242, "svc-denied", "power_user", &[]),
    account(11301, "learner", "user", &[Area::Reports]),
    account(13, "root", "super_admin", Area::ALL),
];

fn by_name(username: &str) -> Option<Account> {
    ACCOUNTS.iter().find(|account| account.username == username).copied()
}

/// Returns the account with an ID as in a path.
pub(super) fn by_id(id: &str) -> Option<Account> {
    ACCOUNTS.iter().find(|account| account.id.to_string() == id).copied()
}

/// The issued tokens.
#[derive(Default)]
pub(super) struct Tokens {
    given: u64,
    /// Client secret and password, if they are no longer those of the options.
    rotated: Option<(String, String)>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Account>,
    /// The assertions that were sent.
    #[cfg(feature = "fault-injection")]
    pub assertions: Vec<String>,
}

struct Access {
    account: Account,
    ends: Instant,
    uses_left: Option<u32>,
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Returns the account of an assertion (RFC 7523) by its claims; the signature is not checked.
fn asserted(assertion: &str, options: &SandboxOptions) -> Option<Account> {
    let mut parts = assertion.split('.');
    let mut part = || URL_SAFE_NO_PAD.decode(parts.next()?).ok().and_then(|json| serde_json::from_slice(&json).ok());
    let (header, claims): (Value, Value) = (part()?, part()?);
    let now = Clock::System.now().as_second();
    let is_valid = header["alg"] == "RS256"
        && claims["iss"] == options.client_id.as_str()
        && claims["aud"].as_str().is_some_and(|host| !host.is_empty() && !host.contains('/'))
        && claims["iat"].as_i64().is_some_and(|issued| issued <= now)
        && claims["exp"].as_i64().is_some_and(|end| now < end);
    by_name(claims["sub"].as_str()?).filter(|_| is_valid)
}

impl Tokens {
    /// `POST /oauth2/token`.
    pub(super) fn grant(
        &mut self,
        options: &SandboxOptions,
        wrong: &Misbehaviour,
        form: &HashMap<String, String>,
    ) -> Reply {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let message = |text: &str| {
            let echo = if wrong.sign_in.echo_secrets { format!(" {form:?}") } else { String::new() };
            format!("{text}{echo}")
        };
        let grant = field("grant_type");
        let (client_secret, password) = match &self.rotated {
            Some((client_secret, password)) => (client_secret, password),
            None => (&options.client_secret, &options.password),
        };
        let is_app = field("client_id") == options.client_id && field("client_secret") == client_secret;
        if grant != JWT_BEARER && !is_app {
            return reply::oauth_error("invalid_client", &message("The client credentials are invalid"));
        }
        let account = match grant {
            "password" if !wrong.sign_in.grant_off => by_name(field("username"))
                .filter(|_| password == field("password"))
                .ok_or("Invalid username and password combination"),
            JWT_BEARER if !wrong.sign_in.grant_off => {
                #[cfg(feature = "fault-injection")]
                self.assertions.push(field("assertion").to_owned());
                asserted(field("assertion"), options).ok_or("Invalid assertion")
            }
            // What the real platform acts as is not documented.
            "client_credentials" if !wrong.sign_in.grant_off => by_name("root").ok_or("no account"),
            "refresh_token" if !wrong.sign_in.refresh_refused => {
                // A refresh token is valid once.
                self.refresh.remove(field("refresh_token")).ok_or("Invalid refresh token")
            }
            "refresh_token" => Err("Refresh token has expired"),
            _ => {
                let text = message("The grant type is not available for this client");
                return reply::oauth_error("unsupported_grant_type", &text);
            }
        };
        match account {
            Ok(account) => self.issue(options, wrong, account),
            Err(text) => reply::oauth_error("invalid_grant", &message(text)),
        }
    }

    /// Replaces the client secret and the password of every account. Issued tokens are no longer valid.
    pub(super) fn rotate(&mut self, client_secret: String, password: String) {
        self.rotated = Some((client_secret, password));
        self.access.clear();
        self.refresh.clear();
    }

    fn issue(&mut self, options: &SandboxOptions, wrong: &Misbehaviour, account: Account) -> Reply {
        let seconds = wrong.sign_in.token_seconds.unwrap_or(TOKEN_SECONDS);
        let ends = Instant::now() + Duration::from_secs(seconds);
        self.access.retain(|_, access| access.ends > Instant::now());
        let access_token = self.opaque(options.seed);
        let access = Access { account, ends, uses_left: wrong.sign_in.expire_token_after };
        self.access.insert(access_token.clone(), access);
        let mut granted =
            json!({"access_token": access_token, "expires_in": seconds, "token_type": "Bearer", "scope": "api"});
        if !wrong.sign_in.no_refresh_token {
            let refresh_token = self.opaque(options.seed);
            self.refresh.insert(refresh_token.clone(), account);
            granted["refresh_token"] = refresh_token.into();
        }
        reply::json(200, &granted)
    }

    /// Returns 40 hexadecimal digits.
    fn opaque(&mut self, seed: u64) -> String {
        self.given += 1;
        let digest = Sha256::digest(format!("token {seed} {}", self.given));
        digest[..20].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the account of an `Authorization` header, if its token is valid for one more request.
    pub(super) fn account(&mut self, authorization: Option<&str>) -> Option<Account> {
        let access = self.access.get_mut(authorization?.strip_prefix("Bearer ")?)?;
        if access.ends <= Instant::now() {
            return None;
        }
        if let Some(left) = &mut access.uses_left {
            *left = left.checked_sub(1)?;
        }
        Some(access.account)
    }
}
