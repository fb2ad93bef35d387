//! The loop: which job is looked at when.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_events::Clock;

use crate::Launcher;
use crate::store::{Store, StoreError};

use super::act::Again;
use super::board::{Key, LiveBoard};
use super::fault::FaultPoint;
use super::settings::ReconcilerSettings;
use super::source::{AssignmentSource, BuiltIn};
use super::subject::version;

/// What the reconciler stands on.
#[derive(Clone)]
pub struct ReconcilerParts {
    /// Goal state.
    pub store: Store,
    /// How runs are reached.
    pub launcher: Arc<dyn Launcher>,
    /// Where runs get what they are to do.
    pub source: Arc<dyn AssignmentSource>,
    /// Jobs that settings declare.
    pub built_ins: Vec<BuiltIn>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How often it looks.
    pub settings: ReconcilerSettings,
    /// Told of every effect.
    pub fault: Arc<dyn FaultPoint>,
}

/// What the tasks of one reconciler share.
pub(super) struct Shared {
    pub(super) parts: ReconcilerParts,
    pub(super) board: Arc<LiveBoard>,
    /// Jobs of which the last step did not work out, and why.
    problems: Mutex<HashMap<Key, String>>,
    /// Jobs with a run that starts, and since when, by the monotonic clock.
    starting: Mutex<HashMap<Key, Duration>>,
}

impl Shared {
    /// Takes one of the places for runs that start; `false` if there is none.
    pub(super) fn take_start_place(&self, key: &Key) -> bool {
        let now = self.parts.clock.monotonic();
        let settings = &self.parts.settings;
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        starting.retain(|_, since| now.saturating_sub(*since) < settings.start_place);
        let free = starting.contains_key(key) || starting.len() < settings.starts_at_once;
        if free {
            starting.entry(key.clone()).or_insert(now);
        }
        free
    }

