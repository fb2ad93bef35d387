//! Events per second of the aggregation operators alone, on one core, over Nexmark bids.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};

use millrace_nexmark::{Settings, generate};
use millrace_plan::{
    AggregateCall, AggregateFn, Changes, Exchange, GroupAggregateNode, Input, JobPlan, Node,
    NodeId, NodeKind, OperatorId, SourceNode, WindowAggregateNode, WindowKind, Windows,
};
use millrace_processors::operators::build;
use millrace_processors::{Batch, END_OF_TIME, OperatorContext, Output};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const AUCTION: usize = 0;
const BIDDER: usize = 1;
const PRICE: usize = 2;
const TIME: usize = 3;
const CHANNEL: usize = 4;
const DAY: usize = 5;
const MINUTE: usize = 6;
const RANKS: [usize; 3] = [7, 8, 9];

fn main() -> Result<()> {
    let events = 2_000_000;
    let bids = generate(&Settings { events, ..Settings::default() }, 8192).bids;
    let batches = bids.iter().map(prepared).collect::<Result<Vec<_>>>()?;
    let second = 1_000_000;
    let hop = WindowKind::Hop { size: 10 * second, slide: 2 * second, offset: 0 };
    let session = WindowKind::Session { gap: 10 * second };
    let tumble = WindowKind::Tumble { size: 10 * second, offset: 0 };
    let count = || vec![call(AggregateFn::CountRows, PRICE, false, None)];
    let max = vec![call(AggregateFn::Max, PRICE, false, None)];
    let mut statistics = ranked(&AggregateFn::CountRows, PRICE, false);
    statistics.push(call(AggregateFn::Min, PRICE, false, None));
    statistics.push(call(AggregateFn::Max, PRICE, false, None));
    statistics.push(call(AggregateFn::Avg, PRICE, false, None));
    statistics.push(call(AggregateFn::Sum, PRICE, false, None));
    let mut distinct = ranked(&AggregateFn::CountRows, PRICE, false);
    distinct.extend(ranked(&AggregateFn::Count, BIDDER, true));
    distinct.extend(ranked(&AggregateFn::Count, AUCTION, true));
    let mut by_channel = distinct.clone();
    by_channel.insert(0, call(AggregateFn::Max, MINUTE, false, None));
    for (name, kind) in [
        ("q5 hop, count by auction", window(vec![AUCTION], hop, count())),
        ("q7 tumble, max price", window(vec![], tumble, max)),
        ("q11 session, count by bidder", window(vec![BIDDER], session, count())),
        ("q15 12 aggregates, 8 distinct, by day", group(vec![DAY], distinct)),
        ("q16 the same by channel and day", group(vec![CHANNEL, DAY], by_channel)),
        ("q17 8 aggregates by auction and day", group(vec![AUCTION, DAY], statistics)),
    ] {
        run(name, kind, &batches, events)?;
    }
    Ok(())
}

fn run(name: &str, kind: NodeKind, batches: &[RecordBatch], events: usize) -> Result<()> {
    let plan = plan(kind, batches[0].schema());
    let mut operator = build(&plan.nodes[1], &plan, &mut OperatorContext::fresh("a"))?;
    let (mut rows, mut out) = (0, Output::default());
    let started = Instant::now();
    for batch in batches {
        let times = batch.column(TIME).as_primitive::<TimestampMicrosecondType>();
        let watermark = arrow::compute::max(times).expect("batches have rows") - 4_000_000;
        operator.process(0, Batch::append(batch.clone()), &mut out)?;
        operator.watermark(watermark, &mut out)?;
        rows += out.batches.drain(..).map(|batch| batch.len()).sum::<usize>();
    }
    operator.watermark(END_OF_TIME, &mut out)?;
    rows += out.batches.drain(..).map(|batch| batch.len()).sum::<usize>();
    let seconds = started.elapsed().as_secs_f64();
    let speed = f64::from(u32::try_from(events)?) / seconds / 1e3;
    println!("{name:40} {speed:8.0} thousand events/s, {rows} rows out");
    Ok(())
}

