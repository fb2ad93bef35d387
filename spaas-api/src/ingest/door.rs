//! The check at the door: one pass over an event's text against its stream's schema, borrowing all.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use millrace_events::{Column, ColumnType, StreamSchema};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fit;
use super::text::{Fault, Text, depth_within};

/// What ingest knows of a stream, made once.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) topic: Arc<str>,
    columns: Vec<Column>,
    by_name: HashMap<String, usize>,
    required: Vec<usize>,
    id: Option<usize>,
    key: Option<usize>,
    event_time: Option<usize>,
    max_depth: usize,
}

/// A member of an event's object that ingest cares about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member<'a> {
    /// Not there.
    Missing,
    /// There as `null`: the text of it, so that it can be replaced.
    Null(&'a str),
    /// There: its JSON text.
    Json(&'a str),
}

/// An event that passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked<'a> {
    pub(super) id: Member<'a>,
    pub(super) key: Member<'a>,
    pub(super) event_time: Member<'a>,
    /// The object has no member at all.
    pub(super) empty: bool,
}

/// Which columns an event had; kept between events to spare the allocation.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<Had>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Had {
    Nothing,
    Null,
    Value,
}

impl Door {
    pub(super) fn new(schema: &StreamSchema, max_depth: usize) -> Self {
        let by_name: HashMap<_, _> =
            schema.columns.iter().enumerate().map(|(i, c)| (c.name.clone(), i)).collect();
        let index = |name: &String| by_name.get(name).copied();
        let required = schema.columns.iter().enumerate().filter(|(_, c)| c.required);
        let id = schema.id.as_ref().and_then(index);
        let event_time = schema.event_time.as_ref().and_then(|t| index(&t.column));
        Self {
            topic: schema.topic.as_str().into(),
            columns: schema.columns.clone(),
            // The id and the event time are filled in when missing.
            required: required
                .map(|(i, _)| i)
                .filter(|i| ![id, event_time].contains(&Some(*i)))
                .collect(),
            id,
            key: schema.key.as_ref().and_then(index),
            event_time,
            by_name,
            max_depth,
        }
    }

    /// The id column, if the stream has one.
    pub(super) fn id(&self) -> Option<&Column> {
        self.id.map(|i| &self.columns[i])
    }

    /// The key column, if the stream has one.
    pub(super) fn key(&self) -> Option<&Column> {
        self.key.map(|i| &self.columns[i])
    }

    /// The event-time column, if the stream has one.
    pub(super) fn event_time(&self) -> Option<&Column> {
        self.event_time.map(|i| &self.columns[i])
    }

    /// Checks one event. `text` has no white space around it.
    pub(super) fn check<'a>(&self, seen: &mut Seen, text: &'a str) -> Result<Checked<'a>, Fault> {
        if !text.starts_with('{') {
            return Err(Fault::whole(format!(
                "an event must be a JSON object, not {}",
                kind(text)
            )));
        }
        seen.0.clear();
        seen.0.resize(self.columns.len(), Had::Nothing);
        let mut json = serde_json::Deserializer::from_str(text);
        let checked = Walk { door: self, seen }
            .deserialize(&mut json)
            .and_then(|checked| json.end().map(|()| checked))
            .map_err(|error| Fault::json(&error))?;
        match self.required.iter().find(|i| seen.0[**i] != Had::Value) {
            Some(i) => Err(Fault::whole(format!("column `{}` is required", self.columns[*i].name))),
            None => Ok(checked),
        }
    }

    /// The column called `name`; events tend to carry their columns in one order, so the one after
    /// the last found is tried first.
    fn column(&self, name: &str, next: usize) -> Option<usize> {
        match self.columns.get(next) {
            Some(column) if column.name == name => Some(next),
            _ => self.by_name.get(name).copied(),
        }
    }
}

fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        None => "nothing",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(_) => "something that is not JSON",
    }
}

struct Walk<'d, 's> {
    door: &'d Door,
    seen: &'s mut Seen,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = Checked<'de>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = Checked<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { door, seen } = self;
        let mut members = [Member::Missing; 3];
        let (mut next, mut empty) = (0, true);
        while let Some(name) = map.next_key::<Text<'de>>()? {
            empty = false;
            let json = map.next_value::<&'de RawValue>()?.get();
            // The event's own braces are the first level.
            if json.starts_with(['{', '[']) && !depth_within(json, door.max_depth.saturating_sub(1))
            {
                let most = door.max_depth;
                return Err(A::Error::custom(format!("nested more than {most} levels deep")));
            }
            if json.contains('\\') && !fit::surrogates_paired(json) {
                return Err(A::Error::custom("a text holds half of a surrogate pair"));
            }
            let Some(index) = door.column(&name.0, next) else { continue };
            next = index + 1;
            let column = &door.columns[index];
            if seen.0[index] != Had::Nothing {
                // Readers disagree on which one counts: the key could differ from the row.
                let name = &column.name;
                return Err(A::Error::custom(format!("column `{name}` is there twice")));
            }
            let member = member(column, json).map_err(A::Error::custom)?;
            seen.0[index] = if matches!(member, Member::Null(_)) { Had::Null } else { Had::Value };
            for (slot, wanted) in members.iter_mut().zip([door.id, door.key, door.event_time]) {
                if wanted == Some(index) {
                    *slot = member;
                }
            }
        }
        let [id, key, event_time] = members;
        Ok(Checked { id, key, event_time, empty })
    }
}

fn member<'a>(column: &Column, json: &'a str) -> Result<Member<'a>, String> {
    if json == "null" {
        return Ok(Member::Null(json));
    }
    let Column { name, data_type, .. } = column;
    fit::check(*data_type, json).map_err(|why| format!("column `{name}`: {why}"))?;
    Ok(Member::Json(json))
}

impl Member<'_> {
    /// The value as text, as it becomes an id or a record key: texts as they are, whole numbers in
    /// decimal, anything else as it is written. `None` when missing or null.
    pub(super) fn as_text(&self, kind: ColumnType) -> Option<std::borrow::Cow<'_, str>> {
        let Member::Json(json) = *self else { return None };
        if let Some(text) = fit::text(json) {
            return Some(text.0);
        }
        let plain = |json: &str| json.bytes().all(|b| b.is_ascii_digit());
        match kind {
            // `7`, `7.0` and `7e0` are one number and must reach one partition.
            ColumnType::Int32 | ColumnType::Int64 if !plain(json) => {
                fit::whole(json).map(|n| n.to_string().into())
            }
            _ => Some(json.into()),
        }
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
pub(crate) mod tests;
