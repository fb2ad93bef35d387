//! `APPLIANCE_HEALTH(at, id, verdict, up_after, down_after, memory_ms)`: up or down with
//! hysteresis.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBuilder, Int64Builder, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use millrace_plan::AggregateFunction;

use super::arguments::{MICROS, is_text, is_time, of_type, take_i64, take_short};

/// Whether an appliance is up, from the verdicts on its reports:
/// `ROW<healthy, reported_healthy, silent, good_in_row, bad_in_row>`.
///
/// Verdicts are taken in the order of `(at, id)`, each id once, and only those less than
/// `memory_ms` older than the newest. The appliance begins down; then
///
/// | verdict | does |
/// |---|---|
/// | `good` | the `up_after`th in a row makes it up |
/// | `bad` | the `down_after`th in a row makes it down |
/// | `failing` | makes it down at once |
/// | `silent` | makes it down at once; its `id` is NULL, and it comes before reports of its time |
///
/// `reported_healthy` is what `healthy` was after the last verdict that is not `silent`. The memory
/// makes the state finite and the result a function of the set of rows: what is too old is too old
/// whenever it comes. So an appliance without `up_after` good reports in a row within the memory is
/// down, though it never had `down_after` bad ones: that is one that flaps.
///
/// State, little-endian: `up_after`, `down_after`, memory in microseconds (8 bytes each), then the
/// verdicts in order: `at` (8), verdict (1), length of `id` (2), `id`.
#[derive(Debug)]
pub(crate) struct ApplianceHealth;

/// In order of how bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Good,
    Bad,
    Failing,
    Silent,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Good, Self::Bad, Self::Failing, Self::Silent];

    fn of_text(text: &str) -> Result<Self> {
        match text {
            "good" => Ok(Self::Good),
            "bad" => Ok(Self::Bad),
            "failing" => Ok(Self::Failing),
            "silent" => Ok(Self::Silent),
            _ => Err(exec_datafusion_err!(
                "`{text}` is no verdict of appliance_health: good, bad, failing, silent"
            )),
        }
    }
}

/// The rule, and the verdicts it is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Memory {
    up_after: i64,
    down_after: i64,
    micros: i64,
    verdicts: BTreeMap<(i64, Vec<u8>), Verdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Health {
    healthy: bool,
    reported: bool,
    silent: bool,
    good: i64,
    bad: i64,
}

impl Memory {
    fn read(state: &[u8]) -> Option<Self> {
        let mut rest = state;
        let (up_after, down_after) = (take_i64(&mut rest)?, take_i64(&mut rest)?);
        let micros = take_i64(&mut rest)?;
        let mut verdicts = BTreeMap::new();
        while let Some(at) = take_i64(&mut rest) {
            let (verdict, after) = rest.split_first()?;
            rest = after;
            let id = take_short(&mut rest)?;
            verdicts.insert((at, id.to_vec()), *Verdict::ALL.get(usize::from(*verdict))?);
        }
        Some(Self { up_after, down_after, micros, verdicts })
    }

    fn write(&self, state: &mut Vec<u8>) {
        state.clear();
        for number in [self.up_after, self.down_after, self.micros] {
            state.extend(number.to_le_bytes());
        }
        for ((at, id), verdict) in &self.verdicts {
            state.extend(at.to_le_bytes());
            state.push(*verdict as u8);
            state.extend(u16::try_from(id.len()).unwrap_or(u16::MAX).to_le_bytes());
            state.extend(&id[..id.len().min(u16::MAX.into())]);
        }
    }

    fn add(&mut self, at: i64, id: &[u8], verdict: Verdict) {
        let known = self.verdicts.entry((at, id.to_vec())).or_insert(verdict);
        *known = verdict.max(*known);
    }

    fn forget(&mut self) {
        let Some(((newest, _), _)) = self.verdicts.last_key_value() else { return };
        let oldest = newest.saturating_sub(self.micros);
        self.verdicts.retain(|(at, _), _| *at > oldest);
    }

