//! Runs of jobs: one at a time.

use crate::model::RunRecord;

use super::database::Store;
use super::error::{Result, StoreError};
use super::page::{Page, Paged};
use super::row::{json, number, word_of, written};

impl Store {
    /// Records a run before it is started. Of one job (namespace and name), no two runs are there
    /// that have not ended.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if another run of the job has not ended, or the id is taken.
    pub async fn add_run(&self, run: &RunRecord) -> Result<()> {
        const ADD: &str = "INSERT INTO runs (seq, id, namespace, job, uid, state, body) \
            SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4, $5, $6 FROM runs";
        let mut write = self.write().await?;
        let added = sqlx::query(ADD)
            .bind(run.id.as_str())
            .bind(run.namespace.as_str())
            .bind(run.job.as_str())
            .bind(run.uid.as_str())
            .bind(word_of(&run.state))
            .bind(written(run))
            .execute(&mut *write.tx)
            .await;
        match added.map_err(StoreError::from) {
            Ok(_) => write.commit().await,
            Err(StoreError::Exists(_)) => Err(StoreError::Exists(format!(
                "another run of {}/{} has not ended, or run {} is recorded already",
                run.namespace, run.job, run.id
            ))),
            Err(other) => Err(other),
        }
    }

    /// Replaces what is known of the run. One that has ended stays so.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without the run; [`StoreError::Exists`] if it has ended and the
    /// record says that it has not.
    pub async fn update_run(&self, run: &RunRecord) -> Result<()> {
        const UPDATE: &str = "UPDATE runs SET state = $2, body = $3 WHERE id = $1 \
            AND namespace = $4 AND job = $5 AND (state <> 'ended' OR $2 = 'ended')";
        let mut write = self.write().await?;
        let done = sqlx::query(UPDATE)
            .bind(run.id.as_str())
            .bind(word_of(&run.state))
            .bind(written(run))
            .bind(run.namespace.as_str())
            .bind(run.job.as_str())
            .execute(&mut *write.tx)
            .await?;
        if done.rows_affected() > 0 {
            return write.commit().await;
        }
        drop(write);
        match self.run(&run.id).await? {
            Some(_) => Err(StoreError::Exists(format!("run {} has ended", run.id))),
            None => Err(StoreError::NotFound(format!("run {}", run.id))),
        }
    }

    /// The run, if there is one of that id.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn run(&self, id: &str) -> Result<Option<RunRecord>> {
        let row = sqlx::query("SELECT body FROM runs WHERE id = $1")
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(|row| json(row, "body")).transpose()
    }

    /// The newest run of the job (also of the router or the broker), ended or not.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn newest_run(&self, ns: &str, job: &str) -> Result<Option<RunRecord>> {
        let page = Page { after: None, limit: 1 };
        Ok(self.runs(ns, job, &page).await?.items.pop())
    }

    /// All runs that have not ended, also of the router and the broker, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn runs_alive(&self) -> Result<Vec<RunRecord>> {
        sqlx::query("SELECT body FROM runs WHERE state <> 'ended' ORDER BY seq")
            .fetch_all(self.pool())
            .await?
            .iter()
            .map(|row| json(row, "body"))
            .collect()
    }

    /// The runs of the job, the newest first; also those of an earlier job of this name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if `page.after` is not of a page of this list.
    pub async fn runs(&self, ns: &str, job: &str, page: &Page) -> Result<Paged<RunRecord>> {
        const RUNS: &str = "SELECT seq, body FROM runs WHERE namespace = $1 AND job = $2 \
            AND seq < $3 ORDER BY seq DESC LIMIT $4";
        let rows = sqlx::query(RUNS)
            .bind(ns)
            .bind(job)
            .bind(page.after_number(i64::MAX)?)
            .bind(page.rows())
            .fetch_all(self.pool())
            .await?;
        let of = |row| Ok((number(row, "seq")?, json(row, "body")?));
        let found = rows.iter().map(of).collect::<Result<Vec<(i64, RunRecord)>>>()?;
        Ok(page.cut(found, |(seq, _)| seq.to_string()).map(|(_, run)| run))
    }
}
