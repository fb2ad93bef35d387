//! A table is the map it stands for, and what it freezes makes the same table elsewhere.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::{Frozen, Table};
use crate::{Key, KeyGroup, KeyGroups};

pub(crate) type Model = BTreeMap<i64, BTreeMap<Vec<u8>, Vec<u8>>>;

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Put(i64, u8, Vec<u8>),
    Append(i64, u8, Vec<u8>),
    Remove(i64, u8),
    Drop(i64),
    Freeze,
    /// Whoever writes checkpoints comes to the oldest one that was frozen.
    Written,
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let value = || {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 1..60),
            1 => (1_u8.., 500_usize..3000).prop_map(|(byte, length)| vec![byte; length]),
        ]
    };
    let (namespace, key) = (|| 0_i64..4, || 0_u8..24);
    prop_oneof![
        8 => (namespace(), key(), value()).prop_map(|(n, k, v)| Op::Put(n, k, v)),
        8 => (namespace(), key(), value()).prop_map(|(n, k, v)| Op::Append(n, k, v)),
        6 => (namespace(), key()).prop_map(|(n, k)| Op::Remove(n, k)),
        1 => namespace().prop_map(Op::Drop),
        1 => Just(Op::Freeze),
        1 => Just(Op::Written),
    ]
}

fn group(key: &[u8]) -> KeyGroup {
    KeyGroup(u16::from(key[0]) % 3)
}

pub(crate) fn apply(op: &Op, table: &mut Table, model: &mut Model) {
    match op {
        Op::Put(namespace, key, value) => {
            let key = [*key];
            table.put(*namespace, Key::within(group(&key), &key), value).unwrap();
            model.entry(*namespace).or_default().insert(key.to_vec(), value.clone());
        }
        Op::Append(namespace, key, more) => {
            let key = [*key];
            let append = |value: &mut Vec<u8>| value.extend_from_slice(more);
            table.update(*namespace, Key::within(group(&key), &key), append).unwrap();
            append(model.entry(*namespace).or_default().entry(key.to_vec()).or_default());
        }
        Op::Remove(namespace, key) => {
            let key = [*key];
            table.remove(*namespace, Key::within(group(&key), &key)).unwrap();
            if let Some(entries) = model.get_mut(namespace) {
                entries.remove(key.as_slice());
                if entries.is_empty() {
                    model.remove(namespace);
                }
            }
        }
        Op::Drop(namespace) => {
            table.drop_namespace(*namespace).unwrap();
            model.remove(namespace);
        }
        Op::Freeze | Op::Written => {}
    }
}

pub(crate) fn contents(table: &mut Table) -> Model {
    let mut all = Model::new();
    for namespace in table.namespaces(i64::MIN, i64::MAX).unwrap() {
        let entries = all.entry(namespace).or_default();
        let mut last = None;
        let visit = |found: KeyGroup, key: &[u8], value: &[u8]| {
            assert_eq!(found, group(key));
            assert!(last.replace(key.to_vec()) < Some(key.to_vec()), "in order of keys");
            entries.insert(key.to_vec(), value.to_vec());
        };
        table.scan(namespace, visit).unwrap();
    }
    assert_eq!(table.first_namespace().unwrap(), all.keys().next().copied());
    assert_eq!(table.entries(), all.values().map(BTreeMap::len).sum::<usize>());
    all
}

