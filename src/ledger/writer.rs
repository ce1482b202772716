//! Transactions that wait at the same time → one commit, and an answer to each once it is on the disk.
//!
//! A commit that survives a power cut costs a sync of the disk, however little it holds, and a delivery makes a handful
//! of them. So there is one connection that writes. Whoever finds no transaction open begins one, and sends for the
//! commit when it is done; those who wait by then join in, one after the other, each in a savepoint of its own: what
//! fails is taken back alone. Nobody hears that something is kept before it is.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Error};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot};
use tokio::time::timeout;

use super::query::{Statement, text};

/// The one who writes. Clones share it.
#[derive(Clone)]
pub(super) struct Writer {
    /// Whoever has it writes; those who wait for it get it in the order in which they came. `None` once it is closed.
    group: Arc<Mutex<Option<Group>>>,
    /// How long one waits for it.
    patience: Duration,
}

/// What will be committed together.
struct Group {
    connection: AnyConnection,
    state: State,
    /// The savepoint of the last member.
    last: Option<Savepoint>,
    /// The last member left without an end: what it wrote is to be taken back.
    torn: bool,
    /// Somebody is on the way to commit.
    sent_for: bool,
    /// Who is to be told of the commit.
    members: Vec<oneshot::Sender<Result<(), String>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Asked for; whoever asked may have gone away before the answer.
    Opening,
    Open,
}

/// Two names in turn: a statement that never reached the ledger can then not take back what stands under the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Savepoint {
    Even,
    Odd,
}

/// Each of these is one errand to the connection's thread, which costs more than what it does there. The savepoint of a
/// member that ended well is released by the one who follows, or by the commit.
impl Savepoint {
    fn open_first(self) -> &'static str {
        match self {
            Self::Even => "BEGIN IMMEDIATE; SAVEPOINT even",
            Self::Odd => "BEGIN IMMEDIATE; SAVEPOINT odd",
        }
    }

    fn open_after_other(self) -> &'static str {
        match self {
            Self::Even => "RELEASE odd; SAVEPOINT even",
            Self::Odd => "RELEASE even; SAVEPOINT odd",
        }
    }

    fn open(self) -> &'static str {
        match self {
            Self::Even => "SAVEPOINT even",
            Self::Odd => "SAVEPOINT odd",
        }
    }

    fn take_back(self) -> &'static str {
        match self {
            Self::Even => "ROLLBACK TO even; RELEASE even",
            Self::Odd => "ROLLBACK TO odd; RELEASE odd",
        }
    }
}

/// One member's turn. Dropped without [`Tx::commit`], it has written nothing.
pub(super) struct Tx {
    group: OwnedMappedMutexGuard<Option<Group>, Group>,
    all: Arc<Mutex<Option<Group>>>,
    /// It has not come to its end: what it wrote is not to stay.
    unfinished: bool,
}

