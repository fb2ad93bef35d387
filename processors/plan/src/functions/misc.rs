//! Greatest and least, lengths of lists.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cmp::{gt, lt};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, is_null, nullif, or};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, plan_datafusion_err, plan_err};
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;

use crate::sql::flink_name;

use super::scalar::Kind::Any;
use super::scalar::{Args, function, int_type, numbers};

const MANY: &[super::scalar::Kind] = &[Any; 64];

/// The functions of this file.
pub(super) fn functions() -> Vec<(&'static str, Arc<ScalarUDF>)> {
    vec![
        function("greatest", MANY, 1, common_type, |args| best(args, gt)),
        function("least", MANY, 1, common_type, |args| best(args, lt)),
        function("cardinality", &[Any], 1, int_type, cardinality),
    ]
}

fn common_type(types: &[DataType]) -> Result<DataType> {
    let mut types = types.iter();
    let first = types.next().cloned().unwrap_or(DataType::Null);
    types.try_fold(first, |common, next| {
        comparison_coercion(&common, next).ok_or_else(|| {
            let (left, right) = (flink_name(&common), flink_name(next));
            plan_datafusion_err!("{left} and {right} have no order")
        })
    })
}

type Better = fn(
    &dyn arrow::array::Datum,
    &dyn arrow::array::Datum,
) -> Result<BooleanArray, arrow::error::ArrowError>;

/// The best of the arguments; NULL as soon as one is.
fn best(args: &Args, better: Better) -> Result<ArrayRef> {
    let columns = args.columns()?;
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
    let wanted = common_type(&types)?;
    let mut best = cast(&columns[0], &wanted)?;
    for column in &columns[1..] {
        let column = cast(column, &wanted)?;
        let wins = better(&column, &best)?;
        let missing = or(&is_null(&column)?, &is_null(&best)?)?;
        best = nullif(&zip(&wins, &column, &best)?, &missing)?;
    }
    Ok(best)
}

fn cardinality(args: &Args) -> Result<ArrayRef> {
    let column = args.column(0)?;
    let count = |from: i32, to: i32| to - from;
    let lengths = |offsets: &[i32], nulls: Option<&NullBuffer>| {
        numbers::<Int32Type>(args.rows, |row| {
            let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
            Ok(valid.then(|| count(offsets[row], offsets[row + 1])))
        })
    };
    match column.data_type() {
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            lengths(list.value_offsets(), list.nulls())
        }
        DataType::Map(..) => {
            let map = column.as_map();
            lengths(map.value_offsets(), map.nulls())
        }
        other => plan_err!("argument 1 is {}, not ARRAY or MAP", flink_name(other)),
    }
}
