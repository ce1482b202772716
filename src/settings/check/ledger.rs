//! The ledger's database as configured → as used.

use super::Check;
use crate::settings::file::ledger::{LedgerFile, PostgresFile};
use crate::settings::{LedgerSettings, PostgresSettings, PostgresTls};
use crate::yaml::read::At;

const PORT: u16 = 5432;
const DATABASE: &str = "reportferry";

impl Check<'_> {
    pub(super) fn ledger(&mut self, written: At<LedgerFile>) -> Option<LedgerSettings> {
        match (written.value.sqlite, written.value.postgres) {
            (Some(path), None) if path.value.is_empty() => {
                self.problems.push(path.origin.error("a path is expected here").hint("write `sqlite: data/ledger.db`"));
                None
            }
            (Some(path), None) => Some(LedgerSettings::Sqlite(self.folder.join(path.value))),
            (None, Some(server)) => Some(LedgerSettings::Postgres(self.postgres(server.0?))),
            (sqlite, _) => {
                let what = match sqlite {
                    Some(_) => "`sqlite` and `postgres` are mutually exclusive",
                    None => "one of `sqlite` and `postgres` is expected here",
                };
                let problem = written.origin.error(what);
                self.problems
                    .push(problem.hint("write `sqlite: data/ledger.db` or `postgres: {host: …, username: …}`"));
                None
            }
        }
    }

    fn postgres(&mut self, written: PostgresFile) -> PostgresSettings {
        PostgresSettings {
            host: written.host.0,
            port: written.port.and_then(|port| u16::try_from(port.0).ok()).unwrap_or(PORT),
            database: written.database.unwrap_or_else(|| DATABASE.to_owned()),
            username: written.username,
            password: written.password.map(|password| self.secret(password)),
            tls: written.tls.unwrap_or(PostgresTls::Require),
            ca: written.ca.map(|path| self.folder.join(path)),
        }
    }
}