impl Writer {
    pub(super) fn new(connection: AnyConnection, patience: Duration) -> Self {
        let group =
            Group { connection, state: State::Idle, torn: false, sent_for: false, members: Vec::new(), last: None };
        Self { group: Arc::new(Mutex::new(Some(group))), patience }
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// Its turn does not come in time, or another process keeps the ledger from being written.
    pub(super) async fn begin(&self) -> Result<Tx, Error> {
        let (tx, _) = self.begin_with("", |query| query).await?;
        Ok(tx)
    }

    /// Waits for its turn, and does `first` in the same errand: statements with the values that `bind` gives them. Also
    /// returns the rows of all of them.
    ///
    /// # Errors
    /// As [`Writer::begin`]; or those of `first`, and nothing is written.
    pub(super) async fn begin_with<'q>(
        &self,
        first: &str,
        bind: impl FnOnce(Statement<'q>) -> Statement<'q>,
    ) -> Result<(Tx, Vec<AnyRow>), Error> {
        let turn = timeout(self.patience, self.group.clone().lock_owned()).await.map_err(|_| Error::PoolTimedOut)?;
        let group = OwnedMutexGuard::try_map(turn, Option::as_mut).map_err(|_| Error::PoolClosed)?;
        // From here on, whoever drops this future at a wait still sends for the commit.
        let mut tx = Tx { group, all: self.group.clone(), unfinished: false };
        tx.group.mend().await;
        let before = tx.group.last;
        let ours = if before == Some(Savepoint::Even) { Savepoint::Odd } else { Savepoint::Even };
        tx.group.last = Some(ours);
        let is_first = tx.group.state == State::Idle;
        let open = match before {
            // Takes the write lock at once: a deferred transaction fails when it upgrades beside another writer.
            _ if is_first => ours.open_first(),
            Some(_) => ours.open_after_other(),
            None => ours.open(),
        };
        if is_first {
            // Where it fails, the next one makes sure that nothing stays begun.
            tx.group.state = State::Opening;
        } else {
            tx.unfinished = true;
        }
        let rows = bind(sqlx::query(text(format!("{open}; {first}")))).fetch_all(&mut tx.group.connection).await?;
        if is_first {
            tx.group.state = State::Open;
            tx.unfinished = true;
        }
        Ok((tx, rows))
    }

    pub(super) async fn close(&self) {
        if let Some(mut group) = self.group.lock().await.take() {
            group.mend().await;
            group.commit().await;
            group.connection.close().await.ok(); // what was promised is committed
        }
    }
}

/// Comes after those who wait already, and so commits what they write too.
async fn commit(group: Arc<Mutex<Option<Group>>>) {
    if let Some(group) = group.lock().await.as_mut() {
        group.sent_for = false;
        group.mend().await;
        group.commit().await;
    }
}

impl Group {
    async fn run(&mut self, statement: &'static str) -> Result<(), Error> {
        // Kept prepared, as a raw one is not.
        sqlx::query(statement).execute(&mut self.connection).await.map(|_| ())
    }

    /// Takes back what was left without an end.
    async fn mend(&mut self) {
        if self.state == State::Opening {
            self.run("ROLLBACK").await.ok(); // there may be nothing to take back
            (self.state, self.last) = (State::Idle, None);
        }
        if std::mem::take(&mut self.torn)
            && self.state == State::Open
            && let Err(error) = self.take_back().await
        {
            // A full disk takes the whole transaction back by itself, and with it what the others wrote.
            self.end(Err(error)).await;
        }
    }

    async fn take_back(&mut self) -> Result<(), Error> {
        let Some(last) = self.last.take() else { return Ok(()) };
        self.run(last.take_back()).await
    }

    async fn commit(&mut self) {
        if self.state == State::Open {
            let committed = self.run("COMMIT").await;
            self.end(committed).await;
        }
    }

    /// Tells the members how it ended.
    async fn end(&mut self, outcome: Result<(), Error>) {
        if outcome.is_err() {
            self.run("ROLLBACK").await.ok(); // it may be gone already
        }
        (self.state, self.last) = (State::Idle, None);
        let outcome = outcome.map_err(|error| error.to_string());
        for member in self.members.drain(..) {
            let _ = member.send(outcome.clone()); // nobody may be waiting any more
        }
    }
}

impl Tx {
    /// Comes back when what was written survives a power cut.
    ///
    /// # Errors
    /// Nothing of it was kept, or it is not known: the ledger cannot be written.
    pub(super) async fn commit(self) -> Result<(), Error> {
        let told = self.leave();
        match told.await {
            Ok(outcome) => outcome.map_err(Error::Protocol),
            Err(_) => Err(Error::PoolClosed),
        }
    }

    /// Gives the turn away, with what was written.
    fn leave(mut self) -> oneshot::Receiver<Result<(), String>> {
        self.unfinished = false;
        let (tell, told) = oneshot::channel();
        self.group.members.push(tell);
        told
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        self.group.torn |= self.unfinished;
        if self.group.state == State::Idle || self.group.sent_for {
            return;
        }
        // Without a runtime the process is at its end, and the connection with it.
        if let Ok(runtime) = Handle::try_current() {
            self.group.sent_for = true;
            runtime.spawn(commit(self.all.clone()));
        }
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.group.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.group.connection
    }
}

#[cfg(test)]
mod tests;
