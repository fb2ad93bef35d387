//! Jobs as the reconciler sees them, and what it says of them.

use sqlx::any::AnyRow;

use crate::model::{JobGoal, JobStatus, Kind, Resource, RunRecord};

use super::database::{Store, Write, sql};
use super::error::{Result, StoreError};
use super::resources::{COLUMNS, named, resource};
use super::row::{json, json_or_null, written};

/// A job with all that a decision about it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// The job.
    pub resource: Resource,
    /// What is wanted of it.
    pub goal: JobGoal,
    /// What was last said of it.
    pub status: Option<JobStatus>,
    /// Its newest run, ended or not; not one of an earlier job of this name.
    pub run: Option<RunRecord>,
}

/// The status of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusOf {
    /// Namespace of the job.
    pub ns: String,
    /// Name of the job.
    pub job: String,
    /// Its status.
    pub status: JobStatus,
}

/// What follows the columns of a job's row.
const JOIN: &str = "g.body AS goal_body, s.body AS status_body, n.body AS run_body \
    FROM resources r \
    LEFT JOIN goals g ON g.uid = r.uid \
    LEFT JOIN statuses s ON s.uid = r.uid \
    LEFT JOIN runs n ON n.seq = (SELECT MAX(x.seq) FROM runs x WHERE x.uid = r.uid) \
    WHERE r.kind = 'Job'";

impl Store {
    /// All jobs, by namespace and name, as they are at one moment.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn jobs(&self) -> Result<Vec<JobRow>> {
        let statement = format!("SELECT {COLUMNS}, {JOIN} ORDER BY r.namespace, r.name");
        sqlx::query(sql(statement)).fetch_all(self.pool()).await?.iter().map(job_row).collect()
    }

    /// One job, if there is one, as [`Store::jobs`] gives it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn job(&self, ns: &str, job: &str) -> Result<Option<JobRow>> {
        let statement = format!("SELECT {COLUMNS}, {JOIN} AND r.namespace = $1 AND r.name = $2");
        let row =
            sqlx::query(sql(statement)).bind(ns).bind(job).fetch_optional(self.pool()).await?;
        row.as_ref().map(job_row).transpose()
    }

    /// What was last said of the job.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn status(&self, ns: &str, job: &str) -> Result<Option<JobStatus>> {
        const STATUS: &str = "SELECT s.body FROM statuses s JOIN resources r ON r.uid = s.uid \
            WHERE r.namespace = $1 AND r.kind = 'Job' AND r.name = $2";
        let row = sqlx::query(STATUS).bind(ns).bind(job).fetch_optional(self.pool()).await?;
        row.as_ref().map(|row| json(row, "body")).transpose()
    }

    /// Says how the job is doing. Its resource version stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without the job.
    pub async fn put_status(&self, ns: &str, job: &str, status: &JobStatus) -> Result<()> {
        let mut write = self.write().await?;
        if !save_status(&mut write, ns, job, status).await? {
            return Err(StoreError::NotFound(named(ns, Kind::Job, job)));
        }
        write.commit().await
    }

    /// Says how many jobs are doing, with one wait for the disk. Jobs that are gone are skipped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn put_statuses(&self, statuses: &[StatusOf]) -> Result<()> {
        if statuses.is_empty() {
            return Ok(());
        }
        let mut write = self.write().await?;
        for StatusOf { ns, job, status } in statuses {
            save_status(&mut write, ns, job, status).await?;
        }
        write.commit().await
    }
}

async fn save_status(
    write: &mut Write<'_>,
    ns: &str,
    job: &str,
    status: &JobStatus,
) -> Result<bool> {
    const SAVE: &str = "INSERT INTO statuses (uid, body) SELECT r.uid, $3 FROM resources r \
        WHERE r.namespace = $1 AND r.kind = 'Job' AND r.name = $2 \
        ON CONFLICT (uid) DO UPDATE SET body = excluded.body";
    let done =
        sqlx::query(SAVE).bind(ns).bind(job).bind(written(status)).execute(&mut *write.tx).await?;
    Ok(done.rows_affected() > 0)
}

fn job_row(row: &AnyRow) -> Result<JobRow> {
    let resource = resource(row)?;
    let m = &resource.metadata;
    let words = named(&m.namespace, Kind::Job, &m.name);
    let place = |e: StoreError| match e {
        StoreError::Corrupt(what) => StoreError::Corrupt(format!("{words}: {what}")),
        other => other,
    };
    Ok(JobRow {
        goal: json(row, "goal_body").map_err(place)?,
        status: json_or_null(row, "status_body").map_err(place)?,
        run: json_or_null(row, "run_body").map_err(place)?,
        resource,
    })
}
