//! Short texts for windows, lengths of time and aggregates.

use crate::{AggregateCall, AggregateFn, WindowKind};

/// A length of microseconds in the greatest unit that divides it: `10s`, `-5m`, `0s`.
pub(crate) fn length_text(micros: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1_000, "ms"),
        (1, "us"),
    ];
    if micros == 0 {
        return "0s".to_owned();
    }
    let (unit, name) = UNITS
        .iter()
        .find(|(unit, _)| micros % unit == 0)
        .expect("everything is whole microseconds");
    format!("{}{name}", micros / unit)
}

/// A family of windows: `tumble-10s`, `hop-10s-2s` (size, slide), `session-10s`.
pub(crate) fn window_text(window: &WindowKind) -> String {
    let text = |name: &str, lengths: &[i64], offset: i64| {
        let mut text = name.to_owned();
        for length in lengths {
            text = format!("{text}-{}", length_text(*length));
        }
        if offset == 0 { text } else { format!("{text}+{}", length_text(offset)) }
    };
    match *window {
        WindowKind::Tumble { size, offset } => text("tumble", &[size], offset),
        WindowKind::Hop { size, slide, offset } => text("hop", &[size, slide], offset),
        WindowKind::Cumulate { size, step, offset } => text("cumulate", &[size, step], offset),
        WindowKind::Session { gap } => text("session", &[gap], 0),
    }
}

/// The name of a function, as it is called in SQL, lower case.
pub(crate) fn function_name(function: &AggregateFn) -> &str {
    match function {
        AggregateFn::CountRows | AggregateFn::Count => "count",
        AggregateFn::Sum => "sum",
        AggregateFn::Min => "min",
        AggregateFn::Max => "max",
        AggregateFn::Avg => "avg",
        AggregateFn::First => "first_value",
        AggregateFn::Last => "last_value",
        AggregateFn::Moments { root: true, sample: true } => "stddev_samp",
        AggregateFn::Moments { root: true, sample: false } => "stddev_pop",
        AggregateFn::Moments { root: false, sample: true } => "var_samp",
        AggregateFn::Moments { root: false, sample: false } => "var_pop",
        AggregateFn::And => "bool_and",
        AggregateFn::Or => "bool_or",
        AggregateFn::ListAgg { .. } => "listagg",
        AggregateFn::ArrayAgg => "array_agg",
        AggregateFn::Registered(function) => function.name(),
    }
}

/// A call over columns of these names: `count(distinct bidder) filter (price < 10)`.
pub(crate) fn call_text(call: &AggregateCall, name: &dyn Fn(usize) -> String) -> String {
    let args: Vec<String> = match &call.function {
        AggregateFn::CountRows => vec!["*".to_owned()],
        AggregateFn::ListAgg { separator } => {
            vec![name(call.args[0]), format!("'{separator}'")]
        }
        _ => call.args.iter().map(|arg| name(*arg)).collect(),
    };
    let distinct = if call.distinct { "distinct " } else { "" };
    let filter = call.filter.map(|filter| format!(" filter ({})", name(filter)));
    let function = function_name(&call.function);
    format!("{function}({distinct}{}){}", args.join(", "), filter.unwrap_or_default())
}