    /// Notes why a step did not work out, or that it did.
    pub(super) fn note_problem(&self, key: &Key, problem: Option<String>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => problems.insert(key.clone(), problem),
            None => problems.remove(key),
        };
    }

    pub(super) fn problem(&self, key: &Key) -> Option<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn leave_start_place(&self, key: &Key) {
        self.starting.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// What tells whether something else is wanted of a job: the number of its goal, and whether it is
/// to be removed.
type Wanted = (i64, bool);

/// When a job is next looked at.
#[derive(Debug)]
struct Look {
    /// By the monotonic clock.
    at: Duration,
    /// What was wanted when it was last looked at.
    seen: Option<Wanted>,
}

/// Brings every job to what is wanted of it, one step at a time, and keeps it there.
///
/// When it is stopped, steps under way are cut off; jobs go on. The next reconciler decides anew.
pub struct Reconciler {
    shared: Arc<Shared>,
    /// Every job, as last read; `read_again` is when that was too long ago.
    jobs: Vec<(Key, Wanted)>,
    read_again: Duration,
    looks: HashMap<Key, Look>,
    under_way: HashSet<Key>,
}

impl Reconciler {
    /// A reconciler; it does nothing before [`Reconciler::run`].
    pub fn new(parts: ReconcilerParts) -> Self {
        let shared = Shared {
            parts,
            board: Arc::new(LiveBoard::default()),
            problems: Mutex::default(),
            starting: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            jobs: Vec::new(),
            read_again: Duration::ZERO,
            looks: HashMap::new(),
            under_way: HashSet::new(),
        }
    }

    /// How jobs are doing.
    pub fn live(&self) -> Arc<LiveBoard> {
        Arc::clone(&self.shared.board)
    }

    /// Runs until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let settings = self.shared.parts.settings;
        let (places, woken) = (Arc::new(Semaphore::new(settings.jobs_at_once)), Notify::new());
        let woken = Arc::new(woken);
        let mut watchers = self.watch(&woken);
        let mut tasks: JoinSet<(Key, Again)> = JoinSet::new();
        let (shared, begun_ms) = (Arc::clone(&self.shared), self.shared.parts.clock.now_ms());
        watchers.spawn(async move { shared.finish_savepoints(begun_ms).await });
        loop {
            if let Err(error) = self.read().await {
                tracing::warn!(%error, "the store cannot be read; jobs go on as they are");
            }
            self.begin_what_is_due(&mut tasks, &places);
            let next = self.next_look();
            tokio::select! {
                () = stop.cancelled() => break,
                () = woken.notified() => self.read_again = Duration::ZERO,
                () = tokio::time::sleep(next) => {}
                Some(done) = tasks.join_next(), if !tasks.is_empty() => self.done(done),
            }
            while let Some(done) = tasks.try_join_next() {
                self.done(done);
            }
        }
        tasks.shutdown().await;
        watchers.shutdown().await;
    }

    /// Tasks that wake the loop when something else is wanted.
    fn watch(&self, woken: &Arc<Notify>) -> JoinSet<()> {
        let mut watchers = JoinSet::new();
        let (mut changed, wake) = (self.shared.parts.store.changed(), Arc::clone(woken));
        watchers.spawn(async move {
            while changed.changed().await.is_ok() {
                wake.notify_one();
            }
        });
        for built_in in &self.shared.parts.built_ins {
            let (mut wanted, wake) = (built_in.wanted.clone(), Arc::clone(woken));
            watchers.spawn(async move {
                while wanted.changed().await.is_ok() {
                    wake.notify_one();
                }
            });
        }
        watchers
    }

    /// Begins to see to every job whose time has come or of which something else is wanted.
    fn begin_what_is_due(&mut self, tasks: &mut JoinSet<(Key, Again)>, places: &Arc<Semaphore>) {
        let now = self.shared.parts.clock.monotonic();
        for (key, wanted) in &self.jobs {
            if self.under_way.contains(key) {
                continue;
            }
            let look = self.looks.entry(key.clone()).or_insert(Look { at: now, seen: None });
            if look.at > now && look.seen == Some(*wanted) {
                continue;
            }
            look.seen = Some(*wanted);
            self.under_way.insert(key.clone());
            let (shared, places, key) = (Arc::clone(&self.shared), Arc::clone(places), key.clone());
            tasks.spawn(async move {
                let place = places.acquire_owned().await;
                let again = shared.see_to(&key).await;
                drop(place);
                (key, again)
            });
        }
    }

    /// Reads which jobs there are, if they may have changed.
    async fn read(&mut self) -> Result<(), StoreError> {
        let parts = &self.shared.parts;
        let now = parts.clock.monotonic();
        if now < self.read_again {
            return Ok(());
        }
        // Also when it fails: a store that is away is not asked without a pause.
        self.read_again = now + parts.settings.idle_tick;
        let mut jobs: Vec<_> = parts.built_ins.iter().map(built_in).collect();
        for row in parts.store.jobs().await? {
            let metadata = row.resource.metadata;
            let key = (metadata.namespace, metadata.name);
            jobs.push((key, (row.goal.goal, metadata.deleting_ms.is_some())));
        }
        self.jobs = jobs;
        Ok(())
    }

    fn done(&mut self, done: Result<(Key, Again), tokio::task::JoinError>) {
        let (key, again) = match done {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "seeing to a job was cut off");
                // Which one is not known; none is left out for it.
                self.under_way.clear();
                return;
            }
        };
        self.under_way.remove(&key);
        let (settings, clock) = (&self.shared.parts.settings, &self.shared.parts.clock);
        let pause = match again {
            Again::Idle => settings.idle_tick,
            Again::Busy => settings.busy_tick,
            Again::Retry => settings.retry_tick,
            Again::At(due) => {
                let ms = u64::try_from(due.saturating_sub(clock.now_ms())).unwrap_or(0);
                Duration::from_millis(ms)
            }
            Again::Gone => {
                self.looks.remove(&key);
                self.jobs.retain(|(other, _)| *other != key);
                return;
            }
        };
        if let Some(look) = self.looks.get_mut(&key) {
            look.at = clock.monotonic().saturating_add(pause);
        }
    }

    /// Time until the next job is due.
    fn next_look(&self) -> Duration {
        let now = self.shared.parts.clock.monotonic();
        let idle = self.shared.parts.settings.idle_tick;
        let waiting = self.looks.iter().filter(|(key, _)| !self.under_way.contains(*key));
        let due = waiting.map(|(_, look)| look.at).chain([self.read_again]).min();
        // Never in a hurry: what is due together is begun together.
        due.unwrap_or_default().saturating_sub(now).clamp(Duration::from_millis(10), idle)
    }
}

fn built_in(built_in: &BuiltIn) -> (Key, Wanted) {
    let version = built_in.wanted.borrow().as_ref().map(version);
    let key = (built_in.namespace.clone(), built_in.name.clone());
    (key, (version.unwrap_or(0), version.is_none()))
}
