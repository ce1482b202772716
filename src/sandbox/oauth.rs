//! Accounts and their tokens.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::SandboxOptions;
use super::misbehave::Misbehaviour;
use super::reply::{self, Reply};

/// Default lifetime of a token, in seconds.
const TOKEN_SECONDS: u64 = 3600;

/// One account; all have the password of the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: u64,
    pub username: &'static str,
    pub level: &'static str,
}

/// The Power User, a learner, and one that must not be used.
pub const ACCOUNTS: &[Account] = &[
    Account { id: 11234, username: "svc-reporting", level: "power_user" },
    Account { id: 11301, username: "learner", level: "user" },
    Account { id: 13, username: "root", level: "super_admin" },
];

/// The issued tokens.
#[derive(Default)]
pub(super) struct Tokens {
    given: u64,
    /// Client secret and password, if they are no longer those of the options.
    rotated: Option<(String, String)>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Account>,
}

struct Access {
    account: Account,
    ends: Instant,
    uses_left: Option<u32>,
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
        let (client_secret, password) = match &self.rotated {
            Some((client_secret, password)) => (client_secret, password),
            None => (&options.client_secret, &options.password),
        };
        if field("client_id") != options.client_id || field("client_secret") != client_secret {
            return reply::oauth_error("invalid_client", &message("The client credentials are invalid"));
        }
        let account = match field("grant_type") {
            "password" if !wrong.sign_in.grant_off => ACCOUNTS
                .iter()
                .find(|account| account.username == field("username") && password == field("password"))
                .copied()
                .ok_or("Invalid username and password combination"),
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
