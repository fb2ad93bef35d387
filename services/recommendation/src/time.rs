//! Times as feeds and events write them: RFC 3339 text, UTC.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat};

const DAY_MS: i64 = 86_400_000;
/// Length of `2026-11-21`.
const DATE: usize = 10;

/// Milliseconds since the Unix epoch of `2026-11-21T18:13:32.123Z`, of the same without a zone
/// (which is UTC), or of `2026-11-21` alone.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if text.len() == DATE {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    }
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    zoned.ok().or_else(|| {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
        Some(time.and_utc().timestamp_millis())
    })
}

/// `2026-11-21T18:13:32.123Z`; the epoch for a time beyond the calendar.
pub(crate) fn format(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Hour of the day with its fraction.
pub(crate) fn hour(ms: i64) -> f64 {
    let in_day = i32::try_from(ms.rem_euclid(DAY_MS)).expect("less than a day");
    f64::from(in_day) / 3_600_000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_feeds_write_them() {
        for (text, ms) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600_000)),
            ("2026-11-21T18:13:32", Some(1_795_284_812_000)),
            ("2026-11-21T18:13:32.1234567Z", Some(1_795_284_812_123)),
            ("2026-11-21T18:13:32.5+00:00", Some(1_795_284_812_500)),
            ("2026-13-01", None),
            ("2026-02-30", None),
            ("2026-2-3", None),
            ("2026-11-21T18:13", None),
            ("21.11.2026", None),
            ("", None),
        ] {
            assert_eq!(parse(text), ms, "{text}");
        }
        assert!((hour(951_825_600_000) - 12.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ms in -60_000_000_000_000_i64..250_000_000_000_000) {
            prop_assert_eq!(parse(&format(ms)), Some(ms));
        }
    }
}
