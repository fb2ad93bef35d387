//! The operators without state, on literal rows.

use std::sync::Arc;

use arrow::array::{Array, ListArray, StructArray};
use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::functions::core::get_field;
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::expressions::{binary, col, lit};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use millrace_plan::{AssignWindowsNode, Changes, ProjectNode, UnnestNode, WindowKind};

use super::assign_windows::AssignWindowsOperator;
use super::narrow::narrow;
use super::project::ProjectOperator;
use super::testing::{instant, instants, longs, push, rows, schema, texts};
use super::union::UnionOperator;
use super::unnest::UnnestOperator;
use crate::RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
use crate::{Batch, JobError, Operator, OperatorContext, Output};

fn key_and_value() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64), ("unused", DataType::Utf8)])
}

fn sample() -> Batch {
    let schema = key_and_value();
    let columns = vec![
        longs([Some(1), Some(2), Some(3), Some(4)]),
        longs([Some(5), Some(50), None, Some(500)]),
        texts([Some("a"), Some("b"), Some("c"), None]),
    ];
    Batch::append(rows(&schema, columns))
}

/// `WHERE v > 10`, if `filtered`; `SELECT k, v + 1`.
fn project(input: &Changes, filtered: bool) -> ProjectOperator {
    let schema = key_and_value();
    let above = binary(col("v", &schema).unwrap(), Op::Gt, lit(10_i64), &schema).unwrap();
    let plus_one = binary(col("v", &schema).unwrap(), Op::Plus, lit(1_i64), &schema).unwrap();
    let columns: Vec<Arc<dyn PhysicalExpr>> = vec![col("k", &schema).unwrap(), plus_one];
    let node = ProjectNode { filter: filtered.then_some(above), columns };
    let output = super::testing::schema(&[("k", DataType::Int64), ("w", DataType::Int64)]);
    let mut ctx = OperatorContext::fresh("project");
    ProjectOperator::new(&node, input, &[schema], &output, &mut ctx).unwrap()
}

#[test]
fn a_projection_computes_columns_and_keeps_order() {
    let mut all = project(&Changes::Append, false);
    assert_eq!(push(&mut all, 0, sample()), ["+I 1 6", "+I 2 51", "+I 3 null", "+I 4 501"]);
}

#[test]
fn a_filter_leaves_out_what_is_false_or_null() {
    let mut some = project(&Changes::Append, true);
    assert_eq!(push(&mut some, 0, sample()), ["+I 2 51", "+I 4 501"]);
}

#[test]
fn a_projection_of_columns_shares_their_memory() {
    let schema = key_and_value();
    let columns: Vec<Arc<dyn PhysicalExpr>> =
        vec![col("unused", &schema).unwrap(), col("k", &schema).unwrap()];
    let node = ProjectNode { filter: None, columns };
    let output = super::testing::schema(&[("s", DataType::Utf8), ("k", DataType::Int64)]);
    let mut ctx = OperatorContext::fresh("project");
    let mut operator =
        ProjectOperator::new(&node, &Changes::Append, &[schema], &output, &mut ctx).unwrap();
    let mut out = Output::default();
    let input = sample();
    operator.process(0, input.clone(), &mut out).unwrap();
    let made = &out.batches[0].rows;
    assert!(made.column(1).to_data().ptr_eq(&input.rows.column(0).to_data()));
    assert!(made.column(0).to_data().ptr_eq(&input.rows.column(2).to_data()));
}

