//! Savepoints: what is known of them; the files are in the object store.

use crate::model::Savepoint;

use super::database::Store;
use super::error::{Result, StoreError};
use super::page::{Page, Paged};
use super::row::{json, number, written};

impl Store {
    /// Records a savepoint that was asked for.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the id is taken.
    pub async fn add_savepoint(&self, savepoint: &Savepoint) -> Result<()> {
        const ADD: &str = "INSERT INTO savepoints (seq, id, namespace, job, body) \
            SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4 FROM savepoints";
        let mut write = self.write().await?;
        let added = sqlx::query(ADD)
            .bind(savepoint.id.as_str())
            .bind(savepoint.namespace.as_str())
            .bind(savepoint.job.as_str())
            .bind(written(savepoint))
            .execute(&mut *write.tx)
            .await;
        match added.map_err(StoreError::from) {
            Ok(_) => write.commit().await,
            Err(StoreError::Exists(_)) => {
                Err(StoreError::Exists(format!("savepoint {} exists", savepoint.id)))
            }
            Err(other) => Err(other),
        }
    }

    /// Replaces what is known of the savepoint.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn update_savepoint(&self, savepoint: &Savepoint) -> Result<()> {
        let mut write = self.write().await?;
        let done = sqlx::query("UPDATE savepoints SET body = $2 WHERE id = $1")
            .bind(savepoint.id.as_str())
            .bind(written(savepoint))
            .execute(&mut *write.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("savepoint {}", savepoint.id)));
        }
        write.commit().await
    }

    /// Forgets the savepoint.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn remove_savepoint(&self, id: &str) -> Result<()> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM savepoints WHERE id = $1")
            .bind(id)
            .execute(&mut *write.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("savepoint {id}")));
        }
        write.commit().await
    }

    /// The savepoint, if there is one of that id.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn savepoint(&self, id: &str) -> Result<Option<Savepoint>> {
        let row = sqlx::query("SELECT body FROM savepoints WHERE id = $1")
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(|row| json(row, "body")).transpose()
    }

    /// The savepoints of the job, the newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `page.after` is not of a page of this list.
    pub async fn savepoints(&self, ns: &str, job: &str, page: &Page) -> Result<Paged<Savepoint>> {
        const SAVEPOINTS: &str = "SELECT seq, body FROM savepoints WHERE namespace = $1 \
            AND job = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4";
        let rows = sqlx::query(SAVEPOINTS)
            .bind(ns)
            .bind(job)
            .bind(page.after_number(i64::MAX)?)
            .bind(page.rows())
            .fetch_all(self.pool())
            .await?;
        let of = |row| Ok((number(row, "seq")?, json(row, "body")?));
        let found = rows.iter().map(of).collect::<Result<Vec<(i64, Savepoint)>>>()?;
        Ok(page.cut(found, |(seq, _)| seq.to_string()).map(|(_, savepoint)| savepoint))
    }
}
