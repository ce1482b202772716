//! The uses of texts in the settings.

use super::PREFIX;
use crate::yaml::redact::SECRET_KEYS;
use crate::yaml::texts::{Role, Rules};

pub(super) const RULES: Rules = Rules { role, instead };

/// Keys with a free text, which may contain a `#`.
const LABELS: [&str; 7] = ["name", "host", "username", "client_id", "url", "from", "to"];

fn role(path: &[&str]) -> Role {
    match path {
        [_, .., "file"] => Role::Local,
        ["log", ..] | ["fault"] => Role::Free,
        ["secrets", _] | [.., "keyboard_interactive" | "headers", _] | ["alerts", "channels", _, "webhook"] => {
            Role::Secret
        }
        [.., last] if SECRET_KEYS.contains(last) => Role::Secret,
        [.., "ack_file"] | [.., "ack_file", "name"] => Role::Name,
        [.., "base" | "staging"] => Role::Remote,
        ["pipelines" | "data" | "ledger"] | [.., "local", "path"] => Role::Local,
        [.., "known_hosts" | "ca" | "cert" | "agent"] => Role::Local,
        [.., last] if LABELS.contains(last) => Role::Label,
        _ => Role::Plain,
    }
}

fn instead(role: Role, path: &[&str], _placeholder: &str) -> String {
    match (role, path) {
        (_, [.., "env"]) => "write the variable's name alone, as in `{env: NAME}`".to_owned(),
        (Role::Name, _) => "write `{name}` for the artifact's name, or the text itself".to_owned(),
        _ => format!("write the text itself, or set the environment variable {}", variable(path)),
    }
}

/// Returns the environment variable that sets a key: `REPORTFERRY_TENANTS__ACME_EU__USERNAME`.
pub fn variable(path: &[&str]) -> String {
    let keys: Vec<String> = path.iter().map(|key| key.to_uppercase().replace(['-', '.'], "_")).collect();
    format!("{PREFIX}{}", keys.join("__"))
}
