//! A job that stops with a savepoint and goes on at another parallelism gives what it would have
//! given without stopping, whichever operator kept the state.
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::shop::{QUERIES, Query, Shop};
use crate::sim::finish;
use millrace_plan::{JobPlan, OperatorId, Verdict, plan};
use millrace_processors::connector::MemorySink;
use millrace_processors::{Batch, CheckpointStore, Job, JobError, JobSettings};

const RESCALES: [(usize, usize); 4] = [(1, 3), (3, 1), (2, 5), (2, 2)];

fn shop_plan(query: &Query, sql: &str) -> JobPlan {
    plan(sql, &crate::shop::catalog(query))
        .unwrap_or_else(|errors| panic!("{}: {}", query.name, errors[0]))
}

fn job(query: &Query, sql: &str, parallelism: usize, store: CheckpointStore) -> Job {
    let settings = JobSettings { parallelism, ..JobSettings::default() };
    Job::new("shop", shop_plan(query, sql)).settings(settings).checkpoints(store)
}

/// First half of the rows by `before`, savepoint, second half by `after` at another parallelism.
fn in_two_parts(query: &Query, after: &str, seed: u64, rescale: (usize, usize)) -> Vec<String> {
    let shop = Shop::new(seed);
    let disk: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let at = |path: &str| CheckpointStore::new(Arc::clone(&disk), Path::from(path));
    let out = MemorySink::new();
    let first = shop.sources_until(job(query, query.sql, rescale.0, at("first")), 60);
    crate::sim::run_to_savepoint(seed, &first.with_sink("out", out.clone()), &Path::from("saved"));
    let second = shop
        .sources(job(query, after, rescale.1, at("second")))
        .with_sink("out", out.clone())
        .from_savepoint(at("saved"));
    crate::sim::run(seed, &second);
    query.lines(&out)
}

fn in_one_part(query: &Query, seed: u64) -> Vec<String> {
    let out = MemorySink::new();
    let disk = Arc::new(InMemory::new());
    let store = CheckpointStore::new(disk, Path::default());
    let job = Shop::new(seed).sources(job(query, query.sql, 1, store));
    crate::sim::run(seed, &job.with_sink("out", out.clone()));
    query.lines(&out)
}

#[test]
fn the_same_query_goes_on_where_it_stopped() {
    for query in QUERIES {
        for (seed, rescale) in RESCALES.into_iter().enumerate() {
            let seed = seed as u64;
            let expected = in_one_part(query, seed);
            assert!(!expected.is_empty(), "{} has a result", query.name);
            let got = in_two_parts(query, query.sql, seed, rescale);
            assert_eq!(got, expected, "{} {rescale:?}", query.name);
        }
    }
}

#[test]
fn a_changed_query_that_keeps_its_state_goes_on_where_it_stopped() {
    for query in QUERIES {
        for (seed, rescale) in RESCALES.into_iter().enumerate() {
            let seed = seed as u64;
            let changed = format!("INSERT INTO out SELECT * FROM ({}) WHERE 1 = 1", query.select());
            let got = in_two_parts(query, &changed, seed, rescale);
            assert_eq!(got, in_one_part(query, seed), "{} {rescale:?}", query.name);
        }
    }
}

/// A tumbling count, stopped with a savepoint half way; then `after` as its next version.
fn changed(after: &str) -> (Job, MemorySink) {
    let query = QUERIES.iter().find(|query| query.name == "tumble").expect("it is there");
    let disk: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let at = |path: &str| CheckpointStore::new(Arc::clone(&disk), Path::from(path));
    let shop = Shop::new(1);
    let before = shop.sources_until(job(query, query.sql, 1, at("first")), 60);
    let saved = Path::from("saved");
    crate::sim::run_to_savepoint(1, &before.with_sink("out", MemorySink::new()), &saved);
    let out = MemorySink::new();
    let next = shop.sources(job(query, after, 1, at("second")));
    (next.with_sink("out", out.clone()).from_savepoint(at("saved")), out)
}

#[test]
fn a_query_that_cannot_read_the_state_is_refused_before_anything_happens() {
    let (job, _) = changed(
        "INSERT INTO out SELECT k, window_start, COUNT(*), AVG(v) \
         FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(ts), INTERVAL '10' SECOND)) \
         GROUP BY k, window_start, window_end",
    );
    let verdict = finish(job.verdict()).unwrap().expect("there is state");
    assert!(matches!(verdict, Verdict::Incompatible { .. }), "{verdict:?}");
    let refused = finish(job.assemble()).unwrap_err();
    assert!(matches!(refused, JobError::Incompatible { .. }), "{refused}");
    assert!(!refused.is_retryable());
    let message = refused.to_string();
    assert!(message.contains("window-aggregate"), "{message}");
}

#[test]
fn a_query_with_another_window_says_what_it_drops_and_begins_anew() {
    let (job, out) = changed(
        "INSERT INTO out SELECT k, window_start, COUNT(*) \
         FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(ts), INTERVAL '5' SECOND)) \
         GROUP BY k, window_start, window_end",
    );
    let verdict = finish(job.verdict()).unwrap().expect("there is state");
    let Verdict::Partly { kept, dropped, new } = verdict else { panic!("{verdict:?}") };
    let ids =
        |ids: &[OperatorId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(ids(&kept), "source.sale sink.out");
    assert!(ids(&dropped).starts_with("window-aggregate.k.tumble-10s."), "{dropped:?}");
    assert!(ids(&new).starts_with("window-aggregate.k.tumble-5s."), "{new:?}");
    crate::sim::run(1, &job);
    let rows: usize = out.committed().iter().map(Batch::len).sum();
    assert!(rows > 0, "the second half is counted in the new windows");
}
