//! Members of a group share partitions and hand them over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{HANGS, Stage, Told};
use millrace_bus::Consumer;
use millrace_events::{Offset, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};

struct Member {
    consumer: Consumer,
    told: Arc<Told>,
    started: Vec<TopicPartition>,
}

impl Member {
    fn join(stage: &Stage, group: &str) -> Self {
        let told = Arc::new(Told::default());
        Self { consumer: stage.member(group, &told), told, started: Vec::new() }
    }

    /// Polls once, starts what is new at the shared positions and moves them on.
    fn step(&mut self, positions: &mut BTreeMap<TopicPartition, Offset>) {
        for batch in self.consumer.poll(Duration::from_millis(20)).unwrap() {
            let position = positions.entry(batch.tp().clone()).or_insert(Offset(0));
            assert_eq!(
                batch.range().from,
                *position,
                "{}: nothing twice, nothing left out",
                batch.tp()
            );
            *position = batch.range().next;
        }
        let ours = self.told.assigned();
        for tp in ours.iter().filter(|tp| !self.started.contains(tp)) {
            let at = positions.get(tp).copied().unwrap_or(Offset(0));
            assert_eq!(self.consumer.start_at(tp, Some(at)).unwrap(), at);
        }
        self.started = ours;
    }
}

fn step_until(
    members: &mut [&mut Member],
    positions: &mut BTreeMap<TopicPartition, Offset>,
    done: impl Fn(&[&mut Member], &BTreeMap<TopicPartition, Offset>) -> bool,
) {
    let started = Instant::now();
    while !done(members, positions) {
        for member in members.iter_mut() {
            member.step(positions);
        }
        let shares: Vec<_> = members.iter().map(|m| m.told.0.lock().unwrap().clone()).collect();
        assert!(started.elapsed() < HANGS, "still waiting: {shares:?}");
    }
}

fn shares(members: &[&mut Member]) -> Vec<usize> {
    members.iter().map(|m| m.told.assigned().len()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_between_members_without_loss_or_repetition() {
    let stage = Stage::new(4).await;
    for partition in 0..4 {
        stage.fill(partition, 0..500).await;
    }
    let group = stage.broker.topic("group");
    let mut positions = BTreeMap::new();
    let read = |positions: &BTreeMap<TopicPartition, Offset>, end| {
        positions.len() == 4 && positions.values().all(|at| *at == Offset(end))
    };
    let mut first = Member::join(&stage, &group);
    tokio::task::block_in_place(|| {
        step_until(&mut [&mut first], &mut positions, |m, p| shares(m) == [4] && read(p, 500));
        assert!(first.consumer.start_at(&TopicPartition::new("elsewhere", 0), None).is_err());
    });
    let mut second = Member::join(&stage, &group);
    tokio::task::block_in_place(|| {
        step_until(&mut [&mut first, &mut second], &mut positions, |m, _| shares(m) == [2, 2]);
    });
    for partition in 0..4 {
        stage.fill(partition, 500..1000).await;
    }
    tokio::task::block_in_place(|| {
        let both = &mut [&mut first, &mut second];
        step_until(both, &mut positions, |m, p| shares(m) == [2, 2] && read(p, 1000));
        let moved = second.told.assigned();
        let told = first.told.0.lock().unwrap().clone();
        let revoked = told.iter().filter(|(what, _)| *what == "revoked");
        let revoked: Vec<_> = revoked.flat_map(|(_, partitions)| partitions.clone()).collect();
        assert!(
            moved.iter().all(|tp| revoked.contains(tp)),
            "handed over before it was given away"
        );
        drop(first);
        step_until(&mut [&mut second], &mut positions, |m, _| shares(m) == [4]);
    });
    for partition in 0..4 {
        stage.fill(partition, 1000..1100).await;
    }
    tokio::task::block_in_place(|| {
        step_until(&mut [&mut second], &mut positions, |_, p| read(p, 1100));
        drop(second);
    });
    stage.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_shows_as_group_offsets_and_is_not_read_back() {
    let stage = Stage::new(1).await;
    stage.fill(0, 0..100).await;
    let group = stage.broker.topic("group");
    tokio::task::block_in_place(|| {
        let mut positions = BTreeMap::new();
        let mut member = Member::join(&stage, &group);
        step_until(&mut [&mut member], &mut positions, |_, p| {
            p.values().all(|at| *at == Offset(100)) && !p.is_empty()
        });
        assert_eq!(member.consumer.lag(), [(stage.tp(0), 0)]);
        member.consumer.show_progress(&[(stage.tp(0), Offset(60))]);
        let shown: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", stage.broker.settings().bootstrap)
            .set("group.id", &group)
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&stage.topic, 0);
        let started = Instant::now();
        loop {
            member.step(&mut positions);
            let offsets = shown.committed_offsets(list.clone(), HANGS).unwrap();
            if offsets.elements()[0].offset() == At::Offset(60) {
                break;
            }
            assert!(started.elapsed() < HANGS, "{offsets:?}");
        }
        member.consumer.stop(&stage.tp(0));
        assert!(member.consumer.poll(Duration::from_millis(50)).unwrap().is_empty());
        assert_eq!(member.consumer.start_at(&stage.tp(0), Some(Offset(3))).unwrap(), Offset(3));
        positions.insert(stage.tp(0), Offset(3));
        step_until(&mut [&mut member], &mut positions, |_, p| p[&stage.tp(0)] == Offset(100));
    });
    stage.broker.stop().await;
}
