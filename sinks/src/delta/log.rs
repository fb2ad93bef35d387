//! A table's log: its state without the file list, read entry by entry, and the conditional put.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::Deserialize;
use tokio::task::JoinSet;

use millrace_events::Clock;

use super::actions::{Line, MetaData, Protocol, lines};
use super::checkpoint::{self, Listing};
use super::schema::rejected;
use super::store::{LOG, Place, failed, is_final, read};
use crate::SinkError;

/// How long knowing the newest version is trusted. Somebody may clean up old log entries, and then
/// the entry after ours can be absent although newer ones exist; cleaning up happens after days.
const FRESH_FOR: Duration = Duration::from_mins(10);
/// Commits between two checkpoints.
const CHECKPOINT_EVERY: i64 = 100;
/// Log entries read at once when a log is opened.
const READ_AHEAD: usize = 16;
/// Attempts to read a log that somebody cleans up meanwhile.
const LOAD_ATTEMPTS: usize = 3;

/// A table as of one version, as far as a writer cares.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogState {
    pub(crate) version: i64,
    pub(crate) txns: HashMap<String, i64>,
    pub(crate) metadata: Option<MetaData>,
    pub(crate) protocol: Option<Protocol>,
}

impl LogState {
    /// Applies one line; says whether it is the commit `watched`.
    fn apply(&mut self, line: Line, watched: Option<&str>) -> bool {
        if let Some(txn) = line.txn {
            self.txns.insert(txn.app_id, txn.version);
        }
        if let Some(metadata) = line.meta_data {
            self.metadata = Some(metadata);
        }
        if let Some(protocol) = line.protocol {
            self.protocol = Some(protocol);
        }
        let commit = line.commit_info.and_then(|c| c.millrace_commit);
        watched.is_some() && commit.as_ref().and_then(|c| c.as_str()) == watched
    }
}

/// How a conditional put of a log entry ended.
#[derive(Debug)]
pub(crate) enum Put {
    /// The entry is ours.
    Won,
    /// Unknown, or another entry has the version: the log must be read.
    Unknown(Error),
    /// It cannot have succeeded and never will.
    Refused(Error),
}

/// The log of one table, as one writer sees it.
#[derive(Debug)]
pub(crate) struct TableLog {
    pub(crate) place: Place,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state: Option<LogState>,
    /// When `state` was last known to be the newest.
    fresh_at: Option<Duration>,
    checkpoints: JoinSet<()>,
}

#[derive(Deserialize)]
struct LastCheckpoint {
    version: i64,
}

impl TableLog {
    pub(crate) fn new(place: Place, clock: Arc<dyn Clock>) -> Self {
        Self { place, clock, state: None, fresh_at: None, checkpoints: JoinSet::new() }
    }

    /// The newest version known, `None` when there is no table.
    pub(crate) fn head(&self) -> Option<i64> {
        self.state.as_ref().map(|s| s.version)
    }

    /// Whether `state` is recent enough to commit right after it.
    pub(crate) fn is_fresh(&self) -> bool {
        let now = self.clock.monotonic();
        self.fresh_at.is_some_and(|at| now.saturating_sub(at) < FRESH_FOR)
    }

    /// Reads what is new. Says whether the commit `watched` is among it.
    pub(crate) async fn refresh(&mut self, watched: Option<&str>) -> Result<bool, SinkError> {
        if self.state.is_none() || !self.is_fresh() {
            return self.load(watched).await;
        }
        let mut seen = false;
        loop {
            let state = self.state.as_mut().expect("checked above");
            let Some(entry) = read_entry(&self.place, state.version + 1).await? else { break };
            let lines = parse(&self.place, state.version + 1, &entry)?;
            state.version += 1;
            for line in lines {
                seen |= state.apply(line, watched);
            }
        }
        self.fresh_at = Some(self.clock.monotonic());
        Ok(seen)
    }

    /// Reads the log from its newest checkpoint.
    async fn load(&mut self, watched: Option<&str>) -> Result<bool, SinkError> {
        let now = self.clock.monotonic();
        for _ in 0..LOAD_ATTEMPTS {
            match load_once(&self.place, watched).await? {
                Loaded::Absent => self.state = None,
                Loaded::State(state, seen) => {
                    self.state = Some(*state);
                    self.fresh_at = Some(now);
                    return Ok(seen);
                }
                Loaded::Vanished => continue,
            }
            self.fresh_at = Some(now);
            return Ok(false);
        }
        let what = format!("read the log of table `{}`", self.place.table);
        Err(SinkError::retry(what, "entries vanish while they are read, or are missing"))
    }

    /// Writes the entry of `version` unless there is one.
    pub(crate) async fn put(&self, version: i64, entry: Bytes) -> Put {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.place.store.put_opts(&entry_path(version), entry.into(), options).await {
            Ok(_) => Put::Won,
            Err(e) if is_final(&e) => Put::Refused(e),
            Err(e) => Put::Unknown(e),
        }
    }

    /// Whether the entry of `version`, just put, certainly follows the newest one. Where somebody
    /// cleaned up, entries long past are absent too, and putting one of them succeeds; but then the
    /// one before it is gone as well. If in doubt, the log will be read from its checkpoint.
    pub(crate) async fn is_the_end(&mut self, version: i64) -> bool {
        let before = version == 0 || self.place.store.head(&entry_path(version - 1)).await.is_ok();
        let certain = before && self.is_fresh();
        if !certain {
            self.fresh_at = None;
        }
        certain
    }

