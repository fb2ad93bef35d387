//! Tables, brought up to date when the store is opened.

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Executor};

use super::database::{Dialect, Store};
use super::error::{Result, StoreError};
use super::row::{number, text};

/// In order; a migration that has been released never changes.
const MIGRATIONS: [(&str, &str); 1] =
    [("goal_state", include_str!("../../migrations/0001_goal_state.sql"))];

const DONE: &str = "CREATE TABLE IF NOT EXISTS migrations (number BIGINT NOT NULL PRIMARY KEY, \
    name TEXT NOT NULL, hash TEXT NOT NULL, at_ms BIGINT NOT NULL)";

/// Applies, in one transaction, the migrations that are missing.
pub(super) async fn migrate(store: &Store, now_ms: i64) -> Result<()> {
    let mut write = store.write().await?;
    write.tx.execute(DONE).await?;
    let rows = sqlx::query("SELECT number, name, hash FROM migrations ORDER BY number")
        .fetch_all(&mut *write.tx)
        .await?;
    if rows.len() > MIGRATIONS.len() {
        return Err(StoreError::Unavailable(format!(
            "it has {} migrations and this version knows {}: a newer one has written it",
            rows.len(),
            MIGRATIONS.len()
        )));
    }
    for (row, (name, statements)) in rows.iter().zip(MIGRATIONS) {
        if text(row, "hash")? != hash(statements) {
            let (number, stored) = (number(row, "number")?, text(row, "name")?);
            return Err(StoreError::Corrupt(format!(
                "migration {number} is {stored}, which is not {name} as this version knows it"
            )));
        }
    }
    for (at, (name, statements)) in MIGRATIONS.iter().enumerate().skip(rows.len()) {
        let ours = statements_for(store.dialect(), statements);
        write.tx.execute(sqlx::raw_sql(AssertSqlSafe(ours))).await?;
        sqlx::query("INSERT INTO migrations (number, name, hash, at_ms) VALUES ($1, $2, $3, $4)")
            .bind(i64::try_from(at + 1).unwrap_or(i64::MAX))
            .bind(*name)
            .bind(hash(statements))
            .bind(now_ms)
            .execute(&mut *write.tx)
            .await?;
    }
    write.commit().await
}

/// SQLite compares text by its bytes; PostgreSQL must be told to, or pages would be in the order of
/// a language.
fn statements_for(dialect: Dialect, statements: &str) -> String {
    match dialect {
        Dialect::Sqlite => statements.to_owned(),
        Dialect::Postgres => statements
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .map(|line| line.replace(" TEXT", " TEXT COLLATE \"C\"") + "\n")
            .collect(),
    }
}

fn hash(statements: &str) -> String {
    hex::encode(Sha256::digest(statements))
}
