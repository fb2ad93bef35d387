//! Events of players as JSON.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use millrace_events::ReplayEvent;

/// The stream of what players report.
pub const STREAM: &str = "playback";

/// The stream of deletions from the history.
pub const DELETIONS: &str = "history_deletions";

/// What a player reports; the columns of the stream are described in `jobs/streams/README.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) event_id: String,
    #[serde(serialize_with = "time")]
    pub(crate) event_time: i64,
    pub(crate) session_id: &'a str,
    pub(crate) member_id: i64,
    pub(crate) profile_id: i32,
    pub(crate) title_id: i64,
    pub(crate) event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) played_from_s: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) played_to_s: Option<i32>,
    pub(crate) position_s: i32,
    pub(crate) duration_s: i32,
    pub(crate) device: &'static str,
    pub(crate) country: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oca_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) impression_id: Option<&'a str>,
}

/// A member deletes a title from a profile's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Deletion {
    pub(crate) event_id: String,
    #[serde(serialize_with = "time")]
    pub(crate) event_time: i64,
    pub(crate) member_id: i64,
    pub(crate) profile_id: i32,
    pub(crate) title_id: i64,
}

impl Report<'_> {
    pub(crate) fn event(self) -> ReplayEvent {
        event(STREAM, &self, self.event_id.clone(), self.event_time, self.member_id)
    }
}

impl Deletion {
    pub(crate) fn event(self) -> ReplayEvent {
        event(DELETIONS, &self, self.event_id.clone(), self.event_time, self.member_id)
    }
}

fn event(
    stream: &'static str,
    json: &impl Serialize,
    id: String,
    event_time_ms: i64,
    member_id: i64,
) -> ReplayEvent {
    let json = serde_json::to_vec(json).expect("texts and numbers are JSON");
    ReplayEvent { stream, json, id, event_time_ms, key: member_id.to_string() }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn time<S: serde::Serializer>(ms: &i64, out: S) -> Result<S::Ok, S::Error> {
    let time = DateTime::from_timestamp_millis(*ms);
    let time = time.ok_or_else(|| serde::ser::Error::custom("a time beyond the calendar"))?;
    out.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
