//! The aggregates of one operator, computed together.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use millrace_plan::{AggregateCall, AggregateFn};
use millrace_state::RowCodec;

use super::cell::{Cell, add};
use super::distinct_table::{DistinctSet, News};
use super::distinct_values::DistinctValues;
use super::factory::{Function, function};
use super::function::Slots;
use super::picked::{Picked, Selection, filter_of};
use super::states::{HEADER, States, parts, put_part};
use crate::JobError;
use crate::operators::columns::typed;

/// Where the values of `DISTINCT` aggregates are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distinct {
    /// In a table beside the states, which says which rows are new.
    Table,
    /// In the states themselves, which can then be merged.
    States,
}

struct Call {
    function: Function,
    /// Offset in the record, or number among the growing states.
    place: usize,
    args: Vec<usize>,
    inputs: Vec<DataType>,
    filter: Option<usize>,
    /// Place in the news of the distinct table.
    news: Option<usize>,
    output: DataType,
}

/// The aggregates of an operator.
pub(crate) struct AggregateSet {
    calls: Vec<Call>,
    stride: usize,
    variables: usize,
}

/// Rows to be aggregated.
pub(crate) struct Input<'a> {
    /// The columns.
    pub(crate) columns: &'a [ArrayRef],
    /// The group of each row.
    pub(crate) groups: &'a [u32],
    /// Which rows are taken back; `None` if none.
    pub(crate) retracts: Option<&'a [bool]>,
    /// What the distinct table found.
    pub(crate) news: &'a [News],
}

impl AggregateSet {
    /// The aggregates, and the sets of values a [`super::DistinctTable`] must keep for them.
    pub(crate) fn new(
        calls: &[AggregateCall],
        distinct: Distinct,
    ) -> Result<(Self, Vec<DistinctSet>), JobError> {
        let mut set = Self { calls: Vec::new(), stride: HEADER, variables: 0 };
        let mut sets: Vec<DistinctSet> = Vec::new();
        for call in calls {
            let once = call.distinct && !ignores_repetition(&call.function);
            let (function, inputs) = match distinct {
                Distinct::States if once => inside(call)?,
                _ => function(call)?,
            };
            let news = (once && distinct == Distinct::Table).then(|| variant(&mut sets, call));
            let place = match &function {
                Function::Rows => 0,
                Function::Fixed(function) => {
                    set.stride += function.width();
                    set.stride - function.width()
                }
                Function::Variable(_) => {
                    set.variables += 1;
                    set.variables - 1
                }
            };
            let args = if inputs.is_empty() { Vec::new() } else { call.args.clone() };
            let (filter, output) = (call.filter, call.output.clone());
            set.calls.push(Call { function, place, args, inputs, filter, news, output });
        }
        Ok((set, sets))
    }

    /// No states yet.
    pub(crate) fn states(&self) -> States {
        States::new(self.stride, self.variables)
    }

    /// Adds rows to the states of their groups (those taken back last).
    pub(crate) fn update(&self, input: &Input<'_>, states: &mut States) -> Result<(), JobError> {
        count_rows(input, states);
        let mut selections: Vec<(Option<usize>, bool, Selection)> = Vec::new();
        for call in &self.calls {
            if matches!(call.function, Function::Rows) {
                continue;
            }
            let args = call.args.iter().zip(&call.inputs);
            let args = args
                .map(|(arg, wanted)| typed(input.columns[*arg].clone(), wanted))
                .collect::<Result<Vec<_>, _>>()?;
            if let Some(news) = call.news {
                call.update(&args, input.news[news].added.picked(), false, states)?;
                if !input.news[news].removed.is_empty() {
                    call.update(&args, input.news[news].removed.picked(), true, states)?;
                }
                continue;
            }
            if call.filter.is_none() && input.retracts.is_none() {
                call.update(&args, Picked::All(input.groups), false, states)?;
                continue;
            }
            for retract in [false, true] {
                if retract && input.retracts.is_none() {
                    continue;
                }
                let picked = select(&mut selections, input, call.filter, retract);
                call.update(&args, picked, retract, states)?;
            }
        }
        Ok(())
    }

    /// Adds the state of a group to the encoded one in `into` (empty: there is none yet).
    pub(crate) fn merge_into(
        &self,
        into: &mut Vec<u8>,
        from: &States,
        group: usize,
    ) -> Result<(), JobError> {
        if into.is_empty() {
            from.encode(group, into);
            return Ok(());
        }
        self.merge_records(&mut into[..self.stride], from.record(group));
        if self.variables == 0 {
            return Ok(());
        }
        let mut held: Vec<Vec<u8>> = parts(&into[self.stride..]).map(<[u8]>::to_vec).collect();
        into.truncate(self.stride);
        for call in &self.calls {
            if let Function::Variable(function) = &call.function {
                function.merge(&mut held[call.place], &from.variable(call.place)[group])?;
                put_part(&held[call.place], into);
            }
        }
        Ok(())
    }

