//! A page of changes as JSON, as JSON lines, or as events.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::token::Token;
use crate::store::{Changed, Changes};

/// A key that changed and what it is now; without `row` it was deleted.
#[derive(Serialize)]
struct Item<'a> {
    key: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'a RawValue>,
    /// Set when the key was deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

/// The last line of a page.
#[derive(Serialize)]
pub(super) struct Tail {
    /// What to ask with next.
    pub(super) next: String,
    /// Whether there is more now.
    pub(super) more: bool,
}

/// Changes and where they end.
pub(super) struct Page {
    items: Vec<String>,
    pub(super) tail: Tail,
    /// Where the next page begins.
    pub(super) places: BTreeMap<i32, i64>,
    pub(super) generation: u32,
}

impl Page {
    pub(super) fn new(changes: Changes, now_ms: i64) -> Self {
        let token =
            Token { generation: changes.generation, given_ms: now_ms, next: changes.next.clone() };
        Self {
            // A record that is no JSON is nobody's row.
            items: changes.items.iter().filter_map(item).collect(),
            tail: Tail { next: token.to_string(), more: changes.more },
            places: changes.next,
            generation: changes.generation,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// `{"changes":[…],"next":…,"more":…}`
    pub(super) fn json(&self) -> String {
        let items = self.items.join(",");
        format!("{{\"changes\":[{items}],{}", &tail(&self.tail)[1..])
    }

    /// A line for each change and one for the tail.
    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            text.push_str(item);
            text.push('\n');
        }
        text.push_str(&tail(&self.tail));
        text.push('\n');
        text
    }

    /// The changes, each without a line break, and the id after the last.
    pub(super) fn events(self) -> (Vec<String>, String) {
        (self.items, self.tail.next)
    }
}

fn tail(tail: &Tail) -> String {
    serde_json::to_string(tail).expect("text only")
}

fn item(changed: &Changed) -> Option<String> {
    let row = match &changed.row {
        Some(row) => Some(serde_json::from_slice::<&RawValue>(row).ok()?),
        None => None,
    };
    let key = serde_json::from_slice::<&RawValue>(&changed.key).ok()?;
    let text = serde_json::to_string(&Item { key, row, deleted: row.is_none() });
    // Pretty-printed rows would break lines.
    text.ok().map(|text| if text.contains('\n') { text.replace('\n', " ") } else { text })
}
