//! What every plan must hold, whoever runs it.

use arrow::datatypes::{DataType, SchemaRef};

use super::expression::{Expression, used};
use crate::sql::event_time_type;
use crate::{AggregateCall, Exchange, JobPlan, JoinKind, Node, NodeKind, Windows};

/// Every column number is in range and every type is what its reader takes it for; inputs come
/// before their readers. The error names the operator.
pub(crate) fn check(plan: &JobPlan) -> Result<(), String> {
    for (at, node) in plan.nodes.iter().enumerate() {
        let faulty = |what: String| format!("{}: {what}", node.operator);
        if node.id.0 != at || node.inputs.iter().any(|input| input.from.0 >= at) {
            return Err(faulty("is not in its place".to_owned()));
        }
        let inputs: Vec<&SchemaRef> =
            node.inputs.iter().map(|input| &plan.node(input.from).schema).collect();
        for (input, schema) in node.inputs.iter().zip(&inputs) {
            if let Exchange::Hash(columns) = &input.exchange {
                within(columns, schema).map_err(faulty)?;
            }
        }
        within(node.changes.key().unwrap_or_default(), &node.schema).map_err(faulty)?;
        times(node.event_time.iter().copied(), &node.schema).map_err(faulty)?;
        let types = output(node, &inputs).map_err(faulty)?;
        let made: Vec<&DataType> = node.schema.fields().iter().map(|f| f.data_type()).collect();
        if let Some(types) = types
            && !types.iter().eq(made.iter().copied())
        {
            return Err(faulty(format!("gives {made:?} where its parts give {types:?}")));
        }
    }
    Ok(())
}

fn within(columns: &[usize], schema: &SchemaRef) -> Result<(), String> {
    match columns.iter().find(|column| **column >= schema.fields().len()) {
        Some(column) => Err(format!("there is no column {column}")),
        None => Ok(()),
    }
}

fn times(columns: impl IntoIterator<Item = usize>, schema: &SchemaRef) -> Result<(), String> {
    for column in columns {
        within(&[column], schema)?;
        if *schema.field(column).data_type() != event_time_type() {
            return Err(format!("column {column} is no event time"));
        }
    }
    Ok(())
}

/// Types of the columns that the parts of a node make; `None` where they are the node's own say.
fn output(node: &Node, inputs: &[&SchemaRef]) -> Result<Option<Vec<DataType>>, String> {
    let of = |schema: &SchemaRef| -> Vec<DataType> {
        schema.fields().iter().map(|field| field.data_type().clone()).collect()
    };
    let windows = || vec![event_time_type(); 3];
    Ok(Some(match &node.kind {
        NodeKind::Source(_) | NodeKind::Unnest(_) => return Ok(None),
        NodeKind::Project(project) => {
            project.filter.iter().try_for_each(|e| of_expression(e, inputs[0]).map(|_| ()))?;
            project.columns.iter().map(|e| of_expression(e, inputs[0])).collect::<Result<_, _>>()?
        }
        NodeKind::Union => {
            if inputs.iter().any(|input| of(input) != of(inputs[0])) {
                return Err("its inputs differ".to_owned());
            }
            of(inputs[0])
        }
        NodeKind::AssignWindows(assign) => {
            times([assign.time], inputs[0])?;
            [of(inputs[0]), windows()].concat()
        }
        NodeKind::WindowAggregate(aggregate) => {
            match aggregate.windows {
                Windows::Assigned { time, .. } => times([time], inputs[0])?,
                Windows::Attached { start, end } => times([start, end], inputs[0])?,
            }
            let keys = of_columns(&aggregate.keys, inputs[0])?;
            [keys, windows(), of_calls(&aggregate.aggregates, inputs[0])?].concat()
        }
        NodeKind::GroupAggregate(aggregate) => {
            let keys = of_columns(&aggregate.keys, inputs[0])?;
            [keys, of_calls(&aggregate.aggregates, inputs[0])?].concat()
        }
        NodeKind::WindowJoin(join) => {
            times([join.left_window.0, join.left_window.1], inputs[0])?;
            times([join.right_window.0, join.right_window.1], inputs[1])?;
            joined(join.kind, &join.on, inputs, of)?
        }
        NodeKind::IntervalJoin(join) => {
            times([join.left_time], inputs[0])?;
            times([join.right_time], inputs[1])?;
            joined(join.kind, &join.on, inputs, of)?
        }
        NodeKind::TopN(top) => {
            let order: Vec<usize> = top.order.iter().map(|order| order.column).collect();
            within(&order, inputs[0])?;
            within(&top.partition, inputs[0])?;
            times(top.window.iter().flat_map(|(start, end)| [*start, *end]), inputs[0])?;
            let mut types = of(inputs[0]);
            let last = node.schema.fields().last().filter(|_| top.number);
            types.extend(last.map(|field| field.data_type().clone()));
            types
        }
        NodeKind::Deduplicate(rows) => {
            within(&rows.keys, inputs[0])?;
            times([rows.time], inputs[0])?;
            times(rows.window.iter().flat_map(|(start, end)| [*start, *end]), inputs[0])?;
            of(inputs[0])
        }
        NodeKind::Sink(sink) => {
            within(sink.key.as_deref().unwrap_or_default(), &node.schema)?;
            if !sink.late_rows_of.is_empty() {
                return Ok(None);
            }
            of(inputs[0])
        }
    }))
}

fn of_expression(expression: &Expression, schema: &SchemaRef) -> Result<DataType, String> {
    used(expression).iter().try_for_each(|column| within(&[*column], schema))?;
    expression.data_type(schema).map_err(|error| error.to_string())
}

fn of_columns(columns: &[usize], schema: &SchemaRef) -> Result<Vec<DataType>, String> {
    within(columns, schema)?;
    Ok(columns.iter().map(|column| schema.field(*column).data_type().clone()).collect())
}

fn of_calls(calls: &[AggregateCall], schema: &SchemaRef) -> Result<Vec<DataType>, String> {
    for call in calls {
        if of_columns(&call.args, schema)? != call.arg_types {
            return Err(format!("{} has arguments of other types", call.name));
        }
        let filter: Vec<usize> = call.filter.into_iter().collect();
        if of_columns(&filter, schema)?.iter().any(|kind| *kind != DataType::Boolean) {
            return Err(format!("{} has a filter that is no condition", call.name));
        }
    }
    Ok(calls.iter().map(|call| call.output.clone()).collect())
}

fn joined(
    kind: JoinKind,
    on: &[(usize, usize)],
    inputs: &[&SchemaRef],
    of: impl Fn(&SchemaRef) -> Vec<DataType>,
) -> Result<Vec<DataType>, String> {
    let (left, right): (Vec<usize>, Vec<usize>) = on.iter().copied().unzip();
    if of_columns(&left, inputs[0])? != of_columns(&right, inputs[1])? {
        return Err("its keys are of different types".to_owned());
    }
    Ok(match kind {
        JoinKind::Semi | JoinKind::Anti => of(inputs[0]),
        _ => [of(inputs[0]), of(inputs[1])].concat(),
    })
}
