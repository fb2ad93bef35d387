//! Whether a JSON value fits a column, and the instant a timestamp value means.

use chrono::{DateTime, NaiveDate};
use millrace_events::ColumnType;
use serde_json::from_str;

use super::text::Text;

/// `Err` says why `json`, one valid JSON value other than null, does not fit a column of `kind`.
/// What fits here decodes in the router: a property test holds the two together.
pub(super) fn check(kind: ColumnType, json: &str) -> Result<(), String> {
    let fits = match kind {
        ColumnType::String => json.starts_with('"'),
        ColumnType::Boolean => json == "true" || json == "false",
        ColumnType::Int32 => whole(json).is_some_and(|n| i32::try_from(n).is_ok()),
        ColumnType::Int64 => whole(json).is_some(),
        ColumnType::Float32 => json.parse::<f32>().is_ok_and(f32::is_finite),
        ColumnType::Float64 => json.parse::<f64>().is_ok_and(f64::is_finite),
        ColumnType::TimestampMs | ColumnType::TimestampUs => millis(kind, json).is_some(),
        ColumnType::Date => text(json).is_some_and(|s| is_date(&s.0)),
        ColumnType::StringList => from_str::<Vec<Option<Text<'_>>>>(json).is_ok(),
        ColumnType::Float64List => from_str::<Vec<Option<f64>>>(json).is_ok(),
    };
    if fits { Ok(()) } else { Err(format!("expected {}, got {}", expected(kind), shown(json))) }
}

fn expected(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::String => "text",
        ColumnType::Boolean => "true or false",
        ColumnType::Int32 => "a whole number of 32 bits",
        ColumnType::Int64 => "a whole number of 64 bits",
        ColumnType::Float32 => "a 32-bit number",
        ColumnType::Float64 => "a 64-bit number",
        ColumnType::TimestampMs => "milliseconds since 1970 or RFC 3339 text",
        ColumnType::TimestampUs => "microseconds since 1970 or RFC 3339 text",
        ColumnType::Date => "a date as \"YYYY-MM-DD\"",
        ColumnType::StringList => "a list of texts",
        ColumnType::Float64List => "a list of numbers",
    }
}

fn shown(json: &str) -> String {
    const MOST: usize = 40;
    match json.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", &json[..cut]),
        None => json.to_owned(),
    }
}

/// The text a JSON string means, or `None` if `json` is something else (or no valid text).
pub(super) fn text(json: &str) -> Option<Text<'_>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { from_str(json).ok() } else { Some(Text(inner.into())) }
}

fn is_date(text: &str) -> bool {
    let written = text.bytes().enumerate().all(|(i, b)| match i {
        4 | 7 => b == b'-',
        _ => b.is_ascii_digit(),
    });
    text.len() == 10
        && written
        && !text.starts_with("0000")
        && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// Above 2⁵³ an `f64` no longer tells neighbouring whole numbers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of a whole number, however it is written (`7`, `7.0`, `7e0`).
pub(super) fn whole(json: &str) -> Option<i64> {
    if let Ok(n) = json.parse() {
        return Some(n);
    }
    if json.bytes().all(|b| b == b'-' || b.is_ascii_digit()) {
        return None;
    }
    let n = json.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && n.abs() <= EXACT)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2⁵³, checked above")]
    Some(n as i64)
}

/// Instants from year 1 to 9999, in microseconds: what tables can hold.
const INSTANTS_US: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// The instant a timestamp value means, in milliseconds since the Unix epoch.
pub(super) fn millis(kind: ColumnType, json: &str) -> Option<i64> {
    let us = match text(json) {
        Some(text) => DateTime::parse_from_rfc3339(&text.0).ok()?.timestamp_micros(),
        None if kind == ColumnType::TimestampUs => whole(json)?,
        None => whole(json)?.checked_mul(1000)?,
    };
    INSTANTS_US.contains(&us).then(|| us.div_euclid(1000))
}

/// Whether every `\u` escape of a surrogate in `json`, a valid JSON text, is half of a pair. The
/// parser that skips values does not look, the one that reads them does.
pub(super) fn surrogates_paired(json: &str) -> bool {
    let code = |rest: &str| {
        let digits = rest.strip_prefix("\\u").and_then(|digits| digits.get(..4));
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        rest = &rest[at..];
        let step = match code(rest) {
            None => 2,
            Some(0xD800..0xDC00) => match code(&rest[6..]) {
                Some(0xDC00..0xE000) => 12,
                _ => return false,
            },
            Some(0xDC00..0xE000) => return false,
            Some(_) => 6,
        };
        rest = &rest[step..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_by_type() {
        use ColumnType as C;
        let fits = [
            (C::String, r#""x""#),
            (C::String, r#""\u00e9\n""#),
            (C::Boolean, "true"),
            (C::Int32, "-2147483648"),
            (C::Int64, "9223372036854775807"),
            (C::Int64, "1e3"),
            (C::Float32, "1.5"),
            (C::Float64, "1e308"),
            (C::TimestampMs, "1700000000000"),
            (C::TimestampMs, r#""2019-11-24T00:00:01.5Z""#),
            (C::TimestampUs, r#""2019-11-24T00:00:01.5+02:00""#),
            (C::Date, r#""2019-11-24""#),
            (C::StringList, r#"["a", null]"#),
            (C::Float64List, "[1, 2.5]"),
        ];
        for (kind, json) in fits {
            assert_eq!(check(kind, json), Ok(()), "{kind:?} {json}");
        }
        let misfits = [
            (C::String, "1"),
            (C::Boolean, r#""true""#),
            (C::Int32, "2147483648"),
            (C::Int64, "9223372036854775808"),
            (C::Int64, "1.5"),
            (C::Int64, r#""7""#),
            (C::TimestampMs, "9223372036854775807"),
            (C::Date, r#""2019-02-29""#),
            (C::Date, r#""2019-2-9""#),
            (C::Float32, "1e300"),
            (C::Float64, "1e999"),
            (C::TimestampMs, r#""yesterday""#),
            (C::TimestampMs, "true"),
            (C::Date, "18000"),
            (C::StringList, r#"["a", 1]"#),
            (C::Float64List, r#"["a"]"#),
            (C::Float64List, "{}"),
        ];
        for (kind, json) in misfits {
            assert!(check(kind, json).is_err(), "{kind:?} {json}");
        }
    }

    #[test]
    fn instants_are_milliseconds() {
        assert_eq!(millis(ColumnType::TimestampMs, "1500"), Some(1500));
        assert_eq!(millis(ColumnType::TimestampUs, "1500"), Some(1));
        assert_eq!(millis(ColumnType::TimestampUs, r#""1970-01-01T00:00:02Z""#), Some(2000));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for good in [r#""\ud83d\ude00 \u00e9""#, r#""\\ud800""#, r#""\"\n""#, r#"["\uD83D\uDE00"]"#]
        {
            assert!(surrogates_paired(good), "{good}");
        }
        for bad in [r#""\ud800""#, r#""\ude00""#, r#""\ud83d\u0041""#, r#"{"\ud83d x":1}"#] {
            assert!(!surrogates_paired(bad), "{bad}");
        }
    }
}
