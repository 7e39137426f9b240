//! The embedded engine: one writer thread that groups commits, and a few readers.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::engine::{Durability, WorkFuture};
use super::session::Connection;
use super::writer_state::WriterState;
use super::{Committed, Session, StoreError, Tx, migrate};
use crate::metrics::StoreMetrics;

/// Most units of work that one commit makes durable together.
const GROUP_SIZE: usize = 512;
/// Connections for reading.
const READERS: usize = 4;
/// Pages that a reader keeps at most: the inner pages of the indexes of a million rows.
const READER_CACHE_KIB: u32 = 8_192;
/// How often a new file is tried, and the pause in between: five seconds, as for everything else.
const OPEN_ATTEMPTS: u32 = 500;
const OPEN_PAUSE: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub(super) struct SqliteEngine {
    writer: mpsc::Sender<Message>,
    readers: Arc<Readers>,
    state: Arc<WriterState>,
}

/// What the writer is asked to do.
enum Message {
    Work(Box<dyn Job>),
    /// Moves the log into the database file.
    Checkpoint(oneshot::Sender<Result<(), StoreError>>),
}

struct Readers {
    idle: Mutex<Vec<Session>>,
    permits: Arc<Semaphore>,
}

impl SqliteEngine {
    pub(super) async fn open(
        path: PathBuf,
        durability: Durability,
        schema: i64,
        metrics: &Arc<StoreMetrics>,
    ) -> Result<Self, StoreError> {
        create_private(&path).map_err(StoreError::unavailable)?;
        let mut writer = Session::new(Connection::Sqlite(open_file(&path, durability)?), Arc::clone(metrics), true);
        migrate::run_sqlite(&mut writer, schema).await?;
        let idle: Result<Vec<Session>, StoreError> =
            (0..READERS).map(|_| Ok(Session::new(Connection::Sqlite(open_reader(&path)?), Arc::clone(metrics), false))).collect();
        let (sender, messages) = mpsc::channel(GROUP_SIZE * 2);
        let metrics = Arc::clone(metrics);
        let state = Arc::new(WriterState::default());
        let own = Arc::clone(&state);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write_groups(Tx::new(writer), messages, durability, (&metrics, &own)))
            .map_err(StoreError::unavailable)?;
        let readers = Readers { idle: Mutex::new(idle?), permits: Arc::new(Semaphore::new(READERS)) };
        Ok(Self { writer: sender, readers: Arc::new(readers), state })
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> WorkFuture<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = WriteJob { work: Some(work), result: None, reply: Some(reply) };
        self.send(Message::Work(Box::new(job))).await?;
        answer.await.unwrap_or_else(|_| Err(StoreError::internal("a unit of work panicked").into()))
    }

    /// Whether what was written last was committed.
    pub(super) fn writes_work(&self) -> bool {
        self.state.works()
    }

    /// Moves what is in the write-ahead log into the database file, so that the
    /// file alone is complete.
    pub(super) async fn checkpoint(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Checkpoint(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(StoreError::internal("the writer has stopped")))
    }

    async fn send(&self, message: Message) -> Result<(), StoreError> {
        self.writer.send(message).await.map_err(|_| StoreError::unavailable("the writer has stopped"))
    }

    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Session) -> WorkFuture<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let permit = Arc::clone(&readers.permits).acquire_owned().await.map_err(StoreError::internal)?;
        // The connection and the permit are given back by the thread that uses
        // them: a caller that goes away must not take them along.
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers.with_session(|session| catch_unwind(AssertUnwindSafe(|| run_to_end(work(session)))))
        });
        let result = reading.await.map_err(StoreError::internal)??;
        result.unwrap_or_else(|_| Err(StoreError::internal("a unit of work panicked").into()))
    }
}

impl Readers {
    fn with_session<R>(&self, read: impl FnOnce(&mut Session) -> R) -> Result<R, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = idle().pop().ok_or_else(|| StoreError::internal("a reader was lost"))?;
        let result = read(&mut session);
        idle().push(session);
        Ok(result)
    }
}

