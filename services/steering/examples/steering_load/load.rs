//! Requests over HTTP: one thread serves, others ask, as fast as it goes or at a rate.

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

use crate::world::{World, any_file};
use crate::{machine, paced};

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
    let cpu_serving = machine::cpu_seconds("server");
    let started = Instant::now();
    let mut asked = match plan.rate {
        0 => as_fast_as_it_goes(address, plan, requests),
        rate => paced::ask(address, plan, rate, &requests),
    };
    let wall = started.elapsed().as_secs_f64();
    let cpu_serving = machine::cpu_seconds("server") - cpu_serving;
    let count = asked.took.len() as f64;
    println!(
        "HTTP, {} file(s), {} connections: {:.0} requests/s over {wall:.1} s, {}; {:.0} bytes an \
         answer; CPU-seconds: server {cpu_serving:.2} ({:.1} us a request), generator {:.2} ({:.1} \
         us); load of the machine {}",
        plan.files,
        plan.connections,
        count / wall,
        machine::percentiles(&mut asked.took),
        asked.bytes as f64 / count,
        cpu_serving / count * 1e6,
        asked.cpu_seconds,
        asked.cpu_seconds / count * 1e6,
        machine::load(),
    );
    stop.cancel();
    serving.block_on(server.join_all());
}

/// What came of asking.
pub(crate) struct Asked {
    /// The time of each request.
    pub(crate) took: Vec<Duration>,
    /// Bytes of all answers.
    pub(crate) bytes: usize,
    /// CPU-seconds of the threads that asked.
    pub(crate) cpu_seconds: f64,
}

fn as_fast_as_it_goes(address: SocketAddr, plan: &Plan, requests: Arc<Vec<Vec<u8>>>) -> Asked {
    let asking = runtime("generator");
    let (took, bytes) = asking.block_on(ask(address, plan.clone(), requests));
    Asked { took, bytes, cpu_seconds: machine::cpu_seconds("generator") }
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
    for turn in 0.. {
        let now = Instant::now();
        if now.duration_since(started) > plan.lasting {
            break;
        }
        let index = (no * 7919 + turn) % requests.len();
        stream.write_all(&requests[index]).await.unwrap();
        bytes += answer(&mut stream, &mut buffer).await;
        took.push(now.elapsed());
    }
    (took, bytes)
}

/// Reads one answer, which must be 200; its length.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut have = 0;
    loop {
        let more = stream.read(&mut buffer[have..]).await.unwrap();
        assert!(more > 0, "the server hung up");
        have += more;
        if let Some(length) = whole(&buffer[..have]) {
            assert_eq!(have, length, "one answer at a time");
            return have;
        }
    }
}

/// The length of the answer that `bytes` begin with, if all of it is there.
pub(crate) fn whole(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = end + 4 + length.unwrap().parse::<usize>().unwrap();
    (length <= bytes.len()).then_some(length)
}
