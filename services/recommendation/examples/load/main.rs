//! What a request for a page costs, over HTTP: two threads serve, one a connection asks.
//!
//! `load --members 100000 --rate 5000 --seconds 10 --connections 32`; rate 0 is as fast as it
//! goes. Feeds are made up; impressions are encoded, handed to an emitter and thrown away by its
//! transport. A request's time counts from when it was due, whatever became of those before.

#![expect(clippy::print_stdout, reason = "the figures are its result")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod ask;
mod machine;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusBuilder;
use millrace_bus::KafkaSettings;
use millrace_events::{Emitter, EmitterSettings, Outgoing, SendError, SystemClock, Transport};
use millrace_feeds::{FeedStore, FollowerSettings};
use millrace_http::server;
use millrace_recommendation::{Parts, Recommendation, RecommendationSettings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Takes everything at once.
#[derive(Default)]
struct Nowhere(AtomicU64);

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, records: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        self.0.fetch_add(records.len() as u64, Ordering::Relaxed);
        records.iter().map(|_| Ok(())).collect()
    }
}

/// What is asked, and how fast.
#[derive(Debug, Clone, Copy)]
struct Plan {
    members: i64,
    /// Requests a second over all connections; 0: each as soon as the last is answered.
    rate: u64,
    seconds: u64,
    connections: usize,
}

impl Plan {
    fn of_args() -> Self {
        let mut plan = Self { members: 100_000, rate: 5_000, seconds: 10, connections: 32 };
        let mut args = std::env::args().skip(1);
        while let Some(name) = args.next() {
            let value = args.next().and_then(|value| value.parse().ok());
            let value: u64 = value.unwrap_or_else(|| panic!("{name} wants a number"));
            match name.as_str() {
                "--members" => plan.members = i64::try_from(value).unwrap().max(1),
                "--rate" => plan.rate = value,
                "--seconds" => plan.seconds = value,
                "--connections" => plan.connections = usize::try_from(value).unwrap().max(1),
                _ => panic!("--members N, --rate REQUESTS_A_SECOND, --seconds N, --connections N"),
            }
        }
        plan
    }
}

async fn service(impressions: Arc<Nowhere>, folder: &Path) -> Recommendation {
    let clock = Arc::new(SystemClock::default());
    let emitter = |to: Arc<Nowhere>| Emitter::start(to, clock.clone(), EmitterSettings::default());
    Recommendation::start(
        RecommendationSettings::default(),
        Parts {
            // Nobody listens there: what is known is put in by hand.
            following: FollowerSettings::new(KafkaSettings::plain("127.0.0.1:1")),
            store: FeedStore::open(folder).unwrap().store,
            impressions: emitter(impressions).await.unwrap(),
            deletions: emitter(Arc::default()).await.unwrap(),
            fallback: None,
            metrics: Some(PrometheusBuilder::new().install_recorder().unwrap()),
            clock: clock.clone(),
        },
    )
    .unwrap()
}

fn main() {
    let plan = Plan::of_args();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let serving = builder.worker_threads(2).thread_name("server").enable_all().build().unwrap();
    let logged = Arc::new(Nowhere::default());
    let folder = tempfile::tempdir().unwrap();
    let service = serving.block_on(service(Arc::clone(&logged), folder.path()));
    let mut views = service.shelves().views(RecommendationSettings::default().policy);
    world::fill(&mut views);
    let before = machine::rss();
    world::fill_members(&mut views, plan.members);
    let member = machine::rss().saturating_sub(before) / plan.members.cast_unsigned();
    drop(views);
    let listener = serving.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, mut server) = (CancellationToken::new(), JoinSet::new());
    server.spawn_on(server::serve(listener, service.router(), stop.clone()), serving.handle());

    // Connections, caches and the allocator are made before anything is counted.
    ask::all(address, Plan { rate: 0, seconds: 1, ..plan });
    let (cpu, records) = (machine::cpu_seconds("server"), logged.0.load(Ordering::Relaxed));
    let began = Instant::now();
    let mut asked = ask::all(address, plan);
    let wall = began.elapsed().as_secs_f64();
    // What the answers left to be logged is part of their cost.
    std::thread::sleep(Duration::from_millis(100));
    let cpu = machine::cpu_seconds("server") - cpu;
    let logged = (logged.0.load(Ordering::Relaxed) - records) as f64;
    let count = asked.took.len() as f64;
    asked.took.sort_unstable();
    println!("| measured | |");
    println!("|---|---:|");
    println!("| members | {} |", plan.members);
    match plan.rate {
        0 => println!("| requests/s asked | as fast as it goes |"),
        rate => println!("| requests/s asked | {rate} |"),
    }
    println!("| requests/s answered | {:.0} |", count / wall);
    println!("| not answered by a page | {} |", asked.failed);
    for (name, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999), ("longest", 1000)] {
        println!(
            "| {name}, ms from when it was due | {:.2} |",
            machine::at(&asked.took, per_mille)
        );
    }
    println!("| CPU of the server, us a request | {:.0} |", cpu * 1e6 / count);
    println!("| impressions logged a request | {:.1} |", logged / count);
    println!("| bytes of an answer | {:.0} |", asked.bytes as f64 / count);
    println!("| memory of a member with 8 titles, bytes | {member} |");
    println!("| resident memory, MiB | {} |", machine::rss() >> 20);
    println!("| load of the machine, 1 min | {} |", machine::load());
    stop.cancel();
    serving.block_on(server.join_all());
    serving.block_on(service.stop());
}
