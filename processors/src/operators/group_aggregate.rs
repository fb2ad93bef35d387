//! Aggregates per key without end, as a changelog.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{concat, or, take};
use arrow::datatypes::{DataType, SchemaRef};

use millrace_plan::GroupAggregateNode;
use millrace_state::{Key, KeyGroup, RowCodec, Rows, Table, hash};

use super::aggregate::{AggregateSet, Distinct, DistinctTable, Grouper, Input, States};
use super::columns::{rows_of, typed};
use crate::{Batch, JobError, Operator, OperatorContext, Output, RowKind};

/// Keeps a state per key and sends what changes: at most one net change of a key per batch.
///
/// Table `groups`: key → state. Table `distinct`: see [`DistinctTable`].
pub(crate) struct GroupAggregateOperator {
    operator: String,
    node: GroupAggregateNode,
    output: SchemaRef,
    set: AggregateSet,
    table: Table,
    distinct: Option<DistinctTable>,
    grouper: Grouper,
    /// Whether a group had a state.
    known: Vec<bool>,
    before: States,
    after: States,
}

impl GroupAggregateOperator {
    pub(crate) fn new(
        node: &GroupAggregateNode,
        inputs: &[SchemaRef],
        output: &SchemaRef,
        ctx: &mut OperatorContext,
    ) -> Result<Self, JobError> {
        if node.input_changes
            && let Some(call) = node.aggregates.iter().find(|call| !call.function.retracts())
        {
            let why = format!("`{}` over rows that can be taken back", call.name);
            return Err(JobError::Unsupported(why));
        }
        let (set, sets) = AggregateSet::new(&node.aggregates, Distinct::Table)?;
        let distinct = if sets.is_empty() {
            None
        } else {
            Some(DistinctTable::new(sets, node.input_changes, ctx.table("distinct"))?)
        };
        let types: Vec<DataType> =
            node.keys.iter().map(|key| inputs[0].field(*key).data_type().clone()).collect();
        Ok(Self {
            operator: ctx.operator.0.clone(),
            node: node.clone(),
            output: output.clone(),
            table: ctx.table("groups"),
            distinct,
            grouper: Grouper::new(&types)?,
            known: Vec::new(),
            before: set.states(),
            after: set.states(),
            set,
        })
    }

    /// Brings the states of the batch's groups up to date: `before`, `after` and the table.
    fn aggregate(&mut self, batch: &Batch, keys: &[ArrayRef]) -> Result<(), JobError> {
        let Self { grouper, set, table, distinct, known, before, after, .. } = self;
        let columns = batch.rows.columns();
        grouper.group(keys, batch.len())?;
        let retracts = batch.kinds.as_ref().map(|_| {
            (0..batch.len()).map(|row| batch.kind(row).is_retraction()).collect::<Vec<_>>()
        });
        let retracts = retracts.as_deref().filter(|retracts| retracts.contains(&true));
        if retracts.is_some() && !self.node.input_changes {
            let why = "rows taken back from an aggregate that was planned without";
            return Err(JobError::Unsupported(why.to_owned()));
        }
        known.clear();
        before.reset(0);
        after.reset(0);
        for key in 0..grouper.len() {
            let state = table.get(0, Key::new(grouper.key(key)))?;
            known.push(state.is_some());
            if let Some(state) = state {
                before.push(state);
                after.push(state);
            } else {
                before.grow(key + 1);
                after.grow(key + 1);
            }
        }
        if let Some(distinct) = distinct {
            let key_of = |key: u32, bytes: &mut Vec<u8>| {
                let key = grouper.key(key as usize);
                bytes.extend_from_slice(key);
                (0, KeyGroup::of(hash(key)))
            };
            distinct.resolve(columns, grouper.ids(), retracts, &key_of)?;
        }
        let news = distinct.as_ref().map_or(&[][..], DistinctTable::news);
        set.update(&Input { columns, groups: grouper.ids(), retracts, news }, after)?;
        for key in 0..grouper.len() {
            let gone = after.rows(key) <= 0 && !self.node.keys.is_empty();
            let id = Key::new(grouper.key(key));
            table.update(0, id, |state| {
                state.clear();
                if !gone {
                    after.encode(key, state);
                }
            })?;
        }
        Ok(())
    }

