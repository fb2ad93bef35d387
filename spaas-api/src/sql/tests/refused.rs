//! Statements that do more than read: none is answered, each is told where it goes wrong.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const HOSTILE: [&str; 64] = [
    "INSERT INTO audit VALUES (1)",
    "INSERT INTO audit SELECT * FROM raw.plays",
    "UPDATE audit SET id = 1",
    "DELETE FROM audit",
    "TRUNCATE TABLE audit",
    "MERGE INTO audit USING numbers ON true WHEN MATCHED THEN DELETE",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TABLE t (a INT)",
    "CREATE OR REPLACE TABLE audit AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE SCHEMA s",
    "CREATE DATABASE d",
    "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc/'",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://bucket/x'",
    "CREATE UNBOUNDED EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION '/dev/stdin'",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    "CREATE INDEX i ON audit (id)",
    "DROP TABLE audit",
    "DROP VIEW v",
    "DROP SCHEMA raw CASCADE",
    "DROP FUNCTION f",
    "ALTER TABLE audit ADD COLUMN x INT",
    "COPY audit TO '/tmp/out.parquet'",
    "COPY (SELECT 1) TO 's3://bucket/out.csv'",
    "COPY audit FROM '/etc/passwd'",
    "SET datafusion.execution.batch_size = 1",
    "SET TIME ZONE 'UTC'",
    "RESET datafusion.execution.batch_size",
    "SHOW ALL",
    "SHOW datafusion.catalog.location",
    "SHOW FUNCTIONS",
    "SHOW CREATE TABLE audit",
    "SHOW COLUMNS FROM audit",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "GRANT ALL ON audit TO bob",
    "CALL f()",
    "KILL 1",
    "USE raw",
    "ANALYZE TABLE audit",
    "EXPLAIN INSERT INTO audit VALUES (1)",
    "EXPLAIN ANALYZE COPY audit TO '/tmp/x.csv'",
    "EXPLAIN CREATE TABLE t AS SELECT 1",
    "SELECT 1; DROP TABLE audit",
    "SELECT 1;; SELECT 2",
    "SELECT * INTO t FROM audit",
    "WITH x AS (INSERT INTO audit VALUES (1)) SELECT * FROM x",
    "WITH x AS (DELETE FROM audit RETURNING id) SELECT * FROM x",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
    "SELECT * FROM 'file.parquet'",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM \"s3://bucket/file.parquet\"",
    "SELECT * FROM \"../secret.csv\"",
    "SELECT * FROM read_parquet('/etc/x')",
    "SELECT * FROM generate_series(1, 1000000000000)",
    "SELECT repeat('a', 1000000000)",
    "SELECT range(1, 1000000000000)",
    "SELECT * FROM audit FOR UPDATE",
    "SELECT * FROM other.raw.plays",
];

#[tokio::test]
async fn hostile_statements_are_refused_and_open_nothing() {
    let (engine, memory) = engine_with(SqlLimits::default());
    let mut out = String::new();
    for sql in HOSTILE {
        let error = engine.run(sql).await.expect_err(sql);
        assert!(
            matches!(error.kind, SqlErrorKind::Refused | SqlErrorKind::Invalid),
            "{sql}: {error}"
        );
        assert!(error.line == 1 && error.column >= 1 && error.column <= sql.len() + 1, "{sql}");
        write!(out, "{sql}\n  {:?} {error}\n", error.kind).expect("text takes text");
    }
    assert!(memory.opened.lock().expect("not poisoned").is_empty());
    insta::assert_snapshot!(out);
}

/// Words SQL is made of, so that arbitrary text reaches the planner now and then.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "SELECT", "*", "FROM", "audit", "raw.plays", "WHERE", "id", "=", "1", "'a'", "(", ")",
            ",",
            "INSERT INTO", "DELETE", "UPDATE", "SET", "COPY", "TO", "'/tmp/x'", "CREATE", "TABLE",
            "EXTERNAL", "DROP", "WITH", "x", "AS", "EXPLAIN", "ANALYZE", "VALUES", ";", "UNION",
            "ALL",
            "JOIN", "ON", "GROUP BY", "ORDER BY", "LIMIT", "--", "/*", "*/", "\"", "'", "count(*)",
            "SHOW", "TABLES", "DESCRIBE", "PREPARE", "EXECUTE", "generate_series(1,2)", "INTO",
            "||",
            "CASE", "WHEN", "THEN", "END", "CAST", "::", "INT", "[1]", "NULL", "NOT", "IN",
            "EXISTS",
        ]).prop_map(str::to_owned),
        1 => ".{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_panics_and_only_questions_get_rows(words in prop::collection::vec(word(), 0..14)) {
        let sql = words.join(" ");
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        let answered = runtime.block_on(async {
            match engine().run(&sql).await {
                Err(error) => {
                    assert!(error.line >= 1 && error.column >= 1, "{error}");
                    false
                }
                Ok(mut rows) => rows.collect_all().await.is_ok(),
            }
        });
        if answered {
            let asked = super::super::parse::parse(&sql);
            prop_assert!(asked.is_ok(), "{sql}");
            let first = sql.trim_start_matches(|c: char| c.is_whitespace() || "(/*-;".contains(c));
            let first = first.to_ascii_uppercase();
            let reads = ["SELECT", "WITH", "VALUES", "EXPLAIN", "DESC", "SHOW", "FROM"];
            // A comment may stand before the question.
            prop_assert!(
                reads.iter().any(|w| first.starts_with(w))
                    || ["/*", "--"].iter().any(|comment| sql.contains(comment)),
                "answered {sql}"
            );
        }
    }
}
