//! Time, memory, rows, length, depth and the number of questions at once are bounded.

use super::*;

#[tokio::test]
async fn a_question_without_end_is_stopped() {
    let limits = SqlLimits { time: Duration::from_millis(200), ..SqlLimits::default() };
    let (engine, _) = engine_with(limits);
    for sql in [
        "SELECT count(*) FROM numbers a, numbers b WHERE a.n + b.n < 0",
        "SELECT count(*) FROM numbers a, numbers b, numbers c",
        "SELECT count(*) FROM numbers a JOIN numbers b ON a.n % 2 = b.n % 2 AND a.n + b.n < 0",
        "SELECT count(*) FROM numbers a LEFT JOIN numbers b ON a.n + b.n < 0",
        "EXPLAIN ANALYZE SELECT count(*) FROM numbers a, numbers b WHERE a.n * b.n < 0",
    ] {
        let error = error(&engine, sql).await;
        assert_eq!(error.kind, SqlErrorKind::Time, "{error}");
    }
    // The work itself has ended too, or its places would stay taken.
    while engine.0.slots.available_permits() < engine.limits().queries {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_question_over_its_memory_is_stopped() {
    let limits = SqlLimits { memory_bytes: 1 << 20, ..SqlLimits::default() };
    let (engine, _) = engine_with(limits);
    for sql in [
        "SELECT a.n, b.n AS m FROM numbers a, numbers b ORDER BY a.n + b.n DESC",
        "SELECT n, count(*) FROM numbers GROUP BY n",
    ] {
        let error = error(&engine, sql).await;
        assert_eq!(error.kind, SqlErrorKind::Memory, "{error}");
    }
    assert!(table(&engine, "SELECT count(*) FROM numbers").await.contains("262144"));
}

#[tokio::test]
async fn rows_beyond_the_limit_are_cut_off_and_it_is_said() {
    let (engine, _) = engine_with(SqlLimits { rows: 10, ..SqlLimits::default() });
    for (sql, rows, truncated) in [
        ("SELECT n FROM numbers", 10, true),
        ("SELECT n FROM numbers LIMIT 11", 10, true),
        ("SELECT n FROM numbers LIMIT 10", 10, false),
        ("SELECT n FROM numbers LIMIT 0", 0, false),
    ] {
        let mut answer = engine.run(sql).await.expect(sql);
        let got: usize =
            answer.collect_all().await.expect(sql).iter().map(RecordBatch::num_rows).sum();
        assert_eq!((got, answer.truncated()), (rows, truncated), "{sql}");
    }
}

#[tokio::test]
async fn one_question_too_many_is_told_to_come_back() {
    let (engine, _) = engine_with(SqlLimits { queries: 1, ..SqlLimits::default() });
    let running = engine.run("SELECT n FROM numbers").await.expect("the first");
    let busy = engine.run("SELECT 1").await.expect_err("the second");
    assert_eq!(busy.kind, SqlErrorKind::Busy);
    drop(running);
    // The place is free when the work has ended, which is soon but not at once.
    while let Err(error) = engine.run("SELECT 1").await {
        assert_eq!(error.kind, SqlErrorKind::Busy);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn long_and_deep_text_is_refused_before_it_can_hurt() {
    let engine = engine();
    let long = format!("SELECT '{}'", "x".repeat(engine.limits().sql_bytes));
    assert_eq!(error(&engine, &long).await.kind, SqlErrorKind::TooLong);
    for deep in [
        format!("SELECT 1{}", " + 1".repeat(10_000)),
        format!("SELECT 1{}", "::INT".repeat(6_000)),
        format!("SELECT 1 IS NULL{}", " IS NULL".repeat(6_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(3_000)),
        format!("SELECT {}1", "- ".repeat(20_000)),
        format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("SELECT {}1{}", "[".repeat(1_900), "]".repeat(1_900)),
        format!("SELECT {}1", "NOT ".repeat(1_900)),
        format!("SELECT 1 FROM audit{}", ", audit".repeat(200)),
        (1..40).fold("WITH t0 AS (SELECT 1 AS x)".to_owned(), |sql, n| {
            format!("{sql}, t{n} AS (SELECT a.x FROM t{m} a, t{m} b)", m = n - 1)
        }) + " SELECT count(*) FROM t39",
    ] {
        let error = error(&engine, &deep).await;
        assert!(
            matches!(error.kind, SqlErrorKind::TooLong | SqlErrorKind::Invalid),
            "{}: {error}",
            &deep[..40]
        );
    }
}

#[tokio::test]
async fn a_chain_as_long_as_allowed_is_answered() {
    let chain = |start: &str, link: &str, times| format!("{start}{}", link.repeat(times));
    for sql in [
        chain("SELECT id", " + id", 390) + " AS n FROM audit",
        chain("SELECT 'a'", " || title", 390) + " AS n FROM raw.plays",
        chain("SELECT id FROM audit WHERE id = 0", " OR id = 1", 190),
        chain("SELECT id FROM audit WHERE true", " AND id <> 7", 190),
        chain("SELECT 1", " UNION ALL SELECT 1", 190),
        chain("SELECT id", "::INT::BIGINT", 190) + " FROM audit",
        chain("SELECT id", " IS NULL", 390) + " FROM audit",
    ] {
        let rows = table(&engine(), &sql).await;
        assert!(rows.lines().count() > 4, "{}", &sql[..40]);
    }
    let columns: Vec<_> = (0..1_000).map(|n| format!("id AS date{n}")).collect();
    let sql = format!("SELECT {} FROM audit", columns.join(", "));
    assert_eq!(engine().run(&sql).await.expect("wide").schema().fields().len(), 1_000);
    let list: Vec<_> = (0..5_000).map(|n| n.to_string()).collect();
    let sql = format!("SELECT count(*) AS n FROM audit WHERE id IN ({})", list.join(", "));
    assert!(table(&engine(), &sql).await.contains('4'));
}
