//! Events: written with what they tell of, read from one number on.

use std::fmt::Write as _;

use sqlx::any::AnyRow;

use crate::model::{Event, EventKind, Kind};

use super::database::{Store, Write, sql};
use super::error::Result;
use super::row::{clean, number, text, word, word_of};

/// An event that has no number yet.
#[derive(Debug, Clone, Copy)]
pub struct Happening<'a> {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How serious.
    pub level: EventKind,
    /// Namespace of what it is about.
    pub ns: &'a str,
    /// Kind of what it is about, as manifests write it.
    pub kind: &'a str,
    /// Name of what it is about.
    pub name: &'a str,
    /// One word for programs.
    pub what: &'a str,
    /// For a person.
    pub message: &'a str,
    /// Who made it happen.
    pub author: &'a str,
}

/// Which events.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventFilter<'a> {
    /// Of this namespace only.
    pub ns: Option<&'a str>,
    /// Of this kind only.
    pub kind: Option<Kind>,
    /// Of this name only.
    pub name: Option<&'a str>,
}

impl Store {
    /// Writes down what happened. Returns its number.
    ///
    /// # Errors
    /// [`super::StoreError::Unavailable`].
    pub async fn add_event(&self, happening: &Happening<'_>) -> Result<i64> {
        let mut write = self.write().await?;
        let seq = note(&mut write, happening).await?;
        write.commit().await?;
        Ok(seq)
    }

    /// Events after the number `after`, the oldest first.
    ///
    /// # Errors
    /// [`super::StoreError::Corrupt`], [`super::StoreError::Unavailable`].
    pub async fn events(
        &self,
        filter: EventFilter<'_>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let mut statement = "SELECT seq, at_ms, level, namespace, kind, name, what, message, \
            author FROM events WHERE seq > $1"
            .to_owned();
        let kind = filter.kind.map(Kind::as_str);
        let wanted = [("namespace", filter.ns), ("kind", kind), ("name", filter.name)];
        let mut values = Vec::new();
        for (column, value) in wanted {
            if let Some(value) = value {
                values.push(value);
                write!(statement, " AND {column} = ${}", values.len() + 2)
                    .expect("memory takes all text");
            }
        }
        statement.push_str(" ORDER BY seq LIMIT $2");
        let mut query = sqlx::query(sql(statement)).bind(after).bind(i64::from(limit));
        for value in values {
            query = query.bind(value);
        }
        query.fetch_all(self.pool()).await?.iter().map(event).collect()
    }

    /// The number of the newest event; 0 if there is none.
    ///
    /// # Errors
    /// As [`Store::events`].
    pub async fn last_event(&self) -> Result<i64> {
        let row = sqlx::query("SELECT COALESCE(MAX(seq), 0) AS seq FROM events")
            .fetch_one(self.pool())
            .await?;
        number(&row, "seq")
    }
}

/// Writes down what happened, in the transaction of what it tells of. Its number is also the
/// resource version of what changed: both only grow.
pub(super) async fn note(write: &mut Write<'_>, happening: &Happening<'_>) -> Result<i64> {
    const ADD: &str = "INSERT INTO events (seq, at_ms, level, namespace, kind, name, what, \
        message, author) SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8 \
        FROM events RETURNING seq";
    let row = sqlx::query(ADD)
        .bind(happening.at_ms)
        .bind(word_of(&happening.level))
        .bind(happening.ns)
        .bind(happening.kind)
        .bind(happening.name)
        .bind(happening.what)
        .bind(clean(happening.message))
        .bind(clean(happening.author))
        .fetch_one(&mut *write.tx)
        .await?;
    number(&row, "seq")
}

fn event(row: &AnyRow) -> Result<Event> {
    Ok(Event {
        seq: number(row, "seq")?,
        at_ms: number(row, "at_ms")?,
        level: word(row, "level")?,
        namespace: text(row, "namespace")?,
        kind: text(row, "kind")?,
        name: text(row, "name")?,
        what: text(row, "what")?,
        message: text(row, "message")?,
        author: text(row, "author")?,
    })
}
