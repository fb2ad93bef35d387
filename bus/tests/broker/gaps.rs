//! Offsets without a record show up as gaps. The embedded log has none: it refuses what would make
//! them.

use crate::support::{HANGS, Stage, expected, read_to, texts};
use millrace_events::{Offset, Transport};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};

fn client(stage: &Stage) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stage.broker.settings().bootstrap);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn control_records_and_aborted_transactions_are_gaps() {
    let stage = Stage::new(1).await;
    let producer: BaseProducer =
        client(&stage).set("transactional.id", &stage.topic).create().unwrap();
    tokio::task::block_in_place(|| {
        if !stage.broker.is_real() {
            assert!(producer.init_transactions(HANGS).is_err(), "refused, not half supported");
            return;
        }
        producer.init_transactions(HANGS).unwrap();
        // Offsets: 0..3, commit marker 3, 4..7 aborted, marker 7, 8..10, marker 10.
        for (numbers, commit) in [(0..3, true), (4..7, false), (8..10, true)] {
            producer.begin_transaction().unwrap();
            for n in numbers {
                let value = format!("{n:08}");
                let record = BaseRecord::<(), str>::to(&stage.topic).partition(0).payload(&value);
                producer.send(record).map_err(|(e, _)| e).unwrap();
            }
            producer.flush(HANGS).unwrap();
            if commit {
                producer.commit_transaction(HANGS).unwrap();
            } else {
                producer.abort_transaction(HANGS).unwrap();
            }
        }
        let tp = stage.tp(0);
        let mut consumer = stage.manual();
        consumer.start_at(&tp, None).unwrap();
        let batches = read_to(&mut consumer, &tp, Offset(0), Offset(11));
        assert_eq!(texts(&batches), [expected(0..3), expected(8..10)].concat());
        let width: u64 = batches.iter().map(|b| b.range().width()).sum();
        assert_eq!(width, 11, "five records and six gaps");
        // Starting on a marker is fine: the range begins there.
        for at in [3, 5, 7, 10] {
            consumer.start_at(&tp, Some(Offset(at))).unwrap();
            let batches = read_to(&mut consumer, &tp, Offset(at), Offset(11));
            let left: Vec<_> = [expected(0..3), expected(8..10)].concat();
            let left: Vec<_> = left.into_iter().filter(|(offset, _)| *offset >= at).collect();
            assert_eq!(texts(&batches), left);
        }
        assert_eq!(consumer.lag(), [(tp, 0)]);
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_deleted_by_retention_are_a_gap() {
    let stage = Stage::new(1).await;
    stage.fill(0, 0..100).await;
    let admin: AdminClient<DefaultClientContext> = client(&stage).create().unwrap();
    let delete = async |before| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&stage.topic, 0, At::Offset(before)).unwrap();
        admin.delete_records(&list, &AdminOptions::new().operation_timeout(Some(HANGS))).await
    };
    if !stage.broker.is_real() {
        let refused = match delete(40).await {
            Ok(list) => list.elements()[0].error().is_err(),
            Err(_) => true,
        };
        assert!(refused, "not ignored");
        return stage.broker.stop().await;
    }
    let tp = stage.tp(0);
    delete(40).await.unwrap();
    let mut consumer = stage.manual();
    tokio::task::block_in_place(|| {
        assert_eq!(consumer.start_at(&tp, Some(Offset(10))).unwrap(), Offset(10));
        let batches = read_to(&mut consumer, &tp, Offset(10), Offset(100));
        assert_eq!(texts(&batches), expected(40..100));
        // Deleted while it waits to be fetched.
        consumer.start_at(&tp, Some(Offset(50))).unwrap();
        consumer.pause(std::slice::from_ref(&tp));
    });
    delete(90).await.unwrap();
    tokio::task::block_in_place(|| {
        consumer.resume(std::slice::from_ref(&tp));
        let batches = read_to(&mut consumer, &tp, Offset(50), Offset(100));
        let seen = texts(&batches);
        assert!(seen.ends_with(&expected(90..100)), "{seen:?}");
    });
    // Everything deleted: the whole range is a gap.
    delete(100).await.unwrap();
    tokio::task::block_in_place(|| {
        consumer.start_at(&tp, Some(Offset(20))).unwrap();
        let batches = read_to(&mut consumer, &tp, Offset(20), Offset(100));
        assert!(texts(&batches).is_empty());
    });
    let outcome = stage.producer.send(vec![stage.numbered(0, 100)]).await;
    assert_eq!(outcome, [Ok(())]);
}
