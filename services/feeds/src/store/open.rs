//! Opens a store; moves one that cannot be read aside.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use fjall::Database;

use super::feed::ROWS;
use super::{FeedStore, Opened, Shared, keyspace};
use crate::FeedError;

/// What the store holds in memory of what it has on disk.
const CACHE_BYTES: u64 = 32 << 20;
/// What of it may be in journals and not yet in tables.
const JOURNAL_BYTES: u64 = 128 << 20;
/// Copies moved aside that are kept; older ones are removed.
const KEPT: u32 = 3;

pub(super) fn open(dir: &Path) -> Result<Opened, FeedError> {
    fs::create_dir_all(dir).map_err(|e| FeedError::folder(dir, e))?;
    // What is damaged may break an assumption of the store itself.
    let first = catch_unwind(AssertUnwindSafe(|| attempt(dir)))
        .unwrap_or_else(|_| Err(FeedError::Damaged { what: format!("{}", dir.display()) }));
    match first {
        Ok(store) => Ok(Opened { store, rebuilt: false }),
        Err(FeedError::Store { source: fjall::Error::Locked, .. }) => {
            Err(FeedError::InUse { dir: dir.to_owned() })
        }
        Err(error) if error.is_damage() => {
            let aside = move_aside(dir).map_err(|e| FeedError::folder(dir, e))?;
            tracing::error!(
                %error, kept = %aside.display(),
                "the feed store could not be read: it was moved aside and is built from the topics"
            );
            Ok(Opened { store: attempt(dir)?, rebuilt: true })
        }
        Err(error) => Err(error),
    }
}

fn attempt(dir: &Path) -> Result<FeedStore, FeedError> {
    let failed = |what| FeedError::store(format!("{what} {}", dir.display()));
    let database = Database::builder(dir)
        .worker_threads(1)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES)
        .open()
        .map_err(failed("open"))?;
    let meta = keyspace(&database, "meta")?;
    let names: Vec<String> =
        database.list_keyspace_names().iter().map(ToString::to_string).collect();
    let feeds = RwLock::new(BTreeMap::new());
    let store = FeedStore { shared: Arc::new(Shared { feeds, meta, database }) };
    for name in names.iter().filter_map(|name| name.strip_prefix(ROWS)) {
        store.feed(name)?.check()?;
    }
    Ok(store)
}

/// Renames the folder; the oldest of the copies makes room.
fn move_aside(dir: &Path) -> std::io::Result<PathBuf> {
    let name = |number: u32| {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!(".unreadable-{number}"));
        PathBuf::from(name)
    };
    let oldest = name(KEPT);
    if oldest.exists() {
        fs::remove_dir_all(&oldest)?;
    }
    for number in (1..KEPT).rev() {
        if name(number).exists() {
            fs::rename(name(number), name(number + 1))?;
        }
    }
    fs::rename(dir, name(1))?;
    fs::create_dir_all(dir)?;
    Ok(name(1))
}
