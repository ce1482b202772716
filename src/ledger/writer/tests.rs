//! Members that end well, badly, or not at all, in one commit.

use super::*;
use crate::ledger::{SQLITE_PRAGMAS, prepare, sqlite_url};

struct Stand {
    folder: tempfile::TempDir,
    writer: Writer,
    /// Another connection: it sees what is committed.
    reader: AnyConnection,
}

async fn connect(folder: &tempfile::TempDir) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let url = sqlite_url(&folder.path().join("a.db")).unwrap();
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    prepare(&mut connection, SQLITE_PRAGMAS).await.unwrap();
    connection
}

impl Stand {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, reader) = (connect(&folder).await, connect(&folder).await);
        sqlx::query("CREATE TABLE kept (what TEXT PRIMARY KEY)").execute(&mut writer).await.unwrap();
        Self { folder, writer: Writer::new(writer, Duration::from_secs(30)), reader }
    }

    async fn kept(&mut self) -> String {
        let kept: Vec<(String,)> =
            sqlx::query_as("SELECT what FROM kept ORDER BY what").fetch_all(&mut self.reader).await.unwrap();
        kept.into_iter().map(|(what,)| what).collect()
    }
}

async fn write(tx: &mut Tx, what: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO kept (what) VALUES ($1)").bind(what).execute(&mut **tx).await.map(|_| ())
}

async fn keep(writer: &Writer, what: &str) -> Result<(), Error> {
    let mut tx = writer.begin().await?;
    write(&mut tx, what).await?;
    tx.commit().await
}

/// One after the other gets the turn that `first` gives away; `meanwhile` happens once they wait for it.
async fn together(stand: &Stand, wanted: &[&'static str], meanwhile: impl FnOnce(Tx)) -> Vec<bool> {
    let first = stand.writer.begin().await.unwrap();
    let members = wanted.iter().map(|what| keep(&stand.writer, what));
    let members = futures_util::future::join_all(members);
    // Polled in this order: the members wait in theirs before the turn is given away.
    let (outcomes, ()) = tokio::join!(members, async { meanwhile(first) });
    outcomes.into_iter().map(|outcome| outcome.is_ok()).collect()
}

#[tokio::test]
async fn what_is_answered_is_kept() {
    let mut stand = Stand::new().await;
    for (what, kept) in [("a", "a"), ("b", "ab"), ("c", "abc")] {
        keep(&stand.writer, what).await.unwrap();
        assert_eq!(stand.kept().await, kept);
    }
}

#[tokio::test]
async fn those_who_wait_share_a_commit() {
    let mut stand = Stand::new().await;
    let changes = async |stand: &mut Stand| -> i64 {
        // Goes up by one with each commit of another connection.
        sqlx::query_as::<_, (i64,)>("PRAGMA data_version").fetch_one(&mut stand.reader).await.unwrap().0
    };
    let before = changes(&mut stand).await;
    assert_eq!(together(&stand, &["a", "b", "c", "d"], drop).await, [true; 4]);
    assert_eq!(stand.kept().await, "abcd");
    assert_eq!(changes(&mut stand).await, before + 1);
}

#[tokio::test]
async fn what_fails_is_taken_back_alone() {
    let mut stand = Stand::new().await;
    assert_eq!(together(&stand, &["a", "b", "a", "c"], drop).await, [true, true, false, true]);
    assert_eq!(stand.kept().await, "abc");
}

#[tokio::test]
async fn what_is_left_without_an_end_is_not_kept_and_keeps_nobody_waiting() {
    let mut stand = Stand::new().await;
    let mut tx = stand.writer.begin().await.unwrap();
    write(&mut tx, "x").await.unwrap();
    drop(tx);
    keep(&stand.writer, "a").await.unwrap();
    assert_eq!(stand.kept().await, "a");
    // Nor does it keep another process from writing.
    let mut tx = stand.writer.begin().await.unwrap();
    write(&mut tx, "y").await.unwrap();
    drop(tx);
    let mut other = connect(&stand.folder).await;
    sqlx::query("INSERT INTO kept (what) VALUES ('b')").execute(&mut other).await.unwrap();
    assert_eq!(stand.kept().await, "ab");
}

/// A future may be dropped at any of its waits: when its work was stopped, for one.
#[tokio::test]
async fn whoever_goes_away_harms_nobody() {
    let mut stand = Stand::new().await;
    let mut expected = Vec::new();
    for polls in 0..40 {
        let (gone, stays) = (format!("gone{polls:02} "), format!("stays{polls:02} "));
        let mut going = Box::pin(keep(&stand.writer, &gone));
        for _ in 0..polls {
            if futures_util::poll!(going.as_mut()).is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        drop(going);
        keep(&stand.writer, &stays).await.unwrap();
        expected.push(stays);
    }
    let kept = stand.kept().await;
    assert!(expected.iter().all(|stays| kept.contains(stays)), "{kept}");
    assert!(!kept.contains("gone00") && kept.contains("gone39"), "{kept}");
}

#[tokio::test]
async fn a_transaction_that_is_gone_is_told_to_all_of_it() {
    let mut stand = Stand::new().await;
    let mut first = stand.writer.begin().await.unwrap();
    write(&mut first, "a").await.unwrap();
    let told = first.leave();
    let mut second = stand.writer.begin().await.unwrap();
    // As SQLite does by itself when the disk is full.
    second.group.run("ROLLBACK").await.unwrap();
    drop(second);
    assert!(told.await.unwrap().is_err());
    keep(&stand.writer, "b").await.unwrap();
    assert_eq!(stand.kept().await, "b");
}

#[tokio::test]
async fn a_writer_that_is_closed_has_kept_what_it_promised() {
    let mut stand = Stand::new().await;
    let writer = stand.writer.clone();
    let (kept, ()) = tokio::join!(keep(&writer, "a"), writer.close());
    kept.unwrap();
    assert_eq!(stand.kept().await, "a");
    assert!(matches!(keep(&writer, "b").await, Err(Error::PoolClosed)));
}

#[tokio::test]
async fn what_fails_in_its_first_errand_is_taken_back_alone() {
    let mut stand = Stand::new().await;
    let put = async |first: &str, what: &str| -> Result<Vec<AnyRow>, Error> {
        let (tx, rows) = stand.writer.begin_with(first, |query| query.bind(what)).await?;
        tx.commit().await.map(|()| rows)
    };
    const PUT: &str = "INSERT INTO kept (what) VALUES ($1); SELECT what FROM kept WHERE what = $1";
    assert_eq!(put(PUT, "a").await.unwrap().len(), 1);
    // The one that opens a transaction, and one that joins in: what stands beside them stays.
    assert!(put("INSERT INTO kept (what) VALUES ('c'); INSERT INTO kept (what) VALUES ($1)", "a").await.is_err());
    let first = stand.writer.begin().await.unwrap();
    let (b, again, d, ()) = tokio::join!(put(PUT, "b"), put(PUT, "a"), put(PUT, "d"), async { drop(first) });
    assert!(b.is_ok() && again.is_err() && d.is_ok());
    assert_eq!(stand.kept().await, "abd");
}