pub(crate) fn restore(frozen: &Frozen, table: &mut Table) {
    frozen.dropped().iter().for_each(|n| table.load_drop(*n, KeyGroups::ALL).unwrap());
    for change in frozen.changes() {
        let key = Key::within(change.group, change.key);
        match change.value {
            Some(value) => table.load(change.namespace, key, value).unwrap(),
            None => table.load_removal(change.namespace, key).unwrap(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_table_is_a_map_and_what_it_freezes_makes_it_anew(
        ops in prop::collection::vec(op(), 1..400),
    ) {
        let (mut table, mut model) = (Table::new("t"), Model::new());
        let mut pending: VecDeque<(Frozen, Model)> = VecDeque::new();
        let mut copy = Table::new("copy");
        for op in ops.iter().chain([&Op::Freeze]) {
            apply(op, &mut table, &mut model);
            match op {
                Op::Freeze => pending.push_back((table.freeze(), model.clone())),
                Op::Written => {
                    if let Some((frozen, then)) = pending.pop_front() {
                        restore(&frozen, &mut copy);
                        prop_assert_eq!(contents(&mut copy), then);
                    }
                }
                Op::Put(namespace, key, _) | Op::Append(namespace, key, _) => {
                    let found = table.get(*namespace, Key::new(&[*key])).unwrap();
                    prop_assert_eq!(found, Some(model[namespace][&vec![*key]].as_slice()));
                }
                Op::Remove(namespace, key) => {
                    prop_assert_eq!(table.get(*namespace, Key::new(&[*key])).unwrap(), None);
                }
                Op::Drop(_) => {}
            }
        }
        prop_assert_eq!(&contents(&mut table), &model);
        for (frozen, then) in pending {
            restore(&frozen, &mut copy);
            prop_assert_eq!(contents(&mut copy), then);
        }
        // A table that was restored goes on as the one that was not.
        for op in &ops {
            apply(op, &mut copy, &mut model);
        }
        prop_assert_eq!(&contents(&mut copy), &model);
    }
}

fn number(i: u32) -> [u8; 4] {
    i.to_be_bytes()
}

#[test]
fn memory_of_what_is_dead_is_used_again() {
    let mut table = Table::new("t");
    for round in 0..50_u32 {
        for i in 0..5_000 {
            let value = vec![1; 20 + (round % 7) as usize * 10];
            table.put(0, Key::new(&number(i)), &value).unwrap();
        }
        if round % 3 == 0 {
            drop(table.freeze());
        }
    }
    // 5,000 entries of at most 24 + 4 + 80 bytes, and the index.
    assert!(table.bytes() < 4 * 5_000 * 108, "{} bytes", table.bytes());
    for i in 0..5_000 {
        table.remove(0, Key::new(&number(i))).unwrap();
    }
    drop(table.freeze());
    for i in 0..5_000 {
        table.put(i64::from(i), Key::new(b"k"), b"v").unwrap();
        table.drop_namespace(i64::from(i)).unwrap();
    }
    // Not more than one chunk that was opened while the table was large.
    assert!(table.bytes() < 300_000, "{} bytes", table.bytes());
}

#[test]
fn what_comes_and_goes_between_two_checkpoints_leaves_nothing_in_them() {
    let mut table = Table::new("t");
    table.put(1, Key::new(b"a"), b"x").unwrap();
    table.put(2, Key::new(b"b"), b"y").unwrap();
    table.drop_namespace(1).unwrap();
    table.remove(2, Key::new(b"b")).unwrap();
    assert!(table.freeze().is_empty());

    table.put(3, Key::new(b"c"), b"z").unwrap();
    assert_eq!(table.freeze().changes().count(), 1);
    table.put(3, Key::new(b"c"), b"z").unwrap();
    assert!(table.freeze().is_empty(), "the same value again is no change");
    table.drop_namespace(3).unwrap();
    let frozen = table.freeze();
    assert_eq!((frozen.dropped(), frozen.changes().count()), (&[3_i64][..], 0));
}

#[test]
fn only_the_key_groups_of_whoever_dropped_a_namespace_lose_it() {
    let mut table = Table::new("t");
    for key in 0..6_u8 {
        table.load(5, Key::within(KeyGroup(u16::from(key)), &[key]), b"v").unwrap();
    }
    table.load_drop(5, KeyGroups { start: 2, end: 4 }).unwrap();
    let mut left = Vec::new();
    table.scan(5, |_, key, _| left.push(key[0])).unwrap();
    assert_eq!(left, [0, 1, 4, 5]);
    table.load_drop(5, KeyGroups::ALL).unwrap();
    assert_eq!(table.first_namespace().unwrap(), None);
}
