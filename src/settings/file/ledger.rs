//! The ledger's database in the settings file.

use crate::settings::PostgresTls;
use crate::settings::address::Host;
use crate::settings::secrets::SecretFile;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient};
use crate::yaml::scalars::Whole;
use crate::yaml::tree::{Node, NodeKind, Origin};

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

/// The value of `ledger`. An address as one text, which other programs read, gets a hint of its own.
pub struct LedgerKey(pub At<LedgerFile>);

impl FromNode for LedgerKey {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if matches!((&node.kind, &node.origin), (NodeKind::Scalar(_), Origin::File(_))) {
            // The text is not repeated: it may hold a password.
            let problem = node.error("a table is expected here, not a text");
            problems.push(problem.hint("write `{sqlite: data/ledger.db}` or `{postgres: {host: …, username: …}}`"));
            return None;
        }
        At::from_node(node, problems).map(Self)
    }
}

crate::words!(PostgresTls { "require" => PostgresTls::Require, "disable" => PostgresTls::Disable });
