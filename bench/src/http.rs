//! HTTP ingest: events acknowledged per second, and how long a request waits for its
//! acknowledgement.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::events::{self, Size};
use crate::process;
use crate::site::Site;
use crate::table::{Row, Table};

/// Clients at once, requests of each, events of a request.
const PLANS: [(usize, usize, usize); 2] = [(8, 300, 1), (8, 60, 500)];

fn start(site: &Site) -> anyhow::Result<(Child, std::path::PathBuf)> {
    let folder = site.folder("http")?;
    let stream = events::manifest("http", 4);
    let route = "---\nkind: Route\nmetadata: { name: http }\nspec:\n  from: http\n  \
                 to: { table: raw.http }\n";
    std::fs::write(folder.join("manifests.yaml"), stream + route)?;
    let child = Command::new(&site.binary)
        .args(["up", "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"])
        .arg("--data")
        .arg(&folder)
        .arg("-f")
        .arg(folder.join("manifests.yaml"))
        .stdout(Stdio::null())
        .env("RUST_LOG", "warn")
        .spawn()?;
    Ok((child, folder))
}

async fn address(folder: &std::path::Path) -> anyhow::Result<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(text) = std::fs::read(folder.join("run.json")) {
            let run: serde_json::Value = serde_json::from_slice(&text)?;
            return Ok(run["http"].as_str().context("run.json names no HTTP address")?.to_owned());
        }
        anyhow::ensure!(Instant::now() < deadline, "the platform does not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Measures both plans on one platform.
pub(crate) async fn run(site: &Site, table: &mut Table) -> anyhow::Result<()> {
    let (mut child, folder) = start(site)?;
    let outcome = async {
        let url = format!("http://{}/v1/streams/http/events", address(&folder).await?);
        for (clients, requests, events) in PLANS {
            let before = process::usage(child.id()).unwrap_or_default();
            let row = post(&url, clients, requests, events).await?;
            let after = process::usage(child.id()).unwrap_or_default();
            let cpu = after.cpu.saturating_sub(before.cpu);
            table.add(Row { cpu, rss_bytes: after.rss_bytes, ..row });
        }
        anyhow::Ok(())
    };
    let outcome = outcome.await;
    Command::new("kill").arg(child.id().to_string()).status()?;
    child.wait()?;
    outcome
}

async fn post(url: &str, clients: usize, requests: usize, events: usize) -> anyhow::Result<Row> {
    let mut body = Vec::new();
    for n in 0..events as u64 {
        body.extend(events::event(n, Size::Half));
        body.push(b'\n');
    }
    let body = Arc::new(bytes::Bytes::from(body));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (url, body) = (url.to_owned(), Arc::clone(&body));
        tasks.spawn(async move {
            let client = reqwest::Client::new();
            let mut waits = Vec::with_capacity(requests);
            for _ in 0..requests {
                let sent = Instant::now();
                let request = client.post(&url).header("content-type", "application/x-ndjson");
                let answer = request.body(body.as_ref().clone()).send().await?;
                anyhow::ensure!(
                    answer.status() == 202,
                    "{}: {}",
                    answer.status(),
                    answer.text().await?
                );
                waits.push(sent.elapsed());
            }
            Ok(waits)
        });
    }
    let mut waits = Vec::new();
    for client in tasks.join_all().await {
        waits.extend(client?);
    }
    let wall = started.elapsed();
    waits.sort();
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    let total = (clients * requests * events) as u64;
    let per_second = u128::from(total) * 1000 / wall.as_millis().max(1);
    Ok(Row {
        name: format!("http: {clients} clients, {events} events a request"),
        events: total,
        bytes: (clients * requests * body.len()) as u64,
        wall,
        note: format!(
            "p50 {:.1} ms, p99 {:.1} ms, {per_second} ev/s acknowledged; CPU is broker, ingest and router",
            at(50).as_secs_f64() * 1e3,
            at(99).as_secs_f64() * 1e3
        ),
        ..Row::default()
    })
}
