//! What a request costs: `load [MEMBERS] [REQUESTS_PER_SECOND] [SECONDS]`.
//!
//! Service, HTTP server and load generator in one process, feeds made up, impressions encoded and
//! thrown away. Requests are sent when they are due, whatever became of those before; how long one
//! took is counted from then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use millrace_bus::KafkaSettings;
use millrace_events::{Emitter, EmitterSettings, Outgoing, SendError, SystemClock, Transport};
use millrace_feeds::{Change, FeedStore, FollowerSettings, View};
use millrace_http::server;
use millrace_recommendation::{Parts, Recommendation, RecommendationSettings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const TITLES: i64 = 5_000;
const COUNTRIES: [&str; 10] = ["US", "GB", "DE", "FR", "JP", "BR", "IN", "MX", "KR", "ES"];
const CONNECTIONS: usize = 64;

/// Takes everything at once.
struct Nowhere(AtomicU64);

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, records: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        self.0.fetch_add(records.len() as u64, Ordering::Relaxed);
        records.iter().map(|_| Ok(())).collect()
    }
}

/// A cheap sequence that looks like chance.
fn mix(n: i64) -> i64 {
    let n = n.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (n ^ (n >> 29)).cast_signed().abs() >> 8
}

/// A small number.
fn real(n: i64) -> f64 {
    f64::from(i32::try_from(n).expect("small"))
}

fn country(member: i64) -> &'static str {
    COUNTRIES[usize::try_from(member % 10).expect("a digit")]
}

fn put(views: &mut [Box<dyn View>], feed: &str, rows: impl Iterator<Item = Value>) {
    let view = views.iter_mut().find(|view| view.feed() == feed).expect("a feed of the service");
    let change = |row: Value| {
        let text = row.to_string();
        Change { key: text.clone().into(), row: Some(text.into()), time_ms: 0 }
    };
    let mut changes = rows.map(change);
    loop {
        let chunk: Vec<_> = changes.by_ref().take(4096).collect();
        if chunk.is_empty() {
            return;
        }
        view.apply(&chunk);
    }
}

fn fill(views: &mut [Box<dyn View>], members: i64) {
    let title = |id: i64| {
        json!({"title_id": id, "name": format!("Title {id}"), "duration_s": 5400,
               "released": format!("20{:02}-{:02}-{:02}", 10 + id % 16, 1 + id % 12, 1 + id % 28),
               "artworks": (0..6).map(|n| id * 10 + n).collect::<Vec<_>>()})
    };
    put(views, "titles", (0..TITLES).map(title));
    let of_countries = COUNTRIES.iter().flat_map(|c| (0..TITLES).map(move |t| (*c, t)));
    let popular = of_countries.map(|(country, t)| {
        json!({"country": country, "title_id": t, "plays": mix(t) % 1000,
               "score": real(mix(t) % 1000) / 7.0, "trend": real(mix(t + 1) % 100) / 50.0})
    });
    put(views, "popularity", popular);
    let top = COUNTRIES.iter().flat_map(|c| (1..=50).map(move |rank| (*c, rank)));
    let top =
        top.map(|(c, rank)| json!({"country": c, "rank": rank, "title_id": mix(rank) % TITLES}));
    put(views, "top_titles", top);
    let similar = (0..TITLES).flat_map(|t| (1..=20).map(move |rank| (t, rank)));
    let similar = similar.map(|(t, rank)| {
        json!({"title_id": t, "rank": rank, "other_id": mix(t * 31 + rank) % TITLES,
               "score": 1.0 / (real(rank) + 1.0)})
    });
    put(views, "similar_titles", similar);
    let policy = (0..TITLES).flat_map(|t| (0..6).map(move |n| (t, n)));
    let policy = policy.map(|(t, n)| {
        json!({"title_id": t, "artwork_id": t * 10 + n, "version": 9, "impressions": 1000,
               "plays": 20 + 10 * n})
    });
    put(views, "artwork_policy", policy);
    let before = rss();
    let member = |m: i64| json!({"member_id": m, "country": country(m)});
    put(views, "members", (0..members).map(member));
    let watched = (0..members).flat_map(|m| (0..8).map(move |n| (m, n)));
    let watched = watched.map(|(m, n)| {
        json!({"member_id": m, "profile_id": 1, "title_id": mix(m * 8 + n) % TITLES,
               "last_watched": format!("2026-11-{:02}T20:00:00Z", 1 + (n + m) % 28),
               "position_s": 100, "duration_s": 5400, "watched_s": 100, "device": "tv",
               "completion": real(mix(m + n) % 100) / 100.0})
    });
    put(views, "history", watched);
    println!("memory of a member with 8 titles: {} bytes", (rss() - before) / members.max(1));
}

