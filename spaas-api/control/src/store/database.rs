//! The database: opened, set up, and written to by one at a time.

use std::fmt;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::{Any, AnyPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection, Executor, Transaction};
use tokio::sync::{Mutex, MutexGuard, watch};

use millrace_events::{Clock, SystemClock};

use super::error::{Result, StoreError};
use super::migrate;

/// Longest wait for a connection or for another process that writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections to a SQLite file: one writes, the others read.
const SQLITE_CONNECTIONS: u32 = 4;

/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 8;

/// Every connection to SQLite begins with these. A commit is on the disk before it is answered.
const SQLITE_SETUP: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; \
    PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// Every connection to PostgreSQL begins with these: a writer that was cut off does not hold up
/// the others for long.
const POSTGRES_SETUP: &str = "SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '30s'; SET synchronous_commit = 'on';";

/// Taken, until the transaction ends, by whoever writes to PostgreSQL ("millrace" in ASCII).
const POSTGRES_TURN: &str = "SELECT pg_advisory_xact_lock(7883957563009557349)";

/// Which database it is. The statements are the same; locks and set-up are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// Goal state, its history, and who may change it. Clones share one database.
///
/// Writes happen one after the other, also when several processes share a PostgreSQL: each is one
/// transaction that sees all before it, so numbers grow in the order in which changes take effect,
/// and whoever reads on from a number misses nothing.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: AnyPool,
    dialect: Dialect,
    turn: Mutex<()>,
    changed: watch::Sender<u64>,
}

impl fmt::Debug for Store {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dialect", &self.inner.dialect).finish_non_exhaustive()
    }
}

/// A transaction that may write. Dropped without [`Write::commit`] it leaves nothing behind.
pub(super) struct Write<'a> {
    pub(super) tx: Transaction<'static, Any>,
    _turn: MutexGuard<'a, ()>,
}

struct Wake<'a>(&'a watch::Sender<u64>);

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Write<'_> {
    pub(super) async fn commit(self) -> Result<()> {
        Ok(self.tx.commit().await?)
    }
}

impl Store {
    /// Opens `sqlite:PATH?mode=rwc`, `sqlite::memory:` or `postgres://…` and brings its tables up
    /// to date. A file is made readable by its owner only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not answer, or was written by a newer version;
    /// [`StoreError::Corrupt`] if it is not a database or not one of this program.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_at(url, SystemClock::default().now_ms()).await
    }

    /// As [`Store::open`], at a given time.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_at(url: &str, now_ms: i64) -> Result<Self> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let dialect = if url.starts_with("sqlite:") { Dialect::Sqlite } else { Dialect::Postgres };
        let (setup, connections) = match dialect {
            Dialect::Sqlite => (SQLITE_SETUP, sqlite_file(url)?),
            Dialect::Postgres => (POSTGRES_SETUP, POSTGRES_CONNECTIONS),
        };
        // A pool tries again and again and in the end says only that time is up.
        let mut first = AnyConnection::connect(url).await?;
        first.execute(sqlx::raw_sql(setup)).await?;
        first.close().await?;
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(PATIENCE)
            // A database in memory lives as long as its one connection.
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    let connection: &mut AnyConnection = connection;
                    connection.execute(sqlx::raw_sql(setup)).await.map(|_| ())
                })
            })
            .connect(url)
            .await?;
        let changed = watch::Sender::new(0);
        let store =
            Self { inner: Arc::new(Inner { pool, dialect, turn: Mutex::new(()), changed }) };
        migrate::migrate(&store, now_ms).await?;
        store.ensure_namespace("default", now_ms).await?;
        Ok(store)
    }

    /// Grows with every change of a resource or a goal that this process makes.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// Ends all connections, so that nothing is left to be written to the file.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    /// Commits a change of a resource or a goal. Whoever waits for one is woken also when nobody
    /// waits for this any more: the commit may be under way.
    pub(super) async fn commit_and_wake(&self, write: Write<'_>) -> Result<()> {
        let _wake = Wake(&self.inner.changed);
        write.commit().await
    }

    pub(super) fn pool(&self) -> &AnyPool {
        &self.inner.pool
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// Waits for its turn and begins a transaction.
    pub(super) async fn write(&self) -> Result<Write<'_>> {
        let turn = self.inner.turn.lock().await;
        let pool = self.pool();
        let tx = match self.inner.dialect {
            // Not deferred: two that read first and write later would be told "busy" at once.
            Dialect::Sqlite => pool.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => {
                let mut tx = pool.begin().await?;
                tx.execute(sqlx::raw_sql(POSTGRES_TURN)).await?;
                tx
            }
        };
        Ok(Write { tx, _turn: turn })
    }
}

/// Makes the file for its owner only, before anything is in it. Returns how many connections may
/// share it.
fn sqlite_file(url: &str) -> Result<u32> {
    let options = SqliteConnectOptions::from_str(url)?;
    let path = options.get_filename();
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Ok(1);
    }
    owner_only(path)
        .map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))
        .map(|()| SQLITE_CONNECTIONS)
}

fn owner_only(path: &Path) -> std::io::Result<()> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// A statement put together of constant pieces.
pub(super) fn sql(pieces: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(pieces)
}
