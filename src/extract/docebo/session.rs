//! The token → the account behind it.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;

use super::call::Call;
use super::paths;
use super::refusal::ApiStep;
use crate::extract::ExtractError;
use crate::extract::client::ApiClient;
use crate::extract::identity::{Identity, Level};
use crate::extract::message::one_line;
use crate::fault::FaultStep;

/// Parses `user_level`, in which `admin` means Power User.
fn level(text: &str) -> Level {
    let word = text.trim().to_ascii_lowercase();
    match word.strip_prefix("/framework/level/").unwrap_or(&word) {
        "super_admin" | "superadmin" | "godadmin" => Level::Superadmin,
        "power_user" | "poweruser" | "pu" | "admin" => Level::PowerUser,
        "user" => Level::User,
        _ => Level::Unknown(one_line(text)),
    }
}

/// Returns the token's account; refuses one that the settings do not allow.
pub(super) async fn identify(client: &ApiClient) -> Result<Identity, ExtractError> {
    let tenant = &client.tenant.settings;
    let subject = format!("tenant {}", tenant.name);
    let call = Call { step: ApiStep::Identity, path: paths::SESSION.into(), query: vec![], subject: &subject };
    let data = client.data(FaultStep::new("extract.identity"), &call).await?;
    let text = |key: &str| match data.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let identity = Identity { id: text("id"), username: text("username"), level: level(&text("user_level")) };
    identity.check(tenant, &subject)?;
    client.tenant.identified.store(true, Relaxed);
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_spelling_seen() {
        for (expected, spellings) in [
            (
                Level::Superadmin,
                ["super_admin", "superadmin", "godadmin", "/framework/level/godadmin", "SUPER_ADMIN"].as_slice(),
            ),
            (Level::PowerUser, &["power_user", "poweruser", "pu", "admin", "/framework/level/admin", " Power_User "]),
            (Level::User, &["user", "/framework/level/user"]),
        ] {
            for spelling in spellings {
                assert_eq!(level(spelling), expected, "{spelling}");
            }
        }
        for unknown in ["", "root", "/framework/level/", "super admin", "администратор"] {
            assert_eq!(level(unknown), Level::Unknown(unknown.into()));
        }
    }
}
