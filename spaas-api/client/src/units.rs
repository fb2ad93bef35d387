//! Numbers for people: sizes, times, rates.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use millrace_spec::parse_duration;

/// A time as options take it: those of manifests, and days.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    const DAY_HOURS: u64 = 24;
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let hours = days.and_then(|days| days.checked_mul(DAY_HOURS));
    match hours.and_then(|hours| hours.checked_mul(3600)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => parse_duration(text)
            .map_err(|_| "write a number and a unit: `500ms`, `60s`, `5m`, `2h`, `30d`".to_owned()),
    }
}

/// Bytes with a binary unit.
pub(crate) fn bytes(value: &Value) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let Some(mut number) = value.as_f64() else { return "-".to_owned() };
    let mut unit = 0;
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{number:.1} {}", UNITS[unit]) }
}

/// A count or rate, shortened.
pub(crate) fn short(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1}G", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.1}k", n / 1e3),
        n if n >= 100.0 || n.fract() == 0.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

/// A count, shortened; `-` if it is not known.
pub(crate) fn count(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), short)
}

/// Milliseconds as a span of time.
pub(crate) fn span_ms(ms: f64) -> String {
    match ms {
        ms if ms < 1000.0 => format!("{ms:.0}ms"),
        ms if ms < 60_000.0 => format!("{:.1}s", ms / 1e3),
        ms if ms < 3_600_000.0 => format!("{:.1}m", ms / 6e4),
        ms if ms < 172_800_000.0 => format!("{:.1}h", ms / 3.6e6),
        ms => format!("{:.1}d", ms / 8.64e7),
    }
}

/// Milliseconds as a span of time; `-` if they are not known.
pub(crate) fn span(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), span_ms)
}

/// A moment, in UTC to the second.
pub(crate) fn moment(value: &Value) -> String {
    let time = value.as_i64().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| "-".to_owned(), |t| t.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Text or a number as it is; `-` for nothing.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_short_and_what_is_not_known_is_a_dash() {
        assert_eq!(parse_time("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(parse_time("60s"), Ok(Duration::from_mins(1)));
        assert!(parse_time("99999999999999999d").is_err());
        assert_eq!(bytes(&json!(512)), "512 B");
        assert_eq!(bytes(&json!(1_572_864)), "1.5 MiB");
        assert_eq!(count(&json!(12_345)), "12.3k");
        assert_eq!(span(&json!(1500)), "1.5s");
        assert_eq!(moment(&json!(0)), "1970-01-01T00:00:00Z");
        for unknown in [bytes, count, span, moment, plain] {
            assert_eq!(unknown(&Value::Null), "-");
        }
    }
}
