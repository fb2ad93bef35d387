//! `millrace up` and `millrace router`: run until told to end.

use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use millrace_spec::Manifests;

use crate::cli::{RouterArgs, UpArgs};
use crate::platform::{Platform, Settings};
use crate::{Verdict, manifests};

/// `millrace up`.
pub(crate) async fn up(args: UpArgs) -> anyhow::Result<Verdict> {
    let manifests = manifests::load(&args.manifests)?;
    if args.manifests.manifests.is_none() {
        eprintln!("no -f DIR: running the streams and routes of the demo");
    }
    let settings = Settings {
        store: args.store,
        kafka: args.kafka,
        work: args.work,
        listen: Some(args.listen),
        broker_listen: Some(args.broker_listen),
        allow_external: args.allow_external,
        api: true,
    };
    run(settings, &manifests).await
}

/// `millrace router`.
pub(crate) async fn router(args: RouterArgs) -> anyhow::Result<Verdict> {
    let manifests = manifests::load(&args.manifests)?;
    let settings = Settings {
        store: args.store,
        kafka: args.kafka,
        work: args.work,
        listen: args.listen,
        broker_listen: None,
        allow_external: args.allow_external,
        api: false,
    };
    run(settings, &manifests).await
}

async fn run(settings: Settings, manifests: &Manifests) -> anyhow::Result<Verdict> {
    // Listening comes first, so that a signal during the start ends it in order as well.
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let platform = tokio::select! {
        started = Platform::start(&settings, manifests) => started?,
        _ = term.recv() => return Ok(Verdict::Good),
        _ = interrupt.recv() => return Ok(Verdict::Good),
    };
    if let Some(http) = platform.http {
        println!("HTTP   http://{http}");
    }
    println!("Kafka  {}", platform.parts.kafka.bootstrap);
    let until_idle = async {
        match settings.work.until_idle {
            Some(quiet) => platform.idle(quiet).await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        _ = term.recv() => Ok(Verdict::Good),
        _ = interrupt.recv() => Ok(Verdict::Good),
        idle = until_idle => idle.map(|()| Verdict::Good),
        () = platform.broken() => Err(anyhow::anyhow!("a thread of the router died; see the log")),
    };
    info!("stopping: committing what is written");
    platform.stop().await;
    outcome
}
