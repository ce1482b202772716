//! The ledger's database in the settings file.

use crate::settings::PostgresTls;
use crate::settings::address::Host;
use crate::settings::secrets::SecretFile;
use crate::yaml::read::{At, Lenient};
use crate::yaml::scalars::Whole;

crate::table! {
    /// `sqlite` or `postgres`. Default: `ledger.db` in the data folder.
    pub struct LedgerFile {
        /// The path of a SQLite file.
        sqlite: Option<At<String>>,
        /// A separate database in PostgreSQL 13 or newer.
        postgres: Option<Lenient<PostgresFile>>,
    }
}

crate::table! {
    /// A separate database in PostgreSQL 13 or newer.
    pub struct PostgresFile {
        #[schemars(with = "String")]
        host: Host,
        /// Default: 5432.
        port: Option<Whole<1, 65_535>>,
        /// Default: reportferry.
        database: Option<String>,
        username: String,
        password: Option<SecretFile>,
        /// `require` (the default) or `disable`. The server's certificate is verified.
        tls: Option<PostgresTls>,
        /// A PEM file of certificate authorities that replace the system's.
        ca: Option<String>,
    }
}

crate::words!(PostgresTls { "require" => PostgresTls::Require, "disable" => PostgresTls::Disable });
