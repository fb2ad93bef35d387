//! Records come back as they were sent, whatever the codec.

use crate::support::{HANGS, Stage, expected, read_to, texts};
use bytes::Bytes;
use millrace_bus::{EnqueueError, Producer, ProducerLimits};
use millrace_events::{Header, Offset, Outgoing, PartitionId, SendError, Transport};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn keys_headers_tombstones_and_timestamps_survive() {
    let stage = Stage::new(1).await;
    let record = |key: Option<&'static str>, value: Option<&'static [u8]>, headers| Outgoing {
        topic: stage.topic.as_str().into(),
        partition: Some(PartitionId(0)),
        key: key.map(Bytes::from),
        value: value.map(Bytes::from_static),
        headers,
        timestamp_ms: Some(1_699_999_999_123),
    };
    let headers = vec![
        Header { name: "ce_id".into(), value: Some("a-1".into()) },
        Header { name: "empty".into(), value: Some(Bytes::new()) },
        Header { name: "ce_id".into(), value: None },
    ];
    let sent = vec![
        record(Some("k"), Some(b"v"), headers.clone()),
        record(Some("k"), None, vec![]),
        record(None, Some(b"\xff\0binary"), vec![]),
        record(Some(""), Some(b""), headers),
    ];
    for outcome in stage.producer.send(sent.clone()).await {
        outcome.unwrap();
    }
    tokio::task::block_in_place(|| {
        let mut consumer = stage.manual();
        assert_eq!(consumer.start_at(&stage.tp(0), None).unwrap(), Offset(0));
        let batches = read_to(&mut consumer, &stage.tp(0), Offset(0), Offset(4));
        let rows: Vec<_> =
            batches.iter().flat_map(|b| (0..b.len()).map(move |row| b.record(row))).collect();
        assert_eq!(rows.len(), sent.len());
        for (sent, got) in sent.iter().zip(rows) {
            assert_eq!(got.key, sent.key.as_deref());
            assert_eq!(got.value, sent.value.as_deref());
            assert_eq!(got.headers, sent.headers);
            assert_eq!(Some(got.timestamp_ms), sent.timestamp_ms);
        }
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_codec_is_read() {
    let stage = Stage::new(1).await;
    tokio::task::block_in_place(|| {
        for (i, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
            let producer: BaseProducer = ClientConfig::new()
                .set("bootstrap.servers", stage.broker.settings().bootstrap)
                .set("compression.type", codec)
                .set("linger.ms", "20")
                .create()
                .unwrap();
            for n in i * 100..(i + 1) * 100 {
                let value = format!("{n:08}");
                let record = BaseRecord::<(), str>::to(&stage.topic).partition(0).payload(&value);
                producer.send(record).map_err(|(e, _)| e).unwrap();
            }
            producer.flush(HANGS).unwrap();
        }
        let mut consumer = stage.manual();
        consumer.start_at(&stage.tp(0), None).unwrap();
        let batches = read_to(&mut consumer, &stage.tp(0), Offset(0), Offset(500));
        assert_eq!(texts(&batches), expected(0..500));
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_rejected_alone() {
    let stage = Stage::new(1).await;
    let mut large = stage.numbered(0, 1);
    large.value = Some(vec![0; 2 << 20].into());
    let outcomes =
        stage.producer.send(vec![stage.numbered(0, 0), large, stage.numbered(0, 1)]).await;
    assert!(matches!(outcomes[..], [Ok(()), Err(SendError::Rejected(_)), Ok(())]), "{outcomes:?}");
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueued_records_are_there_once_drained_and_each_handle_counts_its_own() {
    let stage = Stage::new(1).await;
    let other = stage.producer.clone();
    for n in 0..1000 {
        stage.producer.try_enqueue((&stage.numbered(0, n)).into()).unwrap();
    }
    assert_eq!(other.outstanding(), 0);
    stage.producer.drained().await.unwrap();
    assert_eq!(stage.producer.outstanding(), 0);
    tokio::task::block_in_place(|| {
        let mut consumer = stage.manual();
        consumer.start_at(&stage.tp(0), None).unwrap();
        let batches = read_to(&mut consumer, &stage.tp(0), Offset(0), Offset(1000));
        assert_eq!(texts(&batches), expected(0..1000));
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so_and_send_waits_for_room() {
    let stage = Stage::new(1).await;
    // So much linger that nothing leaves by itself while the queue fills.
    let limits = ProducerLimits { queue_bytes: 64 << 10, linger: Duration::from_secs(20) };
    let slow = Producer::new(&stage.broker.settings(), limits).unwrap();
    let mut record = stage.numbered(0, 0);
    record.value = Some(vec![b'x'; 1000].into());
    let full = (0..1000).find_map(|_| slow.try_enqueue((&record).into()).err());
    assert_eq!(full, Some(EnqueueError::Full));
    let limits = ProducerLimits { queue_bytes: 64 << 10, linger: Duration::from_millis(1) };
    let small = Producer::new(&stage.broker.settings(), limits).unwrap();
    let outcomes = small.send(vec![record; 1000]).await;
    assert!(outcomes.iter().all(Result::is_ok), "a megabyte goes through 64 KiB");
    stage.broker.stop().await;
}