    /// Takes over what a commit of ours did.
    pub(crate) fn advance(&mut self, version: i64, lines: Vec<Line>) {
        let state = self.state.get_or_insert_default();
        state.version = version;
        for line in lines {
            state.apply(line, None);
        }
        self.fresh_at = Some(self.clock.monotonic());
        if version > 0 && version % CHECKPOINT_EVERY == 0 {
            self.write_checkpoint(version);
        }
    }

    /// Writes a checkpoint beside the commits; without it readers only start slower.
    fn write_checkpoint(&mut self, version: i64) {
        while self.checkpoints.try_join_next().is_some() {}
        let place = self.place.clone();
        self.checkpoints.spawn(async move {
            let written = async {
                let table = open(&place, version).await?;
                deltalake::checkpoints::create_checkpoint(&table, None).await
            };
            if let Err(error) = written.await {
                tracing::warn!(table = %place.table, %error, "no checkpoint written");
            }
        });
    }
}

/// The table as deltalake sees it at `version`, which must be known to exist: a folder listing that
/// races with commits may show a new entry and not the one before it, but never lacks one that was
/// there before it began.
pub(crate) async fn open(
    place: &Place,
    version: i64,
) -> Result<deltalake::DeltaTable, deltalake::DeltaTableError> {
    let mut table = deltalake::DeltaTable::new(place.log_store());
    table.load_version(version.unsigned_abs()).await?;
    Ok(table)
}

/// The newest version of the table, `None` when there is no table.
pub(crate) async fn newest(place: &Place) -> Result<Option<i64>, SinkError> {
    Ok(list(place).await?.newest())
}

enum Loaded {
    Absent,
    State(Box<LogState>, bool),
    /// A file was listed and then gone, or the log has a hole.
    Vanished,
}

async fn load_once(place: &Place, watched: Option<&str>) -> Result<Loaded, SinkError> {
    let listing = list(place).await?;
    let Some(version) = listing.newest() else { return Ok(Loaded::Absent) };
    let checkpoint = listing.checkpoint();
    let start = checkpoint.map_or(0, |(version, _)| version + 1);
    let mut seen = false;
    let mut state = LogState { version, ..LogState::default() };
    for file in checkpoint.map_or(&[][..], |(_, files)| files) {
        let path = Path::from(format!("{LOG}/{file}"));
        let bytes = read(place.store.as_ref(), &path).await;
        let Some(bytes) = bytes.map_err(|e| failed(reading(place), e))? else {
            return Ok(Loaded::Vanished);
        };
        let lines = checkpoint::read(bytes).map_err(|e| SinkError::retry(reading(place), e))?;
        for line in lines {
            state.apply(line, None);
        }
    }
    let mut entries = stream::iter(start..=version)
        .map(|v| async move { read_entry(place, v).await.map(|entry| (v, entry)) })
        .buffered(READ_AHEAD);
    while let Some((version, entry)) = entries.try_next().await? {
        let Some(entry) = entry else { return Ok(Loaded::Vanished) };
        for line in parse(place, version, &entry)? {
            seen |= state.apply(line, watched);
        }
    }
    check(place, &state)?;
    Ok(Loaded::State(Box::new(state), seen))
}

/// The log's files from the last checkpoint on.
async fn list(place: &Place) -> Result<Listing, SinkError> {
    let hint = read(place.store.as_ref(), &Path::from(format!("{LOG}/_last_checkpoint"))).await;
    let hint = hint.map_err(|e| failed(reading(place), e))?;
    let hint = hint.and_then(|h| serde_json::from_slice::<LastCheckpoint>(&h).ok());
    if let Some(LastCheckpoint { version }) = hint {
        let listing = list_from(place, &Path::from(format!("{LOG}/{version:020}"))).await?;
        if listing.checkpoint().is_some() {
            return Ok(listing);
        }
    }
    list_from(place, &Path::from(LOG)).await
}

async fn list_from(place: &Place, offset: &Path) -> Result<Listing, SinkError> {
    let files = place.store.list_with_offset(Some(&Path::from(LOG)), offset);
    let names =
        files.try_filter_map(|meta| async move { Ok(meta.location.filename().map(str::to_owned)) });
    let names: Vec<_> = match names.try_collect().await {
        Ok(names) => names,
        Err(Error::NotFound { .. }) => Vec::new(),
        Err(e) => return Err(failed(reading(place), e)),
    };
    Ok(Listing::of(names.iter().map(String::as_str)))
}

async fn read_entry(place: &Place, version: i64) -> Result<Option<Bytes>, SinkError> {
    let entry = read(place.store.as_ref(), &entry_path(version)).await;
    entry.map_err(|e| failed(reading(place), e))
}

fn parse(place: &Place, version: i64, entry: &[u8]) -> Result<Vec<Line>, SinkError> {
    lines(entry)
        .map_err(|e| rejected(&place.table, format!("log entry {version} cannot be read: {e}")))
}

fn check(place: &Place, state: &LogState) -> Result<(), SinkError> {
    if state.metadata.is_none() || state.protocol.is_none() {
        return Err(rejected(&place.table, "its log holds no schema or protocol"));
    }
    Ok(())
}

fn entry_path(version: i64) -> Path {
    Path::from(format!("{LOG}/{version:020}.json"))
}

fn reading(place: &Place) -> String {
    format!("read the log of table `{}`", place.table)
}
