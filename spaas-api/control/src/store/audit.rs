//! The audit log: every request that changed something or was refused. Nothing of it is deleted.

use sqlx::any::AnyRow;

use crate::model::AuditEntry;

use super::database::Store;
use super::error::{Result, StoreError};
use super::row::{clean, number, text, text_or_null};

impl Store {
    /// Writes down a request; the entry's own `seq` does not matter. Returns its number.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn add_audit(&self, entry: &AuditEntry) -> Result<i64> {
        const ADD: &str = "INSERT INTO audit (seq, at_ms, actor, method, path, status, reason) \
            SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4, $5, $6 FROM audit RETURNING seq";
        let mut write = self.write().await?;
        let row = sqlx::query(ADD)
            .bind(entry.at_ms)
            .bind(clean(&entry.actor))
            .bind(clean(&entry.method))
            .bind(clean(&entry.path))
            .bind(i64::from(entry.status))
            .bind(entry.reason.as_deref().map(clean))
            .fetch_one(&mut *write.tx)
            .await?;
        let seq = number(&row, "seq")?;
        write.commit().await?;
        Ok(seq)
    }

    /// Entries after the number `after`, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditEntry>> {
        const AUDIT: &str = "SELECT seq, at_ms, actor, method, path, status, reason FROM audit \
            WHERE seq > $1 ORDER BY seq LIMIT $2";
        sqlx::query(AUDIT)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?
            .iter()
            .map(entry)
            .collect()
    }
}

fn entry(row: &AnyRow) -> Result<AuditEntry> {
    let status = number(row, "status")?;
    Ok(AuditEntry {
        seq: number(row, "seq")?,
        at_ms: number(row, "at_ms")?,
        actor: text(row, "actor")?,
        method: text(row, "method")?,
        path: text(row, "path")?,
        status: u16::try_from(status)
            .map_err(|_| StoreError::Corrupt(format!("audit: status {status}")))?,
        reason: text_or_null(row, "reason")?,
    })
}
