//! What functions give, as Flink documents them: over constants, and over columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::create_physical_expr;

use crate::sql::{bind, event_time_type};
use crate::{Catalog, SourceDef};

use super::catalog;

/// The expression of a query's only column, over the columns of its stream.
fn projected(sql: &str, catalog: &Catalog) -> (Expr, LogicalPlan) {
    let job = bind(sql, catalog).unwrap_or_else(|errors| panic!("{sql}\n{}", errors[0]));
    match &job.inserts[0].plan {
        LogicalPlan::Projection(projection) => {
            (projection.expr[0].clone().unalias(), projection.input.as_ref().clone())
        }
        other => panic!("{sql}: {other}"),
    }
}

/// The value of an expression without columns, as text.
fn constant(expr: &str) -> String {
    let sql = format!("INSERT INTO out SELECT {expr} AS v FROM event");
    match projected(&sql, &catalog()).0 {
        Expr::Literal(value, _) if value.is_null() => "NULL".to_owned(),
        Expr::Literal(value, _) => {
            let array = value.to_array().unwrap();
            let options = FormatOptions::default();
            ArrayFormatter::try_new(&array, &options).unwrap().value(0).to_string()
        }
        other => panic!("{expr} is not a constant: {other}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(expr, expected)| {
            let got = constant(expr);
            (got != *expected).then(|| format!("{expr} is {got}, not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_of_texts() {
    check(&[
        ("UPPER('abc')", "ABC"),
        ("LOWER('ABC')", "abc"),
        ("CHAR_LENGTH('äöü')", "3"),
        ("CHARACTER_LENGTH('ab')", "2"),
        ("TRIM('  a ')", "a"),
        ("TRIM(BOTH 'x' FROM 'xaxx')", "a"),
        ("TRIM(LEADING 'x' FROM 'xax')", "ax"),
        ("LTRIM('  a')", "a"),
        ("CONCAT('a', 'b', 'c')", "abc"),
        ("CONCAT('a', CAST(NULL AS STRING))", "NULL"),
        ("CONCAT_WS('-', 'a', CAST(NULL AS STRING), 'b')", "a-b"),
        ("'a' || 'b'", "ab"),
        ("SUBSTRING('hello', 2)", "ello"),
        ("SUBSTRING('hello', 2, 3)", "ell"),
        ("SUBSTRING('hello' FROM 2 FOR 3)", "ell"),
        ("SUBSTRING('hello', -3, 2)", "ll"),
        ("SUBSTRING('hello', 0, 2)", "he"),
        ("SUBSTR('hello', 2, -1)", "NULL"),
        ("LEFT('hello', 2)", "he"),
        ("RIGHT('hello', 2)", "lo"),
        ("SPLIT_INDEX('a/b//c', '/', 1)", "b"),
        ("SPLIT_INDEX('a/b//c', '/', 2)", ""),
        ("SPLIT_INDEX('a/b//c', '/', 4)", "NULL"),
        ("SPLIT_INDEX('a/b', '/', -1)", "NULL"),
        ("SPLIT_INDEX('a::b', '::', 1)", "b"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "bar"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)')", "foothebar"),
        ("REGEXP_EXTRACT('x', 'y(.)', 1)", "NULL"),
        ("REGEXP_EXTRACT('ab', '(x)?ab', 1)", "NULL"),
        ("REGEXP_REPLACE('foobar', 'oo|ar', '')", "fb"),
        ("REGEXP_REPLACE('a1b2', '([a-z])([0-9])', '$2$1')", "1a2b"),
        ("REGEXP('abc', 'b+')", "true"),
        ("LOCATE('b', 'abcb')", "2"),
        ("LOCATE('b', 'abcb', 3)", "4"),
        ("LOCATE('x', 'abc')", "0"),
        ("POSITION('b' IN 'abc')", "2"),
        ("INSTR('abc', 'c')", "3"),
        ("LPAD('hi', 4, '?')", "??hi"),
        ("RPAD('hi', 4, '?')", "hi??"),
        ("REPEAT('ab', 2)", "abab"),
        ("REPLACE('hello', 'l', 'L')", "heLLo"),
        ("REVERSE('abc')", "cba"),
        ("INITCAP('hello world')", "Hello World"),
        ("ASCII('a')", "97"),
        ("CHR(97)", "a"),
        ("OVERLAY('abcdef' PLACING 'XX' FROM 2 FOR 2)", "aXXdef"),
        ("STARTSWITH('abc', 'ab')", "true"),
        ("MD5('abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("SHA256('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("'abc' LIKE 'a%'", "true"),
        ("'abc' NOT LIKE '_b'", "true"),
    ]);
}

#[test]
fn functions_of_time() {
    let ts = "TIMESTAMP '2024-03-05 17:06:07.089'";
    let of = |form: &str| constant(&form.replace("ts", ts));
    let cases = [
        ("DATE_FORMAT(ts, 'yyyy-MM-dd')", "2024-03-05"),
        ("DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss.SSS')", "2024-03-05 17:06:07.089"),
        ("DATE_FORMAT(ts, 'HH:mm')", "17:06"),
        ("DATE_FORMAT(ts, 'yy/M/d h:mm a')", "24/3/5 5:06 PM"),
        ("DATE_FORMAT(ts, 'EEE, d MMM yyyy')", "Tue, 5 Mar 2024"),
        ("DATE_FORMAT(ts, 'EEEE MMMM ''T''')", "Tuesday March T"),
        ("EXTRACT(YEAR FROM ts)", "2024"),
        ("EXTRACT(QUARTER FROM ts)", "1"),
        ("EXTRACT(MONTH FROM ts)", "3"),
        ("EXTRACT(WEEK FROM ts)", "10"),
        ("EXTRACT(DOW FROM ts)", "3"),
        ("EXTRACT(DOY FROM ts)", "65"),
        ("EXTRACT(EPOCH FROM ts)", "1709658367"),
        ("YEAR(ts)", "2024"),
        ("HOUR(ts)", "17"),
        ("MINUTE(ts)", "6"),
        ("SECOND(ts)", "7"),
        ("DAYOFMONTH(ts)", "5"),
        ("DAYOFWEEK(ts)", "3"),
        ("DAYOFYEAR(ts)", "65"),
        ("FLOOR(ts TO HOUR)", "2024-03-05T17:00:00Z"),
        ("FLOOR(ts TO MONTH)", "2024-03-01T00:00:00Z"),
        ("FLOOR(ts TO WEEK)", "2024-03-03T00:00:00Z"),
        ("CEIL(ts TO DAY)", "2024-03-06T00:00:00Z"),
        ("CEIL(ts TO YEAR)", "2025-01-01T00:00:00Z"),
        ("TIMESTAMPDIFF(SECOND, TIMESTAMP '2024-03-05 17:06:00', ts)", "7"),
        ("TIMESTAMPDIFF(DAY, ts, TIMESTAMP '2024-03-01 00:00:00')", "-4"),
        ("TIMESTAMPDIFF(MONTH, TIMESTAMP '2024-01-06 00:00:00', ts)", "1"),
        ("TIMESTAMPADD(MONTH, 1, TIMESTAMP '2024-01-31 10:00:00')", "2024-02-29T10:00:00Z"),
        ("TIMESTAMPADD(YEAR, 900000000000, ts)", "NULL"),
        ("TIMESTAMPADD(YEAR, 300000, ts)", "NULL"),
        ("TO_TIMESTAMP('999999999-01-01', 'yyyy-MM-dd')", "NULL"),
        ("TIMESTAMPADD(WEEK, -1, ts)", "2024-02-27T17:06:07.089Z"),
        ("ts + INTERVAL '1' DAY", "2024-03-06T17:06:07.089Z"),
        ("ts + INTERVAL '1 02:00' DAY TO MINUTE", "2024-03-06T19:06:07.089Z"),
        ("TO_TIMESTAMP('2024-03-05 17:06:07')", "2024-03-05T17:06:07Z"),
        ("TO_TIMESTAMP('05.03.2024', 'dd.MM.yyyy')", "2024-03-05T00:00:00Z"),
        ("TO_TIMESTAMP('2024-02-30 00:00:00')", "NULL"),
        ("TO_TIMESTAMP_LTZ(1709658367089, 3)", "2024-03-05T17:06:07.089Z"),
        ("TO_TIMESTAMP_LTZ(1709658367, 0)", "2024-03-05T17:06:07Z"),
        ("TO_DATE('2024-03-05')", "2024-03-05"),
        ("UNIX_TIMESTAMP('2024-03-05 17:06:07')", "1709658367"),
        ("UNIX_TIMESTAMP(ts)", "1709658367"),
        ("FROM_UNIXTIME(1709658367)", "2024-03-05 17:06:07"),
        ("FROM_UNIXTIME(0, 'yyyyMMdd')", "19700101"),
        ("CAST('2024-03-05 17:06:07' AS TIMESTAMP(3))", "2024-03-05T17:06:07Z"),
        ("CAST('2024-03-05 17:06:07' AS TIMESTAMP_LTZ(3))", "2024-03-05T17:06:07Z"),
    ];
    for (expr, expected) in cases {
        assert_eq!(of(expr), expected, "{expr}");
    }
}

#[test]
fn functions_of_numbers() {
    check(&[
        ("MOD(7, 3)", "1"),
        ("MOD(-7, 3)", "-1"),
        ("ABS(-5)", "5"),
        ("ABS(-1.5)", "1.5"),
        ("POWER(2, 10)", "1024.0"),
        ("SQRT(9)", "3.0"),
        ("LN(1)", "0.0"),
        ("LOG10(100)", "2.0"),
        ("LOG(2, 8)", "3.0"),
        ("EXP(0)", "1.0"),
        ("SIGN(-3)", "-1"),
        ("FLOOR(-1.5)", "-2"),
        ("CEIL(1.2)", "2"),
        ("ROUND(1.456, 2)", "1.460"),
        ("ROUND(-2.5)", "-3.0"),
        ("TRUNCATE(42.345, 2)", "42.340"),
        ("FLOOR(CAST(1.7 AS DOUBLE))", "1.0"),
        ("ROUND(1250, -2)", "1300"),
        ("7 / 2", "3"),
        ("0.908 * 10", "9.080"),
        ("1.5E1", "15.0"),
        ("CAST('12' AS INT) + 1", "13"),
        ("CAST(1.5 AS DECIMAL(5, 2))", "1.50"),
        ("TRY_CAST('x' AS BIGINT)", "NULL"),
        ("CAST(12 AS STRING)", "12"),
        ("GREATEST(1, 3, 2)", "3"),
        ("GREATEST(1, CAST(NULL AS INT))", "NULL"),
        ("LEAST('b', 'a')", "a"),
    ]);
}

#[test]
fn conditions_lists_and_json() {
    check(&[
        ("IF(1 > 0, 'yes', 'no')", "yes"),
        ("IFNULL(CAST(NULL AS STRING), 'x')", "x"),
        ("NULLIF(1, 1)", "NULL"),
        ("COALESCE(CAST(NULL AS INT), 2)", "2"),
        ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END", "b"),
        ("CAST(NULL AS INT) IS DISTINCT FROM 1", "true"),
        ("3 BETWEEN 1 AND 3", "true"),
        ("3 NOT IN (1, 2)", "true"),
        ("(1 = 1) IS TRUE", "true"),
        ("CARDINALITY(ARRAY[1, 2, 3])", "3"),
        ("ARRAY['a', 'b'][2]", "b"),
        ("ARRAY_CONTAINS(ARRAY[1, 2], 2)", "true"),
        (r#"JSON_VALUE('{"a": {"b": [1, "x"]}}', '$.a.b[1]')"#, "x"),
        (r#"JSON_VALUE('{"a": 1.50}', '$.a')"#, "1.50"),
        (r#"JSON_VALUE('{"a": 7}', '$.a' RETURNING BIGINT) + 1"#, "8"),
        (r#"JSON_VALUE('{"a": 7}', '$.b' DEFAULT 'none' ON EMPTY)"#, "none"),
        (r#"JSON_VALUE('{"a": ', '$.a' NULL ON EMPTY DEFAULT 'bad' ON ERROR)"#, "bad"),
        (r#"JSON_VALUE('{"a": {}}', '$.a')"#, "NULL"),
        (r#"JSON_VALUE('{"a": null}', 'lax $.a')"#, "NULL"),
        (r#"JSON_VALUE('{"a b": true}', '$[''a b'']')"#, "true"),
        (r#"JSON_QUERY('{"a": { "b" : 1 }}', '$.a')"#, r#"{"b":1}"#),
        (r#"JSON_QUERY('{"a": 1}', '$.a')"#, "NULL"),
        (r#"JSON_EXISTS('{"a": 1}', '$.a')"#, "true"),
        (r#"JSON_EXISTS('{"a": 1}', '$.b')"#, "false"),
        ("JSON_EXISTS('{', '$.b' TRUE ON ERROR)", "true"),
        ("JSON_STRING('a\"b')", r#""a\"b""#),
        ("JSON_STRING(1)", "1"),
    ]);
}

/// The same functions give the same over columns, NULL included.
#[test]
fn functions_over_columns() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("s", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
        Field::new("t", event_time_type(), true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("a/bc"), None, Some("é/x/y")])),
        Arc::new(Int64Array::from(vec![Some(1), Some(2), None])),
        Arc::new(
            TimestampMicrosecondArray::from(vec![Some(0), Some(86_400_000_000), None])
                .with_timezone("UTC"),
        ),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let stream = SourceDef { schema, event_time: None, bounded: true };
    let catalog = catalog().source("rows", stream);
    let cases = [
        ("SPLIT_INDEX(s, '/', n)", vec!["bc", "NULL", "NULL"]),
        ("SUBSTRING(s, 3)", vec!["bc", "NULL", "x/y"]),
        ("SUBSTRING(s, n, 1)", vec!["a", "NULL", "NULL"]),
        ("REGEXP_EXTRACT(s, '/(.)', 1)", vec!["b", "NULL", "x"]),
        ("REGEXP_EXTRACT(s, '(.)/', CAST(n AS INT))", vec!["a", "NULL", "NULL"]),
        ("CONCAT(s, '!')", vec!["a/bc!", "NULL", "é/x/y!"]),
        ("DATE_FORMAT(t, 'dd.MM.')", vec!["01.01.", "02.01.", "NULL"]),
        ("HOUR(t)", vec!["0", "0", "NULL"]),
        ("FLOOR(t TO YEAR)", vec!["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "NULL"]),
        ("GREATEST(n, 2)", vec!["2", "2", "NULL"]),
        ("ABS(-n)", vec!["1", "2", "NULL"]),
        ("IF(n > 1, s, 'few')", vec!["few", "NULL", "few"]),
        ("LEFT(s, 1)", vec!["a", "NULL", "é"]),
        ("JSON_STRING(s)", vec!["\"a/bc\"", "NULL", "\"é/x/y\""]),
        ("TIMESTAMPADD(HOUR, n, t)", vec!["1970-01-01T01:00:00Z", "1970-01-02T02:00:00Z", "NULL"]),
    ];
    for (expr, expected) in cases {
        let (expr, input) =
            projected(&format!("INSERT INTO out SELECT {expr} AS v, s, n, t FROM rows"), &catalog);
        let physical = create_physical_expr(
            &expr,
            input.schema(),
            &ExecutionProps::new(),
            &PhysicalPlanningContext::default(),
        )
        .unwrap();
        let array = physical.evaluate(&batch).unwrap().into_array(3).unwrap();
        let options = FormatOptions::default().with_null("NULL");
        let format = ArrayFormatter::try_new(&array, &options).unwrap();
        let got: Vec<String> = (0..3).map(|row| format.value(row).to_string()).collect();
        assert_eq!(got, expected, "{expr}");
    }
}
