//! `millrace demo`: real events through both doors, into tables, and a report of what came of them.

mod feed;
mod report;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_spaas::sql::{SqlEngine, SqlLimits};
use millrace_spec::Manifests;

use crate::cli::{DemoArgs, KafkaArgs, ManifestArgs, SecretArgs, StoreArgs, WorkArgs};
use crate::platform::{Platform, Settings};
use crate::store::Tables;
use crate::{Verdict, audit, manifests};

/// How often the tables are looked at while the routes catch up.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Verdict> {
    let started = Instant::now();
    let manifests = manifests::load(&ManifestArgs { manifests: None })?;
    let any = "127.0.0.1:0".parse()?;
    let settings = Settings {
        store: StoreArgs { data: args.data.clone(), store: None },
        kafka: KafkaArgs { kafka: None, properties: Vec::new() },
        secrets: SecretArgs { secrets: None },
        work: WorkArgs {
            memory: args.memory,
            group: "demo".into(),
            alone: true,
            session_timeout: Duration::from_secs(10),
            until_idle: None,
        },
        listen: Some(any),
        broker_listen: Some(any),
        allow_external: false,
        api: true,
    };
    let platform = Platform::start(&settings, &manifests).await?;
    let outcome = show(&platform, &manifests, &args, started).await;
    platform.stop().await;
    outcome
}

async fn show(
    platform: &Platform,
    manifests: &Manifests,
    args: &DemoArgs,
    started: Instant,
) -> anyhow::Result<Verdict> {
    let http = platform.http.expect("the demo always listens");
    report::welcome(&args.data, &platform.parts.kafka.bootstrap, http);
    let engine = SqlEngine::new(
        std::sync::Arc::new(Tables(platform.parts.warehouse.clone())),
        SqlLimits::default(),
    );
    // What an earlier run left in the log is routed first, so that only what is missing is sent
    // again.
    platform.idle(Duration::ZERO).await?;
    let sent = feed::replay(platform, &engine, http).await?;
    report::sent(&sent);
    settle(platform, manifests, &sent).await?;
    let (rows, complaints) = audit::settled(&platform.parts.warehouse).await?;
    let good = report::results(&engine, &rows, &complaints, &sent).await?;
    report::queries(&args.data);
    println!("\nstart to report: {:.1} s", started.elapsed().as_secs_f64());
    Ok(if good { Verdict::Good } else { Verdict::Bad })
}

/// Waits until every route has accounted for every event of its stream.
async fn settle(
    platform: &Platform,
    manifests: &Manifests,
    sent: &BTreeMap<String, feed::Sent>,
) -> anyhow::Result<()> {
    loop {
        let status = platform.status();
        let done = manifests.routes.iter().all(|route| {
            let expected = sent.get(route.from.as_str()).map_or(0, |s| s.total);
            let found = status.routes.get(route.name.as_str()).map_or(0, |r| {
                let ledgers = r.partitions.values().map(|p| p.ledger);
                ledgers.map(|l| l.written + l.filtered + l.dead).sum()
            });
            found >= expected
        });
        if done {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = platform.broken() => anyhow::bail!("a thread of the router died; see the log"),
        }
    }
}
