//! Times as feeds and events write them: RFC 3339 text, UTC.

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch of `2026-11-21T18:13:32.123Z`, of the same without a zone
/// (which is UTC), or of `2026-11-21` alone.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if text.get(4..5)? != "-" || text.get(7..8)? != "-" {
        return None;
    }
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = days(year, month, day) * DAY_MS;
    if text.len() == 10 {
        return Some(midnight);
    }
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?.trim_end_matches("+00:00").trim_end_matches('Z');
    let millis = match rest.strip_prefix('.') {
        None if rest.is_empty() => 0,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let padded: String = digits.chars().chain("000".chars()).take(3).collect();
            padded.parse().ok()?
        }
        _ => return None,
    };
    Some(midnight + ((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// `2026-11-21T18:13:32.123Z`.
pub(crate) fn format(ms: i64) -> String {
    let (day, in_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, date) = civil(day);
    let (seconds, millis) = (in_day / 1000, in_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Hour of the day with its fraction.
pub(crate) fn hour(ms: i64) -> f64 {
    let in_day = i32::try_from(ms.rem_euclid(DAY_MS)).expect("less than a day");
    f64::from(in_day) / 3_600_000.0
}

/// Days since the epoch of a date of the Gregorian calendar. Years begin in March here, so that
/// the leap day is a year's last, and come in eras of 400 (Hinnant, `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days`].
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
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
