//! Events to records: id, key, timestamp and headers, with the value left where the body has it.

use std::borrow::Cow;

use bytes::Bytes;
use millrace_events::{ColumnType, Header, ID_HEADER, Outgoing, new_event_id};

use super::door::{Checked, Door, Member, Seen};
use super::envelope::{Attributes, Envelope};
use super::fit;
use super::format::Form;
use super::split::{self, SplitError};
use super::text::{Cursor, Fault, offset_in};
use millrace_http::problem::ItemError;

/// What an event needs to become a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) max_events: usize,
    pub(super) max_event_bytes: usize,
    /// Event times in this range become record timestamps.
    pub(super) timestamps_ms: (i64, i64),
}

/// An event on its way.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its position in the request.
    pub(super) index: usize,
    pub(super) id: Bytes,
}

/// A request's events.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// How many events the request had.
    pub(super) total: usize,
    pub(super) ready: Vec<Ready>,
    /// One for each of `ready`.
    pub(super) records: Vec<Outgoing>,
    pub(super) refused: Vec<ItemError>,
    /// The only event was refused for its size.
    pub(super) too_large: bool,
    /// Some id was made here, so that the client does not know it.
    pub(super) generated: bool,
}

/// Why one event was refused.
struct Refusal<'a> {
    /// The text that the fault's place counts from.
    text: &'a [u8],
    fault: Fault,
    id: Option<String>,
    too_large: bool,
}

impl<'a> Refusal<'a> {
    fn new(text: &'a [u8], fault: Fault) -> Self {
        Self { text, fault, id: None, too_large: false }
    }
}

/// Every event of `body` as a record or a refusal; `Err` if the body as a whole is of no use.
pub(super) fn parse(
    door: &Door,
    form: &Form,
    body: &Bytes,
    rules: Rules,
) -> Result<Parsed, SplitError> {
    let events = match form {
        Form::Lines => split::lines(body, rules.max_events),
        Form::Batch => split::list(body, rules.max_events, false),
        Form::Json => split::list(body, rules.max_events, true),
        Form::Structured | Form::Binary(_) => Ok(vec![body.trim_ascii()]),
    }?;
    let mut parsed = Parsed { total: events.len(), ..Parsed::default() };
    parsed.records.reserve(events.len());
    parsed.ready.reserve(events.len());
    let mut cursor = Cursor::new(body);
    let mut maker = Maker { door, form, body, rules, seen: Seen::default() };
    for (index, text) in events.into_iter().enumerate() {
        match maker.make(text) {
            Ok((record, id, generated)) => {
                parsed.records.push(record);
                parsed.ready.push(Ready { index, id });
                parsed.generated |= generated;
            }
            Err(refusal) => {
                let (line, column) = cursor.locate(refusal.text, refusal.fault.place);
                parsed.too_large = refusal.too_large && parsed.total == 1;
                parsed.refused.push(ItemError {
                    index: Some(index),
                    line: Some(line),
                    column: Some(column),
                    id: refusal.id,
                    ..ItemError::new(refusal.fault.message)
                });
            }
        }
    }
    Ok(parsed)
}

struct Maker<'d> {
    door: &'d Door,
    form: &'d Form,
    body: &'d Bytes,
    rules: Rules,
    seen: Seen,
}

