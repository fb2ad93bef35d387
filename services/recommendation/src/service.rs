//! The service as a whole: who is started, who is joined, in which order it stops.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_events::{Clock, Emitter};
use millrace_feeds::{FeedError, FeedStore, Follower, FollowerSettings, Statuses};

use crate::answer::{Answer, Asker, Dresser};
use crate::bad_times::BadTimes;
use crate::compose::Composer;
use crate::hidden::Hidden;
use crate::impressions::{ImpressionLog, pump};
use crate::ladder::{Ladder, Source};
use crate::page::{Ask, Rung};
use crate::pressure::Pressure;
use crate::settings::RecommendationSettings;
use crate::shelves::Shelves;
use crate::sources::{OfCountry, Personal};

/// How often the titles for bad times are kept.
const KEEP: Duration = Duration::from_secs(30);
/// How long answers that wait may take to be logged at the end.
const LOG_GRACE: Duration = Duration::from_secs(5);
/// How often it is looked which feeds are stale.
const LOOK: Duration = Duration::from_millis(500);

/// What the service is made of.
pub struct Parts {
    /// Where feeds come from.
    pub following: FollowerSettings,
    /// Where they are kept.
    pub store: FeedStore,
    /// Takes impressions. It should wait when it is full, and keep events on disk.
    pub impressions: Emitter,
    /// Takes deletions. It should refuse when it is full, and keep events on disk.
    pub deletions: Emitter,
    /// Where the titles are kept that are shown if nothing is known.
    pub fallback: Option<PathBuf>,
    /// What `/metrics` shows.
    pub metrics: Option<PrometheusHandle>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What requests use. Clones share it.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) settings: Arc<RecommendationSettings>,
    pub(crate) shelves: Shelves,
    pub(crate) ladder: Ladder,
    pub(crate) dresser: Dresser,
    pub(crate) hidden: Arc<Hidden>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) log: ImpressionLog,
    pub(crate) deletions: Arc<Emitter>,
    pub(crate) stale: Arc<ArcSwap<Vec<String>>>,
    pub(crate) statuses: Statuses,
    pub(crate) store: FeedStore,
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) clock: Arc<dyn Clock>,
    answers: Arc<AtomicU64>,
}

impl Desk {
    /// Answers a request for a page and notes the answer. Waits for nothing outside this process.
    pub(crate) async fn answer(&self, ask: Ask, asker: &Asker, top: Rung) -> Arc<Answer> {
        let page = self.ladder.page(ask, top).await;
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        // An odd multiplier spreads the numbers over all seeds.
        let seed = self.settings.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let id = uuid::Uuid::now_v7().simple().to_string();
        let answer = self.dresser.dress(page, asker, id, self.stale.load_full(), seed);
        let answer = Arc::new(answer);
        self.log.note(Arc::clone(&answer));
        answer
    }
}

/// The running service.
///
/// Order of stopping: the HTTP server first (whoever runs it), then [`stop`](Self::stop): answers
/// that wait are logged (for a while: with Kafka away and the disk full nobody takes them), both
/// emitters deliver or keep what they have, the follower ends.
pub struct Recommendation {
    desk: Desk,
    follower: Follower,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    logging: JoinSet<Emitter>,
    /// Ends logging whatever still waits.
    give_up: CancellationToken,
}

impl Recommendation {
    /// Starts it: from the store at once, from Kafka as it comes.
    pub fn start(settings: RecommendationSettings, parts: Parts) -> Result<Self, FeedError> {
        Self::start_with(settings, parts, |source| source)
    }

