//! `watch_history(gap, deletion, event_time, event_id, played_from_s, played_to_s, position_s,
//! duration_s, device)`: what a history shows of a title.

mod coverage;
mod state;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, plan_err};
use millrace_plan::AggregateFunction;

use crate::arguments::of_type;
use state::{Event, History};

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// What a history shows of a title, from what players reported and when it was deleted.
///
/// | argument | is |
/// |---|---|
/// | `gap` | silence in minutes after which a viewing session has ended |
/// | `deletion` | the row deletes the title from the history; all but its time is ignored |
/// | `event_time`, `event_id` | when, and what decides between events of one time: the greater id |
/// | `played_from_s`, `played_to_s` | what was played, if anything |
/// | `position_s`, `duration_s`, `device` | as the event says; NULL if it does not |
///
/// The result is a row, or NULL if nothing is left since the last deletion:
///
/// | field | is |
/// |---|---|
/// | `last_watched` | time of the latest event |
/// | `position_s`, `duration_s`, `device` | of the latest event that has one |
/// | `watched_s` | how many seconds of the title were ever played |
/// | `completion` | `watched_s` over `duration_s`, at most 1 |
/// | `sessions` | viewing sessions |
///
/// A deletion takes away the events up to its time, whenever it comes, and later ones count again.
/// The result depends on the set of rows alone: neither their order nor repetition matters.
#[derive(Debug)]
pub(crate) struct WatchHistory;

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn fields() -> Fields {
    let columns = [
        ("last_watched", time_type()),
        ("position_s", DataType::Int64),
        ("duration_s", DataType::Int64),
        ("watched_s", DataType::Int64),
        ("completion", DataType::Float64),
        ("sessions", DataType::Int64),
        ("device", DataType::Utf8),
    ];
    columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect()
}

impl AggregateFunction for WatchHistory {
    fn name(&self) -> &'static str {
        "watch_history"
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        use DataType::{Boolean, LargeUtf8, Null, Timestamp, Utf8, Utf8View};
        let whole = |kind: &DataType| kind.is_integer() || *kind == Null;
        let text = |kind: &DataType| matches!(kind, Utf8 | LargeUtf8 | Utf8View | Null);
        match args {
            [gap, Boolean, Timestamp(..), id, from, to, position, duration, device]
                if [gap, from, to, position, duration].into_iter().all(whole)
                    && text(id)
                    && text(device) =>
            {
                Ok(DataType::Struct(fields()))
            }
            _ => plan_err!(
                "watch_history takes gap (minutes), deletion (BOOLEAN), event_time, event_id, \
                 played_from_s, played_to_s, position_s, duration_s and device"
            ),
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        let mut history = History::read(state)?;
        let args = Args::new(args)?;
        for row in rows.iter().map(|row| *row as usize) {
            args.add(row, &mut history);
        }
        history.write(state);
        Ok(())
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        let mut history = History::read(state)?;
        history.merge(History::read(other)?);
        history.write(state);
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let shown = |state: &&[u8]| Ok(History::read(state)?.shown());
        let shown: Vec<_> = states.iter().map(shown).collect::<Result<_>>()?;
        let whole = |of: fn(&state::Shown) -> Option<i64>| -> ArrayRef {
            let values = shown.iter().map(|shown| shown.as_ref().and_then(of));
            Arc::new(values.collect::<Int64Array>())
        };
        let last = shown.iter().map(|shown| shown.as_ref().map(|shown| shown.last_watched));
        let last = last.collect::<TimestampMicrosecondArray>().with_timezone("UTC");
        let completion = shown.iter().map(|shown| shown.as_ref()?.completion());
        let device = shown.iter().map(|shown| shown.as_ref()?.device.as_deref());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(last),
            whole(|shown| shown.position_s),
            whole(|shown| shown.duration_s),
            whole(|shown| Some(shown.watched_s)),
            Arc::new(completion.collect::<Float64Array>()),
            whole(|shown| Some(shown.sessions)),
            Arc::new(device.collect::<StringArray>()),
        ];
        let there: NullBuffer = shown.iter().map(Option::is_some).collect::<Vec<_>>().into();
        Ok(Arc::new(StructArray::try_new(fields(), columns, Some(there))?))
    }
}

/// The arguments, each in its one type.
struct Args {
    numbers: Vec<ArrayRef>,
    deletion: ArrayRef,
    time: ArrayRef,
    texts: [ArrayRef; 2],
}

impl Args {
    fn new(args: &[ArrayRef]) -> Result<Self> {
        let number = |at: &usize| of_type(&args[*at], &DataType::Int64);
        let text = |at: usize| of_type(&args[at], &DataType::Utf8);
        Ok(Self {
            numbers: [0, 4, 5, 6, 7].iter().map(number).collect::<Result<_>>()?,
            deletion: args[1].clone(),
            time: of_type(&args[2], &time_type())?,
            texts: [text(3)?, text(8)?],
        })
    }

    fn add(&self, row: usize, history: &mut History) {
        let time = self.time.as_primitive::<TimestampMicrosecondType>();
        if time.is_null(row) {
            return;
        }
        let time = time.value(row);
        let deletion = self.deletion.as_boolean();
        if deletion.is_valid(row) && deletion.value(row) {
            history.delete(time);
            return;
        }
        let number = |at: usize| {
            let column = self.numbers[at].as_primitive::<Int64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        let text = |at: usize| {
            let column = self.texts[at].as_string::<i32>();
            column.is_valid(row).then(|| column.value(row))
        };
        history.add(&Event {
            gap: number(0).unwrap_or_default().saturating_mul(MICROS_PER_MINUTE),
            time,
            id: text(0).unwrap_or_default(),
            played: number(1).zip(number(2)),
            position_s: number(3),
            duration_s: number(4),
            device: text(1),
        });
    }
}

#[cfg(test)]
mod tests;