#[test]
fn a_filter_takes_fields_of_structs_before_it_copies() {
    let fields = schema(&[("a", DataType::Int64), ("b", DataType::Utf8)]);
    let nested = DataType::Struct(fields.fields().clone());
    let input = super::testing::schema(&[("k", DataType::Int64), ("n", nested)]);
    let field = |name: &str| {
        let arguments = vec![col("n", &input).unwrap(), lit(name)];
        let config = Arc::new(ConfigOptions::default());
        let call = ScalarFunctionExpr::try_new(get_field(), arguments, &input, config);
        Arc::new(call.unwrap()) as Arc<dyn PhysicalExpr>
    };
    let above = binary(col("k", &input).unwrap(), Op::Gt, lit(1_i64), &input).unwrap();
    let twice = binary(field("a"), Op::Plus, field("a"), &input).unwrap();
    let columns = vec![twice, col("k", &input).unwrap(), field("a")];
    let narrowed = narrow(&columns, &input).unwrap().unwrap();
    assert_eq!(narrowed.schema.fields().len(), 2);

    let node = ProjectNode { filter: Some(above), columns };
    let number = DataType::Int64;
    let output =
        super::testing::schema(&[("x", number.clone()), ("k", number.clone()), ("a", number)]);
    let mut ctx = OperatorContext::fresh("project");
    let inputs = [input.clone()];
    let mut operator =
        ProjectOperator::new(&node, &Changes::Append, &inputs, &output, &mut ctx).unwrap();
    let (a, b) = (longs([Some(1), Some(2), None]), texts([None, Some("b"), None]));
    let structs = StructArray::new(fields.fields().clone(), vec![a, b], None);
    let columns = vec![longs([Some(1), Some(2), Some(3)]), Arc::new(structs) as _];
    let made = push(&mut operator, 0, Batch::append(rows(&input, columns)));
    assert_eq!(made, ["+I 4 2 2", "+I null 3 null"]);
}

#[test]
fn a_filter_turns_half_an_update_into_what_it_amounts_to() {
    // (input, rows (kind, v), output)
    let retract = Changes::Retract(vec![0]);
    let upsert = Changes::Upsert(vec![0]);
    let cases = [
        (&retract, vec![(UpdateBefore, 20), (UpdateAfter, 30)], vec!["-U 7 21", "+U 7 31"]),
        (&retract, vec![(UpdateBefore, 20), (UpdateAfter, 3)], vec!["-D 7 21"]),
        (&retract, vec![(UpdateBefore, 2), (UpdateAfter, 30)], vec!["+I 7 31"]),
        (&retract, vec![(UpdateBefore, 2), (UpdateAfter, 3), (Delete, 3)], vec![]),
        (&retract, vec![(Insert, 20), (Delete, 20)], vec!["+I 7 21", "-D 7 21"]),
        (&upsert, vec![(Insert, 20), (UpdateAfter, 3)], vec!["+I 7 21", "-D 7 4"]),
        (&upsert, vec![(Insert, 2), (UpdateAfter, 30)], vec!["+U 7 31"]),
        (&upsert, vec![(UpdateAfter, 30), (Delete, 0)], vec!["+U 7 31", "-D 7 1"]),
    ];
    for (input, changes, expected) in cases {
        let schema = key_and_value();
        let (kinds, values): (Vec<_>, Vec<_>) = changes.iter().copied().unzip();
        let columns = vec![
            longs(kinds.iter().map(|_| Some(7))),
            longs(values.into_iter().map(Some)),
            texts(kinds.iter().map(|_| None)),
        ];
        let batch = Batch::changes(rows(&schema, columns), &kinds);
        let mut operator = project(input, true);
        assert_eq!(push(&mut operator, 0, batch), expected, "{changes:?}");
    }
}

#[test]
fn a_failed_expression_names_its_operator() {
    let schema = key_and_value();
    let ratio = binary(col("k", &schema).unwrap(), Op::Divide, lit(0_i64), &schema).unwrap();
    let node = ProjectNode { filter: None, columns: vec![ratio] };
    let output = super::testing::schema(&[("x", DataType::Int64)]);
    let mut ctx = OperatorContext::fresh("project-3");
    let mut operator =
        ProjectOperator::new(&node, &Changes::Append, &[schema], &output, &mut ctx).unwrap();
    let error = operator.process(0, sample(), &mut Output::default()).unwrap_err();
    assert!(matches!(&error, JobError::Query { operator, .. } if operator == "project-3"));
}

fn windows(window: WindowKind, times: &[Option<i64>]) -> (Vec<String>, usize) {
    let input = schema(&[("t", instant())]);
    let output = schema(&[("t", instant()), ("s", instant()), ("e", instant()), ("x", instant())]);
    let node = AssignWindowsNode { window, time: 0 };
    let mut ctx = OperatorContext::fresh("windows");
    let mut operator =
        AssignWindowsOperator::new(&node, std::slice::from_ref(&input), &output, &mut ctx).unwrap();
    let mut out = Output::default();
    let batch = Batch::append(rows(&input, vec![instants(times.iter().copied())]));
    operator.process(0, batch, &mut out).unwrap();
    let late = out.late.iter().map(arrow::array::RecordBatch::num_rows).sum();
    (super::testing::lines(&out.batches), late)
}

