//! `millrace demo`: real events through the whole platform, and a report of what came of them.
//!
//! ```text
//!  plane ─ apply bundle ─► routes, jobs      feed, fleet ─ Kafka, HTTP ─► streams
//!                               settled: everything dealt with ─► report
//!  catalogue ─► feeds ◄─ jobs      services ◄─ feeds ─► evening: a page, appliances for clients
//!                 └──── impressions of the page ──► jobs
//! ```

mod api;
mod bundle;
mod catalogue;
mod evening;
mod feed;
mod feeds;
mod fleet;
mod report;
mod services;
mod settled;
mod view;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use millrace_bus::{Admin, KafkaSettings};
use millrace_client::Context;
use millrace_events::NoProbe;
use millrace_sinks::Warehouse;
use millrace_spaas::sql::{SqlEngine, SqlLimits};
use millrace_spec::Manifests;

use self::api::Api;
use self::feeds::Feeds;
use self::fleet::Appliances;
use self::services::Services;
use self::view::View;
use crate::cli::{DemoArgs, KafkaArgs, ManifestArgs, SecretArgs, StoreArgs};
use crate::plane::{Plane, PlaneSettings};
use crate::send::ByHttp;
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

/// The feed that the report shows.
const TAKEN: &str = "campaign_take_rate";

/// What the demo's parts have in common.
struct Scene {
    data: PathBuf,
    metrics: PrometheusHandle,
    api: Api,
    door: ByHttp,
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
    declare(&folder, data, plane.http).await?;
    let kafka = KafkaSettings::plain(plane.kafka.clone());
    let warehouse = store::open(store, Arc::new(NoProbe)).await?;
    let tables = Arc::new(Tables(warehouse.clone()));
    let token = std::fs::read_to_string(data.join("admin.token"))?;
    let token = token.trim().to_owned();
    let scene = Scene {
        data: data.to_owned(),
        metrics: plane.metrics.clone(),
        api: Api::new(plane.http, &token),
        door: ByHttp::new(plane.http, Some(token)),
        admin: Admin::new(&kafka).context("the embedded broker")?,
        kafka,
        warehouse,
        engine: SqlEngine::new(tables, SqlLimits::default()),
        manifests: manifests::load(&ManifestArgs { manifests: Some(folder) })?,
    };
    let feeds = Feeds::follow(&scene.kafka, data, &[TAKEN]).await?;
    let outcome = scene.play(&feeds).await;
    if let Ok(good) = &outcome {
        report::queries(data);
        println!("\nstart to report: {:.1} s", started.elapsed().as_secs_f64());
        feeds.stop().await;
        return Ok(if *good { Verdict::Good } else { Verdict::Bad });
    }
    feeds.stop().await;
    outcome.map(|_| Verdict::Bad)
}

/// Declares what is in `folder`, as `millrace apply` does. What grows and why, which that says of
/// each job, stands in the READMEs of the shipped ones.
async fn declare(folder: &Path, data: &Path, http: SocketAddr) -> anyhow::Result<()> {
    let reason = "declared by `millrace demo`";
    let quiet = Context { talk: Box::new(std::io::sink()), ..Context::of_process() };
    if up::declare(folder, data, http, reason, quiet).await? == Verdict::Good {
        return Ok(());
    }
    // Again, for its words.
    let again = up::declare(folder, data, http, reason, Context::of_process()).await?;
    ensure!(again == Verdict::Good, "what ships with the demo was refused");
    Ok(())
}

impl Scene {
    /// Sends everything, waits for what comes of it, and reports; whether all is as it must be.
    async fn play(&self, feeds: &Feeds) -> anyhow::Result<bool> {
        // What an earlier run left in the log is routed first, so that only what is missing is sent
        // again.
        self.routed().await?;
        let sent = feed::replay(self).await?;
        report::sent(&sent);
        let mut view = View::new();
        self.routed().await?;
        let jobs = settled::jobs(&self.api, &mut view).await;
        view.clear();
        report::jobs(&jobs?);
        feeds.caught_up().await?;
        let (rows, complaints) = audit::settled(&self.warehouse).await?;
        let sent = sent.values().map(|sent| sent.total).sum();
        let balanced = report::audit(&self.engine, &rows, &complaints, sent).await?;
        let right = report::taken(&self.engine, &feeds.rows(TAKEN)?).await?;
        report::worth(&self.engine).await?;
        catalogue::write(self).await?;
        let services = Services::start(&self.kafka, &self.data, &self.metrics).await?;
        let outcome = self.evening(&services, feeds).await;
        services.stop().await;
        outcome?;
        Ok(balanced && right)
    }

    /// What the services answer; meanwhile the appliances go on to report.
    async fn evening(&self, services: &Services, feeds: &Feeds) -> anyhow::Result<()> {
        let appliances = Appliances::begin(&self.kafka).await?;
        let (size, clients) = (appliances.size, appliances.clients.clone());
        let title = evening::page(self, services, feeds).await?;
        let stop = CancellationToken::new();
        let asking = async {
            services.know(size).await?;
            evening::steer(services, &clients, title).await
        };
        let asked = async {
            let asked = asking.await;
            stop.cancel();
            asked
        };
        tokio::try_join!(asked, appliances.go_on(stop.clone()))?;
        Ok(())
    }

    async fn routed(&self) -> anyhow::Result<()> {
        settled::routes(&self.admin, &self.warehouse, &self.manifests).await
    }
}
