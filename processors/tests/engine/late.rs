//! Rows that come after their window has closed are counted per split, and kept if the job says so.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{concat_batches, take_record_batch};

use crate::shop::{QUERIES, Shop};
use millrace_plan::plan;
use millrace_processors::connector::{MemorySink, MemorySource};
use millrace_processors::{END_OF_TIME, Job, JobSettings, RunEnd};

/// The sales of all partitions in one, the oldest of them last: long after their windows.
fn sales_with_stragglers(shop: &Shop) -> (RecordBatch, usize) {
    let all = concat_batches(&shop.sales[0].schema(), &shop.sales).expect("all are sales");
    let order = arrow::compute::sort_to_indices(all.column(0), None, None).expect("times sort");
    let sorted = take_record_batch(&all, &order).expect("the order is of these rows");
    let stragglers = 20;
    let late = sorted.slice(0, stragglers);
    let rest = sorted.slice(stragglers, sorted.num_rows() - stragglers);
    (concat_batches(&all.schema(), [&rest, &late]).expect("all are sales"), stragglers)
}

#[test]
fn late_rows_are_counted_and_kept_and_the_rest_is_the_batch_without_them() {
    let query = QUERIES.iter().find(|query| query.name == "tumble").unwrap();
    let mut shop = Shop::new(1);
    let (sales, stragglers) = sales_with_stragglers(&shop);
    let mut plan = plan(query.sql, &crate::shop::catalog(query)).unwrap();
    plan.keep_late_rows("late");
    let (out, late) = (MemorySink::new(), MemorySink::new());
    let batches =
        (0..sales.num_rows()).step_by(10).map(|at| sales.slice(at, 10.min(sales.num_rows() - at)));
    let job = Job::new("late", plan)
        .with_source("sale", MemorySource::new(batches.collect()))
        .with_sink("out", out.clone())
        .with_sink("late", late.clone())
        .settings(JobSettings { parallelism: 2, ..JobSettings::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let status = runtime.block_on(async {
        let mut running = job.start();
        let control = running.control().await.unwrap();
        assert_eq!(running.wait().await.unwrap(), RunEnd::Finished);
        control.status()
    });

    let kept: Vec<String> = late
        .committed()
        .iter()
        .flat_map(|batch| {
            batch
                .rows
                .column(2)
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(kept.len(), stragglers, "{kept:?}");
    assert!(kept.iter().all(|row| row.starts_with("{\"") && row.contains("\"ts\"")), "{kept:?}");
    let late: u64 = status.operators.values().map(|operator| operator.late).sum();
    assert_eq!(late, stragglers as u64);
    assert_eq!(status.late_by_split.values().sum::<u64>(), stragglers as u64);
    let (_, source) = status.sources.iter().next().unwrap();
    assert_eq!((source.rows_in, source.watermark), (sales.num_rows() as u64, Some(END_OF_TIME)));
    assert_eq!((source.bytes_in, source.lag), (0, None), "memory does not tell");
    assert_eq!(source.splits["0"].late, stragglers as u64);
    assert_eq!(status.sinks["late"].rows_out, stragglers as u64);
    let written: usize = out.committed().iter().map(millrace_processors::Batch::len).sum();
    assert_eq!(status.sinks["out"].rows_out, written as u64);

    shop.sales = vec![sales.slice(0, sales.num_rows() - stragglers)];
    assert_eq!(query.lines(&out), query.expected(&shop));
}
