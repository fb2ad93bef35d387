//! The server on real sockets: slow clients, graceful and forced stop, refusals that arrive.

#![expect(clippy::disallowed_methods, reason = "each test joins the tasks it spawns")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use millrace_events::{Budget, Outgoing, SendError, StreamSchema, Transport};
use millrace_http::server::{ServeSettings, check_listen, serve_with};
use millrace_spaas::ingest::{self, IngestSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Running {
    async fn start(app: Router, settings: ServeSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve_with(listener, app, stop.clone(), settings));
        Self { address, stop, server }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn stop(self) {
        self.stop.cancel();
        self.server.await.expect("the server does not panic");
    }

    /// What the server answers to `bytes` sent on a connection of their own, up to its closing.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("listening");
        stream.write_all(bytes).await.expect("open");
        let mut answer = Vec::new();
        // A reset instead of an orderly end is an end as well.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// Answers `/wait` when it gets a permit, having said that it was called.
fn waiting() -> (Router, Arc<Semaphore>, Arc<Semaphore>) {
    let (called, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (called, gate) = (Arc::clone(&called), Arc::clone(&gate));
        move || async move {
            called.add_permits(1);
            gate.acquire().await.expect("never closed").forget();
            "done"
        }
    };
    (Router::new().route("/wait", get(handler)), called, gate)
}

#[test]
fn only_loopback_is_listened_on_unless_allowed() {
    for local in ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert_eq!(check_listen(local.parse().expect("an address"), false), Ok(()), "{local}");
    }
    for open in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "[::ffff:10.0.0.1]:80"] {
        let address = open.parse().expect("an address");
        let error = check_listen(address, false).expect_err(open).to_string();
        assert!(error.contains("127.0.0.1"), "{error}");
        assert_eq!(check_listen(address, true), Ok(()));
    }
}

#[tokio::test]
async fn handlers_learn_who_calls() {
    let app = Router::new().route(
        "/who",
        get(|ConnectInfo(remote): ConnectInfo<SocketAddr>| async move { remote.ip().to_string() }),
    );
    let server = Running::start(app, ServeSettings::default()).await;
    let answer = client().get(server.url("/who")).send().await.expect("answered");
    assert_eq!(answer.text().await.expect("text"), "127.0.0.1");
    server.stop().await;
}