/// The file holds hashes and sealed keys: its owner's alone. SQLite gives its
/// companions the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn open_file(path: &Path, durability: Durability) -> Result<rusqlite::Connection, StoreError> {
    let connection = rusqlite::Connection::open(path)?;
    let synchronous = if durability == Durability::ProcessCrash { "NORMAL" } else { "FULL" };
    connection.busy_timeout(Duration::from_secs(5))?;
    use_write_ahead_log(&connection)?;
    connection.execute_batch(&format!("PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON;"))?;
    keep_prepared(&connection)?;
    Ok(connection)
}

/// Of two that open a new file at once, both read that it has none yet and one writes so
/// first; the other is told that it is busy without the wait that everything else has.
#[expect(clippy::disallowed_methods, reason = "SQLite says nobody when the other one is done")]
fn use_write_ahead_log(connection: &rusqlite::Connection) -> Result<(), StoreError> {
    for _ in 1..OPEN_ATTEMPTS {
        match connection.execute_batch("PRAGMA journal_mode=WAL") {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => std::thread::sleep(OPEN_PAUSE),
            done => return Ok(done?),
        }
    }
    Ok(connection.execute_batch("PRAGMA journal_mode=WAL")?)
}

fn open_reader(path: &Path) -> Result<rusqlite::Connection, StoreError> {
    let connection =
        rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(&format!("PRAGMA query_only=ON; PRAGMA cache_size=-{READER_CACHE_KIB};"))?;
    keep_prepared(&connection)?;
    Ok(connection)
}

/// Without the stability guarantee SQLite prepares a statement again whenever a value is
/// bound that its plan might depend on, which is most of the cost of a short one.
fn keep_prepared(connection: &rusqlite::Connection) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// A unit of work with its reply, free of its types.
trait Job: Send {
    /// Runs inside a savepoint; says whether the savepoint is to be kept.
    fn run(&mut self, tx: &mut Tx) -> bool;
    /// Replies, once it is known whether the group was committed.
    fn reply(&mut self, committed: Result<(), StoreError>);
}

struct WriteJob<T, E, F> {
    work: Option<F>,
    result: Option<Result<Committed<T>, E>>,
    reply: Option<oneshot::Sender<Result<Committed<T>, E>>>,
}

impl<T, E, F> Job for WriteJob<T, E, F>
where
    F: for<'t> FnOnce(&'t mut Tx) -> WorkFuture<'t, T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = run_to_end(work(tx)).and_then(|value| {
            let changes = run_to_end(tx.write_changes())?;
            Ok(Committed { value, changes })
        });
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn reply(&mut self, committed: Result<(), StoreError>) {
        let result = match (self.result.take(), committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(_)) | None, Err(error)) => Err(error.into()),
            // The work panicked: dropping the reply says so.
            (None, Ok(())) => return,
        };
        if let Some(reply) = self.reply.take() {
            // The caller may have gone away; the work is done all the same.
            let _ = reply.send(result);
        }
    }
}

/// Polls a future that only awaits SQLite calls, which never suspend.
fn run_to_end<T, E: From<StoreError>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(StoreError::internal("a unit of work awaited something other than its transaction").into()),
    }
}

/// The writer: takes what is waiting, commits it together, then replies.
fn write_groups(
    mut tx: Tx,
    mut messages: mpsc::Receiver<Message>,
    durability: Durability,
    (metrics, state): (&StoreMetrics, &WriterState),
) {
    let mut waiting = Vec::with_capacity(GROUP_SIZE);
    while messages.blocking_recv_many(&mut waiting, GROUP_SIZE) > 0 {
        let mut group = Vec::new();
        let mut checkpoints = Vec::new();
        for message in waiting.drain(..) {
            match message {
                Message::Work(job) => group.push(job),
                Message::Checkpoint(reply) => checkpoints.push(reply),
            }
        }
        write_and_reply(&mut tx, &mut group, durability, (metrics, state));
        for reply in checkpoints {
            let _ = reply.send(control(&mut tx, "PRAGMA wal_checkpoint(TRUNCATE)"));
        }
    }
}

