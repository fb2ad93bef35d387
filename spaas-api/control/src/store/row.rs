//! Rows into values: what does not fit is [`StoreError::Corrupt`], with the place it was found at.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};

pub(super) fn text(row: &AnyRow, column: &str) -> Result<String> {
    Ok(row.try_get(column)?)
}

pub(super) fn text_or_null(row: &AnyRow, column: &str) -> Result<Option<String>> {
    Ok(row.try_get(column)?)
}

pub(super) fn number(row: &AnyRow, column: &str) -> Result<i64> {
    Ok(row.try_get(column)?)
}

pub(super) fn number_or_null(row: &AnyRow, column: &str) -> Result<Option<i64>> {
    Ok(row.try_get(column)?)
}

pub(super) fn json<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T> {
    parse(column, &text(row, column)?)
}

pub(super) fn json_or_null<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<Option<T>> {
    text_or_null(row, column)?.map(|text| parse(column, &text)).transpose()
}

/// Of an enum whose JSON is one word, that word as a column holds it.
pub(super) fn word<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T> {
    let word = text(row, column)?;
    serde_json::from_value(word.into()).map_err(|e| StoreError::Corrupt(format!("{column}: {e}")))
}

fn parse<T: DeserializeOwned>(column: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("{column}: {e}")))
}

/// As JSON text.
pub(super) fn written<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("text keys and finite numbers only")
}

/// The word of an enum whose JSON is one word.
pub(super) fn word_of<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("an enum of words, not {other:?}"),
    }
}

/// What people write, without NUL, which PostgreSQL does not store.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
