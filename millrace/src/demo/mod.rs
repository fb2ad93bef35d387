//! `millrace demo`: real events through the whole platform, and a report of what came of them.
//!
//! ```text
//!  plane ─ apply bundle ─► routes, jobs      feed ─ Kafka, HTTP ─► streams
//!                               settled: everything dealt with ─► report
//! ```

mod bundle;
mod feed;
mod report;
mod settled;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};

use millrace_bus::{Admin, KafkaSettings};
use millrace_events::NoProbe;
use millrace_sinks::Warehouse;
use millrace_spaas::sql::{SqlEngine, SqlLimits};
use millrace_spec::Manifests;

use crate::cli::{DemoArgs, KafkaArgs, ManifestArgs, SecretArgs, StoreArgs};
use crate::plane::{Plane, PlaneSettings};
use crate::signals::Signals;
use crate::store::{self, Tables};
use crate::{Verdict, audit, manifests, up};

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Verdict> {
    let started = Instant::now();
    // Listening comes first: whatever ends the demo, its workers end with it.
    let mut signals = Signals::listen()?;
    let any = "127.0.0.1:0".parse()?;
    let settings = PlaneSettings {
        store: StoreArgs { data: args.data.clone(), store: None },
        kafka: KafkaArgs { kafka: None, properties: Vec::new() },
        secrets: SecretArgs { secrets: None },
        goals: None,
        memory: args.memory,
        listen: any,
        broker_listen: any,
        allow_external: false,
        keep_workers: false,
        cgroup: None,
    };
    let plane = tokio::select! {
        plane = Plane::start(&settings) => plane?,
        () = signals.came() => return Ok(Verdict::Bad),
    };
    let outcome = tokio::select! {
        outcome = show(&plane, &settings.store, started) => outcome,
        () = signals.came() => Ok(Verdict::Bad),
    };
    plane.stop().await;
    outcome
}

/// What the demo's parts have in common.
struct Scene<'a> {
    plane: &'a Plane,
    data: &'a Path,
    kafka: KafkaSettings,
    admin: Admin,
    warehouse: Warehouse,
    engine: SqlEngine,
    manifests: Manifests,
}

async fn show(plane: &Plane, store: &StoreArgs, started: Instant) -> anyhow::Result<Verdict> {
    let data = store.data.as_path();
    report::welcome(data, &plane.kafka, plane.http);
    plane.announce()?;
    let folder = bundle::write(data)?;
    let declared = up::declare(&folder, data, plane.http, "declared by `millrace demo`").await?;
    ensure!(declared == Verdict::Good, "what ships with the demo was refused");
    let kafka = KafkaSettings::plain(plane.kafka.clone());
    let warehouse = store::open(store, Arc::new(NoProbe)).await?;
    let tables = Arc::new(Tables(warehouse.clone()));
    let scene = Scene {
        plane,
        data,
        admin: Admin::new(&kafka).context("the embedded broker")?,
        kafka,
        warehouse,
        engine: SqlEngine::new(tables, SqlLimits::default()),
        manifests: manifests::load(&ManifestArgs { manifests: Some(folder) })?,
    };
    // What an earlier run left in the log is routed first, so that only what is missing is sent
    // again.
    scene.settle().await?;
    let sent = feed::replay(&scene).await?;
    report::sent(&sent);
    scene.settle().await?;
    let (rows, complaints) = audit::settled(&scene.warehouse).await?;
    let good = report::results(&scene.engine, &rows, &complaints, &sent).await?;
    report::queries(data);
    println!("\nstart to report: {:.1} s", started.elapsed().as_secs_f64());
    Ok(if good { Verdict::Good } else { Verdict::Bad })
}

impl Scene<'_> {
    async fn settle(&self) -> anyhow::Result<()> {
        settled::routes(&self.admin, &self.warehouse, &self.manifests).await
    }
}
