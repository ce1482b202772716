//! What several areas of tests stand on: servers of their own, the sandbox, the binary.

#![allow(dead_code)] // each area uses its part

use std::path::{Path, PathBuf};

use reportferry::settings::LedgerSettings;

pub(crate) mod account;
pub(crate) mod agent;
pub(crate) mod asyncssh;
pub(crate) mod docebo;
pub(crate) mod postgres;
mod process;
pub(crate) mod proftpd;
pub(crate) mod proxy;
pub(crate) mod raw_receiver;
pub(crate) mod receiver;
pub(crate) mod resets;
pub(crate) mod rig;
pub(crate) mod sshd;

/// A ledger in a file.
pub(crate) fn sqlite(path: &Path) -> LedgerSettings {
    LedgerSettings::Sqlite(path.to_owned())
}

/// The number that a query of a ledger's file gives.
pub(crate) fn count(path: PathBuf, query: &str) -> i64 {
    rusqlite::Connection::open(path).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

/// A new ledger's place.
pub(crate) struct Place {
    pub settings: LedgerSettings,
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A name that a URL would not bear as it is.
        Self { settings: sqlite(&folder.path().join("the ledger #1?.db")), folder }
    }

    pub(crate) fn postgres() -> Self {
        Self { settings: LedgerSettings::Postgres(postgres::database()), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The number that a query gives, asked beside the ledger.
    pub(crate) fn count(&self, query: &str) -> i64 {
        match self.settings.clone() {
            LedgerSettings::Sqlite(path) => count(path, query),
            LedgerSettings::Postgres(server) => {
                let query = query.to_owned();
                let counted = move || postgres::admin(&server.database).query_one(&query, &[]).unwrap().get(0);
                std::thread::spawn(counted).join().unwrap()
            }
        }
    }
}

/// Makes two tests of each function that takes a [`Place`]: one for each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::stage::Place::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let place = tokio::task::spawn_blocking(crate::stage::Place::postgres).await.unwrap();
                super::$name(place).await;
            })*
        }
    };
}
pub(crate) use on_both;

pub(crate) use process::{PATIENCE, alongside, eventually, file, folder, memory_folder, reportferry, root};
