//! The token → who it is, and whether that account may be used.

use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::line::{Call, Line, Trouble};
use super::refusal::{self, Step};
use crate::extract::ExtractError;

const PATH: &str = "/manage/v1/user/session";

/// The account behind the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub id: String,
    pub username: String,
    pub level: Level,
}

/// What an account is, whatever the platform's spelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Superadmin,
    PowerUser,
    User,
    /// A spelling that nobody has seen: it may be anything.
    Unknown(String),
}

impl Level {
    /// Reads `user_level`. `admin` means Power User there.
    pub fn read(text: &str) -> Self {
        let word = text.trim().to_ascii_lowercase();
        match word.strip_prefix("/framework/level/").unwrap_or(&word) {
            "super_admin" | "superadmin" | "godadmin" => Self::Superadmin,
            "power_user" | "poweruser" | "pu" | "admin" => Self::PowerUser,
            "user" => Self::User,
            _ => Self::Unknown(refusal::quiet(text)),
        }
    }
}

/// Asks who the account is, and refuses one that can, or may be able to, do anything.
pub(super) async fn identify(line: &Line) -> Result<Identity, ExtractError> {
    let tenant = &line.tenancy.settings;
    let subject = format!("tenant {}", tenant.name);
    let call = Call { step: Step::Identity, path: PATH.into(), query: vec![], subject: &subject };
    let body = line.body("extract.identity", &call).await.map_err(Trouble::into_error)?;
    let data = super::report::data(&body, Step::Identity, &subject)?;
    let text = |key: &str| match data.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let identity = Identity { id: text("id"), username: text("username"), level: Level::read(&text("user_level")) };
    if !tenant.allow_superadmin {
        let hint = "make a Power User with report permissions only and use it; to use this account all the same, set \
                    allow_superadmin: true for the tenant";
        match &identity.level {
            Level::Superadmin => {
                let what = format!("{subject}: account {:?} is a Superadmin", identity.username);
                return Err(ExtractError::refused(what, hint));
            }
            Level::Unknown(level) => {
                let what = format!(
                    "{subject}: account {:?} is of the unknown level {level:?}, which may be a Superadmin's",
                    identity.username
                );
                return Err(ExtractError::refused(what, hint));
            }
            Level::PowerUser | Level::User => {}
        }
    }
    line.tenancy.identified.store(true, Relaxed);
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_spelling_seen() {
        for (level, spellings) in [
            (
                Level::Superadmin,
                ["super_admin", "superadmin", "godadmin", "/framework/level/godadmin", "SUPER_ADMIN"].as_slice(),
            ),
            (Level::PowerUser, &["power_user", "poweruser", "pu", "admin", "/framework/level/admin", " Power_User "]),
            (Level::User, &["user", "/framework/level/user"]),
        ] {
            for spelling in spellings {
                assert_eq!(Level::read(spelling), level, "{spelling}");
            }
        }
        for unknown in ["", "root", "/framework/level/", "super admin", "администратор"] {
            assert_eq!(Level::read(unknown), Level::Unknown(unknown.into()));
        }
    }
}
