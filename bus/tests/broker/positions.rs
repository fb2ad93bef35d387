//! A consumer starts exactly where it is told and accounts for every offset from there.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{HANGS, LIMITS, Stage, Told, expected, poll_until, read_to, texts};
use millrace_bus::{Admin, BusError, Consumer};
use millrace_events::{Offset, TopicPartition};

#[tokio::test(flavor = "multi_thread")]
async fn reading_starts_in_the_middle_of_a_batch() {
    let stage = Stage::new(1).await;
    stage.fill(0, 0..500).await;
    stage.fill(0, 500..1000).await;
    tokio::task::block_in_place(|| {
        let tp = stage.tp(0);
        for start in [0, 1, 250, 499, 500, 501, 750, 999] {
            let mut consumer = stage.manual();
            let from = Offset(i64::try_from(start).unwrap());
            assert_eq!(consumer.start_at(&tp, Some(from)).unwrap(), from);
            let batches = read_to(&mut consumer, &tp, from, Offset(1000));
            assert!(texts(&batches) == expected(start..1000), "from {start}");
        }
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_again_leaves_out_nothing_and_repeats_what_was_asked_for() {
    let stage = Stage::new(2).await;
    for partition in 0..2 {
        stage.fill(partition, 0..20_000).await;
    }
    tokio::task::block_in_place(|| {
        let mut consumer = stage.manual();
        for partition in 0..2 {
            consumer.start_at(&stage.tp(partition), None).unwrap();
        }
        for (round, at) in [0, 19_999, 3, 10_000, 3].into_iter().enumerate() {
            // The library's queue is full of records from elsewhere at this moment.
            consumer.poll(Duration::from_millis(20)).unwrap();
            if round % 2 == 1 {
                consumer.stop(&stage.tp(0));
            }
            let from = Offset(i64::try_from(at).unwrap());
            consumer.start_at(&stage.tp(0), Some(from)).unwrap();
            let batches = read_to(&mut consumer, &stage.tp(0), from, Offset(20_000));
            assert!(texts(&batches) == expected(at..20_000), "from {at}");
        }
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_beyond_the_end_is_refused_with_a_reason() {
    let stage = Stage::new(1).await;
    stage.fill(0, 0..10).await;
    tokio::task::block_in_place(|| {
        let mut consumer = stage.manual();
        let error = consumer.start_at(&stage.tp(0), Some(Offset(11))).unwrap_err();
        assert!(
            matches!(&error, BusError::Refused { what } if what.contains("truncated")),
            "{error}"
        );
        assert_eq!(consumer.start_at(&stage.tp(0), Some(Offset(10))).unwrap(), Offset(10));
        assert!(
            consumer.poll(Duration::from_millis(200)).unwrap().is_empty(),
            "at the end is empty"
        );
        assert_eq!(consumer.lag(), [(stage.tp(0), 0)]);
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_partitions_deliver_nothing_and_resume_where_they_were() {
    let stage = Stage::new(2).await;
    for partition in 0..2 {
        stage.fill(partition, 0..5_000).await;
    }
    tokio::task::block_in_place(|| {
        let (quiet, busy) = (stage.tp(0), stage.tp(1));
        let mut consumer = stage.manual();
        consumer.pause(std::slice::from_ref(&quiet));
        consumer.start_at(&quiet, Some(Offset(7))).unwrap();
        consumer.start_at(&busy, None).unwrap();
        let mut read = 0;
        poll_until(&mut consumer, |batches| {
            assert!(batches.iter().all(|b| *b.tp() == busy), "the paused one is silent");
            read += batches.iter().map(millrace_events::RawBatch::len).sum::<usize>();
            read == 5_000
        });
        consumer.resume(std::slice::from_ref(&quiet));
        let mut position = Offset(7);
        let mut seen = Vec::new();
        let started = std::time::Instant::now();
        while position < Offset(5_000) {
            assert!(started.elapsed() < HANGS, "still waiting at {position}");
            for batch in consumer.poll(Duration::from_millis(50)).unwrap() {
                assert_eq!(batch.range().from, position);
                position = batch.range().next;
                seen.push(batch);
            }
            consumer.pause(std::slice::from_ref(&quiet));
            consumer.resume(std::slice::from_ref(&quiet));
        }
        assert!(texts(&seen) == expected(7..5_000));
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_reader_is_told_of_every_partition_and_gets_nothing_before_it_starts() {
    let stage = Stage::new(3).await;
    let second = stage.broker.topic("later");
    stage.fill(1, 0..10).await;
    let told = Arc::new(Told::default());
    let topics = [stage.topic.clone(), second.clone()];
    let settings = stage.broker.settings();
    let mut consumer = Consumer::alone(&settings, LIMITS, &topics, told.clone()).unwrap();
    tokio::task::block_in_place(|| {
        poll_until(&mut consumer, |batches| {
            assert!(batches.is_empty(), "nothing was started");
            told.assigned().len() == 3
        });
        assert_eq!(told.assigned(), (0..3).map(|p| stage.tp(p)).collect::<Vec<_>>());
    });
    Admin::new(&settings).unwrap().ensure_topic(&second, 1).await.unwrap();
    tokio::task::block_in_place(|| {
        poll_until(&mut consumer, |_| told.assigned().len() == 4);
        assert!(told.assigned().contains(&TopicPartition::new(second.as_str(), 0)));
        consumer.start_at(&stage.tp(1), None).unwrap();
        let batches = read_to(&mut consumer, &stage.tp(1), Offset(0), Offset(10));
        assert_eq!(texts(&batches), expected(0..10));
        drop(consumer);
    });
    stage.broker.stop().await;
}
