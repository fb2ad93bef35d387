//! Every Nexmark query binds, into the columns of Flink's own sinks.

use std::fs;
use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};

use crate::sql::bind;
use crate::{Catalog, SinkDef};

use super::catalog;

fn with_count_char(catalog: Catalog) -> Catalog {
    let texts = vec![DataType::Utf8, DataType::Utf8];
    let never = std::sync::Arc::new(|_: &[ColumnarValue]| {
        datafusion::common::internal_err!("planning calls no function of columns")
    });
    catalog.scalar(create_udf("count_char", texts, DataType::Int64, Volatility::Immutable, never))
}

#[test]
fn every_nexmark_query_binds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nexmark/queries");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with('q') {
            continue;
        }
        let sink = SinkDef { schema: None, key: None };
        let catalog = with_count_char(catalog()).sink(format!("nexmark_{name}"), sink);
        let job = bind(&fs::read_to_string(&path).unwrap(), &catalog);
        let job = job.unwrap_or_else(|errors| panic!("{name}: {}", errors[0]));
        assert_eq!(job.inserts.len(), 1, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 15);
}

#[test]
fn an_average_of_whole_numbers_goes_into_a_bigint() {
    let schema = Schema::new(vec![
        Field::new("auction", DataType::Int64, true),
        Field::new("mean", DataType::Int64, true),
    ]);
    let sink = SinkDef { schema: Some(schema.into()), key: Some(vec!["auction".into()]) };
    let sql = "INSERT INTO means SELECT auction, AVG(price) FROM bid GROUP BY auction";
    let job = bind(sql, &catalog().sink("means", sink)).unwrap();
    insta::assert_snapshot!(job.inserts[0].plan.display_indent());
}