impl<'d> Maker<'d> {
    fn make(&mut self, raw: &'d [u8]) -> Result<(Outgoing, Bytes, bool), Refusal<'d>> {
        if raw.len() > self.rules.max_event_bytes {
            return Err(self.too_large(raw, None));
        }
        let text = std::str::from_utf8(raw).map_err(|error| {
            Refusal::new(
                raw,
                Fault::whole(format!("not UTF-8 from byte {} on", error.valid_up_to())),
            )
        })?;
        match self.form {
            Form::Structured | Form::Batch => {
                let envelope = Envelope::parse(text).map_err(|fault| Refusal::new(raw, fault))?;
                self.record(envelope.data, Some(&envelope.attributes))
            }
            Form::Binary(attributes) => self.record(text, Some(attributes)),
            Form::Json | Form::Lines => self.record(text, None),
        }
    }

    fn too_large<'a>(&self, text: &'a [u8], id: Option<String>) -> Refusal<'a> {
        let most = self.rules.max_event_bytes;
        let fault = Fault::whole(format!("the event is larger than {most} bytes"));
        Refusal { text, fault, id, too_large: true }
    }

    fn record<'a>(
        &mut self,
        text: &'a str,
        attributes: Option<&Attributes<'_>>,
    ) -> Result<(Outgoing, Bytes, bool), Refusal<'a>> {
        let door = self.door;
        let given = attributes.and_then(|a| a.get("id"));
        let checked = door.check(&mut self.seen, text).map_err(|fault| Refusal {
            id: given.map(str::to_owned),
            ..Refusal::new(text.as_bytes(), fault)
        })?;
        let own = door.id().and_then(|c| checked.id.as_text(c.data_type));
        if own.as_ref().is_some_and(|id| id.is_empty()) {
            let fault = Fault::whole("the event's id is empty; leave it out to have one made");
            return Err(Refusal::new(text.as_bytes(), fault));
        }
        let generated = own.is_none() && given.is_none();
        let has_own = own.is_some();
        let id = match (own, given) {
            (Some(own), _) => self.share(own),
            (None, Some(given)) => Bytes::copy_from_slice(given.as_bytes()),
            (None, None) => Bytes::from(new_event_id()),
        };
        let id_in_value = door.id().is_some_and(|c| has_own || c.data_type == ColumnType::String);
        let key = match door.key() {
            Some(column) => checked.key.as_text(column.data_type).map(|key| self.share(key)),
            None => attributes
                .and_then(|a| a.get("partitionkey"))
                .map(|key| Bytes::copy_from_slice(key.as_bytes())),
        };
        let record = Outgoing {
            topic: door.topic.clone(),
            partition: None,
            key,
            value: Some(self.value(text, &checked, (!has_own).then_some(&id), attributes)),
            headers: match attributes {
                Some(attributes) => attributes.to_headers(&id),
                // Plain events carry their id in its column; a header would be a copy.
                None if id_in_value => Vec::new(),
                None => vec![Header { name: ID_HEADER.to_owned(), value: Some(id.clone()) }],
            },
            timestamp_ms: self.timestamp(&checked, attributes),
        };
        if record.bytes() > self.rules.max_event_bytes {
            let id = String::from_utf8_lossy(&id).into_owned();
            return Err(self.too_large(text.as_bytes(), Some(id)));
        }
        Ok((record, id, generated))
    }

    /// The event's object, with id and event time filled in where their columns lack them.
    fn value(
        &self,
        text: &str,
        checked: &Checked<'_>,
        id: Option<&Bytes>,
        attributes: Option<&Attributes<'_>>,
    ) -> Bytes {
        let mut edits = Vec::new();
        if let (Some(column), Some(id)) = (self.door.id(), id)
            && column.data_type == ColumnType::String
        {
            let id = String::from_utf8_lossy(id);
            edits.push((column.name.as_str(), checked.id, json_text(&id)));
        }
        // Without this the record's timestamp would stand in, which may be the time of sending.
        let time = attributes.and_then(|a| a.get("time"));
        if let (Some(column), Some(time)) = (self.door.event_time(), time)
            && !matches!(checked.event_time, Member::Json(_))
            && fit::millis(column.data_type, &json_text(time)).is_some()
        {
            edits.push((column.name.as_str(), checked.event_time, json_text(time)));
        }
        if edits.is_empty() {
            return self.body.slice_ref(text.as_bytes());
        }
        Bytes::from(splice(text, checked.empty, edits))
    }

    fn timestamp(&self, checked: &Checked<'_>, attributes: Option<&Attributes<'_>>) -> Option<i64> {
        let in_event = match (checked.event_time, self.door.event_time()) {
            (Member::Json(json), Some(column)) => fit::millis(column.data_type, json),
            _ => None,
        };
        let (from, to) = self.rules.timestamps_ms;
        let at = in_event.or_else(|| attributes?.time_ms())?;
        (from.max(0) <= at && at <= to).then_some(at)
    }

    /// `text` as bytes: a part of the body where it is one, a copy otherwise.
    fn share(&self, text: Cow<'_, str>) -> Bytes {
        match text {
            Cow::Borrowed(part) => self.body.slice_ref(part.as_bytes()),
            Cow::Owned(own) => Bytes::from(own),
        }
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Puts members into `object`: in the place of a `null` if there is one, else in front.
fn splice(object: &str, empty: bool, edits: Vec<(&str, Member<'_>, String)>) -> Vec<u8> {
    let mut front = String::from("{");
    let mut nulls = Vec::new();
    for (name, member, json) in edits {
        if let Member::Null(null) = member {
            nulls.push((offset_in(object.as_bytes(), null.as_bytes()), null.len(), json));
        } else {
            let comma = if front.len() > 1 { "," } else { "" };
            front.extend([comma, &json_text(name), ":", &json]);
        }
    }
    if front.len() > 1 && !empty {
        front.push(',');
    }
    nulls.sort_unstable_by_key(|(at, ..)| *at);
    let mut out = front.into_bytes();
    let mut from = 1;
    for (at, len, json) in nulls {
        out.extend_from_slice(&object.as_bytes()[from..at]);
        out.extend_from_slice(json.as_bytes());
        from = at + len;
    }
    out.extend_from_slice(&object.as_bytes()[from..]);
    out
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
