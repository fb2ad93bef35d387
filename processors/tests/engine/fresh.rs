//! A job told to forget its state goes on where it was in its streams, and counts from there.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::shop::{QUERIES, Shop};
use crate::sim::finish;
use millrace_plan::{Verdict, plan};
use millrace_processors::connector::{MemorySink, MemorySource};
use millrace_processors::{CheckpointStore, Job, JobError, JobSettings, RunEnd, StatePolicy};

/// Rows of each of the three partitions, and those read before the stop.
const ROWS: i64 = 120;
const READ: usize = 60;

fn job(sql: &str, disk: &Arc<dyn ObjectStore>, parallelism: usize) -> Job {
    let query = QUERIES.iter().find(|query| query.name == "group").expect("it is there");
    let plan = plan(sql, &crate::shop::catalog(query)).unwrap_or_else(|e| panic!("{}", e[0]));
    Job::new("shop", plan)
        .settings(JobSettings { parallelism, ..JobSettings::default() })
        .checkpoints(CheckpointStore::new(Arc::clone(disk), Path::from("own")))
}

/// The job's own checkpoints after half of the rows.
fn half_way(seed: u64) -> (Shop, Arc<dyn ObjectStore>) {
    let (shop, disk) = (Shop::new(seed), Arc::new(InMemory::new()) as Arc<dyn ObjectStore>);
    let sql = "INSERT INTO out SELECT k, COUNT(*) FROM sale GROUP BY k";
    let first = shop.sources_until(job(sql, &disk, 2), READ).with_sink("out", MemorySink::new());
    crate::sim::run_to_savepoint(seed, &first, &Path::from("saved"));
    (shop, disk)
}

/// The sum of the latest counts by key.
fn counted(out: &MemorySink) -> i64 {
    let left = crate::changelog::apply(&out.committed(), &[0]);
    let column = |batch: &arrow::array::RecordBatch| {
        batch.column(1).as_primitive::<Int64Type>().values().iter().sum::<i64>()
    };
    left.iter().map(column).sum()
}

#[test]
fn a_query_that_cannot_read_the_state_begins_anew_where_the_streams_are() {
    let changed = "INSERT INTO out SELECT k, COUNT(*), SUM(v) FROM sale GROUP BY k";
    for seed in 0..8 {
        let (shop, disk) = half_way(seed);
        let out = MemorySink::new();
        let next = shop.sources(job(changed, &disk, 3)).with_sink("out", out.clone());
        let verdict = finish(next.verdict()).unwrap().expect("there is state");
        assert!(matches!(verdict, Verdict::Incompatible { .. }), "{verdict:?}");
        let refused = finish(next.assemble()).unwrap_err();
        assert!(matches!(refused, JobError::Incompatible { .. }), "{refused}");
        // Crashes on the way: what was counted after the first new checkpoint must stay counted.
        let next = finish(next.fresh_state()).unwrap();
        crate::sim::run(seed, &next);
        let rest = 3 * (ROWS - i64::try_from(READ).unwrap());
        assert_eq!(counted(&out), rest, "seed {seed}: each of the other rows, once");
    }
}

#[test]
fn state_is_dropped_only_where_that_is_allowed() {
    let (shop, disk) = half_way(1);
    let changed = "INSERT INTO out SELECT v AS k, COUNT(*) FROM sale GROUP BY v";
    let next = shop.sources(job(changed, &disk, 1)).with_sink("out", MemorySink::new());
    let refused = finish(next.clone().state_policy(StatePolicy::Keep).assemble()).unwrap_err();
    assert!(matches!(refused, JobError::WouldDrop { .. }), "{refused}");
    assert!(refused.to_string().contains("group-aggregate.k."), "{refused}");
    finish(next.assemble()).expect("allowed unless it is said otherwise");
}

/// Runs `job` to its end, or drains it and stops.
fn run(job: &Job) -> RunEnd {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(job.start().wait()).expect("it ends")
}

#[test]
fn event_time_that_had_come_to_its_end_begins_anew() {
    let query = QUERIES.iter().find(|query| query.name == "tumble").unwrap();
    let shop = Shop::new(3);
    let disk: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let job = |batches: &[arrow::array::RecordBatch], out: &MemorySink| {
        let plan = plan(query.sql, &crate::shop::catalog(query)).unwrap();
        Job::new("shop", plan)
            .with_source("sale", MemorySource::new(batches.to_vec()))
            .with_sink("out", out.clone())
            .checkpoints(CheckpointStore::new(Arc::clone(&disk), Path::from("own")))
    };
    let rows = |out: &MemorySink| -> usize {
        out.committed().iter().map(millrace_processors::Batch::len).sum()
    };
    let half = shop.sales[0].num_rows() / 2;
    let (first, second) = (shop.sales[0].slice(0, half), shop.sales[0].slice(half, half));
    assert_eq!(run(&job(std::slice::from_ref(&first), &MemorySink::new())), RunEnd::Finished);
    let both = [first, second];
    let out = MemorySink::new();
    run(&job(&both, &out));
    assert_eq!(rows(&out), 0, "every further row is late");
    let again = [both[0].clone(), both[1].slice(0, 0), both[1].clone()];
    let fresh = finish(job(&again, &out).fresh_state()).unwrap();
    run(&fresh);
    assert!(rows(&out) > 0, "windows open again");
}
