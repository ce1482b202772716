//! Connections to PostgreSQL, and the worker's lock on one of them.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::{Client, NoTls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::LedgerError;
use crate::settings::{PostgresSettings, PostgresTls};

const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Silence after which the server counts as unavailable.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Interval of tests of the connection with the worker's lock.
const LOCK_EVERY: Duration = Duration::from_secs(2);

const SETUP: &str = "SET synchronous_commit = on; SET statement_timeout = '60s'; \
                     SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning";

pub(super) fn connect(server: &PostgresSettings) -> Result<Client, LedgerError> {
    let away = |reason: String| LedgerError::Unavailable { ledger: server.to_string(), reason };
    let mut config = postgres::Config::new();
    config.host(&server.host).port(server.port).dbname(&server.database).user(&server.username);
    config.application_name("reportferry").connect_timeout(CONNECT_MAX).tcp_user_timeout(SILENCE_MAX);
    config.keepalives_idle(SILENCE_MAX / 3).keepalives_interval(SILENCE_MAX / 6).keepalives_retries(3);
    if let Some(password) = &server.password {
        config.password(password.read().map_err(|error| away(error.to_string()))?.expose());
    }
    let client = match server.tls {
        PostgresTls::Disable => config.ssl_mode(SslMode::Disable).connect(NoTls),
        PostgresTls::Require => {
            let tls = tls(server).map_err(|error| away(error.to_string()))?;
            config.ssl_mode(SslMode::Require).connect(MakeRustlsConnect::new(tls))
        }
    };
    let mut client = client.map_err(|error| {
        if let Some(password) = &server.password {
            // The next connection reads it anew: it may have been rotated.
            password.forget(Instant::now());
        }
        unavailable(server, &error)
    })?;
    client.batch_execute(SETUP).map_err(|error| unavailable(server, &error))?;
    Ok(client)
}

fn tls(server: &PostgresSettings) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &server.ca {
        Some(path) => {
            let failed = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}

/// Describes the error in our own text if the server's might reveal more than host, port and database.
pub(super) fn unavailable(server: &PostgresSettings, error: &postgres::Error) -> LedgerError {
    let code = error.code();
    let reason = match code {
        Some(code) if *code == SqlState::INVALID_PASSWORD => "the server refused the username or the password".into(),
        Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "the server does not admit this user from here (pg_hba.conf)".into()
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => "there is no such database".into(),
        Some(code) => format!("the server answered with SQLSTATE {}", code.code()),
        None => match crate::tls::explain(error, false) {
            Some(failure) => failure.about(&server.host),
            None => error.source().map_or_else(|| error.to_string(), ToString::to_string),
        },
    };
    LedgerError::Unavailable { ledger: server.to_string(), reason }
}

/// Finds the worker's lock without taking it; the number 7240186403 in its two halves. The server releases it as soon as the
/// worker's connection ends, however the process dies.
pub(in super::super) const WORKER_LOCK_HELD: &str = "SELECT CAST(1 AS BIGINT) AS held FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = 1 \
     AND objid = 2945219107 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// The worker's lock: an advisory lock on a connection of its own. If that is lost, it is acquired again as soon as the
/// server is available and no other worker has it.
pub(super) struct WorkerLock {
    held: Arc<AtomicBool>,
    _stop: Sender<()>,
}

impl WorkerLock {
    /// Acquires the lock, and starts a thread that keeps it until this is dropped. Blocks.
    ///
    /// # Errors
    /// Another worker has it, or the server cannot be reached.
    pub(super) fn take(server: &PostgresSettings) -> Result<(Self, JoinHandle<()>), LedgerError> {
        let client = lock(server)?;
        let (stop, stopped) = channel();
        let held = Arc::new(AtomicBool::new(true));
        let (server, kept) = (server.clone(), held.clone());
        let thread = std::thread::spawn(move || keep(client, &server, &kept, &stopped));
        Ok((Self { held, _stop: stop }, thread))
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }
}

fn lock(server: &PostgresSettings) -> Result<Client, LedgerError> {
    let mut client = connect(server)?;
    let row = client.query_one("SELECT pg_try_advisory_lock(7240186403)", &[]);
    match row.and_then(|row| row.try_get(0)).map_err(|error| unavailable(server, &error))? {
        true => Ok(client),
        false => Err(LedgerError::AnotherWorker { ledger: server.to_string() }),
    }
}

fn keep(client: Client, server: &PostgresSettings, held: &AtomicBool, stopped: &Receiver<()>) {
    let mut client = Some(client);
    while stopped.recv_timeout(LOCK_EVERY) == Err(RecvTimeoutError::Timeout) {
        if client.as_mut().is_none_or(|client| client.batch_execute("SELECT 1").is_err()) {
            held.store(false, Ordering::Relaxed);
            client = lock(server).ok();
        }
        held.store(client.is_some(), Ordering::Relaxed);
    }
}
