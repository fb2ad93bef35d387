//! Events of the fleet as JSON.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use millrace_events::ReplayEvent;

/// The streams of what a fleet tells, and of what goes wrong for players.
pub const STREAMS: [&str; 4] = ["oca_reports", "oca_routes", "oca_files", "client_errors"];

#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) oca_id: &'a str,
    pub(super) site: &'a str,
    pub(super) asn: u32,
    pub(super) country: &'a str,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) version: &'a str,
    pub(super) base_url: &'a str,
    pub(super) capacity_mbps: f64,
    pub(super) load_mbps: f64,
    pub(super) cpu: f64,
    pub(super) disk_errors: u32,
}

#[derive(Serialize)]
pub(super) struct Route<'a> {
    pub(super) oca_id: &'a str,
    pub(super) prefix: String,
    pub(super) action: &'a str,
}

#[derive(Serialize)]
pub(super) struct StoredFile<'a> {
    pub(super) oca_id: &'a str,
    pub(super) file_id: String,
    pub(super) action: &'a str,
}

#[derive(Serialize)]
pub(super) struct ClientError<'a> {
    pub(super) member_id: u32,
    pub(super) device: &'a str,
    pub(super) client_version: &'a str,
    pub(super) oca_id: &'a str,
    pub(super) error: &'a str,
}

#[derive(Serialize)]
struct Whole<'a, E> {
    event_id: &'a str,
    event_time: String,
    #[serde(flatten)]
    rest: E,
}

/// The event as it is emitted.
pub(super) fn event<E: Serialize>(
    stream: &'static str,
    id: String,
    at_ms: i64,
    key: String,
    rest: E,
) -> ReplayEvent {
    let time = DateTime::from_timestamp_millis(at_ms).expect("a time within reach of the calendar");
    let event_time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let json = serde_json::to_vec(&Whole { event_id: &id, event_time, rest });
    let json = json.expect("names are texts, and values are finite");
    ReplayEvent { stream, json, id, event_time_ms: at_ms, key }
}
