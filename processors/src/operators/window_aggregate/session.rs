//! Session windows.

use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;

use millrace_plan::{WindowAggregateNode, WindowKind, Windows};
use millrace_state::{Key, Table};

use super::emit::{Emitter, Fired, key_types};
use super::session_list::{Stretch, add, push, sessions, touches};
use super::timers::Timers;
use crate::operators::aggregate::{AggregateSet, Distinct, Grouper, Input, States};
use crate::operators::columns::{WINDOW_TIME_BEFORE_END, micros};
use crate::{
    Batch, END_OF_TIME, JobError, Micros, NO_WATERMARK, Operator, OperatorContext, Output,
};

/// Aggregates rows per key and session.
///
/// A session takes in every row not further than the gap from one of its rows, so it is complete
/// when the watermark is *past* its last row by more than the gap; until then a row exactly at the
/// gap may come. The watermark of the results is held back accordingly.
///
/// Table `sessions`: key → list of open sessions. Table `timers`: see [`Timers`]; every open
/// session has one, not after the instant at which it closes.
pub(crate) struct SessionOperator {
    operator: String,
    gap: Micros,
    time: usize,
    keys: Vec<usize>,
    set: AggregateSet,
    sessions: Table,
    timers: Timers,
    emitter: Emitter,
    watermark: Micros,
    grouper: Grouper,
    states: States,
}

impl SessionOperator {
    pub(crate) fn new(
        node: &WindowAggregateNode,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        let Windows::Assigned { window: WindowKind::Session { gap }, time } = node.windows else {
            return Err(JobError::Unsupported("not a session window".to_owned()));
        };
        let (set, _) = AggregateSet::new(&node.aggregates, Distinct::States)?;
        let grouper = Grouper::new(&key_types(&inputs[0], &node.keys))?;
        Ok(Self {
            operator: ctx.operator.0.clone(),
            gap,
            time,
            keys: node.keys.clone(),
            sessions: ctx.table("sessions"),
            timers: Timers::new(ctx.table("timers"), gap / 16),
            emitter: Emitter::new(grouper.codec().clone(), output.clone()),
            watermark: ctx.watermark,
            grouper,
            states: set.states(),
            set,
        })
    }

    /// When a session with this last row is complete.
    fn closes(&self, last: Micros) -> Micros {
        last.saturating_add(self.gap).saturating_add(1)
    }

    /// Adds rows of which none is too late.
    fn aggregate(&mut self, rows: &RecordBatch) -> Result<(), JobError> {
        let keys: Vec<_> = self.keys.iter().map(|key| rows.column(*key).clone()).collect();
        self.grouper.group(&keys, rows.num_rows())?;
        let times = micros(rows, self.time)?;
        let mut groups = vec![0; rows.num_rows()];
        let stretches = stretches(self.grouper.ids(), times, self.gap, &mut groups);
        self.states.reset(stretches.len());
        let input = Input { columns: rows.columns(), groups: &groups, retracts: None, news: &[] };
        self.set.update(&input, &mut self.states)?;
        for of_key in stretches.chunk_by(|(a, _), (b, _)| a == b) {
            let key = Key::new(self.grouper.key(of_key[0].0 as usize));
            let (set, states, gap) = (&self.set, &self.states, self.gap);
            let opened = self.sessions.update(0, key, |list| {
                let mut opened = Vec::new();
                for (_, stretch) in of_key {
                    if add(list, stretch, gap, set, states)? {
                        opened.push(stretch.last);
                    }
                }
                Ok::<_, JobError>(opened)
            })??;
            for last in opened {
                let closes = self.closes(last);
                self.timers.set(closes, key)?;
            }
        }
        Ok(())
    }

