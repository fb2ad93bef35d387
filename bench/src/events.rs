//! Events to measure with: seventeen typed columns, about 1 KB or 0.5 KB of JSON, always the same.

use std::fmt::Write as _;

use millrace_events::{Column, ColumnType, StreamSchema};

/// How large an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// About 1,000 bytes.
    Full,
    /// About 500 bytes.
    Half,
    /// About 150 bytes.
    Small,
}

const COLUMNS: [(&str, ColumnType); 17] = [
    ("event_id", ColumnType::String),
    ("event_time", ColumnType::TimestampMs),
    ("member_id", ColumnType::Int64),
    ("profile_id", ColumnType::Int64),
    ("title_id", ColumnType::Int32),
    ("event_type", ColumnType::String),
    ("country", ColumnType::String),
    ("device", ColumnType::String),
    ("app_version", ColumnType::String),
    ("session_id", ColumnType::String),
    ("position_ms", ColumnType::Int64),
    ("bitrate_kbps", ColumnType::Int32),
    ("rebuffers", ColumnType::Int32),
    ("throughput", ColumnType::Float64),
    ("startup_ms", ColumnType::Float64),
    ("is_kids", ColumnType::Boolean),
    ("context", ColumnType::String),
];

/// The stream on `topic`.
pub(crate) fn stream(topic: &str) -> StreamSchema {
    let column = |(name, data_type): (&str, ColumnType)| Column {
        name: name.to_owned(),
        data_type,
        required: false,
    };
    StreamSchema {
        name: topic.parse().expect("topics of the bench are valid names"),
        topic: topic.to_owned(),
        partitions: 1,
        key: Some("member_id".into()),
        id: Some("event_id".into()),
        event_time: None,
        columns: COLUMNS.map(column).into(),
    }
}

/// The manifest of the stream on `topic`.
pub(crate) fn manifest(topic: &str, partitions: i32) -> String {
    let mut text = format!(
        "kind: Stream\nmetadata: {{ name: {topic} }}\nspec:\n  format: json\n  id: event_id\n  \
         partitions: {partitions}\n  columns:\n"
    );
    for (name, data_type) in COLUMNS {
        let data_type = serde_json::to_string(&data_type).expect("a plain enum");
        let _ = writeln!(text, "    - {{ name: {name}, type: {} }}", data_type.trim_matches('"'));
    }
    text
}

fn choose<'a>(from: &[&'a str], n: u64) -> &'a str {
    from[usize::try_from(n % from.len() as u64).expect("below the length of a slice")]
}

/// Event number `n`.
pub(crate) fn event(n: u64, size: Size) -> Vec<u8> {
    // A multiplicative hash stands in for chance: the same events on every run and machine.
    let h = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    let pick = |of: u64, shift: u32| (h >> shift) % of;
    let countries = ["US", "BR", "IN", "DE", "JP", "FR", "MX", "GB"];
    let types = ["start", "heartbeat", "heartbeat", "heartbeat", "pause", "seek", "stop"];
    let devices = ["tv-2019", "tv-2022", "phone-a", "phone-i", "browser"];
    let mut json = format!("{{\"event_id\":\"{h:016x}-{n:012x}\",");
    let time = 1_700_000_000_000 + n * 7;
    let _ = write!(json, "\"event_time\":{time},\"member_id\":{},", pick(2_000_000, 3));
    if size == Size::Small {
        let _ = write!(json, "\"event_type\":\"{}\",\"country\":\"US\"}}", choose(&types, h));
        return json.into_bytes();
    }
    let _ = write!(
        json,
        "\"profile_id\":{},\"title_id\":{},\"event_type\":\"{}\",\"country\":\"{}\",\"device\":\"{}\",\
         \"app_version\":\"9.{}.{}\",\"session_id\":\"{:016x}{:08x}\",\"position_ms\":{},\
         \"bitrate_kbps\":{},\"rebuffers\":{},\"throughput\":{}.{},\"startup_ms\":{}.5,\"is_kids\":{}",
        pick(5_000_000, 5),
        pick(20_000, 7),
        choose(&types, h >> 11),
        choose(&countries, h >> 13),
        choose(&devices, h >> 17),
        pick(9, 19),
        pick(100, 23),
        h ^ 0x5555_5555_5555_5555,
        pick(u64::from(u32::MAX), 9),
        pick(7_200_000, 29),
        pick(16_000, 31),
        pick(4, 37),
        pick(90_000, 41),
        pick(1000, 43),
        pick(5_000, 47),
        h & 1 == 0,
    );
    let wanted = if size == Size::Full { 1_000 } else { 500 };
    json.push_str(",\"context\":\"");
    let words = ["row", "billboard", "search", "trailer", "continue", "because", "top10", "kids"];
    let mut w = h;
    while json.len() + 14 < wanted {
        w = w.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = write!(json, "{}={};", choose(&words, w >> 61), (w >> 33) % 1000);
    }
    json.push_str("\"}");
    json.into_bytes()
}