/// The columns the queries read, computed beforehand.
fn prepared(bids: &RecordBatch) -> Result<RecordBatch> {
    let column = |name: &str| bids.column_by_name(name).expect("a column of bids").clone();
    let price = column("price");
    let prices = price.as_primitive::<Int64Type>();
    let rank = |of: &dyn Fn(i64) -> bool| -> ArrayRef {
        Arc::new(prices.values().iter().map(|price| Some(of(*price))).collect::<BooleanArray>())
    };
    let day = Arc::new(StringArray::from(vec!["2015-07-15"; bids.num_rows()]));
    let minute = Arc::new(StringArray::from(vec!["12:34"; bids.num_rows()]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("auction", column("auction")),
        ("bidder", column("bidder")),
        ("price", price.clone()),
        ("dateTime", column("dateTime")),
        ("channel", column("channel")),
        ("day", day),
        ("minute", minute),
        ("rank1", rank(&|price| price < 10_000)),
        ("rank2", rank(&|price| (10_000..1_000_000).contains(&price))),
        ("rank3", rank(&|price| price >= 1_000_000)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn call(
    function: AggregateFn,
    column: usize,
    distinct: bool,
    filter: Option<usize>,
) -> AggregateCall {
    let of = if column == MINUTE { DataType::Utf8 } else { DataType::Int64 };
    let output = if matches!(function, AggregateFn::Avg) { DataType::Float64 } else { of.clone() };
    let (args, arg_types, name) = (vec![column], vec![of], "result".to_owned());
    AggregateCall { function, args, arg_types, distinct, filter, output, name }
}

/// The function without a filter and with each.
fn ranked(function: &AggregateFn, column: usize, distinct: bool) -> Vec<AggregateCall> {
    let filters = std::iter::once(None).chain(RANKS.map(Some));
    filters.map(|filter| call(function.clone(), column, distinct, filter)).collect()
}

fn window(keys: Vec<usize>, window: WindowKind, aggregates: Vec<AggregateCall>) -> NodeKind {
    let windows = Windows::Assigned { window, time: TIME };
    NodeKind::WindowAggregate(WindowAggregateNode { keys, windows, aggregates })
}

fn group(keys: Vec<usize>, aggregates: Vec<AggregateCall>) -> NodeKind {
    let (input_changes, emit_before) = (false, false);
    NodeKind::GroupAggregate(GroupAggregateNode { keys, aggregates, input_changes, emit_before })
}

/// A source and the operator.
fn plan(kind: NodeKind, input: SchemaRef) -> JobPlan {
    let (keys, aggregates, windowed) = match &kind {
        NodeKind::WindowAggregate(node) => (&node.keys, &node.aggregates, true),
        NodeKind::GroupAggregate(node) => (&node.keys, &node.aggregates, false),
        other => unreachable!("not measured here: {other:?}"),
    };
    let mut fields: Vec<Field> = keys.iter().map(|key| input.field(*key).clone()).collect();
    if windowed {
        let time = input.field(TIME).data_type();
        fields.extend(["start", "end", "time"].map(|name| Field::new(name, time.clone(), true)));
    }
    fields.extend(aggregates.iter().map(|call| Field::new("a", call.output.clone(), true)));
    let source = SourceNode { name: "bid".to_owned(), columns: Vec::new(), watermark: None };
    let node = |id, kind, inputs, schema| Node {
        id: NodeId(id),
        operator: OperatorId("aggregates".to_owned()),
        kind,
        inputs,
        schema,
        changes: Changes::Append,
        event_time: None,
    };
    let read = Input { from: NodeId(0), exchange: Exchange::Single };
    let output = Arc::new(Schema::new(fields));
    JobPlan {
        nodes: vec![
            node(0, NodeKind::Source(source), Vec::new(), input),
            node(1, kind, vec![read], output),
        ],
        warnings: Vec::new(),
    }
}
