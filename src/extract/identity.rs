//! The account behind a token, and the check that it may be used.

use serde::{Deserialize, Serialize};

use super::ExtractError;
use crate::settings::{AllowedLevel, Tenant};

/// The account behind the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub id: String,
    pub username: String,
    pub level: Level,
    /// The platform's word for the level.
    pub level_word: String,
}

/// The account's permission level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Superadmin,
    PowerUser,
    User,
    /// An unknown spelling, which may mean any level.
    Unknown(String),
}

impl Identity {
    /// Refuses an account that is or may be a Superadmin, unless the settings allow it.
    pub(super) fn check(&self, tenant: &Tenant, subject: &str) -> Result<(), ExtractError> {
        let what = match &self.level {
            _ if tenant.level == AllowedLevel::Any => return Ok(()),
            Level::PowerUser | Level::User => return Ok(()),
            Level::Superadmin => format!("{subject}: account {:?} is a Superadmin", self.username),
            Level::Unknown(level) => format!(
                "{subject}: account {:?} is of the unknown level {level:?}, which may be a Superadmin's",
                self.username
            ),
        };
        let hint = "create a Power User with only report permissions; to use this account anyway, write \
                    `level: any` for the tenant";
        Err(ExtractError::refused(what, hint))
    }
}
