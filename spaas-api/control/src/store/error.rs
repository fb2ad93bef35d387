//! Why the store did not do what it was asked.

/// By what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed it first: read it again. `current` is its number now, 0 if it is gone.
    #[error("it was changed in the meantime and is at {current} now")]
    Conflict {
        /// The resource version, or the goal, that it is at.
        current: i64,
    },
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// Something is there that must not be: one of the same name, a run that has not ended,
    /// contents of a namespace, a removal under way.
    #[error("{0}")]
    Exists(String),
    /// What is stored cannot be read: a person must look.
    #[error("the store holds something that cannot be read: {0}")]
    Corrupt(String),
    /// The database does not answer; trying again may help.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// What the store's functions return.
pub(super) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// SQLite's `SQLITE_CORRUPT` and `SQLITE_NOTADB`, the low bytes of its result codes.
const SQLITE_BROKEN: [u32; 2] = [11, 26];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let words = error.to_string();
        match &error {
            E::Database(inner) if inner.is_unique_violation() => Self::Exists(words),
            // PostgreSQL's codes have five characters, those of SQLite fewer.
            E::Database(inner) => match inner.code().filter(|code| code.len() < 5) {
                Some(code)
                    if code.parse().is_ok_and(|c: u32| SQLITE_BROKEN.contains(&(c & 0xff))) =>
                {
                    Self::Corrupt(words)
                }
                _ => Self::Unavailable(words),
            },
            E::ColumnDecode { .. } | E::Decode(_) | E::ColumnNotFound(_) | E::AnyDriverError(_) => {
                Self::Corrupt(words)
            }
            _ => Self::Unavailable(words),
        }
    }
}
