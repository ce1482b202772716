//! Members that succeed, fail, or end the transaction, in one commit.

use std::sync::mpsc::channel;

use tokio::sync::oneshot;

use super::super::{Param, Pending, params};
use super::*;

struct Stand {
    _folder: tempfile::TempDir,
    writer: Connection,
    /// Another connection, which sees committed data.
    reader: Connection,
}

type Answer = oneshot::Receiver<Result<(), LedgerError>>;

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let (writer, reader) = (connect(&path).unwrap(), connect(&path).unwrap());
        execute(&writer, "CREATE TABLE kept (what TEXT PRIMARY KEY)").unwrap();
        Self { _folder: folder, writer, reader }
    }

    /// Queues these operations at the same time; returns which succeeded.
    fn together(&self, operations: Vec<(Box<dyn Call>, Answer)>) -> Vec<bool> {
        let (sender, calls) = channel();
        let (operations, answers): (Vec<_>, Vec<_>) = operations.into_iter().unzip();
        operations.into_iter().for_each(|operation| sender.send(operation).unwrap());
        drop(sender);
        write_all(&self.writer, &calls);
        answers.into_iter().map(|answer| answer.blocking_recv().unwrap().is_ok()).collect()
    }

    fn kept(&self) -> String {
        let mut statement = self.reader.prepare("SELECT what FROM kept ORDER BY what").unwrap();
        statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Changes with each commit of another connection.
    fn commits(&self) -> i64 {
        self.reader.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap()
    }
}

fn operation(apply: impl Fn(&mut Tx) -> Result<(), LedgerError> + Send + 'static) -> (Box<dyn Call>, Answer) {
    operation_as(Durability::Synced, apply)
}

fn operation_as(
    durability: Durability,
    apply: impl Fn(&mut Tx) -> Result<(), LedgerError> + Send + 'static,
) -> (Box<dyn Call>, Answer) {
    let (answer, answered) = oneshot::channel();
    (Box::new(Pending { durability, operation: "write", apply, result: None, answer }), answered)
}

fn write(tx: &mut Tx, what: &str) -> Result<(), LedgerError> {
    tx.execute("INSERT INTO kept (what) VALUES ($1)", params![what]).map(|_| ())
}

fn keep(what: &'static str) -> (Box<dyn Call>, Answer) {
    operation(move |tx| write(tx, what))
}

#[test]
fn operations_that_wait_share_a_commit() {
    let stand = Stand::new();
    let before = stand.commits();
    assert_eq!(stand.together(["a", "b", "c", "d"].map(keep).into()), [true; 4]);
    assert_eq!(stand.kept(), "abcd");
    assert_eq!(stand.commits(), before + 1);
}

#[test]
fn a_durable_operation_never_shares_a_commit_that_is_not_synced() {
    use Durability::{Ordered, Synced};
    // PRAGMA synchronous: 1 is NORMAL, 2 is FULL.
    for (durabilities, levels) in [
        ([Ordered, Ordered, Ordered], [1, 1, 1]),
        ([Ordered, Synced, Ordered], [1, 2, 2]),
        ([Synced, Ordered, Ordered], [2, 2, 2]),
        ([Ordered, Ordered, Synced], [1, 1, 2]),
    ] {
        let stand = Stand::new();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let calls = durabilities.into_iter().zip(["a", "b", "c"]).map(|(durability, what)| {
            let seen = seen.clone();
            operation_as(durability, move |tx| {
                let row = tx.query_one("SELECT synchronous AS level FROM pragma_synchronous", params![])?;
                seen.lock().unwrap().push(row.get::<i64>("level")?);
                write(tx, what)
            })
        });
        assert_eq!(stand.together(calls.collect()), [true; 3], "{durabilities:?}");
        assert_eq!((stand.kept().as_str(), seen.lock().unwrap().as_slice()), ("abc", levels.as_slice()));
    }
}

