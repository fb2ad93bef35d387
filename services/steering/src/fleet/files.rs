//! Which appliances hold a file; a change copies one shard of many.

use std::collections::HashMap;
use std::sync::Arc;

use twox_hash::XxHash3_64;

use super::set::{ApplianceNo, ApplianceSet};

type Shard = HashMap<Box<str>, ApplianceSet>;

/// Shards; a power of two.
const SHARDS: usize = 2048;

/// Files and who holds them. A clone shares everything; what is changed afterwards is copied first,
/// shard by shard.
#[derive(Clone)]
pub struct Files {
    shards: Arc<Vec<Arc<Shard>>>,
    files: usize,
}

impl Default for Files {
    fn default() -> Self {
        // One empty shard, shared by all until they differ.
        Self { shards: Arc::new(vec![Arc::default(); SHARDS]), files: 0 }
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("files", &self.files).finish_non_exhaustive()
    }
}

/// The hash of a file's name, the same in every process: XXH3, 64 bits.
pub fn file_hash(file: &str) -> u64 {
    XxHash3_64::oneshot(file.as_bytes())
}

fn shard(file: &str) -> usize {
    // The upper half: the lower bits rank appliances.
    (file_hash(file) >> 32) as usize % SHARDS
}

impl Files {
    /// Adds a copy; whether it is news.
    pub fn add(&mut self, file: &str, by: ApplianceNo) -> bool {
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard(file)]);
        if let Some(holders) = shard.get_mut(file) {
            return holders.insert(by);
        }
        self.files += 1;
        shard.entry(file.into()).or_default().insert(by)
    }

    /// Removes a copy; whether it was there.
    pub fn remove(&mut self, file: &str, by: ApplianceNo) -> bool {
        if !self.holders(file).is_some_and(|holders| holders.contains(by)) {
            return false;
        }
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard(file)]);
        let holders = shard.get_mut(file).expect("it was found above");
        holders.remove(by);
        if holders.is_empty() {
            shard.remove(file);
            self.files -= 1;
        }
        true
    }

    /// Who holds `file`; `None` if nobody does.
    pub fn holders(&self, file: &str) -> Option<&ApplianceSet> {
        self.shards[shard(file)].get(file)
    }

    /// How many files somebody holds.
    pub fn len(&self) -> usize {
        self.files
    }

    /// Whether nobody holds any.
    pub fn is_empty(&self) -> bool {
        self.files == 0
    }

    /// Bytes taken, the allocator's own needs aside.
    pub fn bytes(&self) -> usize {
        let entry = size_of::<(Box<str>, ApplianceSet)>() + 1;
        let of = |shard: &Arc<Shard>| {
            let heap = shard.iter().map(|(file, by)| file.len() + by.heap_bytes()).sum::<usize>();
            shard.capacity() * entry + heap
        };
        self.shards.iter().map(of).sum()
    }
}