    fn changes(&self, keys: &[ArrayRef], out: &mut Output) -> Result<(), JobError> {
        let old = self.set.finish(&self.before)?;
        let new = self.set.finish(&self.after)?;
        let differs = differs(&old, &new, self.grouper.len())?;
        let keyless = self.node.keys.is_empty();
        // A row of the output: a group, its kind, and whether it is the old row.
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        let groups = self.grouper.len();
        for group in 0..groups {
            let was = self.before.rows(group) > 0 || (keyless && self.known[group]);
            let is = self.after.rows(group) > 0 || keyless;
            match (was, is) {
                (false, true) => {
                    rows.push(groups + group);
                    kinds.push(RowKind::Insert);
                }
                (true, false) => {
                    rows.push(group);
                    kinds.push(RowKind::Delete);
                }
                (true, true) if differs.value(group) => {
                    if self.node.emit_before {
                        rows.push(group);
                        kinds.push(RowKind::UpdateBefore);
                    }
                    rows.push(groups + group);
                    kinds.push(RowKind::UpdateAfter);
                }
                _ => {}
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len();
        let firsts: UInt32Array =
            rows.iter().map(|row| self.grouper.firsts()[row % groups]).collect();
        let place = |row: &usize| u32::try_from(*row).expect("no more groups than rows");
        let picked: UInt32Array = rows.iter().map(place).collect();
        let mut columns = Vec::with_capacity(self.output.fields().len());
        for key in keys {
            columns.push(take(key, &firsts, None)?);
        }
        for (old, new) in old.iter().zip(&new) {
            columns.push(take(&concat(&[old.as_ref(), new.as_ref()])?, &picked, None)?);
        }
        let columns = columns
            .into_iter()
            .zip(self.output.fields())
            .map(|(column, field)| typed(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        let rows: RecordBatch = rows_of(&self.output, columns, count)?;
        out.push(Batch::changes(rows, &kinds));
        Ok(())
    }
}

/// Which rows differ in a column.
fn differs(old: &[ArrayRef], new: &[ArrayRef], rows: usize) -> Result<BooleanArray, JobError> {
    let mut all = BooleanArray::from(vec![false; rows]);
    for (old, new) in old.iter().zip(new) {
        let differs = if old.data_type().is_nested() {
            let codec = RowCodec::new(&[old.data_type().clone()])?;
            let (mut a, mut b) = (Rows::new(), Rows::new());
            codec.encode(std::slice::from_ref(old), &mut a)?;
            codec.encode(std::slice::from_ref(new), &mut b)?;
            a.iter().zip(b.iter()).map(|(a, b)| Some(a != b)).collect()
        } else {
            distinct(old, new)?
        };
        all = or(&all, &differs)?;
    }
    Ok(all)
}

impl Operator for GroupAggregateOperator {
    fn process(&mut self, _port: usize, batch: Batch, out: &mut Output) -> Result<(), JobError> {
        if batch.is_empty() {
            return Ok(());
        }
        let columns = batch.rows.columns();
        let keys: Vec<ArrayRef> = self.node.keys.iter().map(|key| columns[*key].clone()).collect();
        self.aggregate(&batch, &keys)
            .and_then(|()| self.changes(&keys, out))
            .map_err(|error| error.of(&self.operator))
    }

    fn tables(&mut self) -> Vec<&mut Table> {
        let distinct = self.distinct.as_mut().map(DistinctTable::table);
        std::iter::once(&mut self.table).chain(distinct).collect()
    }
}
