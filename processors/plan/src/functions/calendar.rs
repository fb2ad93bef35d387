//! Dates of the proleptic Gregorian calendar from microseconds since 1970, in UTC.
//!
//! The conversions are those of Howard Hinnant, *chrono-Compatible Low-Level Date Algorithms*.

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// A year, a month and a day of the month, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
}

impl Date {
    /// The date of a day counted from 1970-01-01.
    pub(super) fn of_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day }
    }

    /// The date of an instant.
    pub(super) fn of(micros: i64) -> Self {
        Self::of_days(micros.div_euclid(DAY))
    }

    /// Days from 1970-01-01.
    pub(super) fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let from_march = (self.month + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + self.day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// The first instant of the day.
    pub(super) fn micros(self) -> i64 {
        self.days() * DAY
    }

    /// Day of the year, from 1.
    pub(super) fn day_of_year(self) -> i64 {
        self.days() - Self { month: 1, day: 1, ..self }.days() + 1
    }

    /// Quarter, from 1.
    pub(super) fn quarter(self) -> i64 {
        (self.month - 1) / 3 + 1
    }

    /// The same day some months later, or the last of the month if that has no such day.
    pub(super) fn plus_months(self, months: i64) -> Self {
        let sum = self.year * 12 + self.month - 1 + months;
        let (year, month) = (sum.div_euclid(12), sum.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)) }
    }

    /// Year and number of the ISO 8601 week.
    pub(super) fn iso_week(self) -> (i64, i64) {
        let days = self.days();
        let thursday = days - (weekday(days) - 1) + 3;
        let year = Self::of_days(thursday).year;
        let first = Self { year, month: 1, day: 1 }.days();
        (year, (thursday - first) / 7 + 1)
    }
}

/// Day of the ISO week: Monday is 1, Sunday 7.
pub(super) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// A unit of time as SQL names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Of fixed length in microseconds.
    Fixed(i64),
    /// Of this many months.
    Months(i64),
}

impl Unit {
    /// The unit of a name in any case, singular or plural, or with `SQL_TSI_` before it.
    pub(super) fn named(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let name = upper.strip_prefix("SQL_TSI_").unwrap_or(&upper);
        Some(match name.strip_suffix('S').unwrap_or(name) {
            "MICROSECOND" => Self::Fixed(1),
            "MILLISECOND" => Self::Fixed(1_000),
            "SECOND" => Self::Fixed(SECOND),
            "MINUTE" => Self::Fixed(MINUTE),
            "HOUR" => Self::Fixed(HOUR),
            "DAY" => Self::Fixed(DAY),
            "WEEK" => Self::Fixed(7 * DAY),
            "MONTH" => Self::Months(1),
            "QUARTER" => Self::Months(3),
            "YEAR" => Self::Months(12),
            "DECADE" => Self::Months(120),
            "CENTURY" => Self::Months(1_200),
            _ => return None,
        })
    }

    /// The greatest beginning of this unit that is not after an instant; weeks begin on Sunday.
    pub(super) fn floor(self, micros: i64) -> i64 {
        match self {
            // 1970-01-01 was a Thursday.
            Self::Fixed(length) if length == 7 * DAY => {
                micros.saturating_add(4 * DAY).div_euclid(length) * length - 4 * DAY
            }
            Self::Fixed(length) => micros.div_euclid(length) * length,
            Self::Months(count) => {
                let date = Date::of(micros);
                let month0 = (date.year * 12 + date.month - 1).div_euclid(count) * count;
                first_of_month(month0).micros()
            }
        }
    }

    /// The least beginning of this unit that is not before an instant.
    pub(super) fn ceil(self, micros: i64) -> i64 {
        let floor = self.floor(micros);
        if floor == micros { micros } else { self.add(floor, 1).unwrap_or(i64::MAX) }
    }

    /// An instant this many units later, if there is one.
    pub(super) fn add(self, micros: i64, count: i64) -> Option<i64> {
        // Instants span 600,000 years; dates are computed without a look at overflow.
        const MOST_MONTHS: i64 = 12 * 600_000;
        match self {
            Self::Fixed(length) => micros.checked_add(length.checked_mul(count)?),
            Self::Months(months) => {
                let months = months.checked_mul(count)?;
                if !(-MOST_MONTHS..=MOST_MONTHS).contains(&months) {
                    return None;
                }
                let days = Date::of(micros).plus_months(months).days();
                days.checked_mul(DAY)?.checked_add(micros.rem_euclid(DAY))
            }
        }
    }

    /// Whole units from one instant to another.
    pub(super) fn between(self, from: i64, to: i64) -> i64 {
        match self {
            Self::Fixed(length) => to.saturating_sub(from) / length,
            Self::Months(months) => {
                let (start, end) = (Date::of(from), Date::of(to));
                let mut count = (end.year - start.year) * 12 + end.month - start.month;
                let of_month = |date: Date, micros: i64| (date.day, micros.rem_euclid(DAY));
                let (first, last) = (of_month(start, from), of_month(end, to));
                if count > 0 && last < first {
                    count -= 1;
                } else if count < 0 && last > first {
                    count += 1;
                }
                count / months
            }
        }
    }
}

fn first_of_month(month0: i64) -> Date {
    Date { year: month0.div_euclid(12), month: month0.rem_euclid(12) + 1, day: 1 }
}
