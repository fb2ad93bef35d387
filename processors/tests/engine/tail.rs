//! Rows of a sink are seen by whoever looks, as they are written.

use tokio::task::JoinSet;

use crate::shop::{QUERIES, Shop};
use millrace_plan::plan;
use millrace_processors::connector::MemorySink;
use millrace_processors::{Assembly, Batch, Job, JobSettings, RunEnd};

#[test]
fn whoever_looks_sees_every_row_or_how_many_were_lost() {
    let query = QUERIES.iter().find(|query| query.name == "group").unwrap();
    let shop = Shop::new(5);
    let out = MemorySink::new();
    let plan = plan(query.sql, &crate::shop::catalog(query)).unwrap();
    let settings = JobSettings { parallelism: 2, ..JobSettings::default() };
    let job = shop.sources(Job::new("tail", plan).settings(settings));
    let job = job.with_sink("out", out.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let Assembly { tasks, coordinator, control } = job.assemble().await.unwrap();
        // Before the first row.
        let (mut all, mut other) = (control.tail(None), control.tail(Some("other")));
        let mut set = JoinSet::new();
        for (_, task) in tasks {
            set.spawn(async { task.await.unwrap() });
        }
        set.spawn(async { assert_eq!(coordinator.await.unwrap(), RunEnd::Finished) });
        let mut seen = 0;
        while let Some(shown) = all.next().await {
            assert_eq!(shown.sink, "out");
            seen += shown.rows.len() as u64 + shown.lost;
        }
        set.join_all().await;
        let written: usize = out.committed().iter().map(Batch::len).sum();
        assert!(written > 0);
        assert_eq!(seen + all.lost(), written as u64);
        assert!(other.next().await.is_none(), "there is no such sink");
        assert!(control.tail(None).next().await.is_none(), "the run is over");
    });
}
