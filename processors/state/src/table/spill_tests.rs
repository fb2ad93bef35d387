//! State far beyond its memory is the state it would be in memory.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::table_tests::{Model, Op, apply, contents, op, restore};
use super::{Frozen, StateMemory, Table, spill_if_needed};
use crate::{Key, KeyGroup, KeyGroups};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_table_with_hardly_any_memory_is_a_map_and_so_are_its_checkpoints(
        ops in prop::collection::vec(op(), 1..300),
        limit in prop_oneof![Just(0), 4_000..20_000_usize],
    ) {
        let memory = StateMemory::new(limit, None);
        let mut table = Table::with_memory("t", memory.clone());
        let mut model = Model::new();
        let copied = StateMemory::new(limit, None);
        let mut copy = Table::with_memory("copy", copied.clone());
        let mut pending: VecDeque<(Frozen, Model)> = VecDeque::new();
        for (i, op) in ops.iter().chain([&Op::Freeze]).enumerate() {
            apply(op, &mut table, &mut model);
            match op {
                Op::Freeze => pending.push_back((table.freeze(), model.clone())),
                Op::Written => {
                    if let Some((frozen, then)) = pending.pop_front() {
                        restore(&frozen, &mut copy);
                        spill_if_needed(&copied, &mut [&mut copy]).unwrap();
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
            if i % 5 == 0 {
                spill_if_needed(&memory, &mut [&mut table]).unwrap();
            }
        }
        prop_assert_eq!(&contents(&mut table), &model);
        for (frozen, then) in pending {
            restore(&frozen, &mut copy);
            prop_assert_eq!(contents(&mut copy), then);
        }
    }
}

#[test]
fn state_ten_times_its_memory_is_all_there_and_memory_stays_within_its_limit() {
    const LIMIT: usize = 240_000;
    let folder = tempfile::tempdir().unwrap();
    let memory = StateMemory::new(LIMIT, Some(folder.path().to_owned()));
    let mut tables = [0, 1].map(|i| Table::with_memory(format!("t{i}"), memory.clone()));
    let mut model = BTreeMap::new();
    let mut random = 1_u64;
    for round in 0..60_u64 {
        for _ in 0..800 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (id, which) = ((random >> 33) % 40_000, usize::from(random >> 63 == 1));
            let (namespace, key) = (i64::try_from(id % 3).unwrap(), id.to_be_bytes());
            let entry: &mut Vec<u8> = model.entry((which, namespace, key)).or_default();
            entry.extend_from_slice(&[round.to_le_bytes()[0]; 50]);
            let change = |value: &mut Vec<u8>| {
                value.extend_from_slice(&[round.to_le_bytes()[0]; 50]);
            };
            tables[which].update(namespace, Key::new(&key), change).unwrap();
        }
        for table in &mut tables {
            drop(table.freeze());
        }
        let [left, right] = &mut tables;
        spill_if_needed(&memory, &mut [left, right]).unwrap();
        let used: usize = tables.iter().map(Table::bytes).sum();
        assert!(used <= LIMIT, "{used} bytes in round {round}");
    }
    let size: usize = model.values().map(|value| value.len() + 8).sum();
    assert!(size > 10 * LIMIT && memory.disk_bytes() > 0, "{size} bytes of state");
    for (which, table) in tables.iter_mut().enumerate() {
        let mut found = BTreeMap::new();
        for namespace in table.namespaces(0, 3).unwrap() {
            let visit = |_: KeyGroup, key: &[u8], value: &[u8]| {
                let key = <[u8; 8]>::try_from(key).unwrap();
                found.insert((which, namespace, key), value.to_vec());
            };
            table.scan(namespace, visit).unwrap();
        }
        assert_eq!(found.len(), table.entries());
        let expected = model.iter().filter(|((table, ..), _)| *table == which);
        assert!(found.iter().eq(expected));
        table.drop_namespace(1).unwrap();
        assert_eq!(table.namespaces(0, 3).unwrap(), [0, 2]);
        table.load_drop(2, KeyGroups::ALL).unwrap();
        assert_eq!(table.namespaces(0, 3).unwrap(), [0]);
    }
    drop(tables);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "one folder an instance");
    drop(memory);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "gone with the instance");
}
