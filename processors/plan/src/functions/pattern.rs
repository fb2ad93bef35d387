//! Java's patterns of dates (`yyyy-MM-dd HH:mm:ss.SSS`): written and read.

use std::fmt::Write as _;

use super::calendar::{DAY, Date, HOUR, MINUTE, SECOND, days_in_month, weekday};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// What Flink formats with when no pattern is given.
pub(super) const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Letter { letter: char, count: usize },
    Text(String),
}

/// A pattern, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    /// Reads a pattern; the error names a letter that is not supported.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' => {
                    let mut text = String::new();
                    while let Some(inner) = chars.next() {
                        match inner {
                            '\'' if chars.peek() == Some(&'\'') => text.extend(chars.next()),
                            '\'' => break,
                            other => text.push(other),
                        }
                    }
                    parts.push(Part::Text(if text.is_empty() { "'".into() } else { text }));
                }
                letter if letter.is_ascii_alphabetic() => {
                    if !"yuMLdDEaHhkKmsSeQw".contains(letter) {
                        return Err(format!("the letter {letter} of '{pattern}' is not supported"));
                    }
                    let mut count = 1;
                    while chars.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    parts.push(Part::Letter { letter, count });
                }
                other => match parts.last_mut() {
                    Some(Part::Text(text)) => text.push(other),
                    _ => parts.push(Part::Text(other.into())),
                },
            }
        }
        Ok(Self(parts))
    }

    /// Writes an instant.
    pub(super) fn format(&self, micros: i64, out: &mut String) {
        let days = micros.div_euclid(DAY);
        let (date, of_day) = (Date::of_days(days), micros.rem_euclid(DAY));
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Letter { letter, count } => {
                    write_field(*letter, *count, date, days, of_day, out);
                }
            }
        }
    }

    /// Reads an instant; `None` when the text is not of this pattern or names no date.
    pub(super) fn read(&self, text: &str) -> Option<i64> {
        let mut fields = Fields::default();
        let mut rest = text;
        for (position, part) in self.0.iter().enumerate() {
            rest = match part {
                Part::Text(expected) => rest.strip_prefix(expected.as_str())?,
                Part::Letter { letter, count } => {
                    let adjacent = matches!(self.0.get(position + 1), Some(Part::Letter { .. }));
                    fields.read(*letter, *count, adjacent, rest)?
                }
            };
        }
        if rest.is_empty() { fields.micros() } else { None }
    }
}

fn write_field(letter: char, count: usize, date: Date, days: i64, of_day: i64, out: &mut String) {
    let hour = of_day / HOUR;
    match letter {
        'y' | 'u' if count == 2 => digits(date.year.rem_euclid(100), 2, out),
        'y' | 'u' => digits(date.year, count, out),
        'M' | 'L' if count >= 3 => name(MONTHS[index(date.month)], count, out),
        'M' | 'L' => digits(date.month, count, out),
        'd' => digits(date.day, count, out),
        'D' => digits(date.day_of_year(), count, out),
        'Q' => digits(date.quarter(), count, out),
        'w' => digits(date.iso_week().1, count, out),
        'E' => name(WEEKDAYS[index(weekday(days))], count, out),
        'e' => digits(weekday(days) % 7 + 1, count, out),
        'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
        'H' => digits(hour, count, out),
        'h' => digits((hour + 11) % 12 + 1, count, out),
        'k' => digits((hour + 23) % 24 + 1, count, out),
        'K' => digits(hour % 12, count, out),
        'm' => digits(of_day % HOUR / MINUTE, count, out),
        's' => digits(of_day % MINUTE / SECOND, count, out),
        _ => fraction(of_day % SECOND, count, out),
    }
}

fn index(from_one: i64) -> usize {
    usize::try_from(from_one - 1).expect("months and weekdays count from one")
}

fn name(name: &str, count: usize, out: &mut String) {
    out.push_str(if count <= 3 { &name[..3] } else { name });
}

