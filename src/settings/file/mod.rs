//! What may be written in the settings file. Names and comments here are the editor's schema too.

/// Who is told of what.
pub mod alerts;
/// Places that artifacts go to.
pub mod destination;
/// What becomes of a delivered file.
pub mod pickup;
/// How an SSH server is reached.
pub mod reach;
/// Where secrets are to be found.
pub mod secret;

/// Receivers of POST requests.
pub mod webhook;

use alerts::AlertsFile;
use destination::DestinationFile;
use secret::SecretFile;

use super::LogFormat;
use crate::pipeline::problem::Problem;
use crate::pipeline::read::{At, FromNode, Named, Part, scalar};
use crate::pipeline::scalars::{Length, Size, Whole};
use crate::pipeline::tree::Node;

crate::table! {
    /// The worker's settings. Any key can also be set by the environment: REPORTFERRY_TENANTS__ACME__USERNAME.
    pub struct SettingsFile {
        /// The folder of pipeline files. Default: pipelines.
        #[schemars(with = "Option<String>")]
        pipelines: Part<String>,
        /// Ledger and spool. Default: data.
        #[schemars(with = "Option<String>")]
        data: Part<String>,
        /// `sqlite:PATH`. Default: `ledger.db` in the data folder.
        ledger: Option<Part<At<String>>>,
        /// Where the worker answers /healthz, /readyz and /metrics: `127.0.0.1:8080`. Default: no listener.
        #[schemars(with = "Option<String>")]
        http: Option<Part<At<Listen>>>,
        /// Docebo platforms and the accounts used on them, by name.
        tenants: Option<Part<Named<Part<TenantFile>>>>,
        /// Places that artifacts go to, by name.
        destinations: Option<Part<Named<Part<DestinationFile>>>>,
        /// Secrets that expressions may name.
        secrets: Option<Part<Named<Part<SecretFile>>>>,
        /// What the worker does at once, and for how long.
        work: Option<Part<WorkFile>>,
        /// Who is told when something happens that a person must hear of.
        alerts: Option<Part<AlertsFile>>,
        /// How long what has come to its end is kept.
        keep: Option<Part<KeepFile>>,
        #[schemars(with = "Option<LimitsFile>")]
        limits: Part<LimitsFile>,
        #[schemars(with = "Option<LogFile>")]
        log: Part<LogFile>,
        #[schemars(skip)]
        fault: Option<Part<String>>,
    }
}

crate::table! {
    /// One Docebo platform and the account used on it.
    pub struct TenantFile {
        /// Scheme and host, without a path: `https://acme.docebosaas.com`.
        #[schemars(with = "String")]
        docebo: Part<At<Address>>,
        /// The OAuth2 app's client id.
        client_id: String,
        client_secret: SecretFile,
        /// A Power User with report permissions only.
        username: String,
        password: SecretFile,
        /// Requests, for all pipelines of the tenant.
        budget: Option<BudgetFile>,
        /// How an export's status is asked for.
        poll: Option<At<BackoffFile>>,
        timeouts: Option<HttpTimeoutsFile>,
        /// Attempts for one request that is safe to repeat.
        retry: Option<At<BackoffFile>>,
        /// Accept an account that is, or may be, a Superadmin. Default: false.
        allow_superadmin: Option<bool>,
        /// Accept plain http beyond loopback. Default: false.
        insecure: Option<bool>,
    }
}

crate::table! {
    pub struct BudgetFile {
        /// Default: 60.
        per_minute: Option<Whole<1, 1_000_000>>,
        /// Default: 800.
        per_hour: Option<Whole<1, 1_000_000>>,
        /// Requests under way. Default: 1.
        in_flight: Option<Whole<1, 64>>,
    }
}

crate::table! {
    /// Waits that grow from `first` to `max`, given up after `within`.
    pub struct BackoffFile {
        first: Option<Length>,
        max: Option<Length>,
        within: Option<Length>,
    }
}

crate::table! {
    pub struct HttpTimeoutsFile {
        /// Default: 10s.
        connect: Option<Length>,
        /// No byte for this long. Default: 60s.
        idle: Option<Length>,
    }
}

crate::table! {
    pub struct WorkFile {
        /// Runs that extract or shape at once. Default: 8.
        runs: Option<Whole<1, 1_000>>,
        /// Attempts at deliveries at once. Default: 8.
        deliveries: Option<Whole<1, 1_000>>,
        /// Extracts of one tenant at once. Default: 2.
        per_tenant: Option<Whole<1, 1_000>>,
        /// Attempts at one destination at once. Default: 2.
        per_destination: Option<Whole<1, 1_000>>,
        /// How long what is running may go on after it was asked to stop. Default: 30s.
        grace: Option<Length>,
        deadlines: Option<DeadlinesFile>,
    }
}

crate::table! {
    pub struct KeepFile {
        /// Runs in the ledger, with their receipts. Default: 90d.
        runs: Option<At<Length>>,
        /// Artifacts in the spool. Default: 30d.
        artifacts: Option<At<Length>>,
    }
}

crate::table! {
    /// A stage that takes longer is broken off, and the run fails or the attempt is made again.
    pub struct DeadlinesFile {
        /// Default: 6h.
        extract: Option<Length>,
        /// Default: 2h.
        shape: Option<Length>,
        /// One attempt at a delivery. Default: 6h.
        attempt: Option<Length>,
    }
}

crate::table! {
    /// What grows beyond a limit is refused.
    pub struct LimitsFile {
        /// Rows of one extract.
        rows: Option<Whole<1, { u64::MAX }>>,
        /// Bytes of one extract as it is downloaded.
        download_bytes: Option<Size>,
        /// Bytes of one extract when unpacked.
        extract_bytes: Option<Size>,
        /// Bytes of one CSV record.
        record_bytes: Option<Size>,
        /// Bytes of one JSON answer.
        answer_bytes: Option<Size>,
    }
}

crate::table! {
    pub struct LogFile {
        /// Default: human.
        format: Option<LogFormat>,
        /// Levels by module: `info,reportferry=debug`. Default: info.
        #[schemars(with = "Option<String>")]
        filter: Option<Filter>,
    }
}

crate::words!(LogFormat { "human" => LogFormat::Human, "json" => LogFormat::Json });

macro_rules! parsed {
    ($(#[$meta:meta])* $Name:ident($Inner:ty), $expected:literal, $parse:expr) => {
        $(#[$meta])*
        pub struct $Name(pub $Inner);

        impl FromNode for $Name {
            fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
                let (text, _) = scalar(node, $expected, problems)?;
                $parse(text).map(Self).map_err(|(what, hint)| problems.push(node.error(what).hint(hint))).ok()
            }
        }
    };
}

parsed!(
    /// A platform's address, plain http among them still.
    Address(crate::settings::address::Base), "an address", crate::settings::address::base_of
);
parsed!(Host(String), "a server's name", crate::settings::address::host);
parsed!(
    /// Host and port.
    Endpoint((String, u16)), "a host and a port", crate::settings::address::endpoint
);
parsed!(Fingerprint(String), "a fingerprint", crate::settings::address::fingerprint);
parsed!(Listen(std::net::SocketAddr), "an address to listen on", crate::settings::address::listen);
parsed!(
    /// A directory on a server.
    Remote(String), "a directory", crate::settings::address::remote
);
parsed!(
    /// A `tracing` filter.
    Filter(String), "a log filter", crate::settings::address::log_filter
);