    /// As [`Self::merge_into`] for a state that stays where it is; `false` if it may grow.
    pub(crate) fn merge_in_place(&self, into: &mut [u8], from: &States, group: usize) -> bool {
        if self.variables == 0 {
            self.merge_records(into, from.record(group));
        }
        self.variables == 0
    }

    /// Adds an encoded state to that of a group.
    pub(crate) fn merge_from(
        &self,
        into: &mut States,
        group: usize,
        from: &[u8],
    ) -> Result<(), JobError> {
        self.merge_records(into.record_mut(group), from);
        let mut parts = parts(&from[self.stride..]);
        for call in &self.calls {
            if let Function::Variable(function) = &call.function {
                let part = parts.next().unwrap_or_default();
                function.merge(&mut into.variable_mut(call.place)[group], part)?;
            }
        }
        Ok(())
    }

    fn merge_records(&self, into: &mut [u8], from: &[u8]) {
        add(into, i64::read(from));
        for call in &self.calls {
            if let Function::Fixed(function) = &call.function {
                function.merge(&mut into[call.place..], &from[call.place..]);
            }
        }
    }

    /// The results of all groups, a column for each call.
    pub(crate) fn finish(&self, states: &States) -> Result<Vec<ArrayRef>, JobError> {
        self.calls.iter().map(|call| call.finish(states)).collect()
    }
}

impl Call {
    fn update(
        &self,
        args: &[ArrayRef],
        picked: Picked<'_>,
        retract: bool,
        states: &mut States,
    ) -> Result<(), JobError> {
        match &self.function {
            Function::Rows => Ok(()),
            Function::Fixed(function) => {
                let stride = states.stride();
                let bytes = states.records_mut();
                let mut slots = Slots { bytes, stride, offset: self.place };
                function.update(args, picked, retract, &mut slots);
                Ok(())
            }
            Function::Variable(function) => {
                function.update(args, picked, retract, states.variable_mut(self.place))
            }
        }
    }

    fn finish(&self, states: &States) -> Result<ArrayRef, JobError> {
        let result = match &self.function {
            Function::Rows => {
                let rows = (0..states.len()).map(|group| states.rows(group));
                std::sync::Arc::new(arrow::array::Int64Array::from_iter_values(rows))
            }
            Function::Fixed(function) => {
                function.finish(&mut states.records().map(|record| &record[self.place..]))?
            }
            Function::Variable(function) => {
                let states = states.variable(self.place).iter().map(Vec::as_slice);
                function.finish(&states.collect::<Vec<_>>())?
            }
        };
        typed(result, &self.output)
    }
}

fn count_rows(input: &Input<'_>, states: &mut States) {
    let stride = states.stride();
    let records = states.records_mut();
    for (row, group) in input.groups.iter().enumerate() {
        let taken_back = input.retracts.is_some_and(|retracts| retracts[row]);
        add(&mut records[*group as usize * stride..], if taken_back { -1 } else { 1 });
    }
}

/// The rows a filter lets pass, computed once for all calls that have it.
fn select<'a>(
    selections: &'a mut Vec<(Option<usize>, bool, Selection)>,
    input: &Input<'_>,
    filter: Option<usize>,
    retract: bool,
) -> Picked<'a> {
    let known =
        selections.iter().position(|(of, taken_back, _)| *of == filter && *taken_back == retract);
    let at = known.unwrap_or_else(|| {
        let condition = filter.map(|filter| filter_of(input.columns, filter));
        let selection = Selection::of(input.groups, condition, input.retracts, retract);
        selections.push((filter, retract, selection));
        selections.len() - 1
    });
    selections[at].2.picked()
}

/// Whether repeated values make no difference.
fn ignores_repetition(function: &AggregateFn) -> bool {
    matches!(function, AggregateFn::Min | AggregateFn::Max | AggregateFn::And | AggregateFn::Or)
}

/// The variant of a distinct call: a filter over the values of its arguments.
fn variant(sets: &mut Vec<DistinctSet>, call: &AggregateCall) -> usize {
    let next = sets.iter().map(|set| set.variants.len()).sum();
    let at = sets.iter().position(|set| set.args == call.args).unwrap_or_else(|| {
        let (args, types) = (call.args.clone(), call.arg_types.clone());
        sets.push(DistinctSet { args, types, variants: Vec::new() });
        sets.len() - 1
    });
    let variants = &mut sets[at].variants;
    if let Some((_, known)) = variants.iter().find(|(filter, _)| *filter == call.filter) {
        return *known;
    }
    variants.push((call.filter, next));
    next
}

/// A distinct call that keeps its values in its state.
fn inside(call: &AggregateCall) -> Result<(Function, Vec<DataType>), JobError> {
    let alone = AggregateCall {
        args: (0..call.args.len()).collect(),
        distinct: false,
        filter: None,
        ..call.clone()
    };
    let (function, _) = AggregateSet::new(&[alone], Distinct::States)?;
    let values = DistinctValues::new(RowCodec::new(&call.arg_types)?, function);
    Ok((Function::Variable(Box::new(values)), call.arg_types.clone()))
}
