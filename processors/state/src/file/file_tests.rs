//! State comes back from its files, whole, in part, and after files were merged.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::{Basis, StateTables};
use crate::{CheckpointStore, Key, KeyGroup, KeyGroups, StateFile, StateMemory, Table};

type Contents = BTreeMap<(String, i64, Vec<u8>), Vec<u8>>;

fn store() -> CheckpointStore {
    CheckpointStore::new(Arc::new(InMemory::new()), Path::from("jobs/j"))
}

fn contents<'a>(tables: impl IntoIterator<Item = (&'a String, &'a mut Table)>) -> Contents {
    let mut all = Contents::new();
    for (name, table) in tables {
        for namespace in table.namespaces(i64::MIN, i64::MAX).unwrap() {
            let insert = |_: KeyGroup, key: &[u8], value: &[u8]| {
                all.insert((name.clone(), namespace, key.to_vec()), value.to_vec());
            };
            table.scan(namespace, insert).unwrap();
        }
    }
    all
}

fn restored(tables: &mut StateTables) -> Contents {
    contents(tables.iter_mut().map(|((_, name), table)| (name, table)))
}

/// Tables of one instance, changed from one checkpoint to the next in a pattern.
struct Instance {
    tables: BTreeMap<String, Table>,
    key_groups: KeyGroups,
    rows: u32,
}

impl Instance {
    fn new(key_groups: KeyGroups, rows: u32) -> Self {
        let tables = ["left", "right"].map(|name| (name.to_owned(), Table::new(name)));
        Self { tables: tables.into(), key_groups, rows }
    }

    fn change(&mut self, round: u32) {
        for table in self.tables.values_mut() {
            for i in 0..self.rows {
                let bytes = i.to_be_bytes();
                let key = Key::new(&bytes);
                if !self.key_groups.contains(key.group) {
                    continue;
                }
                let namespace = i64::from(i % 4 + round);
                match (i + round) % 5 {
                    0 => table.remove(namespace, key).unwrap(),
                    1 | 2 => table.put(namespace, key, &round.to_le_bytes().repeat(5)).unwrap(),
                    3 => table.update(namespace, key, |v| v.extend_from_slice(b"more")).unwrap(),
                    _ => {}
                }
            }
            table.drop_namespace(i64::from(round)).unwrap();
        }
    }

    async fn write(&mut self, store: &CheckpointStore, path: &str) -> Option<StateFile> {
        let tables = self.tables.iter_mut();
        let frozen = tables.map(|(name, table)| ("op".to_owned(), name.clone(), table.freeze()));
        store.write_state_file(path, self.key_groups, frozen.collect()).await.unwrap()
    }

    fn contents(&mut self) -> Contents {
        contents(self.tables.iter_mut())
    }
}

async fn chain(store: &CheckpointStore, instance: &mut Instance, name: &str) -> Vec<StateFile> {
    let mut files = Vec::new();
    for round in 0..6 {
        instance.change(round);
        files.extend(instance.write(store, &format!("state/{name}-{round}")).await);
    }
    files
}

#[tokio::test]
async fn a_chain_of_files_makes_the_tables_again_small_or_large_merged_or_not() {
    for rows in [100, 20_000] {
        let store = store();
        let mut instance = Instance::new(KeyGroups::ALL, rows);
        let mut files = chain(&store, &mut instance, "a").await;
        assert_eq!(files.len(), 6);
        let expected = instance.contents();
        for basis in [Basis::Changes, Basis::Everything] {
            let mut tables = store.read_state_files(&files, KeyGroups::ALL, basis).await.unwrap();
            assert_eq!(restored(&mut tables), expected);
            let changed = tables.values_mut().any(|table| !table.freeze().is_empty());
            assert_eq!(changed, basis == Basis::Everything);
        }

        let merged = store.merge_state_files(&files[..5], "state/m").await.unwrap().unwrap();
        // Hardly any memory makes the same file, if in another order.
        let (little, small) = (StateMemory::new(50_000, None), "state/s");
        let keep = |operator: &str| operator == "op";
        let again = store.merge_state_files_within(&files[..5], small, &little, keep).await;
        assert_eq!(again.unwrap().unwrap().rows, merged.rows);
        let none = store.merge_state_files_within(&files[..5], small, &little, |_| false).await;
        assert_eq!(none.unwrap(), None);
        assert!(merged.rows < files[..5].iter().map(|file| file.rows).sum());
        files.splice(..5, [merged]);
        instance.change(6);
        files.extend(instance.write(&store, "state/a-6").await);
        let basis = Basis::Changes;
        let mut tables = store.read_state_files(&files, KeyGroups::ALL, basis).await.unwrap();
        assert_eq!(restored(&mut tables), instance.contents());
        assert_eq!(instance.write(&store, "state/none").await, None);
    }
}

#[tokio::test]
async fn other_instances_take_their_share_of_each_file() {
    let store = store();
    let (low, high) = (KeyGroups { start: 0, end: 50 }, KeyGroups { start: 50, end: 128 });
    let (mut a, mut b) = (Instance::new(low, 2_000), Instance::new(high, 2_000));
    let mut files = chain(&store, &mut a, "a").await;
    // The second one is behind: what the first one dropped is still there.
    b.change(0);
    files.extend(b.write(&store, "state/b").await);
    let mut expected = a.contents();
    expected.extend(b.contents());

    let mut found = Contents::new();
    for instance in 0..3 {
        let share = KeyGroups::share(instance, 3);
        let mut tables = store.read_state_files(&files, share, Basis::Changes).await.unwrap();
        for ((table, namespace, key), value) in restored(&mut tables) {
            assert!(share.contains(Key::new(&key).group));
            assert_eq!(found.insert((table, namespace, key), value), None);
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn damaged_and_foreign_files_are_refused() {
    let store = store();
    let mut instance = Instance::new(KeyGroups::ALL, 2_000);
    instance.change(0);
    let file = instance.write(&store, "state/f").await.unwrap();
    let path = store.path("state/f");
    let bytes = store.store().get(&path).await.unwrap().bytes().await.unwrap();
    for length in [0, 10, 1_000, bytes.len() / 2, bytes.len() - 20] {
        store.store().put(&path, bytes.slice(..length).into()).await.unwrap();
        let read =
            store.read_state_files(std::slice::from_ref(&file), KeyGroups::ALL, Basis::Changes);
        assert!(read.await.is_err(), "{length} bytes");
    }
    store.store().delete(&path).await.unwrap();
    let read = store.read_state_files(&[file], KeyGroups::ALL, Basis::Changes).await;
    assert!(read.unwrap_err().to_string().contains("state/f"));
}
