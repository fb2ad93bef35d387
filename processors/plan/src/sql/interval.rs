//! Interval literals: their length, and those of two units in the form of one.

use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, Value};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The length of an interval in microseconds, unless it is of months or years or cannot be read.
pub(super) fn microseconds(interval: &Interval) -> Option<i64> {
    let text = literal(&interval.value)?;
    let (negative, text) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    let leading = unit(interval.leading_field.as_ref()?)?;
    let length = match &interval.last_field {
        None => scaled(text, leading)?,
        Some(last) => compound(text, leading, unit(last)?)?,
    };
    Some(if negative { -length } else { length })
}

fn literal(value: &Expr) -> Option<&str> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn unit(field: &DateTimeField) -> Option<i64> {
    match field {
        DateTimeField::Week(None) | DateTimeField::Weeks => Some(7 * DAY),
        DateTimeField::Day | DateTimeField::Days => Some(DAY),
        DateTimeField::Hour | DateTimeField::Hours => Some(HOUR),
        DateTimeField::Minute | DateTimeField::Minutes => Some(MINUTE),
        DateTimeField::Second | DateTimeField::Seconds => Some(SECOND),
        DateTimeField::Millisecond | DateTimeField::Milliseconds => Some(1_000),
        DateTimeField::Microsecond | DateTimeField::Microseconds => Some(1),
        _ => None,
    }
}

/// A number, which only seconds may have a fraction of.
fn scaled(text: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.is_empty() && unit != SECOND {
        return None;
    }
    let whole: i64 = whole.trim().parse().ok().filter(|whole| *whole >= 0)?;
    let micros: i64 = match fraction.len() {
        0 => 0,
        digits @ 1..=6 => {
            let scale = 10_i64.pow(6 - u32::try_from(digits).ok()?);
            fraction.parse::<u32>().ok().map(i64::from)? * scale
        }
        _ => return None,
    };
    whole.checked_mul(unit)?.checked_add(micros)
}

/// `'1 02:03:04.5' DAY TO SECOND` and its shorter forms.
fn compound(text: &str, leading: i64, last: i64) -> Option<i64> {
    let units: Vec<i64> =
        [DAY, HOUR, MINUTE, SECOND].into_iter().filter(|u| (last..=leading).contains(u)).collect();
    let parts: Vec<&str> = text.split([' ', ':']).collect();
    if units.len() < 2 || parts.len() != units.len() {
        return None;
    }
    let lengths = parts.iter().zip(units).map(|(part, unit)| scaled(part, unit));
    lengths.sum()
}

/// Writes an interval of two units (`DAY TO SECOND` …), or with a precision, as one of
/// microseconds.
pub(super) fn plain(interval: &mut Interval) {
    if interval.last_field.is_some()
        && let Some(length) = microseconds(interval)
    {
        *interval.value = Expr::value(Value::SingleQuotedString(length.to_string()));
        interval.leading_field = Some(DateTimeField::Microsecond);
        interval.last_field = None;
    }
    interval.leading_precision = None;
    interval.fractional_seconds_precision = None;
}
