//! The ledger's database.

use std::fmt;
use std::path::PathBuf;

use super::SecretRef;

#[derive(Clone, PartialEq)]
pub enum LedgerSettings {
    Sqlite(PathBuf),
    Postgres(PostgresSettings),
}

/// A database in PostgreSQL.
#[derive(Clone)]
pub struct PostgresSettings {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub username: String,
    pub password: Option<SecretRef>,
    pub tls: PostgresTls,
    /// A PEM file of certificate authorities that replace the system's.
    pub ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresTls {
    /// TLS with a verified certificate is required.
    Require,
    Disable,
}

/// The password is read at each connection: rotating it does not change the settings.
impl PartialEq for PostgresSettings {
    fn eq(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.to_string(), it.username.clone(), it.tls, it.ca.clone());
        key(self) == key(other)
    }
}

impl fmt::Display for LedgerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

/// Shows host, port and database only.
impl fmt::Display for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}
