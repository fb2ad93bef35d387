//! Idempotency keys: a request that is sent again gets the answer of the first.

use super::database::Store;
use super::error::{Result, StoreError};
use super::row::{json, number, number_or_null, text, written};

/// How long an answer is kept.
pub const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// After this a request without an answer counts as cut off: its process was killed.
const GIVEN_UP_MS: i64 = 2 * 60 * 1000;

/// The answer of an earlier request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotent {
    /// Nothing; it is taken now, until [`Store::finish_idempotent`] or
    /// [`Store::forget_idempotent`].
    Fresh,
    /// The same request has been answered.
    Replay(Answer),
    /// The key was used for another request.
    Mismatch,
    /// The same request is being worked on.
    InFlight,
}

impl Store {
    /// Asks for, and takes, a key of a token.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn idempotent(
        &self,
        key: &str,
        token: &str,
        request_hash: &str,
        now_ms: i64,
    ) -> Result<Idempotent> {
        const FIND: &str = "SELECT request, status, headers, body FROM idempotency \
            WHERE token = $1 AND key = $2";
        const TAKE: &str = "INSERT INTO idempotency (token, key, request, created_ms) \
            VALUES ($1, $2, $3, $4)";
        const FORGET: &str = "DELETE FROM idempotency WHERE created_ms <= $1 \
            OR (status IS NULL AND created_ms <= $2)";
        let mut write = self.write().await?;
        sqlx::query(FORGET)
            .bind(now_ms - KEPT_MS)
            .bind(now_ms - GIVEN_UP_MS)
            .execute(&mut *write.tx)
            .await?;
        let found = sqlx::query(FIND).bind(token).bind(key).fetch_optional(&mut *write.tx).await?;
        let Some(row) = found else {
            sqlx::query(TAKE)
                .bind(token)
                .bind(key)
                .bind(request_hash)
                .bind(now_ms)
                .execute(&mut *write.tx)
                .await?;
            write.commit().await?;
            return Ok(Idempotent::Fresh);
        };
        if text(&row, "request")? != request_hash {
            return Ok(Idempotent::Mismatch);
        }
        if number_or_null(&row, "status")?.is_none() {
            return Ok(Idempotent::InFlight);
        }
        let status = number(&row, "status")?;
        Ok(Idempotent::Replay(Answer {
            status: u16::try_from(status)
                .map_err(|_| StoreError::Corrupt(format!("idempotency: status {status}")))?,
            headers: json(&row, "headers")?,
            body: text(&row, "body")?,
        }))
    }

    /// Keeps the answer for whoever sends the request again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn finish_idempotent(&self, key: &str, token: &str, answer: &Answer) -> Result<()> {
        const FINISH: &str = "UPDATE idempotency SET status = $3, headers = $4, body = $5 \
            WHERE token = $1 AND key = $2";
        let mut write = self.write().await?;
        sqlx::query(FINISH)
            .bind(token)
            .bind(key)
            .bind(i64::from(answer.status))
            .bind(written(&answer.headers))
            .bind(answer.body.as_str())
            .execute(&mut *write.tx)
            .await?;
        write.commit().await
    }

    /// Gives the key back: the request did nothing and may be tried again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_idempotent(&self, key: &str, token: &str) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM idempotency WHERE token = $1 AND key = $2")
            .bind(token)
            .bind(key)
            .execute(&mut *write.tx)
            .await?;
        write.commit().await
    }
}
