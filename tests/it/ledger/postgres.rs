//! What only PostgreSQL does: connections that end, commits whose answer is lost, a second worker, TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use reportferry::ledger::RunEvent;
use reportferry::settings::{LedgerSettings, PostgresSettings, PostgresTls, SecretRef};

use super::*;
use crate::stage::postgres::{PASSWORD, admin, ca, database};

async fn server() -> PostgresSettings {
    tokio::task::spawn_blocking(database).await.unwrap()
}

async fn open_at(server: &PostgresSettings) -> Result<Ledger, String> {
    Ledger::open(&LedgerSettings::Postgres(server.clone()), Clock::System).await.map_err(|error| error.to_string())
}

/// Runs statements beside the ledger.
async fn beside(database: &str, sql: &str) {
    let (database, sql) = (database.to_owned(), sql.to_owned());
    tokio::task::spawn_blocking(move || admin(&database).batch_execute(&sql).unwrap()).await.unwrap();
}

const END_OTHERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ended_is_made_again() {
    let server = server().await;
    let ledger = open_at(&server).await.unwrap();
    let mut run = ledger.enter(&slot("p"), "d").await.unwrap();
    for state in [RunState::Extracting, RunState::Transforming] {
        beside(&server.database, END_OTHERS).await;
        ledger.advance(&mut run, state, None).await.unwrap();
        assert_eq!(ledger.run(&run.id).await.unwrap().unwrap().state, state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_unavailable_and_no_message_holds_the_password() {
    let server = server().await;
    let mut wrong = vec![PostgresSettings { port: 1, ..server.clone() }];
    wrong.push(PostgresSettings { database: "nowhere".to_owned(), ..server.clone() });
    wrong.push(PostgresSettings { username: "intruder".to_owned(), ..server.clone() });
    wrong.push(PostgresSettings { password: Some(SecretRef::File("/no/such/file".into())), ..server.clone() });
    wrong.push(PostgresSettings { password: None, ..server.clone() });
    // Its certificate is signed by nobody that the system trusts.
    wrong.push(PostgresSettings { tls: PostgresTls::Require, ..server.clone() });
    for server in wrong {
        let refused = open_at(&server).await.err().unwrap();
        assert!(refused.starts_with("the ledger 127.0.0.1:") && refused.contains("is unavailable: "), "{refused}");
        assert!(!refused.contains(PASSWORD) && !refused.contains("ferry"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_by_the_named_authority() {
    let server = PostgresSettings { tls: PostgresTls::Require, ca: Some(ca()), ..server().await };
    let ledger = open_at(&server).await.unwrap();
    ledger.enter(&slot("p"), "d").await.unwrap();
    assert_eq!(ledger.paused_count().await.unwrap(), 0);
    let wrong = PostgresSettings { host: "localhost".to_owned(), ..server };
    let refused = open_at(&wrong).await.err().unwrap();
    assert!(refused.contains("certificate"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_is_refused_and_one_that_lost_its_lock_begins_nothing() {
    let server = server().await;
    let (first, second) = (open_at(&server).await.unwrap(), open_at(&server).await.unwrap());
    first.lock_for_worker().await.unwrap();
    let refused = second.lock_for_worker().await;
    assert!(matches!(refused, Err(LedgerError::AnotherWorker { .. })), "{refused:?}");
    assert!(second.runnable(0, 1).await.is_ok(), "a command is no worker");
    // Somebody else takes the lock as soon as its connection ends.
    let taken = format!("{END_OTHERS}; SELECT pg_advisory_lock(7240186403); SELECT pg_sleep(6)");
    let beside = tokio::spawn({
        let database = server.database.clone();
        async move { beside(&database, &taken).await }
    });
    loop {
        match first.runnable(0, 1).await {
            Err(error) if error.to_string().contains("lock is lost") => break,
            // The end of its connection may be seen first.
            Err(LedgerError::Unavailable { .. }) => {}
            other => {
                other.unwrap();
                assert!(!beside.is_finished(), "it works without its lock");
            }
        }
    }
    beside.await.unwrap();
    while first.runnable(0, 1).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    first.close().await;
    second.lock_for_worker().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_another_version_is_refused() {
    let server = server().await;
    beside(&server.database, "CREATE TABLE runs (id TEXT)").await;
    assert!(open_at(&server).await.err().unwrap().contains("older version"));
    beside(&server.database, "DROP TABLE runs").await;
    open_at(&server).await.unwrap();
    beside(&server.database, "UPDATE ledger_version SET version = 9").await;
    assert!(open_at(&server).await.err().unwrap().contains("migration 9"));
}

/// A line to the server that is cut at the n-th COMMIT: before it goes on, or before its answer comes back.
struct Cut {
    port: u16,
    /// COMMITs that pass before the line is cut; then it is whole again.
    left: Arc<AtomicU32>,
}

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Before,
    After,
}

impl Cut {
    fn start(server: u16, place: Where) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let left = Arc::new(AtomicU32::new(u32::MAX));
        let counted = left.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, counted) = (client.unwrap(), counted.clone());
                let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let (back, to) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
                let is_cut = Arc::new(Mutex::new(false));
                let cut = is_cut.clone();
                std::thread::spawn(move || pass(back, to, |_| *cut.lock().unwrap()));
                std::thread::spawn(move || {
                    let at_commit = |bytes: &[u8]| {
                        let commit = bytes.windows(7).any(|window| window == b"COMMIT\0");
                        commit && counted.fetch_sub(1, Ordering::SeqCst) == 0
                    };
                    pass(client, upstream, |bytes| {
                        let hit = at_commit(bytes);
                        *is_cut.lock().unwrap() |= hit;
                        hit && place == Where::Before
                    });
                });
            }
        });
        Self { port, left }
    }
}

/// Passes bytes on until either side ends, or `cut` says so.
fn pass(mut from: TcpStream, mut to: TcpStream, cut: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if cut(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_neither_lost_nor_done_twice() {
    for place in [Where::Before, Where::After] {
        let server = server().await;
        let cut = Cut::start(server.port, place);
        let ledger = open_at(&PostgresSettings { port: cut.port, ..server }).await.unwrap();
        let run = ledger.enter(&slot("p"), "d").await.unwrap();
        for number in 0..5 {
            cut.left.store(0, Ordering::SeqCst);
            ledger.note(&run.id, RunEvent::Requests { sent: number.to_string() }).await.unwrap();
            assert_ne!(cut.left.load(Ordering::SeqCst), 0, "nothing was cut");
            cut.left.store(u32::MAX, Ordering::SeqCst);
        }
        let events = ledger.events(&run.id).await.unwrap();
        let sent: Vec<String> = events.iter().skip(1).map(|event| event.event.detail()).collect();
        assert_eq!(sent, ["0", "1", "2", "3", "4"]);
    }
}
