//! Environment variables with the prefix: settings, a platform's, or unknown.
//!
//! Kubernetes and Docker describe every service to its neighbours by variables that begin with the service's name; a
//! service called `reportferry` must not prevent a worker from starting.

use super::alerts::AlertsFile;
use super::file::SettingsFile;
use super::{Keep, Limits, Log, PREFIX, WorkLimits};
use crate::yaml::problem::{Problem, is_near};

/// The origin of a variable.
pub(super) enum Variable {
    /// A key of the settings, or below one.
    Ours,
    /// A platform's description of a service.
    Platform,
    /// Unknown: a problem if it is close to a key, else a warning.
    Unknown(Problem),
}

/// Tables with user-chosen keys.
const NAMED: [&str; 3] = ["TENANTS", "DESTINATIONS", "SECRETS"];

/// Classifies a variable by its name without the prefix.
pub(super) fn classify(name: &str, value: &str) -> Variable {
    let first = name.split("__").next().unwrap_or(name).to_lowercase();
    if SettingsFile::KEYS.contains(&first.as_str()) {
        return Variable::Ours;
    }
    if is_platform(name, value) {
        return Variable::Platform;
    }
    let what = format!("there is no setting for the environment variable {PREFIX}{name}");
    let known = keys();
    let one_underscore = NAMED
        .iter()
        .find_map(|table| name.strip_prefix(table)?.strip_prefix('_').map(|rest| format!("{table}__{rest}")));
    let misspelt = name.split_once("__").and_then(|(table, rest)| {
        let table = SettingsFile::KEYS.iter().find(|known| is_near(table, known))?;
        Some(format!("{}__{rest}", table.to_uppercase()))
    });
    let near = known.iter().find(|key| is_near(name, key)).cloned().or(one_underscore).or(misspelt);
    if let Some(near) = near {
        return Variable::Unknown(Problem::error(None, what).hint(format!("did you mean {PREFIX}{near}?")));
    }
    let nearest = known.iter().min_by_key(|key| strsim::damerau_levenshtein(&name.to_uppercase(), key));
    let nearest = nearest.map(String::as_str).unwrap_or_default();
    Variable::Unknown(Problem::warning(None, what).hint(format!("it is ignored; the nearest key is {PREFIX}{nearest}")))
}

/// Returns the variables of keys with fixed names.
fn keys() -> Vec<String> {
    let below = [
        ("work", WorkLimits::KEYS),
        ("keep", Keep::KEYS),
        ("limits", Limits::KEYS),
        ("log", Log::KEYS),
        ("alerts", AlertsFile::KEYS),
    ];
    let top = SettingsFile::KEYS.iter().map(|key| key.to_uppercase());
    let nested =
        below.iter().flat_map(|(table, keys)| keys.iter().map(move |key| format!("{table}__{key}").to_uppercase()));
    top.chain(nested).collect()
}

/// Returns true for the forms in which Kubernetes and Docker describe services whose name is or begins with ours:
/// `SERVICE_HOST`, `SERVICE_PORT_HTTP`, `PORT=tcp://…`, `METRICS_PORT_9090_TCP_ADDR`, `NAME`, `ENV_PATH`.
fn is_platform(name: &str, value: &str) -> bool {
    if name.contains("__") {
        return false;
    }
    let words: Vec<&str> = name.split('_').collect();
    (0..words.len()).any(|start| {
        let own = start == 0;
        match &words[start..] {
            ["SERVICE", "HOST"] | ["SERVICE", "PORT", ..] => true,
            ["PORT"] => value.contains("://"),
            ["PORT", number, "TCP" | "UDP" | "SCTP", rest @ ..] => {
                number.parse::<u16>().is_ok()
                    && matches!(
                        rest,
                        [] | ["ADDR" | "PROTO"] | ["PORT"] | ["PORT", "START" | "END"] | ["START" | "END"]
                    )
            }
            ["NAME"] => own || value.starts_with('/'),
            ["ENV", _, ..] => own || words.len() > start + 1,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::problem::Severity;

    fn classified(name: &str, value: &str) -> String {
        match classify(name, value) {
            Variable::Ours => "ours".to_owned(),
            Variable::Platform => "platform's".to_owned(),
            Variable::Unknown(problem) => {
                let severity = if problem.severity == Severity::Warning { "warning" } else { "problem" };
                format!("{severity}: {}", problem.hint.unwrap_or_default())
            }
        }
    }

    #[test]
    fn a_service_of_our_name_does_not_keep_the_worker_from_starting() {
        for (name, value) in [
            ("PORT", "tcp://10.0.0.1:8080"),
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "8080"),
            ("SERVICE_PORT_HTTP", "8080"),
            ("SERVICE_PORT_HTTP_METRICS", "8080"),
            ("PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("PORT_8080_TCP_PORT", "8080"),
            ("PORT_8080_TCP_PROTO", "tcp"),
            ("PORT_53_UDP_PROTO", "udp"),
            ("PORT_8080_TCP_START", "tcp://10.0.0.1:8080"),
            ("NAME", "/app/reportferry"),
            ("ENV_PATH", "/usr/bin"),
            ("METRICS_SERVICE_HOST", "10.0.0.1"),
            ("LOG_SERVICE_PORT", "80"),
            ("METRICS_PORT", "tcp://10.0.0.1:9090"),
            ("METRICS_PORT_9090_TCP", "tcp://10.0.0.1:9090"),
            ("DB_NAME", "/app/db"),
        ] {
            assert_eq!(classified(name, value), "platform's", "{name}");
        }
    }

    #[test]
    fn an_unknown_variable_is_a_warning_and_one_nearly_right_a_problem() {
        for name in ["DATA", "LOG__FORMAT", "TENANTS__ACME__USERNAME", "http", "LOG__SERVICE_HOST"] {
            assert_eq!(classified(name, "x"), "ours", "{name}");
        }
        for (name, near) in [
            ("DTAA", "DATA"),
            ("DESTINATION", "DESTINATIONS"),
            ("LOG_FORMAT", "LOG__FORMAT"),
            ("LIMIT__ROWS", "LIMITS__ROWS"),
            ("LIMITS_ROW", "LIMITS__ROWS"),
            ("TENANTS_ACME__USERNAME", "TENANTS__ACME__USERNAME"),
            ("LEGDER", "LEDGER"),
            ("TENATS__ACME__NAME", "TENANTS__ACME__NAME"),
        ] {
            assert_eq!(classified(name, "x"), format!("problem: did you mean REPORTFERRY_{near}?"), "{name}");
        }
        for name in ["VERSION", "POD", "TAG", "FOO_BAR", "HTTP_PORT", "PORT", "ENV", "IMAGE_TAG", "LEVEL__X"] {
            assert!(
                classified(name, "8080").starts_with("warning: it is ignored; the nearest key is REPORTFERRY_"),
                "{name}"
            );
        }
    }
}