    /// A row whose own session would be complete counts only if it touches one that is open. Such
    /// rows are looked at one by one, so that what becomes of them does not depend on batches.
    fn with_stragglers(&mut self, rows: &RecordBatch, out: &mut Output) -> Result<(), JobError> {
        let times = micros(rows, self.time)?.to_vec();
        let nulls = rows.column(self.time).nulls().cloned();
        let mut late = Vec::new();
        let mut from = 0;
        for (row, time) in times.iter().enumerate() {
            let timeless = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if !timeless && self.closes(*time) > self.watermark {
                continue;
            }
            if from < row {
                self.aggregate(&rows.slice(from, row - from))?;
            }
            from = row + 1;
            let alone = rows.slice(row, 1);
            if !timeless && self.is_open(&alone, *time)? {
                self.aggregate(&alone)?;
            } else {
                late.push(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
            }
        }
        if from < times.len() {
            self.aggregate(&rows.slice(from, times.len() - from))?;
        }
        out.push_late(take_record_batch(rows, &UInt32Array::from(late))?);
        Ok(())
    }

    fn is_open(&mut self, row: &RecordBatch, time: Micros) -> Result<bool, JobError> {
        let keys: Vec<_> = self.keys.iter().map(|key| row.column(*key).clone()).collect();
        self.grouper.group(&keys, 1)?;
        let list = self.sessions.get(0, Key::new(self.grouper.key(0)))?.unwrap_or_default();
        Ok(sessions(list).any(|session| touches(&session, time, time, self.gap)))
    }

    fn fire(&mut self, to: Micros, out: &mut Output) -> Result<(), JobError> {
        let mut complete = Vec::new();
        for (group, bytes) in self.timers.expire(to)? {
            self.wake(Key::within(group, &bytes), to, &mut complete)?;
        }
        complete.sort_unstable();
        let mut fired = Fired::new(self.set.states());
        for Complete { end, key, start, state } in &complete {
            fired.push(key, (*start, *end), state);
        }
        self.emitter.emit(&fired, &self.set, out)
    }

    /// Takes the complete sessions of a key, and sets timers for the others.
    fn wake(
        &mut self,
        key: Key<'_>,
        to: Micros,
        complete: &mut Vec<Complete>,
    ) -> Result<(), JobError> {
        let Some(list) = self.sessions.get(0, key)? else { return Ok(()) };
        let list = list.to_vec();
        let mut open = Vec::new();
        for session in sessions(&list) {
            let closes = self.closes(session.last);
            // At the end of time everything is complete, even what can have no later end.
            if closes <= to {
                complete.push(Complete {
                    end: session.last.saturating_add(self.gap),
                    key: key.bytes.to_vec(),
                    start: session.first,
                    state: session.state.to_vec(),
                });
            } else {
                push(&mut open, session);
                self.timers.set(closes, key)?;
            }
        }
        if open.len() < list.len() {
            self.sessions.put(0, key, &open)?;
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complete {
    end: Micros,
    key: Vec<u8>,
    start: Micros,
    state: Vec<u8>,
}

/// Puts rows into stretches, by key and time; `groups` gets the stretch of each row.
fn stretches(
    keys: &[u32],
    times: &[Micros],
    gap: Micros,
    groups: &mut [u32],
) -> Vec<(u32, Stretch)> {
    let mut sorted: Vec<(u32, Micros, u32)> =
        keys.iter().zip(times).zip(0..).map(|((key, time), row)| (*key, *time, row)).collect();
    sorted.sort_unstable();
    let mut stretches: Vec<(u32, Stretch)> = Vec::new();
    for (key, time, row) in sorted {
        let next = stretches.len();
        match stretches.last_mut() {
            Some((of, stretch)) if *of == key && time <= stretch.last.saturating_add(gap) => {
                stretch.last = time;
            }
            _ => stretches.push((key, Stretch { first: time, last: time, group: next })),
        }
        groups[row as usize] = u32::try_from(stretches.len() - 1).expect("no more than rows");
    }
    stretches
}

impl Operator for SessionOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        if (0..batch.len()).any(|row| batch.kinds.is_some() && batch.kind(row).is_retraction()) {
            let why = "a session window over rows that are taken back";
            return Err(JobError::Unsupported(why.to_owned()));
        }
        let rows = batch.rows;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let times = micros(&rows, self.time)?;
        let in_time = rows.column(self.time).null_count() == 0
            && times.iter().all(|time| self.closes(*time) > self.watermark);
        let done = if in_time { self.aggregate(&rows) } else { self.with_stragglers(&rows, out) };
        done.map_err(|error| error.of(&self.operator))
    }

    fn watermark(&mut self, watermark: Micros, out: &mut Output) -> Result<Micros, JobError> {
        if self.timers.due()? <= watermark {
            self.fire(watermark, out).map_err(|error| error.of(&self.operator))?;
        }
        self.watermark = watermark;
        // The next result may end at the watermark, and its `window_time` is before that.
        Ok(match watermark {
            NO_WATERMARK | END_OF_TIME => watermark,
            other => other.saturating_sub(WINDOW_TIME_BEFORE_END),
        })
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.sessions, self.timers.table()]
    }
}
