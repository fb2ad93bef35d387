//! Conditions that keep two event times near to each other.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal};

use super::expression::{Expression, as_column};

/// What conditions say of `right − left`, in microseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bounds {
    pub(crate) lower: Option<i64>,
    pub(crate) upper: Option<i64>,
}

impl Bounds {
    /// Both bounds together.
    pub(crate) fn and(self, other: Self) -> Self {
        let either = |a: Option<i64>, b: Option<i64>, pick: fn(i64, i64) -> i64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (one, None) | (None, one) => one,
        };
        Self {
            lower: either(self.lower, other.lower, i64::max),
            upper: either(self.upper, other.upper, i64::min),
        }
    }
}

/// A sum of event times and lengths of time.
#[derive(Debug, Clone, Default)]
struct Linear {
    /// (column, how often it is added).
    terms: Vec<(usize, i64)>,
    micros: i64,
}

impl Linear {
    fn add(mut self, other: &Self, times: i64) -> Option<Self> {
        self.micros = self.micros.checked_add(other.micros.checked_mul(times)?)?;
        for (column, count) in &other.terms {
            match self.terms.iter_mut().find(|(known, _)| known == column) {
                Some((_, known)) => *known += count * times,
                None => self.terms.push((*column, count * times)),
            }
        }
        self.terms.retain(|(_, count)| *count != 0);
        Some(self)
    }
}

/// What `condition` says of two event times, one of each side: (left, right, bounds on
/// `right − left`). `time` tells which columns are event times; the right's begin at `right`.
pub(crate) fn bounds(
    condition: &Expression,
    right: usize,
    time: &dyn Fn(usize) -> bool,
) -> Option<(usize, usize, Bounds)> {
    let binary = condition.downcast_ref::<BinaryExpr>()?;
    let operator = *binary.op();
    let known = [Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq, Operator::Eq];
    if !known.contains(&operator) {
        return None;
    }
    let difference = linear(binary.left(), time)?.add(&linear(binary.right(), time)?, -1)?;
    let (added, subtracted) = match difference.terms.as_slice() {
        [(a, 1), (b, -1)] | [(b, -1), (a, 1)] => (*a, *b),
        _ => return None,
    };
    // added − subtracted + micros <operator> 0
    let (left, right, operator, micros) = if added < right && subtracted >= right {
        (added, subtracted, operator.swap()?, difference.micros)
    } else if added >= right && subtracted < right {
        (subtracted, added, operator, difference.micros.checked_neg()?)
    } else {
        return None;
    };
    // right − left <operator> micros
    let bounds = match operator {
        Operator::Lt => Bounds { lower: None, upper: Some(micros.checked_sub(1)?) },
        Operator::LtEq => Bounds { lower: None, upper: Some(micros) },
        Operator::Gt => Bounds { lower: Some(micros.checked_add(1)?), upper: None },
        Operator::GtEq => Bounds { lower: Some(micros), upper: None },
        _ => Bounds { lower: Some(micros), upper: Some(micros) },
    };
    Some((left, right, bounds))
}

fn linear(expression: &Expression, time: &dyn Fn(usize) -> bool) -> Option<Linear> {
    if let Some(index) = as_column(expression) {
        return time(index).then(|| Linear { terms: vec![(index, 1)], micros: 0 });
    }
    if let Some(literal) = expression.downcast_ref::<Literal>() {
        return Some(Linear { terms: Vec::new(), micros: length(literal.value())? });
    }
    if let Some(cast) = expression.downcast_ref::<CastExpr>() {
        // A cast to coarser units would cut off what the bound is about.
        return match cast.cast_type() {
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _)
            | DataType::Duration(TimeUnit::Microsecond | TimeUnit::Nanosecond)
            | DataType::Interval(_) => linear(cast.expr(), time),
            _ => None,
        };
    }
    let binary = expression.downcast_ref::<BinaryExpr>()?;
    let times = match binary.op() {
        Operator::Plus => 1,
        Operator::Minus => -1,
        _ => return None,
    };
    linear(binary.left(), time)?.add(&linear(binary.right(), time)?, times)
}

/// Whether a length of time in `condition` is counted in months.
pub(crate) fn has_months(condition: &Expression) -> bool {
    let months = |node: &Expression| match node.downcast_ref::<Literal>().map(Literal::value) {
        Some(ScalarValue::IntervalMonthDayNano(Some(interval))) => interval.months != 0,
        Some(ScalarValue::IntervalYearMonth(Some(months))) => *months != 0,
        _ => false,
    };
    condition.exists(|node| Ok(months(node))).unwrap_or(false)
}

/// A length of time that is the same in every month, in microseconds.
fn length(value: &ScalarValue) -> Option<i64> {
    const DAY: i64 = 86_400_000_000;
    match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            let exact = interval.nanoseconds % 1_000 == 0;
            let rest = exact.then_some(interval.nanoseconds / 1_000)?;
            i64::from(interval.days).checked_mul(DAY)?.checked_add(rest)
        }
        ScalarValue::IntervalDayTime(Some(interval)) => i64::from(interval.days)
            .checked_mul(DAY)?
            .checked_add(i64::from(interval.milliseconds).checked_mul(1_000)?),
        ScalarValue::DurationSecond(Some(length)) => length.checked_mul(1_000_000),
        ScalarValue::DurationMillisecond(Some(length)) => length.checked_mul(1_000),
        ScalarValue::DurationMicrosecond(Some(length)) => Some(*length),
        ScalarValue::DurationNanosecond(Some(length)) => {
            (length % 1_000 == 0).then_some(length / 1_000)
        }
        _ => None,
    }
}
