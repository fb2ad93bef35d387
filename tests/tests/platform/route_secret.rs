//! A secret that is missing stops the routes that need it and no other; its place says so, and they
//! go on once it is there.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use millrace_tests::{Api, Site, eventually};

const ROUTES: &str = "/namespaces/default/routes";

fn manifests(url: &str, secret: &str) -> String {
    format!(
        "kind: Stream
metadata: {{ name: words }}
spec:
  format: json
  id: event_id
  columns:
    - {{ name: event_id, type: string }}
    - {{ name: word, type: string }}
---
kind: Stream
metadata: {{ name: far }}
spec:
  format: json
  connection: elsewhere
  columns:
    - {{ name: word, type: string }}
---
kind: Connection
metadata: {{ name: elsewhere }}
spec: {{ kafka: {{ bootstrap: \"127.0.0.1:1\" }} }}
---
kind: Connection
metadata: {{ name: hook }}
spec: {{ http: {{}}, secrets: {{ authorization: \"file:{secret}\" }} }}
---
kind: Route
metadata: {{ name: kept }}
spec: {{ from: words, to: {{ table: raw.words }}, roll: {{ every: 100ms }} }}
---
kind: Route
metadata: {{ name: from-afar }}
spec: {{ from: far, to: {{ table: raw.far }} }}
---
kind: Route
metadata: {{ name: told }}
spec:
  from: words
  to: {{ http: {{ url: \"{url}\", connection: hook, allow_private: true }} }}
  roll: {{ every: 100ms }}
"
    )
}

async fn status(api: &Api, route: &str) -> Result<Value> {
    Ok(api.get(&format!("{ROUTES}/{route}/status")).await?.is(200)?.json)
}

async fn is_in(api: &Api, route: &str, phase: &str) -> Result<Value> {
    eventually(&format!("{route} is {phase}"), async || {
        let seen = status(api, route).await?;
        Ok((seen["phase"] == phase).then_some(seen))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_stops_its_own_route_only() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/in", listener.local_addr()?);
    let seen = Arc::<Mutex<Vec<HeaderMap>>>::default();
    let taken = Arc::clone(&seen);
    let app = Router::new().fallback(async move |headers: HeaderMap| {
        taken.lock().unwrap_or_else(PoisonError::into_inner).push(headers);
    });
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, app).await });

    let site = Site::empty()?;
    let secret = site.path("data/secrets/hook");
    std::fs::create_dir(site.path("manifests"))?;
    site.manifests(&manifests(&url, &secret.display().to_string()))?;
    let mut platform = site.up(None)?;
    let ready = platform.ready().await?;
    let api = Api::admin(&site.path("data"), ready["http"].as_str().context("an address")?)?;
    let event = |n: u64| json!({ "event_id": format!("e{n}"), "word": "hm" });
    api.emit("words", &[event(1)]).await?;
    let rows = async |least: usize| {
        let found = eventually("rows of the other route", async || {
            let rows = api.sql("SELECT event_id FROM raw.words").await?;
            Ok(rows.filter(|rows| rows.len() >= least))
        });
        found.await.with_context(|| site.logs())
    };
    rows(1).await?;
    is_in(&api, "kept", "running").await?;
    let failing = is_in(&api, "told", "failing").await.with_context(|| site.logs())?;
    let reason = failing["reason"].as_str().context("a reason")?;
    ensure!(reason.contains("connection `hook`") && reason.contains("secrets/hook"), "{reason}");
    let far = is_in(&api, "from-afar", "failing").await?;
    ensure!(far["reason"].as_str().is_some_and(|why| why.contains("another cluster")), "{far:#}");
    ensure!(site.logs().contains("connection `hook`"), "the log says nothing");
    ensure!(api.get(&format!("{ROUTES}/none/status")).await?.status == 404);

    std::fs::create_dir_all(site.path("data/secrets"))?;
    std::fs::write(&secret, "Bearer of-the-hook\n")?;
    is_in(&api, "told", "running").await.with_context(|| site.logs())?;
    api.emit("words", &[event(2)]).await?;
    rows(2).await?;
    let sent = eventually("what the route tells", async || {
        Ok(seen.lock().unwrap_or_else(PoisonError::into_inner).first().cloned())
    });
    assert_eq!(sent.await?["authorization"], "Bearer of-the-hook");
    platform.stop().await?;
    serving.shutdown().await;
    Ok(())
}
