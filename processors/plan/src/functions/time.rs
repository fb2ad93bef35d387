//! Functions of instants: parts, texts, distances.

use std::sync::Arc;

use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::ScalarUDF;

use super::calendar::{DAY, Date, HOUR, MINUTE, SECOND, Unit, weekday};
use super::pattern::{DEFAULT, Pattern, read_default};
use super::scalar::Kind::{Any, Int, Text, Time};
use super::scalar::{
    Args, Texts, bigint_type, function, int_type, numbers, text_type, texts, time_type, times,
};

type Named = (&'static str, Arc<ScalarUDF>);

/// The functions of this file.
pub(super) fn functions() -> Vec<Named> {
    vec![
        part("year", "YEAR"),
        part("quarter", "QUARTER"),
        part("month", "MONTH"),
        part("week", "WEEK"),
        part("dayofyear", "DOY"),
        part("dayofmonth", "DAY"),
        part("dayofweek", "DOW"),
        part("hour", "HOUR"),
        part("minute", "MINUTE"),
        part("second", "SECOND"),
        function("extract", &[Text, Time], 2, bigint_type, extract),
        function("date_format", &[Any, Text], 2, text_type, date_format),
        function("timestampdiff", &[Text, Time, Time], 3, int_type, difference),
        function("timestampadd", &[Text, Int, Time], 3, time_type, add),
        function("to_timestamp", &[Text, Text], 1, time_type, to_timestamp),
        function("to_timestamp_ltz", &[Int, Int], 1, time_type, to_timestamp_ltz),
        function("to_date", &[Text, Text], 1, |_| Ok(DataType::Date32), to_date),
        function("unix_timestamp", &[Any, Text], 1, bigint_type, unix_timestamp),
        function("from_unixtime", &[Int, Text], 1, text_type, from_unixtime),
    ]
}

fn part(name: &'static str, field: &'static str) -> Named {
    macro_rules! of {
        ($field:literal) => {
            function(name, &[Time], 1, bigint_type, |args| parts(args, 0, $field))
        };
    }
    match field {
        "YEAR" => of!("YEAR"),
        "QUARTER" => of!("QUARTER"),
        "MONTH" => of!("MONTH"),
        "WEEK" => of!("WEEK"),
        "DOY" => of!("DOY"),
        "DAY" => of!("DAY"),
        "DOW" => of!("DOW"),
        "HOUR" => of!("HOUR"),
        "MINUTE" => of!("MINUTE"),
        _ => of!("SECOND"),
    }
}

fn parts(args: &Args, index: usize, field: &str) -> Result<arrow::array::ArrayRef> {
    let Some(part) = part_of(field) else {
        return plan_err!("EXTRACT of {field} is not supported");
    };
    let times = args.time(index)?;
    numbers::<Int64Type>(args.rows, |row| Ok(times.get(row).map(part)))
}

/// How a part of an instant is computed. Weeks are of ISO 8601; Sunday is day 1 of the week.
fn part_of(field: &str) -> Option<fn(i64) -> i64> {
    Some(match field {
        "YEAR" => |t| Date::of(t).year,
        "ISOYEAR" => |t| Date::of(t).iso_week().0,
        "DECADE" => |t| Date::of(t).year.div_euclid(10),
        "CENTURY" => |t| (Date::of(t).year + 99).div_euclid(100),
        "QUARTER" => |t| Date::of(t).quarter(),
        "MONTH" => |t| Date::of(t).month,
        "WEEK" => |t| Date::of(t).iso_week().1,
        "DAY" => |t| Date::of(t).day,
        "DOY" | "DAYOFYEAR" => |t| Date::of(t).day_of_year(),
        "DOW" | "DAYOFWEEK" => |t| weekday(t.div_euclid(DAY)) % 7 + 1,
        "ISODOW" => |t| weekday(t.div_euclid(DAY)),
        "HOUR" => |t| t.rem_euclid(DAY) / HOUR,
        "MINUTE" => |t| t.rem_euclid(HOUR) / MINUTE,
        "SECOND" => |t| t.rem_euclid(MINUTE) / SECOND,
        "MILLISECOND" => |t| t.rem_euclid(MINUTE) / 1_000,
        "MICROSECOND" => |t| t.rem_euclid(MINUTE),
        "EPOCH" => |t| t.div_euclid(SECOND),
        _ => return None,
    })
}

fn extract(args: &Args) -> Result<arrow::array::ArrayRef> {
    let field = args.text(0)?;
    parts(args, 1, &field.get(0).unwrap_or_default().to_ascii_uppercase())
}

/// The pattern of an argument when it is the same for all rows; a text for each row is read anew.
enum Patterns {
    Constant(Option<Pattern>),
    Rows(Texts),
}

impl Patterns {
    fn new(args: &Args, index: usize) -> Result<Self> {
        Ok(match args.text_or_none(index)? {
            None => Self::Constant(Some(pattern(DEFAULT)?)),
            Some(texts) if texts.is_constant() => {
                Self::Constant(texts.get(0).map(pattern).transpose()?)
            }
            Some(texts) => Self::Rows(texts),
        })
    }

    fn with<R>(&self, row: usize, use_it: impl FnOnce(&Pattern) -> R) -> Result<Option<R>> {
        match self {
            Self::Constant(pattern) => Ok(pattern.as_ref().map(use_it)),
            Self::Rows(texts) => {
                let read = texts.get(row).map(pattern).transpose()?;
                Ok(read.as_ref().map(use_it))
            }
        }
    }
}

fn pattern(text: &str) -> Result<Pattern> {
    Pattern::parse(text).or_else(|message| exec_err!("{message}"))
}

fn date_format(args: &Args) -> Result<arrow::array::ArrayRef> {
    let patterns = Patterns::new(args, 1)?;
    let format = |row: usize, time: Option<i64>, out: &mut String| {
        let Some(time) = time else { return Ok(None) };
        patterns.with(row, |pattern| pattern.format(time, out))
    };
    if matches!(args.column(0)?.data_type(), DataType::Timestamp(..) | DataType::Date32) {
        let times = args.time(0)?;
        return texts(args.rows, |row, out| format(row, times.get(row), out));
    }
    let input = args.text(0)?;
    texts(args.rows, |row, out| format(row, input.get(row).and_then(read_default), out))
}

fn unit(texts: &Texts) -> Result<Unit> {
    let name = texts.get(0).unwrap_or_default();
    Unit::named(name).map_or_else(|| plan_err!("there is no unit of time {name}"), Ok)
}

fn difference(args: &Args) -> Result<arrow::array::ArrayRef> {
    let unit = unit(&args.text(0)?)?;
    let (from, to) = (args.time(1)?, args.time(2)?);
    numbers::<Int32Type>(args.rows, |row| {
        let (Some(from), Some(to)) = (from.get(row), to.get(row)) else { return Ok(None) };
        let count = i32::try_from(unit.between(from, to));
        count.map(Some).or_else(|_| exec_err!("TIMESTAMPDIFF is out of the range of INT"))
    })
}

fn add(args: &Args) -> Result<arrow::array::ArrayRef> {
    let unit = unit(&args.text(0)?)?;
    let (counts, from) = (args.int(1)?, args.time(2)?);
    times(args.rows, |row| {
        Ok(counts.get(row).zip(from.get(row)).and_then(|(count, time)| unit.add(time, count)))
    })
}

/// Instants in texts, by the pattern of argument 1 if it is given; NULL for what cannot be read.
fn read(args: &Args, row: usize, text: Option<&str>, patterns: &Patterns) -> Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    if args.len() < 2 {
        return Ok(read_default(text));
    }
    Ok(patterns.with(row, |pattern| pattern.read(text))?.flatten())
}