#[test]
fn rows_are_repeated_for_each_of_their_windows() {
    let tumble = WindowKind::Tumble { size: 10_000, offset: 0 };
    let (made, late) = windows(tumble, &[Some(0), Some(9_999), Some(-1), None, Some(10_000)]);
    let expected = [
        "+I 0 0 10000 9000",
        "+I 9999 0 10000 9000",
        "+I -1 -10000 0 -1000",
        "+I 10000 10000 20000 19000",
    ];
    assert_eq!((made, late), (expected.map(str::to_owned).to_vec(), 1));

    let hop = WindowKind::Hop { size: 10_000, slide: 5_000, offset: 0 };
    let (made, _) = windows(hop, &[Some(7_000)]);
    assert_eq!(made, ["+I 7000 0 10000 9000", "+I 7000 5000 15000 14000"]);

    let cumulate = WindowKind::Cumulate { size: 10_000, step: 5_000, offset: 0 };
    let (made, _) = windows(cumulate, &[Some(7_000), Some(2_000)]);
    let expected = ["+I 7000 0 10000 9000", "+I 2000 0 5000 4000", "+I 2000 0 10000 9000"];
    assert_eq!(made, expected);
}

#[test]
fn long_repetition_is_cut_into_batches() {
    let hop = WindowKind::Hop { size: 1_000_000, slide: 1_000, offset: 0 };
    let (made, _) = windows(hop, &vec![Some(5); 40]);
    assert_eq!(made.len(), 40_000);
}

fn unnest(keep_empty: bool, kinds: Option<[crate::RowKind; 4]>) -> Vec<String> {
    let list = |of: DataType| DataType::List(Arc::new(Field::new_list_field(of, true)));
    let input = schema(&[
        ("k", DataType::Int64),
        ("a", list(DataType::Int64)),
        ("b", list(DataType::Int64)),
    ]);
    let output = schema(&[("k", DataType::Int64), ("a", DataType::Int64), ("b", DataType::Int64)]);
    let a = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), Some(2)]),
        Some(vec![]),
        None,
        Some(vec![None]),
    ]);
    let b = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(10)]),
        Some(vec![]),
        None,
        Some(vec![Some(40), Some(41)]),
    ]);
    let columns =
        vec![longs([Some(0), Some(1), Some(2), Some(3)]), Arc::new(a) as _, Arc::new(b) as _];
    let made = rows(&input, columns);
    let batch = match kinds {
        Some(kinds) => Batch::changes(made, &kinds),
        None => Batch::append(made),
    };
    let node = UnnestNode { lists: vec![1, 2], keep_empty };
    let mut ctx = OperatorContext::fresh("unnest");
    let mut operator = UnnestOperator::new(&node, &[input], &output, &mut ctx).unwrap();
    push(&mut operator, 0, batch)
}

#[test]
fn lists_are_unnested_side_by_side() {
    let elements = ["+I 0 1 10", "+I 0 2 null", "+I 3 null 40", "+I 3 null 41"];
    assert_eq!(unnest(false, None), elements);
    let kept = ["+I 0 1 10", "+I 0 2 null", "+I 1 null null", "+I 2 null null"];
    assert_eq!(unnest(true, None)[..4], kept);
}

#[test]
fn an_update_of_a_list_deletes_and_inserts_its_elements() {
    let made = unnest(false, Some([UpdateBefore, UpdateAfter, Delete, UpdateAfter]));
    assert_eq!(made, ["-D 0 1 10", "-D 0 2 null", "+I 3 null 40", "+I 3 null 41"]);
}

#[test]
fn a_union_renames_and_passes_all_kinds() {
    let output = schema(&[("x", DataType::Int64), ("y", DataType::Int64), ("z", DataType::Utf8)]);
    let inputs = [key_and_value(), key_and_value()];
    let mut ctx = OperatorContext::fresh("union");
    let mut operator = UnionOperator::new(&inputs, &output, &mut ctx).unwrap();
    let kinds = [Insert, UpdateBefore, UpdateAfter, Delete];
    let batch = Batch::changes(sample().rows, &kinds);
    let expected = ["+I 1 5 a", "-U 2 50 b", "+U 3 null c", "-D 4 500 null"];
    assert_eq!(push(&mut operator, 1, batch), expected);
}
