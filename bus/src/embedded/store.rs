//! Every partition of the broker, by topic.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tansu_sans_io::ErrorCode;
use tansu_storage::slate::Engine;
use tansu_storage::{Storage as _, TopicId};
use tokio::sync::Notify;
use uuid::Uuid;

use super::log::Log;

/// How long a topic is taken to be what it was.
const TOPIC_HOLDS: Duration = Duration::from_secs(1);
/// Producer ids are taken from the file in such portions.
const IDS_AT_ONCE: i64 = 1000;

/// A topic as the logs know it.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) id: Uuid,
    pub(super) partitions: i32,
    seen: Instant,
}

/// A log in use.
pub(super) type SharedLog = Arc<Mutex<Log>>;

/// The broker's data: topics in tansu's store, records in files of ours.
#[derive(Debug)]
pub(super) struct Store {
    engine: Engine,
    dir: PathBuf,
    topics: Mutex<HashMap<TopicId, Topic>>,
    logs: Mutex<HashMap<(Uuid, i32), SharedLog>>,
    ids: Mutex<std::ops::Range<i64>>,
    /// Some log grew.
    pub(super) grown: Notify,
}

impl Store {
    pub(super) fn open(engine: Engine, dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self {
            engine,
            dir: dir.to_owned(),
            topics: Mutex::default(),
            logs: Mutex::default(),
            ids: Mutex::new(0..0),
            grown: Notify::new(),
        })
    }

    /// The topic, or the error a client gets.
    pub(super) async fn topic(&self, wanted: TopicId) -> Result<Topic, ErrorCode> {
        let known = lock(&self.topics).get(&wanted).cloned();
        if let Some(topic) = known.filter(|t| t.seen.elapsed() < TOPIC_HOLDS) {
            return Ok(topic);
        }
        let missing = match wanted {
            TopicId::Name(_) => ErrorCode::UnknownTopicOrPartition,
            TopicId::Id(_) => ErrorCode::UnknownTopicId,
        };
        let found = self.engine.metadata(Some(std::slice::from_ref(&wanted))).await;
        let found = found.map_err(|error| {
            tracing::warn!(target: "broker", %error, ?wanted, "cannot look up a topic");
            ErrorCode::KafkaStorageError
        })?;
        let found = found.topics().iter().find(|t| t.error_code == i16::from(ErrorCode::None));
        let topic = found.and_then(|t| {
            Some(Topic {
                name: t.name.clone()?,
                id: Uuid::from_bytes(t.topic_id?),
                partitions: i32::try_from(t.partitions.as_ref()?.len()).ok()?,
                seen: Instant::now(),
            })
        });
        let topic = topic.ok_or(missing)?;
        lock(&self.topics).insert(wanted, topic.clone());
        Ok(topic)
    }

    /// The log of a partition, opened at its first use.
    pub(super) fn log(&self, topic: &Topic, partition: i32) -> Result<SharedLog, ErrorCode> {
        if !(0..topic.partitions).contains(&partition) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        let mut logs = lock(&self.logs);
        if let Some(log) = logs.get(&(topic.id, partition)) {
            return Ok(Arc::clone(log));
        }
        let dir = self.dir.join(topic.id.to_string());
        let opened = std::fs::create_dir_all(&dir)
            .and_then(|()| Log::open(&dir.join(format!("{partition}.log"))));
        match opened {
            Ok(log) => {
                let log = Arc::new(Mutex::new(log));
                logs.insert((topic.id, partition), Arc::clone(&log));
                Ok(log)
            }
            Err(error) => {
                let topic = &topic.name;
                tracing::error!(target: "broker", %error, topic, partition, "cannot open the log");
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }

    /// A producer id nobody had before.
    pub(super) fn producer_id(&self) -> io::Result<i64> {
        let mut ids = lock(&self.ids);
        if ids.is_empty() {
            let path = self.dir.join("producer-ids");
            let next = match std::fs::read_to_string(&path) {
                Ok(text) => text.trim().parse().map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => 1,
                Err(error) => return Err(error),
            };
            let fresh = self.dir.join("producer-ids.new");
            std::fs::write(&fresh, (next + IDS_AT_ONCE).to_string())?;
            std::fs::File::open(&fresh)?.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            *ids = next..next + IDS_AT_ONCE;
        }
        Ok(ids.next().expect("refilled just now"))
    }
}

/// A lock whose data is whole even if a holder panicked: logs and maps change in one step at the
/// end.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
