//! How fast a table of state is: updates, freezing, writing, restoring.

use std::sync::Arc;
use std::time::Instant;

use millrace_state::{Basis, CheckpointStore, Key, KeyGroups, StateMemory, Table, spill_if_needed};
use object_store::local::LocalFileSystem;
use object_store::path::Path;

const KEYS: u32 = 1_000_000;

fn random(state: &mut u64) -> u32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
    u32::try_from(*state >> 33).expect("31 bits") % KEYS
}

/// Nanoseconds this process has had a processor: others may use the machine as well.
fn processor() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let times = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    times.sum()
}

fn show(what: &str, count: f64, unit: &str, started: Instant, before: f64) {
    let (took, busy) = (started.elapsed(), (processor() - before) / count);
    println!("{what}: {took:?} by the clock, {busy:.0} ns of processor per {unit}");
}

fn timed<T>(what: &str, count: u32, unit: &str, run: impl FnOnce() -> T) -> T {
    let (started, before) = (Instant::now(), processor());
    let result = run();
    show(what, f64::from(count), unit, started, before);
    result
}

fn key(i: u32) -> [u8; 9] {
    let mut key = [1; 9];
    key[1..].copy_from_slice(&u64::from(i).to_le_bytes());
    key
}

fn updates(table: &mut Table, value: &[u8], count: u32, seed: &mut u64) {
    for _ in 0..count {
        let key = key(random(seed));
        let add = |old: &mut Vec<u8>| {
            old.resize(value.len(), 0);
            old[0] = old[0].wrapping_add(1);
        };
        table.update(0, Key::new(&key), add).expect("in memory");
    }
}

async fn measure(value: usize, store: &CheckpointStore) {
    let value = vec![7; value];
    println!("-- {KEYS} keys, values of {} bytes", value.len());
    let mut table = Table::new("t");
    let mut seed = 1;
    timed("insert", KEYS, "row", || {
        for i in 0..KEYS {
            table.put(0, Key::new(&key(i)), &value).expect("in memory");
        }
    });
    timed("update dirty", KEYS, "row", || updates(&mut table, &value, KEYS, &mut seed));
    timed("update 10,000 of them", KEYS, "row", || {
        for i in 0..KEYS {
            let key = key(i.wrapping_mul(2_654_435_761) % 10_000);
            let add = |old: &mut Vec<u8>| old[0] = old[0].wrapping_add(1);
            table.update(0, Key::new(&key), add).expect("in memory");
        }
    });
    timed("get", KEYS, "row", || {
        for _ in 0..KEYS {
            let key = key(random(&mut seed));
            assert!(table.get(0, Key::new(&key)).expect("in memory").is_some());
        }
    });
    let bytes = table.bytes() as u64;
    println!("memory {} MB", bytes >> 20);
    let frozen = timed("freeze", 1, "freeze", || table.freeze());
    timed("update while frozen", KEYS, "row", || updates(&mut table, &value, KEYS, &mut seed));
    timed("update again", KEYS, "row", || updates(&mut table, &value, KEYS, &mut seed));
    let tables = vec![("o".to_owned(), "t".to_owned(), frozen)];
    let (started, before) = (Instant::now(), processor());
    let file = store.write_state_file("full", KeyGroups::ALL, tables).await.expect("a disk");
    let file = file.expect("not empty");
    show("write", f64::from(KEYS), "row", started, before);
    println!("{} MB of file for {} MB of state", file.bytes >> 20, bytes >> 20);
    let (started, before, files) = (Instant::now(), processor(), [file]);
    let restored = store.read_state_files(&files, KeyGroups::ALL, Basis::Changes).await;
    show("restore", f64::from(KEYS), "row", started, before);
    assert_eq!(restored.expect("a disk").values().map(Table::entries).sum::<usize>(), 1_000_000);
}

/// A chain with as many changes as keys: twice what it takes for a chain to be rewritten.
async fn chain(store: &CheckpointStore) {
    const KEYS: u32 = 2_000_000;
    const FILES: u32 = 20;
    println!("-- a chain: {KEYS} keys, each changed once since, in {FILES} files");
    let (mut table, mut files) = (Table::new("t"), Vec::new());
    for file in 0..=FILES {
        // The first file has all keys, each of the others its part of them.
        let (from, to) = if file == 0 {
            (0, KEYS)
        } else {
            ((file - 1) * (KEYS / FILES), file * (KEYS / FILES))
        };
        for i in from..to {
            // A multiplication with an odd number visits all keys, in no order that helps.
            let k = u64::from(i) * 2_654_435_761 % u64::from(KEYS);
            let key = key(u32::try_from(k).expect("below the number of keys"));
            table.put(0, Key::new(&key), &[u8::from(file > 0); 40]).expect("in memory");
        }
        let tables = vec![("o".to_owned(), "t".to_owned(), table.freeze())];
        let path = format!("chain-{file}");
        let file = store.write_state_file(&path, KeyGroups::ALL, tables).await.expect("a disk");
        files.extend(file);
    }
    drop(table);
    for files in [&files[..1], &files] {
        let rows: u32 = if files.len() == 1 { KEYS } else { 2 * KEYS };
        let (started, before) = (Instant::now(), processor());
        let restored = store.read_state_files(files, KeyGroups::ALL, Basis::Changes).await;
        show(&format!("restore of {} files", files.len()), f64::from(rows), "row", started, before);
        let restored = restored.expect("a disk");
        assert_eq!(restored.values().map(Table::entries).sum::<usize>(), KEYS as usize);
    }
}

fn spill() {
    println!("-- spilling: 64 MB of memory");
    let memory = StateMemory::new(64 << 20, None);
    let mut table = Table::with_memory("t", memory.clone());
    let (value, mut seed) = (vec![7; 600], 1);
    timed("insert 600 MB", KEYS, "row", || {
        for i in 0..KEYS {
            table.put(0, Key::new(&key(i)), &value).expect("a disk");
            if i % 10_000 == 0 {
                drop(table.freeze());
                spill_if_needed(&memory, &mut [&mut table]).expect("a disk");
            }
        }
    });
    timed("update 200,000 at random", 200_000, "row", || {
        for _ in 0..20 {
            updates(&mut table, &value, 10_000, &mut seed);
            drop(table.freeze());
            spill_if_needed(&memory, &mut [&mut table]).expect("a disk");
        }
    });
    println!("memory {} MB, disk {} MB", table.bytes() >> 20, memory.disk_bytes() >> 20);
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a disk");
    let disk = LocalFileSystem::new_with_prefix(folder.path()).expect("a folder");
    let store = CheckpointStore::new(Arc::new(disk), Path::from("job"));
    chain(&store).await;
    if std::env::args().any(|argument| argument == "chain") {
        return;
    }
    measure(40, &store).await;
    measure(1_000, &store).await;
    spill();
}