/// Resident bytes of this process.
fn rss() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok()).unwrap_or(0) * 4096
}

/// User and system time of this process.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Sends every `CONNECTIONS`th request on one connection, each when it is due.
async fn client(
    address: std::net::SocketAddr,
    first: u64,
    rate: u64,
    until: u64,
    begin: Instant,
    members: i64,
) -> std::io::Result<(Vec<Duration>, u64)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut took, mut failed, mut buffer) = (Vec::new(), 0, Vec::with_capacity(1 << 16));
    let mut number = first;
    while number < until {
        let due = begin + Duration::from_nanos(number * 1_000_000_000 / rate);
        tokio::time::sleep_until(due.into()).await;
        let member = mix(number.cast_signed()) % members;
        let request =
            format!("GET /v1/members/{member}/feed?device=tv HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        let length = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let head = buffer.windows(4).position(|w| w == b"\r\n\r\n");
            let Some(head) = head else { continue };
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|l| l.lines().next());
            break head + 4 + length.and_then(|l| l.trim().parse::<usize>().ok()).unwrap_or(0);
        };
        while buffer.len() < length {
            stream.read_buf(&mut buffer).await?;
        }
        failed += u64::from(!buffer.starts_with(b"HTTP/1.1 200"));
        took.push(due.elapsed());
        number += CONNECTIONS as u64;
    }
    Ok((took, failed))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let mut arg = |default| args.next().unwrap_or(Ok(default));
    let (members, rate, seconds) = (arg(100_000)?.cast_signed(), arg(5_000)?, arg(10)?);
    let folder = tempfile::tempdir()?;
    let clock = Arc::new(SystemClock::default());
    let emitter = || {
        let nowhere = Arc::new(Nowhere(AtomicU64::new(0)));
        Emitter::start(nowhere, clock.clone(), EmitterSettings::default())
    };
    let settings = RecommendationSettings::default();
    let policy = settings.policy;
    let service = Recommendation::start(
        settings,
        Parts {
            // Nobody listens there: what is known is put in by hand.
            following: FollowerSettings::new(KafkaSettings::plain("127.0.0.1:1")),
            store: FeedStore::open(folder.path())?.store,
            impressions: emitter().await?,
            deletions: emitter().await?,
            fallback: None,
            metrics: None,
            clock: clock.clone(),
        },
    )?;
    fill(&mut service.shelves().views(policy), members);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, mut serving) = (CancellationToken::new(), JoinSet::new());
    serving.spawn(server::serve(listener, service.router(), stop.clone()));
    let (begin, before) = (Instant::now(), cpu());
    let mut clients = JoinSet::new();
    for first in 0..CONNECTIONS as u64 {
        clients.spawn(client(address, first, rate, rate * seconds, begin, members));
    }
    let (mut took, mut failed) = (Vec::new(), 0);
    while let Some(done) = clients.join_next().await {
        let (more, missed) = done??;
        took.extend(more);
        failed += missed;
    }
    let (wall, used) = (begin.elapsed(), cpu().saturating_sub(before));
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 1000).min(took.len() - 1)];
    println!(
        "requests {} in {wall:.1?} ({rate} a second asked), not answered {failed}",
        took.len()
    );
    println!(
        "p50 {:.2?}, p99 {:.2?}, p999 {:.2?}, worst {:.2?}",
        at(500),
        at(990),
        at(999),
        at(1000)
    );
    println!(
        "CPU a request, client and logging included: {:.0?}",
        used / u32::try_from(took.len())?
    );
    stop.cancel();
    while serving.join_next().await.is_some() {}
    service.stop().await;
    Ok(())
}