#[test]
fn at_most_256_operations_share_a_commit() {
    let stand = Stand::new();
    let path = stand._folder.path().join("a.db");
    let many = (0..600).map(|number| {
        let committed = std::sync::Mutex::new(connect(&path).unwrap());
        operation(move |tx| {
            let count = "SELECT COUNT(*) FROM kept";
            let committed: i64 = committed.lock().unwrap().query_row(count, [], |row| row.get(0)).unwrap();
            assert!(number - committed < 256, "{number} {committed}");
            write(tx, &format!("{number:03}"))
        })
    });
    assert_eq!(stand.together(many.collect()), [true; 600]);
}

#[test]
fn a_member_that_fails_or_panics_is_rolled_back_alone() {
    let stand = Stand::new();
    let fails = operation(|tx| write(tx, "x").and_then(|()| write(tx, "a")));
    let panics = operation(|tx| write(tx, "y").map(|()| panic!("a bug")));
    assert_eq!(stand.together(vec![keep("a"), fails, panics, keep("b")]), [true, false, false, true]);
    assert_eq!(stand.kept(), "ab");
}

/// Ends the transaction, as SQLite does when the disk is full.
fn ends_the_transaction(tx: &mut Tx) -> Result<(), LedgerError> {
    tx.execute("ROLLBACK", &[])?;
    Err(LedgerError::Unreadable { what: "a full disk".to_owned() })
}

#[test]
fn a_transaction_that_an_error_ended_is_applied_again_without_its_cause() {
    let stand = Stand::new();
    let before = stand.commits();
    let outcomes = stand.together(vec![keep("a"), keep("b"), operation(ends_the_transaction), keep("c")]);
    assert_eq!(outcomes, [true, true, false, true]);
    assert_eq!((stand.kept().as_str(), stand.commits()), ("abc", before + 1));
}

#[test]
fn a_failed_commit_fails_all_members_and_the_next_group_is_kept() {
    let stand = Stand::new();
    // Checked at commit.
    let table = "CREATE TABLE refs (what TEXT REFERENCES kept (what) DEFERRABLE INITIALLY DEFERRED)";
    execute(&stand.writer, table).unwrap();
    let dangling = operation(|tx| tx.execute("INSERT INTO refs (what) VALUES ('nobody')", &[]).map(|_| ()));
    assert_eq!(stand.together(vec![keep("a"), dangling, keep("b")]), [false; 3]);
    assert_eq!(stand.together(vec![keep("c")]), [true]);
    assert_eq!(stand.kept(), "c");
}

#[test]
fn parameters_are_bound_by_their_numbers_and_nul_has_a_picture() {
    let stand = Stand::new();
    let found = operation(|tx| {
        let row =
            tx.query_one("SELECT $2 AS second, $1 AS first, CAST(NULL AS TEXT) AS none", params!["a\0b", 7i64])?;
        assert_eq!((row.get::<i64>("second")?, row.get::<String>("first")?), (7, "a\u{2400}b".to_owned()));
        assert!(row.get::<Option<String>>("none")?.is_none() && row.get::<String>("none").is_err());
        assert!(row.get::<i64>("first").is_err() && row.get::<i64>("third").is_err());
        tx.execute("INSERT INTO kept (what) VALUES ($1)", &[Param::from("z")]).map(|_| ())
    });
    assert_eq!(stand.together(vec![found]), [true]);
    assert_eq!(stand.kept(), "z");
}

#[test]
fn a_ledger_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, sql: &str| {
        let path = folder.path().join(name);
        connect(&path).unwrap().execute_batch(sql).unwrap();
        start(&path, channel().1, channel().1).err().map(|error| error.to_string())
    };
    let older = open("older.db", "CREATE TABLE runs (id TEXT)").unwrap();
    assert!(older.contains("older.db") && older.contains("older version"), "{older}");
    let newer = "CREATE TABLE ledger_version (version BIGINT); INSERT INTO ledger_version VALUES (2)";
    assert!(open("newer.db", newer).unwrap().contains("migration 2"));
    assert!(open("new.db", "").is_none() && open("new.db", "").is_none());
}
