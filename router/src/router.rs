//! The router as a whole: starts the shared reader and the routes, and stops them in order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use millrace_bus::FetchLimits;
use millrace_events::{Budget, StreamSchema};

use crate::catchup::CatchUp;
use crate::convert::Converter;
use crate::decode::Decoding;
use crate::feed::Feed;
use crate::handover::{CONTROL_QUEUE, Changes, Handover, Link};
use crate::lane::Lane;
use crate::route::RouteTask;
use crate::settings::{Handling, Route, RouterSettings};
use crate::status::{Board, RouterStatus};

/// Part of the budget that holds what is read and not yet written (¼); the rest is the sinks'.
const READ_SHARE: usize = 4;
/// Smallest and largest batch.
const BATCH_BYTES: (usize, usize) = (64 << 10, 4 << 20);

/// Why a router does not start.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// Nothing to do.
    #[error("there is no route; write at least one `kind: Route` document")]
    NoRoutes,
    /// Two routes of one name would share ledgers.
    #[error("two routes are called `{0}`")]
    Duplicate(String),
    /// Events of a topic are decoded once, so all its routes must see the same columns.
    #[error("routes of topic `{0}` disagree on its columns")]
    Schemas(String),
    /// The operating system gave no thread.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] io::Error),
}

/// A running router. Stops in this order: the shared reader (each route commits), the routes, their
/// own readers.
pub struct Router {
    stop: CancellationToken,
    threads: Mutex<Vec<JoinHandle<()>>>,
    board: Arc<Board>,
}

/// The memory of a router, cut up before anything runs.
#[derive(Debug, Clone)]
struct Shares {
    pool: Budget,
    fetch: FetchLimits,
    catch_up: FetchLimits,
    queue_bytes: usize,
}

impl Shares {
    fn cut(budget: &Budget, routes: usize) -> Self {
        let read = budget.limit() / READ_SHARE;
        let (least, most) = BATCH_BYTES;
        let batch_bytes = (read / (routes + 1) / 8).clamp(least, most);
        // librdkafka keeps its own queue outside our allocator: it gets its part and is not
        // charged.
        let queue_bytes = (read / 4).max(1 << 20);
        let pool = budget.child("read", read - queue_bytes.min(read / 2));
        Self {
            fetch: FetchLimits { queue_bytes, batch_bytes },
            catch_up: FetchLimits { queue_bytes: 1 << 20, batch_bytes },
            queue_bytes: (pool.limit() * 3 / 4 / (routes + 1)).max(batch_bytes * 2),
            pool,
        }
    }
}

impl Router {
    /// Starts `routes`. Must be called within a multi-threaded tokio runtime, which carries their
    /// I/O.
    pub fn start(settings: RouterSettings, routes: Vec<Route>) -> Result<Self, RouterError> {
        let streams = check(&routes)?;
        let settings = Arc::new(settings);
        let shares = Shares::cut(&settings.budget, routes.len());
        let stop = CancellationToken::new();
        let mut started =
            Self { stop, threads: Mutex::default(), board: Arc::new(Board::default()) };
        let mut links = Vec::new();
        for route in routes {
            links.push(started.start_route(&settings, &shares, route)?);
        }
        let handover = Arc::new(Handover {
            links,
            runtime: Handle::current(),
            clock: Arc::clone(&settings.clock),
            probe: Arc::clone(&settings.probe),
            patience: settings.release_patience,
            changes: Mutex::new(Changes::default()),
            board: Arc::clone(&started.board),
        });
        let lane = Lane {
            settings,
            handover,
            topics: streams.keys().cloned().collect(),
            decoding: Decoding::new(streams.values()),
            pool: shares.pool,
            limits: shares.fetch,
            board: Arc::clone(&started.board),
            stop: started.stop.clone(),
        };
        started.spawn("router-reader", move || lane.run())?;
        // Until the first report nobody may think that everything is read.
        started.board.router(|status| status.broker = Some("not connected yet".into()));
        Ok(started)
    }

    fn start_route(
        &mut self,
        settings: &RouterSettings,
        shares: &Shares,
        route: Route,
    ) -> Result<Link, RouterError> {
        let Route { name, stream, headers, handling, roll, sink } = route;
        let columns = matches!(handling, Handling::Columns(_));
        let queue = Budget::new(format!("queue of {name}"), shares.queue_bytes);
        let topic: Arc<str> = stream.topic.as_str().into();
        let (feed, data) = Feed::new(name.clone(), topic, queue);
        let (control, orders) = tokio::sync::mpsc::channel(CONTROL_QUEUE);
        let runtime = Handle::current();
        self.board.route(&name, |status| status.topic.clone_from(&stream.topic));
        let catch_up = CatchUp {
            feed: Arc::clone(&feed),
            columns,
            kafka: settings.kafka.clone(),
            limits: shares.catch_up,
            pool: shares.pool.clone(),
            decoding: Decoding::new([&stream]),
            runtime: runtime.clone(),
            stop: self.stop.clone(),
        };
        let task = RouteTask {
            sink,
            converter: Converter { route: name.clone(), headers, handling },
            roll,
            feed: Arc::clone(&feed),
            control: orders,
            data,
            clock: Arc::clone(&settings.clock),
            fenced_wait: settings.fenced_wait,
            board: Arc::clone(&self.board),
        };
        self.spawn(&format!("catchup-{name}"), move || catch_up.run())?;
        self.spawn(&format!("route-{name}"), move || runtime.block_on(task.run()))?;
        Ok(Link { feed, columns, control })
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
        self.threads().push(thread);
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().expect("no holder of this lock panics")
    }

    /// What the router knows of itself now.
    pub fn status(&self) -> RouterStatus {
        self.board.read()
    }

    /// Whether a part of the router died; then the process should end and be started again.
    pub fn is_broken(&self) -> bool {
        !self.stop.is_cancelled() && self.threads().iter().any(JoinHandle::is_finished)
    }

    /// Commits what is written, gives the partitions back, ends. A sink that does not answer within
    /// `patience` is left behind uncommitted: its rows are read again by the next owner.
    pub async fn stop(&self, patience: Duration) {
        self.stop.cancel();
        let threads = std::mem::take(&mut *self.threads());
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().filter_map(|t| t.join().err()).count()
        });
        match tokio::time::timeout(patience, joined).await {
            Ok(Ok(0)) => {}
            Ok(Ok(panics)) => warn!(panics, "threads of the router had panicked"),
            Ok(Err(e)) => warn!(error = %e, "the router's end was not seen"),
            Err(_) => warn!(?patience, "a route did not end in time; its rows will be read again"),
        }
    }
}

/// The streams by topic, if the routes fit together.
fn check(routes: &[Route]) -> Result<BTreeMap<String, Arc<StreamSchema>>, RouterError> {
    if routes.is_empty() {
        return Err(RouterError::NoRoutes);
    }
    let mut names = HashSet::new();
    let mut streams: HashMap<String, Arc<StreamSchema>> = HashMap::new();
    for route in routes {
        if !names.insert(route.name.as_str()) {
            return Err(RouterError::Duplicate(route.name.to_string()));
        }
        let topic = route.stream.topic.clone();
        let known = streams.entry(topic).or_insert_with(|| Arc::clone(&route.stream));
        if *known != route.stream {
            return Err(RouterError::Schemas(route.stream.topic.clone()));
        }
    }
    Ok(streams.into_iter().collect())
}
