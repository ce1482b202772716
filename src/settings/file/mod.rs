//! The contents of the settings file. Names and comments here are part of the editor's schema.

/// Destinations of artifacts.
pub mod destination;
/// The ledger's database.
pub mod ledger;
/// Name templates.
pub mod name;
/// The pickup of delivered files.
pub mod pickup;
/// Connections to SSH servers.
pub mod reach;
/// Tenants.
pub mod tenant;

use destination::DestinationFile;
use ledger::{LedgerFile, LedgerKey};
use tenant::TenantFile;

use super::address::Listen;
use super::alerts::AlertsFile;
use super::openpgp::OpenPgpKeyFile;
use super::secrets::SecretFile;
use super::{Keep, Limits, Log, LogFormat, WorkLimits};
use crate::yaml::read::{At, Lenient, Named};
use crate::yaml::scalars::Length;

crate::table! {
    /// The worker's settings. Any key can also be set by the environment: REPORTFERRY_TENANTS__ACME__USERNAME.
    pub struct SettingsFile {
        /// The folder of pipeline files. Default: pipelines.
        #[schemars(with = "Option<String>")]
        pipelines: Lenient<String>,
        /// Ledger and spool. Default: data.
        #[schemars(with = "Option<String>")]
        data: Lenient<String>,
        /// Treat warnings as problems: in `check`, and where the worker starts. Default: false.
        strict: Option<bool>,
        #[schemars(with = "Option<LedgerFile>")]
        ledger: Option<Lenient<LedgerKey>>,
        /// The address of /healthz, /readyz and /metrics: `127.0.0.1:8080`. Default: no listener.
        #[schemars(with = "Option<String>")]
        http: Option<Lenient<At<Listen>>>,
        /// Docebo platforms and their accounts, by name.
        tenants: Option<Lenient<Named<Lenient<TenantFile>>>>,
        /// Destinations of artifacts, by name.
        destinations: Option<Lenient<Named<Lenient<DestinationFile>>>>,
        /// Secrets for expressions.
        secrets: Option<Lenient<Named<Lenient<SecretFile>>>>,
        /// Private OpenPGP keys that sign artifacts, by name.
        openpgp_keys: Option<Lenient<Named<Lenient<OpenPgpKeyFile>>>>,
        /// Let secrets be read by commands: `{command: [vault, kv, get, …]}`. Default: false.
        secret_commands: Option<At<bool>>,
        /// Concurrency and deadlines of the worker.
        work: Option<Lenient<WorkLimits>>,
        /// Alerts: their events and channels.
        alerts: Option<Lenient<AlertsFile>>,
        /// Retention of finished runs and of artifacts.
        keep: Option<Lenient<Keep>>,
        #[schemars(with = "Option<Limits>")]
        limits: Lenient<Limits>,
        #[schemars(with = "Option<Log>")]
        log: Lenient<Log>,
    }
}

crate::table! {
    /// Waits that grow from `initial` to `max`, given up after `give_up_after`.
    pub struct BackoffFile {
        initial (was first): Option<Length>,
        max: Option<Length>,
        give_up_after (was within): Option<Length>,
    }
}

crate::words!(LogFormat { "human" => LogFormat::Human, "json" => LogFormat::Json });