/// A number with at least `count` digits. Dates are written for every row, so without `write!`.
fn digits(value: i64, count: usize, out: &mut String) {
    let mut buffer = [b'0'; 20];
    let (mut rest, mut at) = (value.unsigned_abs(), buffer.len());
    while rest > 0 {
        at -= 1;
        buffer[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    if value < 0 {
        out.push('-');
    }
    let from = at.min(buffer.len() - count.clamp(1, 20));
    out.push_str(std::str::from_utf8(&buffer[from..]).expect("digits are ASCII"));
}

fn fraction(micros: i64, count: usize, out: &mut String) {
    let mut all = String::with_capacity(9);
    let _ = write!(all, "{micros:06}000");
    out.push_str(&all[..count.min(9)]);
}

/// What has been read of a date.
#[derive(Debug, Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: i64,
    half: Option<bool>,
    minute: i64,
    second: i64,
    micros: i64,
}

impl Fields {
    fn read<'t>(
        &mut self,
        letter: char,
        count: usize,
        adjacent: bool,
        text: &'t str,
    ) -> Option<&'t str> {
        if letter == 'a' {
            let half = text.get(..2)?;
            self.half = Some(half.eq_ignore_ascii_case("PM"));
            return Some(&text[2..]);
        }
        if matches!(letter, 'M' | 'L') && count >= 3 {
            let matches = |name: &&str| {
                let wanted = if count == 3 { &name[..3] } else { *name };
                text.get(..wanted.len()).is_some_and(|t| t.eq_ignore_ascii_case(wanted))
            };
            let month = MONTHS.iter().position(matches)?;
            self.month = i64::try_from(month).ok().map(|month| month + 1);
            let length = if count == 3 { 3 } else { MONTHS[month].len() };
            return Some(&text[length..]);
        }
        let available = text.bytes().take_while(u8::is_ascii_digit).count();
        let most = match (letter, count) {
            ('S', _) => count,
            _ if adjacent => count,
            ('y' | 'u', 2) => 2,
            ('y' | 'u', _) => 9,
            _ => count.max(2),
        };
        let length = available.min(most);
        let least = if letter == 'S' || count > 1 { count.min(4) } else { 1 };
        if length < least {
            return None;
        }
        let (number, rest) = text.split_at(length);
        let value: i64 = number.parse().ok()?;
        match letter {
            'y' | 'u' if count == 2 => self.year = Some(2000 + value),
            'y' | 'u' => self.year = Some(value),
            'M' | 'L' => self.month = Some(value),
            'd' => self.day = Some(value),
            'H' => self.hour = value,
            'h' | 'K' => self.hour = value % 12,
            'k' => self.hour = value % 24,
            'm' => self.minute = value,
            's' => self.second = value,
            'S' => {
                let digits = format!("{number:0<6}");
                self.micros = digits.get(..6)?.parse().ok()?;
            }
            _ => return None,
        }
        Some(rest)
    }

    fn micros(&self) -> Option<i64> {
        let date = Date {
            year: self.year.unwrap_or(1970),
            month: self.month.unwrap_or(1),
            day: self.day.unwrap_or(1),
        };
        let hour = self.hour + if self.half == Some(true) { 12 } else { 0 };
        let valid = (0..=9999).contains(&date.year)
            && (1..=12).contains(&date.month)
            && (1..=days_in_month(date.year, date.month)).contains(&date.day)
            && (0..24).contains(&hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        valid.then(|| {
            date.micros() + hour * HOUR + self.minute * MINUTE + self.second * SECOND + self.micros
        })
    }
}

/// Reads `yyyy-MM-dd[ HH:mm:ss[.fraction]]`, with `T` or a blank, as Flink does without a pattern.
pub(super) fn read_default(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = match text.find([' ', 'T']) {
        Some(at) => (&text[..at], text[at + 1..].trim_end_matches('Z')),
        None => (text, "00:00:00"),
    };
    let mut fields = Fields::default();
    let mut parts = date.split('-');
    fields.year = Some(number(parts.next()?)?);
    fields.month = Some(number(parts.next()?)?);
    fields.day = Some(number(parts.next()?)?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut clock = clock.split(':');
    fields.hour = number(clock.next()?)?;
    fields.minute = number(clock.next()?)?;
    fields.second = clock.next().map_or(Some(0), number)?;
    if !fraction.is_empty() {
        number(fraction)?;
        fields.micros = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    }
    if parts.next().is_some() || clock.next().is_some() { None } else { fields.micros() }
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
