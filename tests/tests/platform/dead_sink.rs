//! A dead destination stops its own route and no other, and gets everything once it is back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use millrace_bus::testing::TestBroker;
use millrace_tests::{Acked, EventMaker, KafkaWriter, Site, eventually, manifests};

const TABLE: &str = "raw.plays";

type Seen = Arc<Mutex<BTreeSet<String>>>;

fn manifests_with_http(name: &str, address: SocketAddr) -> String {
    format!(
        "{}---
kind: Route
metadata: {{ name: {name}-http }}
spec:
  from: {name}
  where: kind <> 'debug'
  to: {{ http: {{ url: \"http://{address}/events\", allow_private: true }} }}
  roll: {{ bytes: 16KiB, every: 100ms, idle: 50ms }}
",
        manifests(name, "plays", 2)
    )
}

/// Takes batches of events as a JSON array, as JSON lines or wrapped, and keeps their ids.
async fn take(State(seen): State<Seen>, body: String) -> StatusCode {
    let ids = body.split("\"event_id\":").skip(1).filter_map(|rest| rest.split('"').nth(1));
    seen.lock().expect("no holder panics").extend(ids.map(str::to_owned));
    StatusCode::OK
}

/// Reserves an address where nobody listens: bound, so that nobody else gets it.
fn reserve() -> Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

async fn delivered(seen: &Seen, acked: &Acked) -> Result<()> {
    eventually("every id at the endpoint", async || {
        Ok(acked.written.is_subset(&seen.lock().expect("no holder panics")).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_stops_its_own_route_only() -> Result<()> {
    let broker = TestBroker::start().await;
    let (kafka, name) = (broker.settings(), broker.topic("dead-sink"));
    let (socket, address) = reserve()?;
    let site = Site::new(&manifests_with_http(&name, address))?;
    let writer = KafkaWriter::open(&kafka, &name, 2).await?;
    let mut maker = EventMaker::new(&name, 3);

    let router = site.router("router", &kafka, &["--alone", "--memory", "64MiB"])?;
    let tables = site.tables().await?;
    let mut acked = Acked::default();
    for _ in 0..5 {
        acked.merge(writer.write(&maker.take(200)).await?);
        tables.will_hold(TABLE, &acked).await?;
    }

    // It comes back: what it missed arrives, and the table moves on beside it.
    let seen = Seen::default();
    let service = Router::new().route("/events", post(take)).with_state(seen.clone());
    let listener: TcpListener = socket.listen(64)?;
    let mut servers = JoinSet::new();
    servers.spawn(async move { axum::serve(listener, service).await });
    delivered(&seen, &acked).await?;
    acked.merge(writer.write(&maker.take(200)).await?);
    tables.will_hold(TABLE, &acked).await?;
    delivered(&seen, &acked).await?;

    router.stop().await?;
    servers.shutdown().await;
    tables.must_hold(TABLE, &name, &acked).await?;
    assert_eq!(*seen.lock().expect("no holder panics"), acked.written, "nothing but what passed");
    site.audit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_with_a_dead_endpoint_stops_when_asked() -> Result<()> {
    let broker = TestBroker::start().await;
    let (kafka, name) = (broker.settings(), broker.topic("dead-sink"));
    let (_reserved, address) = reserve()?;
    let site = Site::new(&manifests_with_http(&name, address))?;
    let writer = KafkaWriter::open(&kafka, &name, 2).await?;
    let acked = writer.write(&EventMaker::new(&name, 4).take(200)).await?;

    let router = site.router("router", &kafka, &["--alone"])?;
    let tables = site.tables().await?;
    tables.will_hold(TABLE, &acked).await?;
    router.stop().await?;
    tables.must_hold(TABLE, &name, &acked).await?;
    site.audit().await
}
