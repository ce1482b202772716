//! The token → the account behind it.

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
    let identity = account(client).await?;
    identity.check(tenant, &format!("tenant {}", tenant.name))?;
    *client.tenant.identified.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(identity.clone());
    Ok(identity)
}

/// Returns the allowed account that this process has identified, or identifies it.
pub(super) async fn known(client: &ApiClient) -> Result<Identity, ExtractError> {
    let known = client.tenant.identified.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    match known {
        Some(identity) => Ok(identity),
        None => identify(client).await,
    }
}

/// Returns the token's account, whatever it is.
pub(super) async fn account(client: &ApiClient) -> Result<Identity, ExtractError> {
    let subject = format!("tenant {}", client.tenant.settings.name);
    let call = Call { step: ApiStep::Identity, path: paths::SESSION.into(), query: vec![], subject: &subject };
    let data = client.data(FaultStep::new("extract.identity"), &call).await?;
    let text = |key: &str| match data.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let word = text("user_level");
    let (level, level_word) = (level(&word), one_line(&word));
    Ok(Identity { id: text("id"), username: text("username"), level, level_word })
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
