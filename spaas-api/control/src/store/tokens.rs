//! Tokens: who may do what. Of a secret there is only its hash.

use std::fmt;

use sqlx::any::AnyRow;

use crate::model::TokenInfo;

use super::database::Store;
use super::error::{Result, StoreError};
use super::page::{Page, Paged};
use super::row::{clean, json, number, number_or_null, text, written};

/// A token as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// What may be shown.
    pub info: TokenInfo,
    /// Of its secret, in hexadecimal digits.
    pub hash: String,
}

impl fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredToken").field("info", &self.info).finish_non_exhaustive()
    }
}

const COLUMNS: &str = "SELECT id, hash, name, bindings, created_ms, expires_ms, last_used_ms";

impl Store {
    /// Keeps a token.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the id is taken.
    pub async fn add_token(&self, info: &TokenInfo, hash: &str) -> Result<()> {
        const ADD: &str = "INSERT INTO tokens (id, hash, name, bindings, created_ms, expires_ms, \
            last_used_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let mut write = self.write().await?;
        sqlx::query(ADD)
            .bind(info.id.as_str())
            .bind(hash)
            .bind(clean(&info.name))
            .bind(written(&info.bindings))
            .bind(info.created_ms)
            .bind(info.expires_ms)
            .bind(info.last_used_ms)
            .execute(&mut *write.tx)
            .await?;
        write.commit().await
    }

    /// All tokens, by id.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn tokens(&self, page: &Page) -> Result<Paged<TokenInfo>> {
        let statement = format!("{COLUMNS} FROM tokens WHERE id > $1 ORDER BY id LIMIT $2");
        let rows = sqlx::query(super::database::sql(statement))
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(page.rows())
            .fetch_all(self.pool())
            .await?;
        let found = rows.iter().map(token).collect::<Result<Vec<_>>>()?;
        Ok(page.cut(found, |t| t.info.id.clone()).map(|t| t.info))
    }

    /// The token, if there is one of that id.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn token_by_id(&self, id: &str) -> Result<Option<StoredToken>> {
        let row = sqlx::query(super::database::sql(format!("{COLUMNS} FROM tokens WHERE id = $1")))
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(token).transpose()
    }

    /// Removes the token: from now on it opens nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn remove_token(&self, id: &str) -> Result<()> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM tokens WHERE id = $1")
            .bind(id)
            .execute(&mut *write.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("token {id}")));
        }
        write.commit().await
    }

    /// Says when the token was last used. A later time that is known already stays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn touch_token(&self, id: &str, now_ms: i64) -> Result<()> {
        const TOUCH: &str = "UPDATE tokens SET last_used_ms = $2 \
            WHERE id = $1 AND (last_used_ms IS NULL OR last_used_ms < $2)";
        let mut write = self.write().await?;
        sqlx::query(TOUCH).bind(id).bind(now_ms).execute(&mut *write.tx).await?;
        write.commit().await
    }
}

fn token(row: &AnyRow) -> Result<StoredToken> {
    Ok(StoredToken {
        info: TokenInfo {
            id: text(row, "id")?,
            name: text(row, "name")?,
            bindings: json(row, "bindings")?,
            created_ms: number(row, "created_ms")?,
            expires_ms: number_or_null(row, "expires_ms")?,
            last_used_ms: number_or_null(row, "last_used_ms")?,
        },
        hash: text(row, "hash")?,
    })
}
