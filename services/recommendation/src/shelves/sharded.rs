//! A map in parts, so that a reader waits for nobody but a writer of the same part, for moments.

use std::hash::{BuildHasher, BuildHasherDefault, Hash};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::ids::{IdHasher, IdMap};

const SHARDS: usize = 64;

/// A concurrent map of values that are cheap to clone.
#[derive(Debug)]
pub(crate) struct Sharded<K, V> {
    shards: Vec<RwLock<IdMap<K, V>>>,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::new(IdMap::default())).collect();
        Self { shards }
    }
}

impl<K: Hash + Eq, V: Clone> Sharded<K, V> {
    fn shard(&self, key: &K) -> &RwLock<IdMap<K, V>> {
        let hash = BuildHasherDefault::<IdHasher>::default().hash_one(key);
        // Neither the bits that choose a bucket of the map nor those that tell its entries apart.
        let hash = usize::try_from(hash >> 32 & 0xFF_FFFF).expect("24 bits");
        &self.shards[hash % SHARDS]
    }

    fn read(&self, key: &K) -> RwLockReadGuard<'_, IdMap<K, V>> {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, key: &K) -> RwLockWriteGuard<'_, IdMap<K, V>> {
        self.shard(key).write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.read(key).get(key).cloned()
    }

    /// What `read` makes of a value, without a clone. It holds the shard's lock: it must be short.
    pub(crate) fn with<R>(&self, key: &K, read: impl FnOnce(&V) -> R) -> Option<R> {
        self.read(key).get(key).map(read)
    }

    pub(crate) fn put(&self, key: K, value: V) {
        self.write(&key).insert(key, value);
    }

    pub(crate) fn remove(&self, key: &K) {
        self.write(key).remove(key);
    }

    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Every entry; for few only.
    pub(crate) fn all(&self) -> Vec<(K, V)>
    where
        K: Clone,
    {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        all
    }

    pub(crate) fn len(&self) -> usize {
        let len = |s: &RwLock<IdMap<K, V>>| s.read().unwrap_or_else(PoisonError::into_inner).len();
        self.shards.iter().map(len).sum()
    }
}