    /// The same with something around each source, as tests of failures do.
    pub fn start_with(
        settings: RecommendationSettings,
        parts: Parts,
        around: impl Fn(Arc<dyn Source>) -> Arc<dyn Source>,
    ) -> Result<Self, FeedError> {
        let Parts { following, store, impressions, deletions, fallback, metrics, clock } = parts;
        let shelves = Shelves::default();
        let views = shelves.views(settings.policy);
        let follower = Follower::start(following, store.clone(), views, clock.clone())?;
        let bad_times = Arc::new(BadTimes::open(fallback));
        let composer = Composer {
            shelves: shelves.clone(),
            weights: settings.weights,
            fallback: bad_times.titles(),
        };
        let hidden = Arc::new(Hidden::default());
        let personal = Personal { composer: composer.clone(), hidden: Arc::clone(&hidden) };
        let country = OfCountry { composer: composer.clone() };
        let ladder = Ladder::new(
            around(Arc::new(personal)),
            around(Arc::new(country)),
            Arc::new({
                let composer = composer.clone();
                move |ask: &Ask| composer.fixed(ask)
            }),
            settings.rungs,
            &clock,
        );
        let (log, waiting) = ImpressionLog::new(settings.log_answers.max(1));
        let topic = settings.impressions.clone();
        let (stop, mut logging) = (CancellationToken::new(), JoinSet::new());
        let (ending, give_up) = (stop.clone(), CancellationToken::new());
        let hurry = give_up.clone();
        logging.spawn(async move {
            hurry.run_until_cancelled(pump(waiting, &impressions, &topic, &ending)).await;
            impressions
        });
        let desk = Desk {
            dresser: Dresser { shelves: shelves.clone(), policy: settings.policy },
            pressure: Arc::new(Pressure::new(settings.limits)),
            settings: Arc::new(settings),
            shelves,
            ladder,
            hidden,
            log,
            deletions: Arc::new(deletions),
            stale: Arc::default(),
            statuses: follower.statuses(),
            store,
            metrics,
            clock,
            answers: Arc::default(),
        };
        let mut tasks = JoinSet::new();
        let (pressure, clock, stopping) = (desk.pressure.clone(), desk.clock.clone(), stop.clone());
        tasks.spawn(async move { pressure.measure(clock, stopping).await });
        tasks.spawn(look(desk.clone_for_looks(), stop.clone()));
        tasks.spawn(keep(bad_times, composer, stop.clone()));
        Ok(Self { desk, follower, stop, tasks, logging, give_up })
    }

    /// What it serves.
    pub fn router(&self) -> axum::Router {
        crate::http::router(self.desk.clone())
    }

    /// What it knows.
    pub fn shelves(&self) -> &Shelves {
        &self.desk.shelves
    }

    /// How far its feeds are.
    pub fn statuses(&self) -> Statuses {
        self.desk.statuses.clone()
    }

    /// Ends it. Answers that a router still gives are not logged any more.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        let deletions = self.desk.deletions;
        let mut logged = tokio::time::timeout(LOG_GRACE, self.logging.join_next()).await;
        if logged.is_err() {
            tracing::warn!("answers were not logged: neither Kafka nor the disk takes them");
            self.give_up.cancel();
            logged = Ok(self.logging.join_next().await);
        }
        if let Ok(Some(Ok(emitter))) = logged
            && let Err(error) = emitter.shutdown().await
        {
            tracing::warn!(%error, "impressions were not logged");
        }
        let delivered = match Arc::try_unwrap(deletions) {
            Ok(emitter) => emitter.shutdown().await,
            // A router still holds it.
            Err(emitter) => emitter.flush().await,
        };
        if let Err(error) = delivered {
            tracing::warn!(%error, "deletions were not delivered");
        }
        self.follower.stop().await;
    }
}

struct Looks {
    statuses: Statuses,
    stale: Arc<ArcSwap<Vec<String>>>,
    after: Duration,
    clock: Arc<dyn Clock>,
}

impl Desk {
    fn clone_for_looks(&self) -> Looks {
        Looks {
            statuses: self.statuses.clone(),
            stale: self.stale.clone(),
            after: self.settings.stale_after,
            clock: self.clock.clone(),
        }
    }
}

/// Says which feeds are stale, until `stop`.
async fn look(looks: Looks, stop: CancellationToken) {
    loop {
        let now = looks.clock.now_ms();
        let all = looks.statuses.all();
        let stale = all.into_iter().filter(|s| s.stale(now, looks.after) || s.rebuilding);
        looks.stale.store(Arc::new(stale.map(|s| s.feed).collect()));
        if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            return;
        }
    }
}

/// Keeps what to show in bad times, now and then and at the end.
async fn keep(bad_times: Arc<BadTimes>, composer: Composer, stop: CancellationToken) {
    loop {
        let stopped = stop.run_until_cancelled(tokio::time::sleep(KEEP)).await.is_none();
        let (bad_times, composer) = (Arc::clone(&bad_times), composer.clone());
        // It writes a file.
        let _ = tokio::task::spawn_blocking(move || bad_times.keep(&composer)).await;
        if stopped {
            return;
        }
    }
}
