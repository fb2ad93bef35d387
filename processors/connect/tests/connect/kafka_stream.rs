//! Streams: every event once, from where the checkpoint says, to the end that was there.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use millrace_bus::GroupProgress;
use millrace_connect::{
    DeadLetterHook, DeadLettersCounted, DeadLettersKept, KafkaStream, KafkaStreamSettings, StartAt,
};
use millrace_events::{DeadLetter, Offset, OffsetRange, SystemClock, TopicPartition};
use millrace_processors::connector::{ConnectorError, Position, Read, SourceFactory, SplitId};
use millrace_sinks::DeadLetterQuery;

use crate::place::{FETCH, Stream, Tables, drain, ids, read_all, sorted};

fn counted() -> Arc<dyn DeadLetterHook> {
    Arc::new(DeadLettersCounted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_stream_ends_where_its_log_ended_when_it_was_opened() {
    let stream = Stream::new(3).await;
    stream.events(0, 0..300).await;
    stream.events(2, 300..400).await;
    let source = stream.source(true, counted());
    let splits = source.splits().await.expect("lists");
    assert_eq!(splits, [0, 1, 2].map(|n| stream.split(n)));
    let fresh = splits.into_iter().map(|split| (split, None)).collect();
    let mut reader = source.open(fresh, &[0, 1, 2]).await.expect("opens");
    stream.events(1, 900..910).await;
    stream.events(2, 910..920).await;
    let parts = drain(reader.as_mut(), 3).await;
    assert_eq!(sorted(ids(&parts)), (0..400).collect::<Vec<_>>());
    for split in 0..3 {
        let own = ids(parts.iter().filter(|part| part.0 == split));
        assert_eq!(own, sorted(own.clone()), "in the order of the log");
    }
    let names: Vec<_> = parts[0].1.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["id", "name", "at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_after_any_position() {
    let stream = Stream::new(1).await;
    stream.events(0, 0..400).await;
    let source = stream.source(true, counted());
    let parts = read_all(&source, &[0]).await;
    assert!(parts.len() > 2, "several batches: {}", parts.len());
    // After the restart there is more in the log, but the run still ends where it would have.
    stream.events(0, 900..950).await;
    let mut known = 0;
    for (_, rows, position) in &parts {
        known += i64::try_from(rows.num_rows()).expect("small");
        let from = vec![(stream.split(0), Some(position.clone()))];
        let mut reader = source.open(from, &[0]).await.expect("opens");
        let rest = drain(reader.as_mut(), 1).await;
        assert_eq!(ids(&rest), (known..400).collect::<Vec<_>>(), "after {position:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unbounded_stream_tells_silence_and_goes_on() {
    let stream = Stream::new(2).await;
    stream.events(0, 0..10).await;
    let source = stream.source(false, counted());
    let splits = vec![(stream.split(1), None), (stream.split(0), None)];
    let mut reader = source.open(splits, &[0]).await.expect("opens");
    let mut seen = Vec::new();
    let mut idle = [false; 2];
    while !idle.iter().all(|idle| *idle) {
        match reader.next().await.expect("reads") {
            Read::Rows { split, rows, position } => seen.push((split, rows, position)),
            Read::Idle { split } => idle[split] = true,
            Read::End { .. } => panic!("it has no end"),
        }
    }
    assert_eq!(ids(seen.iter().filter(|part| part.0 == 1)), (0..10).collect::<Vec<_>>());
    stream.events(1, 10..12).await;
    seen.clear();
    while ids(&seen).len() < 2 {
        if let Read::Rows { split, rows, position } = reader.next().await.expect("reads") {
            seen.push((split, rows, position));
        }
    }
    let (split, _, position) = seen.last().expect("two rows");
    assert_eq!((ids(&seen), *split, position.0.as_str()), (vec![10, 11], 0, "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_columns_asked_for_come() {
    let stream = Stream::new(1).await;
    stream.events(0, 0..5).await;
    let source = stream.source(true, counted());
    let parts = read_all(&source, &[1]).await;
    assert!(parts.iter().all(|(_, rows, _)| rows.num_columns() == 1));
    let parts = read_all(&source, &[]).await;
    assert_eq!(parts.iter().map(|(_, rows, _)| rows.num_rows()).sum::<usize>(), 5);
}

/// Keeps the letters and fails the first time.
#[derive(Default)]
struct Letters(Mutex<(bool, Vec<DeadLetter>)>);

#[async_trait]
impl DeadLetterHook for Letters {
    async fn take(
        &self,
        _: &TopicPartition,
        range: OffsetRange,
        letters: &[DeadLetter],
    ) -> Result<(), ConnectorError> {
        let mut kept = self.0.lock().expect("unpoisoned");
        assert!(letters.iter().all(|l| l.offset >= range.from && l.offset < range.next));
        if !std::mem::replace(&mut kept.0, true) {
            return Err(ConnectorError::retry("keep dead letters", "not yet"));
        }
        kept.1.extend_from_slice(letters);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_handed_on_before_the_rows_beside_it() {
    let stream = Stream::new(1).await;
    let values = ["{\"id\":1}", "nonsense", "{\"name\":\"no id\"}", "{\"id\":2}"];
    stream.send(0, values.map(str::to_owned).to_vec()).await;
    let letters = Arc::new(Letters::default());
    let source = stream.source(true, letters.clone());
    let mut reader = source.open(vec![(stream.split(0), None)], &[0]).await.expect("opens");
    let mut parts = Vec::new();
    let refused = loop {
        match reader.next().await {
            Ok(Read::Rows { split, rows, position }) => parts.push((split, rows, position)),
            Ok(other) => panic!("the letters come first: {other:?}"),
            Err(error) => break error,
        }
    };
    assert!(refused.is_retryable(), "{refused}");
    assert_eq!(ids(&parts), Vec::<i64>::new(), "no row overtakes a letter that is not kept");
    parts.extend(drain(reader.as_mut(), 1).await);
    assert_eq!(ids(&parts), [1, 2]);
    let kept = &letters.0.lock().expect("unpoisoned").1;
    let offsets: Vec<_> = kept.iter().map(|letter| letter.offset.0).collect();
    assert_eq!(offsets, [1, 2]);
    assert_eq!(kept[0].value.as_deref(), Some(&b"nonsense"[..]));
    assert!(kept[1].reason.contains("`id`"), "{}", kept[1].reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_kept_once_however_often_they_are_read() {
    let stream = Stream::new(1).await;
    stream.send(0, vec!["x".into(), "{\"id\":1}".into(), "y".into()]).await;
    let tables = Tables::new();
    let warehouse = tables.warehouse().await;
    let reader = "job-j-plays".parse().expect("valid");
    let hook = Arc::new(DeadLettersKept::new(warehouse.dead_letter_book(), reader));
    let source = stream.source(true, hook);
    for _ in 0..2 {
        assert_eq!(ids(&read_all(&source, &[0]).await), [1]);
    }
    stream.send(0, vec!["z".into()]).await;
    read_all(&source, &[0]).await;
    let kept = warehouse.dead_letters(&DeadLetterQuery::default()).await.expect("reads");
    let mut offsets: Vec<_> = kept.iter().map(|row| row.letter.offset.0).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [0, 2, 3]);
    assert!(kept.iter().all(|row| row.route.as_str() == "job-j-plays"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_start_at_its_end() {
    let stream = Stream::new(1).await;
    stream.events(0, 0..10).await;
    let settings = KafkaStreamSettings {
        kafka: stream.broker.settings(),
        schema: stream.schema.clone(),
        limits: FETCH,
        start: StartAt::Latest,
        bounded: false,
    };
    let source = KafkaStream::new(settings, counted(), Arc::new(SystemClock::default()));
    let source = source.expect("accepted");
    let mut reader = source.open(vec![(stream.split(0), None)], &[0]).await.expect("opens");
    let Read::Rows { rows, position, .. } = reader.next().await.expect("reads") else {
        panic!("the place comes first")
    };
    assert_eq!((rows.num_rows(), position.0.as_str()), (0, "10"));
    stream.events(0, 10..11).await;
    let row = loop {
        if let Read::Rows { split, rows, position } = reader.next().await.expect("reads")
            && rows.num_rows() > 0
        {
            break (split, rows, position);
        }
    };
    assert_eq!(ids([&row]), [10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_by_name() {
    let mut stream = Stream::new(1).await;
    stream.events(0, 0..3).await;
    let source = stream.source(true, counted());
    let refused = async |split: SplitId, position: &str| {
        let from = vec![(split, Some(Position(position.to_owned())))];
        let outcome = match source.open(from, &[0]).await {
            Ok(mut reader) => reader.next().await.map(|_| ()),
            Err(error) => Err(error),
        };
        match outcome {
            Err(ConnectorError::Rejected(what)) => what,
            other => panic!("{position}: {other:?}"),
        }
    };
    assert!(refused(SplitId("other/0".into()), "0..3").await.contains("other/0"));
    assert!(refused(stream.split(0), "three").await.contains("three"));
    assert!(refused(stream.split(0), "7..9").await.contains("ends at 3"));
    stream.schema.topic.push_str("-missing");
    let missing = stream.source(true, counted()).splits().await;
    let Err(ConnectorError::Rejected(what)) = missing else { panic!("{missing:?}") };
    assert!(what.contains("-missing") && what.contains("`plays`"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_without_splits_waits() {
    let stream = Stream::new(1).await;
    let source = stream.source(true, counted());
    let mut reader = source.open(vec![], &[0]).await.expect("opens");
    let next = reader.next();
    tokio::pin!(next);
    assert!(futures::poll!(next).is_pending());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_measures_bytes_dead_letters_and_what_is_left() {
    let stream = Stream::new(2).await;
    let event = |id: i64| format!(r#"{{"id":{id},"name":"a name of some length"}}"#);
    let values: Vec<_> = (0..500).map(event).chain(["no event".to_owned()]).collect();
    let bytes: usize = values.iter().map(String::len).sum();
    stream.send(1, values).await;
    let source = stream.source(false, counted());
    let splits = vec![(stream.split(0), None), (stream.split(1), None)];
    let mut reader = source.open(splits, &[0]).await.expect("opens");
    let meters = reader.meters();
    let (mut rows, mut parts, mut lags) = (0, 0, Vec::new());
    while meters[1].dead_letters() == 0 {
        if let Read::Rows { split: 1, rows: some, position } = reader.next().await.expect("reads") {
            rows += some.num_rows();
            let next: u64 = position.0.parse().expect("an offset");
            if some.num_rows() > 0 {
                parts += 1;
                lags.push((meters[1].lag(), Some(501 - next)));
            }
        }
    }
    assert!(parts > 2, "several batches: {parts}");
    assert!(lags.iter().all(|(told, is)| told == is), "{lags:?}");
    assert_eq!((rows, meters[1].bytes(), meters[1].dead_letters()), (500, bytes as u64, 1));
    assert_eq!(meters[1].lag(), Some(0));
    assert_eq!((meters[0].bytes(), meters[0].dead_letters()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_stream_lags_behind_its_own_end_only() {
    let stream = Stream::new(1).await;
    stream.events(0, 0..10).await;
    let source = stream.source(true, counted());
    let mut reader = source.open(vec![(stream.split(0), None)], &[0]).await.expect("opens");
    stream.events(0, 10..20).await;
    let meters = reader.meters();
    assert_eq!(ids(&drain(reader.as_mut(), 1).await), (0..10).collect::<Vec<_>>());
    assert_eq!(meters[0].lag(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_checkpoints_show_as_the_offsets_of_a_group() {
    let stream = Stream::new(2).await;
    stream.events(0, 0..20).await;
    let job = stream.broker.topic("lag");
    let source = stream.source(false, counted()).showing_progress_of(&job).expect("accepted");
    let group = format!("millrace-job-{job}");
    let display = GroupProgress::new(&stream.broker.settings(), &group).expect("accepted");
    let topic = stream.schema.topic.as_str();
    let partitions = [0, 1].map(|partition| TopicPartition::new(topic, partition));
    assert_eq!(display.shown(&partitions).await.expect("answers"), []);
    for next in [7, 20] {
        source.completed(&[(stream.split(0), Position(next.to_string()))]).await;
        let expected = [(partitions[0].clone(), Offset(next))];
        while display.shown(&partitions).await.expect("answers") != expected {
            tokio::task::yield_now().await;
        }
    }
    // Nobody resumes from there.
    let mut reader = source.open(vec![(stream.split(0), None)], &[0]).await.expect("opens");
    let Read::Rows { position, .. } = reader.next().await.expect("reads") else {
        panic!("a place")
    };
    assert_eq!(position.0, "0");
}
