//! Durations (`500ms`, `10s`, `5m`, `2h`, `7d`) and sizes (`64KiB`, `128MiB`).

use std::time::Duration;

/// Reads a whole number with one of the units `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// Says what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    scaled(text, &UNITS)
        .map(Duration::from_millis)
        .ok_or_else(|| "write a number and a unit: `500ms`, `10s`, `5m`, `2h`".to_owned())
}

/// Reads a whole number with one of the units `B`, `KiB`, `MiB`, `GiB`; gives bytes.
///
/// # Errors
/// Says what to write instead.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 4] =
        [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    scaled(text, &UNITS)
        .ok_or_else(|| "write a number and a unit: `512KiB`, `64MiB`, `1GiB`".to_owned())
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_scale_and_anything_else_is_refused() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_hours(168)));
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("0B"), Ok(0));
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "5w",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "5MB", "5mib", "18446744073709551615GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