#[tokio::test]
async fn open_requests_are_answered_before_the_server_is_gone() {
    let (app, called, gate) = waiting();
    let server = Running::start(app, ServeSettings::default()).await;
    let (address, url) = (server.address, server.url("/wait"));
    let request = tokio::spawn(async move { client().get(url).send().await?.text().await });
    called.acquire().await.expect("never closed").forget();
    server.stop.cancel();
    gate.add_permits(1);
    assert_eq!(request.await.expect("joined").expect("answered"), "done");
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_stop() {
    let server = Running::start(waiting().0, ServeSettings::default()).await;
    let mut idle = TcpStream::connect(server.address).await.expect("listening");
    server.stop().await;
    let mut rest = Vec::new();
    let read = idle.read_to_end(&mut rest).await;
    assert!(rest.is_empty() && read.unwrap_or(0) == 0);
}

#[tokio::test]
async fn requests_that_never_end_are_cut_at_the_deadline() {
    let (app, called, _gate) = waiting();
    let shutdown_deadline = Duration::from_millis(10);
    let settings = ServeSettings { shutdown_deadline, ..ServeSettings::default() };
    let server = Running::start(app, settings).await;
    let url = server.url("/wait");
    let request = tokio::spawn(async move { client().get(url).send().await });
    called.acquire().await.expect("never closed").forget();
    server.stop().await;
    assert!(request.await.expect("joined").is_err());
}

#[tokio::test]
async fn a_header_or_body_that_drips_is_given_up() {
    let app = Router::new().route("/", post(|body: Bytes| async move { body.len().to_string() }));
    let settings = ServeSettings {
        header_timeout: Duration::from_millis(30),
        body_stall_timeout: Duration::from_millis(30),
        ..ServeSettings::default()
    };
    let server = Running::start(app, settings).await;
    // Each returns because the server closes; the client never would.
    server.raw(b"POST / HTTP/1.1\r\nHost: a\r\nX-Slow").await;
    let answer = server.raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx").await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn oversized_and_malformed_headers_are_refused() {
    let settings = ServeSettings { max_header_bytes: 8 << 10, ..ServeSettings::default() };
    let server = Running::start(waiting().0, settings).await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20 << 10));
    let answer = server.raw(long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{answer}");
    for bad in ["GET / HTTP/1.1\r\nA b: c\r\n\r\n", "\0\0\0\r\n\r\n"] {
        assert!(server.raw(bad.as_bytes()).await.starts_with("HTTP/1.1 400"), "{bad:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn names_that_are_not_ours_are_refused_while_only_this_machine_connects() {
    let app = || Router::new().route("/", get(|| async { "here" }));
    let request =
        |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let settings =
        ServeSettings { hosts: vec!["data.test".to_owned()], ..ServeSettings::default() };
    let server = Running::start(app(), settings).await;
    for known in
        ["127.0.0.1", "127.0.0.1:99", "[::1]:99", "localhost:8080", "LOCALHOST", "data.test"]
    {
        let answer = server.raw(request(known).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{known}: {answer}");
    }
    for stranger in
        ["evil.test", "localhost.evil.test", "a@localhost.evil.test", "127.0.0.1.evil.test", ""]
    {
        let answer = server.raw(request(stranger).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{stranger}: {answer}");
        assert!(!answer.contains("here"));
    }
    server.stop().await;
    let settings = ServeSettings { hosts: vec!["*".to_owned()], ..ServeSettings::default() };
    let server = Running::start(app(), settings).await;
    assert!(server.raw(request("evil.test").as_bytes()).await.starts_with("HTTP/1.1 200"));
    server.stop().await;
}

#[tokio::test]
async fn a_handler_that_panics_takes_only_its_connection_along() {
    let app = waiting().0.route("/panic", get(|| async { panic!("as the test wants") as &str }));
    let app = app.route("/fine", get(|| async { "fine" }));
    let server = Running::start(app, ServeSettings::default()).await;
    assert!(client().get(server.url("/panic")).send().await.is_err());
    let answer = client().get(server.url("/fine")).send().await.expect("answered");
    assert_eq!(answer.text().await.expect("text"), "fine");
    server.stop().await;
}

struct Accepting;

#[async_trait::async_trait]
impl Transport for Accepting {
    async fn send(&self, records: Vec<Outgoing>) -> Vec<Result<(), SendError>> {
        records.iter().map(|_| Ok(())).collect()
    }
}

fn ingest_app() -> Router {
    let schema = StreamSchema {
        name: "s".parse().expect("a name"),
        topic: "s".to_owned(),
        partitions: 1,
        key: None,
        id: None,
        event_time: None,
        columns: Vec::new(),
    };
    let streams = [(schema.name.clone(), Arc::new(schema))].into();
    let settings = IngestSettings::new(Budget::new("ingest", 64 << 20));
    let streams = ingest::StreamSet::new(&settings.limits, streams);
    ingest::router(settings, Arc::new(Accepting), streams)
}

#[tokio::test]
async fn events_pass_over_a_socket_and_a_refusal_reaches_a_client_still_sending() {
    let server = Running::start(ingest_app(), ServeSettings::default()).await;
    let send = |body: Vec<u8>| {
        let request = client().post(server.url("/v1/streams/s/events"));
        request.header("content-type", "application/x-ndjson").body(body).send()
    };
    let answer = send(b"{}\n{\"a\":1}\n".to_vec()).await.expect("answered");
    assert_eq!(answer.status(), 202);
    let json: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!((&json["accepted"], json["ids"].as_array().map(Vec::len)), (&2.into(), Some(2)));
    let answer = send(vec![b' '; 20 << 20]).await.expect("answered, not reset");
    assert_eq!(answer.status(), 413);
    server.stop().await;
}