fn write_and_reply(
    tx: &mut Tx,
    group: &mut [Box<dyn Job>],
    durability: Durability,
    (metrics, state): (&StoreMetrics, &WriterState),
) {
    if group.is_empty() {
        return;
    }
    if durability == Durability::None {
        return write_replying_early(tx, group);
    }
    let committed = state.may_write().and_then(|()| write_group(tx, group, state));
    state.committed(&committed);
    if committed.is_ok() {
        metrics.committed(group.len());
    }
    for job in group {
        job.reply(committed.clone());
    }
}

fn write_group(tx: &mut Tx, group: &mut [Box<dyn Job>], state: &WriterState) -> Result<(), StoreError> {
    control(tx, "BEGIN IMMEDIATE")?;
    let ran = group.iter_mut().try_for_each(|job| run_in_savepoint(tx, job.as_mut()));
    let committed = ran.and_then(|()| control(tx, "COMMIT").inspect_err(|error| state.commit_failed(error)));
    if committed.is_err() {
        // A failed COMMIT may or may not have ended the transaction.
        let _ = control(tx, "ROLLBACK");
    }
    committed
}

fn write_replying_early(tx: &mut Tx, group: &mut [Box<dyn Job>]) {
    let begun = control(tx, "BEGIN IMMEDIATE");
    for job in group {
        let ran = begun.clone().and_then(|()| run_in_savepoint(tx, job.as_mut()));
        job.reply(ran);
    }
    let _ = control(tx, "COMMIT");
}

fn run_in_savepoint(tx: &mut Tx, job: &mut dyn Job) -> Result<(), StoreError> {
    control(tx, "SAVEPOINT work")?;
    let keep = catch_unwind(AssertUnwindSafe(|| job.run(tx))).unwrap_or(false);
    if !keep {
        tx.forget_changes();
        // A full disk or a failing one ends the whole transaction by itself: then
        // the savepoint is gone, and the reason is what the statement said.
        control(tx, "ROLLBACK TO work").map_err(|error| tx.take_failure().unwrap_or(error))?;
    }
    control(tx, "RELEASE work")
}

fn control(tx: &mut Tx, sql: &str) -> Result<(), StoreError> {
    run_to_end(tx.run(sql))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    /// A condition on a column that has a partial index too, like some of ours.
    const SCHEMA: &str = "CREATE TABLE t (id TEXT PRIMARY KEY, state TEXT); CREATE INDEX i ON t (state) WHERE state = 'active';";
    const QUERY: &str = "SELECT id FROM t WHERE state = ?1";

    fn prepared_again(connection: &rusqlite::Connection) -> i32 {
        for state in ["active", "published"] {
            let mut statement = connection.prepare_cached(QUERY).unwrap();
            statement.query([state]).unwrap().next().unwrap();
        }
        connection.prepare_cached(QUERY).unwrap().get_status(StatementStatus::RePrepare)
    }

    #[test]
    fn all_that_open_a_new_file_at_once_get_it() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let (path, start) = (folder.path().join("t.db"), std::sync::Barrier::new(8));
            std::thread::scope(|scope| {
                let open = || {
                    start.wait();
                    open_file(&path, Durability::ProcessCrash).map(drop)
                };
                let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                opened.into_iter().for_each(|opened| opened.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn other_values_do_not_make_sqlite_prepare_a_statement_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let writer = open_file(&path, Durability::ProcessCrash).unwrap();
        writer.execute_batch(SCHEMA).unwrap();
        assert_eq!((prepared_again(&writer), prepared_again(&open_reader(&path).unwrap())), (0, 0));
        let unset = rusqlite::Connection::open(&path).unwrap();
        assert!(prepared_again(&unset) > 0, "SQLite does not do this any more: the setting can go");
    }
}
