//! Savepoints: what is known of them; the files are in the object store.

use crate::model::{RunRecord, Savepoint, SavepointState};

use super::database::{Store, Write};
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

    /// Savepoints of all jobs that are neither there nor given up.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn requested_savepoints(&self) -> Result<Vec<Savepoint>> {
        // What else has these words is sorted out below.
        const LIKELY: &str =
            "SELECT body FROM savepoints WHERE body LIKE '%\"requested\"%' ORDER BY seq";
        let rows = sqlx::query(LIKELY).fetch_all(self.pool()).await?;
        let all = rows.iter().map(|row| json(row, "body")).collect::<Result<Vec<Savepoint>>>()?;
        Ok(all.into_iter().filter(|s| s.state == SavepointState::Requested).collect())
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

/// Gives up the savepoint of a stop that is not wanted any more, unless the run was told of it:
/// then the end of the run decides.
pub(super) async fn give_up(write: &mut Write<'_>, uid: &str, id: &str) -> Result<()> {
    const NEWEST: &str = "SELECT body FROM runs WHERE uid = $1 ORDER BY seq DESC LIMIT 1";
    let run = sqlx::query(NEWEST).bind(uid).fetch_optional(&mut *write.tx).await?;
    let run: Option<RunRecord> = run.as_ref().map(|row| json(row, "body")).transpose()?;
    if run.is_some_and(|run| run.savepoint.as_deref() == Some(id)) {
        return Ok(());
    }
    let found = sqlx::query("SELECT body FROM savepoints WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut *write.tx)
        .await?;
    let found: Option<Savepoint> = found.as_ref().map(|row| json(row, "body")).transpose()?;
    let Some(savepoint) = found.filter(|s| s.state == SavepointState::Requested) else {
        return Ok(());
    };
    let reason = "the stop that was to make it was taken back".to_owned();
    let given_up = Savepoint { state: SavepointState::Failed { reason }, ..savepoint };
    sqlx::query("UPDATE savepoints SET body = $2 WHERE id = $1")
        .bind(id)
        .bind(written(&given_up))
        .execute(&mut *write.tx)
        .await?;
    Ok(())
}
