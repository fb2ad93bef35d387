//! Tests of the SQL endpoint: what is answered, what is refused, the limits, the formats.

mod formats;
mod http;
mod limits;
mod refused;

use std::fmt::Write as _;
use std::sync::Mutex;

use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::datasource::MemTable;

use super::*;

/// Tables in memory that remember which of them were opened.
#[derive(Default)]
pub(super) struct Memory {
    opened: Mutex<Vec<String>>,
}

pub(super) fn plays() -> RecordBatch {
    let times = (0..4).map(|i| 1_700_000_000_000_000 + i * 1_000_000);
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(0..4)) as arrow::array::ArrayRef),
        ("title", Arc::new(StringArray::from(vec![Some("a"), Some("b, \"c\""), None, Some("é")]))),
        ("score", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(2.0), Some(-1.0)]))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))),
    ])
    .expect("equally long columns")
}

/// 256 Ki numbers: enough that its cross join with itself never ends.
pub(super) fn numbers() -> RecordBatch {
    let column = Arc::new(Int64Array::from_iter_values(0..(256 << 10)));
    RecordBatch::try_from_iter([("n", column as arrow::array::ArrayRef)]).expect("one column")
}

#[async_trait]
impl TableSource for Memory {
    async fn tables(&self) -> Result<Vec<TableName>, SourceError> {
        let names = ["raw.plays", "numbers", "audit", "broken"];
        names.into_iter().map(|n| Ok(n.parse()?)).collect()
    }

    async fn open(&self, table: &TableName) -> Result<Arc<dyn TableProvider>, SourceError> {
        self.opened.lock().expect("not poisoned").push(table.to_string());
        let batch = match table.as_str() {
            "raw.plays" => plays(),
            "numbers" => numbers(),
            "audit" => plays().project(&[0])?,
            _ => return Err("no such file: /var/lib/millrace/key=SECRET".into()),
        };
        Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
    }
}

pub(super) fn engine_with(limits: SqlLimits) -> (SqlEngine, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    (SqlEngine::new(Arc::clone(&memory) as Arc<dyn TableSource>, limits), memory)
}

pub(super) fn engine() -> SqlEngine {
    engine_with(SqlLimits::default()).0
}

pub(super) async fn table(engine: &SqlEngine, sql: &str) -> String {
    let mut out = Vec::new();
    let mut rows = engine.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    write_rows(Format::Table, &mut rows, &mut out).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    String::from_utf8(out).expect("text")
}

pub(super) async fn error(engine: &SqlEngine, sql: &str) -> SqlError {
    match engine.run(sql).await {
        Err(error) => error,
        Ok(mut rows) => rows.collect_all().await.expect_err(sql),
    }
}

#[tokio::test]
async fn questions_are_answered() {
    let engine = engine();
    let mut out = String::new();
    for sql in [
        "SELECT count(*) AS n, sum(score) AS s FROM raw.plays WHERE id > 0",
        "WITH x AS (SELECT id FROM raw.plays) SELECT max(id) AS m FROM x;",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT title FROM millrace.raw.plays ORDER BY id LIMIT 2",
        "SELECT p.id, a.id FROM raw.plays p JOIN public.audit a ON a.id = p.id WHERE a.id = 3",
        "SELECT id FROM audit WHERE id IN (SELECT max(id) FROM raw.plays)",
        "SELECT u FROM UNNEST([1, 2]) AS t(u)",
        "SHOW TABLES",
        "DESCRIBE raw.plays",
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'raw'",
        "EXPLAIN FORMAT INDENT SELECT id FROM audit WHERE id > 2",
    ] {
        write!(out, "{sql}\n{}\n", table(&engine, sql).await).expect("text takes text");
    }
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn explain_analyze_runs_only_a_query() {
    let engine = engine();
    assert!(table(&engine, "EXPLAIN ANALYZE SELECT count(*) FROM audit").await.contains("metrics"));
    let refused = error(&engine, "EXPLAIN ANALYZE DELETE FROM audit").await;
    assert_eq!(refused.kind, SqlErrorKind::Refused);
}

#[tokio::test]
async fn only_the_tables_a_question_names_are_opened() {
    let (engine, memory) = engine_with(SqlLimits::default());
    table(&engine, "WITH numbers AS (SELECT 1 AS n) SELECT * FROM numbers, audit").await;
    table(&engine, "SHOW TABLES").await;
    table(&engine, "SELECT 1").await;
    assert_eq!(*memory.opened.lock().expect("not poisoned"), ["audit"]);
}

#[tokio::test]
async fn mistakes_are_told_with_line_column_and_hint() {
    let engine = engine();
    let mut out = String::new();
    for sql in [
        "",
        ";",
        "SELECT",
        "SELEC 1",
        "SELECT id\nFROM raw.plays\nWHER id > 1",
        "SELECT id FROM raw.play",
        "SELECT id\nFROM nowhere",
        "SELECT titel\nFROM raw.plays",
        "SELECT p.titel FROM raw.plays p",
        "SELECT id FROM raw.plays, audit",
        "SELECT nofunc(id) FROM audit",
        "SELECT id, count(*) FROM audit",
        "SELECT 'a' + true FROM audit",
        "SELECT CAST(title AS BIGINT) FROM raw.plays",
        "SELECT 1 / 0",
        "SELECT $1",
        "SELECT 'open",
        "SELECT * FROM broken",
        "SELECT id FROM audit; SELECT 2",
    ] {
        write!(
            out,
            "{sql:?}\n  {:?} {}\n",
            error(&engine, sql).await.kind,
            error(&engine, sql).await
        )
        .expect("text takes text");
    }
    assert!(!out.contains("SECRET") && !out.contains("/var"), "{out}");
    insta::assert_snapshot!(out);
}
