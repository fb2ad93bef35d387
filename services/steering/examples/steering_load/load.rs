//! Requests over HTTP: one thread serves, one asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusBuilder;
use millrace_events::SystemClock;
use millrace_http::server;
use millrace_steering::api::{Admin, ApiSettings, Parts, router};
use millrace_steering::feeds::Freshness;
use millrace_steering::sign::SigningKey;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::machine;
use crate::world::{World, any_file};

/// What is asked, and how fast.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Files of a request.
    pub(crate) files: usize,
    /// Connections at once.
    pub(crate) connections: usize,
    /// Requests a second over all connections; 0: each as soon as the last is answered.
    pub(crate) rate: u64,
    /// For how long.
    pub(crate) lasting: Duration,
}

pub(crate) fn run(world: &World, plan: &Plan) {
    let serving = runtime("server");
    let stop = CancellationToken::new();
    world.desk.set_freshness(Freshness { heard_ms: Some(i64::MAX / 2), exists: true });
    let recorder = PrometheusBuilder::new().build_recorder();
    let app = router(Parts {
        desk: Arc::clone(&world.desk),
        feeds: None,
        key: SigningKey::new(&[7; 32]).unwrap(),
        admin: Admin::Open,
        clock: Arc::new(SystemClock::default()),
        metrics: recorder.handle(),
        settings: ApiSettings::default(),
    });
    let listener = serving.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn_on(server::serve(listener, app, stop.clone()), serving.handle());

    let requests = Arc::new(requests(world, plan.files));
    let asking = runtime("generator");
    let (cpu_serving, cpu_asking) = (machine::cpu_seconds("server"), machine::cpu_seconds("gen"));
    let started = Instant::now();
    let (mut took, bytes) = asking.block_on(ask(address, plan.clone(), requests));
    let wall = started.elapsed().as_secs_f64();
    let (cpu_serving, cpu_asking) =
        (machine::cpu_seconds("server") - cpu_serving, machine::cpu_seconds("gen") - cpu_asking);
    let count = took.len() as f64;
    println!(
        "HTTP, {} file(s), {} connections: {:.0} requests/s over {wall:.1} s, {}; {:.0} bytes an \
         answer; CPU-seconds: server {cpu_serving:.2} ({:.0} requests each), generator \
         {cpu_asking:.2}; both on two cores of their own: {:.0} requests/s",
        plan.files,
        plan.connections,
        count / wall,
        machine::percentiles(&mut took),
        bytes as f64 / count,
        count / cpu_serving,
        count / cpu_serving.max(cpu_asking),
    );
    stop.cancel();
    serving.block_on(server.join_all());
}

/// One thread, so that the server and the generator have a core each.
fn runtime(name: &'static str) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).thread_name(name).enable_all().build().unwrap()
}

/// Whole requests, made before.
fn requests(world: &World, files: usize) -> Vec<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(11);
    let ranges: Vec<_> = world.fleet().asn.ranges().collect();
    let request = |_| {
        let ip = ranges[rng.random_range(0..ranges.len())].1;
        let files: Vec<_> = (0..files).map(|_| any_file(&mut rng)).collect();
        let body = serde_json::json!({"client_ip": ip, "files": files}).to_string();
        let head = "POST /v1/steer HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ";
        format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
    };
    (0..50_000).map(request).collect()
}

/// The time of each request, and the bytes of all answers.
async fn ask(
    address: SocketAddr,
    plan: Plan,
    requests: Arc<Vec<Vec<u8>>>,
) -> (Vec<Duration>, usize) {
    let mut clients = JoinSet::new();
    for no in 0..plan.connections {
        clients.spawn(client(address, plan.clone(), Arc::clone(&requests), no));
    }
    let (mut all, mut bytes) = (Vec::new(), 0);
    for (took, more) in clients.join_all().await {
        all.extend(took);
        bytes += more;
    }
    (all, bytes)
}

async fn client(
    address: SocketAddr,
    plan: Plan,
    requests: Arc<Vec<Vec<u8>>>,
    no: usize,
) -> (Vec<Duration>, usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 256 << 10];
    let (mut took, mut bytes) = (Vec::with_capacity(1 << 20), 0);
    let started = Instant::now();
    let gap = match plan.rate {
        0 => Duration::ZERO,
        rate => Duration::from_secs_f64(plan.connections as f64 / rate as f64),
    };
    for turn in 0.. {
        // Of a rate, time counts from when a request was due, not from when it was sent.
        let due = started + gap * turn;
        let mut now = Instant::now();
        if now.duration_since(started) > plan.lasting {
            break;
        }
        // Timers of the runtime are good to a millisecond, which is what is to be measured.
        while due > now {
            tokio::task::yield_now().await;
            now = Instant::now();
        }
        let from = if plan.rate == 0 { now } else { due };
        let index = (no * 7919 + usize::try_from(turn).unwrap()) % requests.len();
        stream.write_all(&requests[index]).await.unwrap();
        bytes += answer(&mut stream, &mut buffer).await;
        took.push(from.elapsed());
    }
    (took, bytes)
}

/// Reads one answer, which must be 200; its length.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let (mut have, mut want) = (0, usize::MAX);
    while have < want {
        let more = stream.read(&mut buffer[have..]).await.unwrap();
        assert!(more > 0, "the server hung up");
        have += more;
        if want == usize::MAX
            && let Some(end) = buffer[..have].windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            let head = std::str::from_utf8(&buffer[..end]).unwrap();
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            want = end + 4 + length.unwrap().parse::<usize>().unwrap();
        }
    }
    assert_eq!(have, want, "one answer at a time");
    have
}