    fn judge(&self) -> Health {
        let mut now = Health::default();
        for verdict in self.verdicts.values() {
            let Health { healthy, good, bad, .. } = now;
            (now.healthy, now.good, now.bad) = match verdict {
                Verdict::Good => (healthy || good + 1 >= self.up_after, good + 1, 0),
                Verdict::Bad => (healthy && bad + 1 < self.down_after, 0, bad + 1),
                Verdict::Failing => (false, 0, bad + 1),
                Verdict::Silent => (false, 0, 0),
            };
            now.silent = *verdict == Verdict::Silent;
            if !now.silent {
                now.reported = now.healthy;
            }
        }
        now
    }
}

fn fields() -> Fields {
    let flag = |name| Field::new(name, DataType::Boolean, true);
    let count = |name| Field::new(name, DataType::Int64, true);
    Fields::from(vec![
        flag("healthy"),
        flag("reported_healthy"),
        flag("silent"),
        count("good_in_row"),
        count("bad_in_row"),
    ])
}

impl AggregateFunction for ApplianceHealth {
    fn name(&self) -> &'static str {
        "appliance_health"
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [at, id, verdict, numbers @ ..]
                if is_time(at)
                    && is_text(id)
                    && is_text(verdict)
                    && numbers.len() == 3
                    && numbers.iter().all(DataType::is_integer) =>
            {
                Ok(DataType::Struct(fields()))
            }
            _ => plan_err!(
                "appliance_health takes a time, an id and a verdict as texts, and three whole \
                 numbers: good reports until up, bad reports until down, milliseconds of memory"
            ),
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        let at = of_type(&args[0], &MICROS)?;
        let at = at.as_primitive::<TimestampMicrosecondType>();
        let text = |place: usize| of_type(&args[place], &DataType::Utf8);
        let (id, verdict) = (text(1)?, text(2)?);
        let (id, verdict) = (id.as_string::<i32>(), verdict.as_string::<i32>());
        let number = |place: usize| of_type(&args[place], &DataType::Int64);
        let (up_after, down_after, memory_ms) = (number(3)?, number(4)?, number(5)?);
        let mut memory = Memory::read(state).unwrap_or_default();
        for row in rows.iter().map(|row| *row as usize) {
            if at.is_null(row) || verdict.is_null(row) {
                continue;
            }
            memory.up_after = up_after.as_primitive::<Int64Type>().value(row);
            memory.down_after = down_after.as_primitive::<Int64Type>().value(row);
            let memory_ms = memory_ms.as_primitive::<Int64Type>().value(row);
            memory.micros = memory_ms.saturating_mul(1000);
            let id = if id.is_null(row) { "" } else { id.value(row) };
            memory.add(at.value(row), id.as_bytes(), Verdict::of_text(verdict.value(row))?);
        }
        memory.forget();
        memory.write(state);
        Ok(())
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        let Some(other) = Memory::read(other) else { return Ok(()) };
        let Some(mut memory) = Memory::read(state) else {
            other.write(state);
            return Ok(());
        };
        for ((at, id), verdict) in &other.verdicts {
            memory.add(*at, id, *verdict);
        }
        memory.forget();
        memory.write(state);
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let mut flags: [BooleanBuilder; 3] = Default::default();
        let mut counts: [Int64Builder; 2] = Default::default();
        for state in states {
            let memory = Memory::read(state).filter(|memory| !memory.verdicts.is_empty());
            let health = memory.map(|memory| memory.judge());
            flags[0].append_option(health.map(|health| health.healthy));
            flags[1].append_option(health.map(|health| health.reported));
            flags[2].append_option(health.map(|health| health.silent));
            counts[0].append_option(health.map(|health| health.good));
            counts[1].append_option(health.map(|health| health.bad));
        }
        let flags = flags.iter_mut().map(|flag| Arc::new(flag.finish()) as ArrayRef);
        let counts = counts.iter_mut().map(|count| Arc::new(count.finish()) as ArrayRef);
        let columns = flags.chain(counts).collect();
        Ok(Arc::new(StructArray::try_new(fields(), columns, None)?))
    }
}
