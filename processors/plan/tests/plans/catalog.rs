//! The streams and sinks that the tests name.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};

use millrace_plan::{
    Catalog, EventTimeDef, ExplainForm, JobPlan, SinkDef, SourceDef, explain, plan,
};

pub(crate) fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A schema from `name type` pairs: `i` whole numbers, `f` fractions, `s` text, `t` time, `l`
/// lists.
pub(crate) fn schema(columns: &[(&str, char)]) -> SchemaRef {
    let field = |(name, kind): &(&str, char)| {
        let kind = match kind {
            'i' => DataType::Int64,
            'n' => DataType::Int32,
            'f' => DataType::Float64,
            's' => DataType::Utf8,
            't' => micros(),
            'l' => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            other => panic!("no type {other}"),
        };
        Field::new(*name, kind, true)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

pub(crate) fn stream(columns: &[(&str, char)], time: Option<&str>) -> SourceDef {
    let event_time = time.map(|column| EventTimeDef {
        column: column.to_owned(),
        delay: Duration::from_secs(2),
        idle: Duration::from_mins(1),
    });
    SourceDef { schema: schema(columns), event_time, bounded: false }
}

pub(crate) const BID: [(&str, char); 7] = [
    ("auction", 'i'),
    ("bidder", 'i'),
    ("price", 'i'),
    ("channel", 's'),
    ("url", 's'),
    ("dateTime", 't'),
    ("extra", 's'),
];

/// The streams of Nexmark, and others with what Nexmark lacks; the sink `out` takes rows of any
/// columns, without a key.
pub(crate) fn catalog() -> Catalog {
    let person = [
        ("id", 'i'),
        ("name", 's'),
        ("emailAddress", 's'),
        ("creditCard", 's'),
        ("city", 's'),
        ("state", 's'),
        ("dateTime", 't'),
        ("extra", 's'),
    ];
    let auction = [
        ("id", 'i'),
        ("itemName", 's'),
        ("description", 's'),
        ("initialBid", 'i'),
        ("reserve", 'i'),
        ("dateTime", 't'),
        ("expires", 't'),
        ("seller", 'i'),
        ("category", 'i'),
        ("extra", 's'),
    ];
    let count_char = create_udf(
        "count_char",
        vec![DataType::Utf8, DataType::Utf8],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(|arguments: &[ColumnarValue]| Ok(arguments[0].clone())),
    );
    let tags = [("id", 'i'), ("tags", 'l'), ("ts", 't')];
    let timeless = [("id", 'i'), ("value", 'i'), ("ts", 't')];
    let history = SourceDef { bounded: true, ..stream(&BID, Some("dateTime")) };
    Catalog::default()
        .source("person", stream(&person, Some("dateTime")))
        .source("auction", stream(&auction, Some("dateTime")))
        .source("bid", stream(&BID, Some("dateTime")))
        .source("history", history)
        .source("tagged", stream(&tags, Some("ts")))
        .source("timeless", stream(&timeless, None))
        .sink("out", sink(None, &[]))
        .scalar(count_char)
}

pub(crate) fn sink(schema: Option<SchemaRef>, key: &[&str]) -> SinkDef {
    let key = key.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>();
    SinkDef { schema, key: (!key.is_empty()).then_some(key) }
}

/// The catalog with a sink `keyed` by these columns.
pub(crate) fn keyed(key: &[&str]) -> Catalog {
    catalog().sink("keyed", sink(None, key))
}

#[track_caller]
pub(crate) fn planned(sql: &str, catalog: &Catalog) -> JobPlan {
    match plan(sql, catalog) {
        Ok(plan) => plan,
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}\n{sql}", errors.join("\n"))
        }
    }
}

/// The plan as text.
#[track_caller]
pub(crate) fn text(sql: &str, catalog: &Catalog) -> String {
    explain(&planned(sql, catalog), ExplainForm::Text)
}

/// What is wrong, as the user reads it.
#[track_caller]
pub(crate) fn refused(sql: &str, catalog: &Catalog) -> String {
    match plan(sql, catalog) {
        Ok(plan) => panic!("accepted as\n{}", explain(&plan, ExplainForm::Text)),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}