fn to_timestamp(args: &Args) -> Result<arrow::array::ArrayRef> {
    let (input, patterns) = (args.text(0)?, Patterns::new(args, 1)?);
    times(args.rows, |row| read(args, row, input.get(row), &patterns))
}

fn to_date(args: &Args) -> Result<arrow::array::ArrayRef> {
    let (input, patterns) = (args.text(0)?, Patterns::new(args, 1)?);
    numbers::<Date32Type>(args.rows, |row| {
        let time = read(args, row, input.get(row), &patterns)?;
        Ok(time.and_then(|time| i32::try_from(time.div_euclid(DAY)).ok()))
    })
}

fn to_timestamp_ltz(args: &Args) -> Result<arrow::array::ArrayRef> {
    let epochs = args.int(0)?;
    let precision = if args.len() > 1 { args.int(1)?.get(0) } else { Some(3) };
    let unit = match precision {
        Some(0) => SECOND,
        Some(3) => 1_000,
        Some(6) => 1,
        _ => return exec_err!("the precision of TO_TIMESTAMP_LTZ is 0, 3 or 6"),
    };
    times(args.rows, |row| Ok(epochs.get(row).and_then(|epoch| epoch.checked_mul(unit))))
}

fn unix_timestamp(args: &Args) -> Result<arrow::array::ArrayRef> {
    if matches!(args.column(0)?.data_type(), DataType::Timestamp(..) | DataType::Date32) {
        let times = args.time(0)?;
        return numbers::<Int64Type>(args.rows, |row| {
            Ok(times.get(row).map(|time| time.div_euclid(SECOND)))
        });
    }
    let (input, patterns) = (args.text(0)?, Patterns::new(args, 1)?);
    numbers::<Int64Type>(args.rows, |row| {
        let time = read(args, row, input.get(row), &patterns)?;
        Ok(time.map(|time| time.div_euclid(SECOND)))
    })
}

fn from_unixtime(args: &Args) -> Result<arrow::array::ArrayRef> {
    let (seconds, patterns) = (args.int(0)?, Patterns::new(args, 1)?);
    texts(args.rows, |row, out| {
        let time = seconds.get(row).and_then(|seconds| seconds.checked_mul(SECOND));
        let Some(time) = time else { return Ok(None) };
        patterns.with(row, |pattern| pattern.format(time, out))
    })
}
