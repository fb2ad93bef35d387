//! `millrace up` and `millrace router`: run until told to end.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use clap::{CommandFactory, Parser};
use tracing::info;

use millrace_client::{Context, ControlCommand, ExitKind};

use crate::cli::{RouterArgs, UpArgs};
use crate::plane::{Plane, PlaneSettings};
use crate::platform::{Platform, Settings};
use crate::signals::Signals;
use crate::{Verdict, manifests};

/// `millrace up`.
pub(crate) async fn up(args: UpArgs) -> anyhow::Result<Verdict> {
    let mut signals = Signals::listen()?;
    let settings = PlaneSettings {
        store: args.store,
        kafka: args.kafka,
        secrets: args.secrets,
        goals: args.goals,
        memory: args.memory,
        listen: args.listen,
        broker_listen: args.broker_listen,
        allow_external: args.allow_external,
        keep_workers: args.keep_workers,
        cgroup: args.cgroup,
    };
    let plane = tokio::select! {
        started = Plane::start(&settings) => started?,
        () = signals.came() => return Ok(Verdict::Good),
    };
    let declared = async {
        match &args.manifests {
            Some(manifests) => {
                let reason = "declared by `millrace up`";
                let around = Context::of_process();
                declare(manifests, &settings.store.data, plane.http, reason, around).await
            }
            None => Ok(Verdict::Good),
        }
    };
    let outcome = tokio::select! {
        declared = declared => declared,
        () = signals.came() => Ok(Verdict::Bad),
    };
    if matches!(outcome, Ok(Verdict::Good)) {
        plane.announce()?;
        println!("HTTP   http://{}", plane.http);
        println!("Kafka  {}", plane.kafka);
        signals.came().await;
    }
    info!("stopping: jobs and routes commit what is written");
    plane.stop().await;
    outcome
}

/// A command of the control plane's client.
#[derive(Debug, Parser)]
struct Client {
    #[command(subcommand)]
    command: ControlCommand,
}

/// Declares the manifests as `millrace apply` does `around`, with the platform that runs on `data`
/// and listens on `http`.
pub(crate) async fn declare(
    manifests: &Path,
    data: &Path,
    http: SocketAddr,
    reason: &str,
    mut around: Context,
) -> anyhow::Result<Verdict> {
    // Of an address that stands for all, the one that is sure to be this machine.
    let host = if http.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { http.ip() };
    let server = format!("http://{}", SocketAddr::new(host, http.port()));
    let words: [&OsStr; 10] = [
        "millrace".as_ref(),
        "apply".as_ref(),
        "-f".as_ref(),
        manifests.as_ref(),
        "--data".as_ref(),
        data.as_ref(),
        "--server".as_ref(),
        server.as_ref(),
        "--reason".as_ref(),
        reason.as_ref(),
    ];
    let client = Client::try_parse_from(words)?;
    let done = millrace_client::run_in(client.command, Client::command(), &mut around).await;
    Ok(if done == ExitKind::Done { Verdict::Good } else { Verdict::Bad })
}

/// `millrace router`.
pub(crate) async fn router(args: RouterArgs) -> anyhow::Result<Verdict> {
    let manifests = manifests::load(&args.manifests)?;
    let settings = Settings {
        store: args.store,
        kafka: args.kafka,
        secrets: args.secrets,
        work: args.work,
        listen: args.listen,
        allow_external: args.allow_external,
    };
    // Listening comes first, so that a signal during the start ends it in order as well.
    let mut signals = Signals::listen()?;
    let platform = tokio::select! {
        started = Platform::start(&settings, &manifests) => started?,
        () = signals.came() => return Ok(Verdict::Good),
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
        () = signals.came() => Ok(Verdict::Good),
        idle = until_idle => idle.map(|()| Verdict::Good),
        () = platform.broken() => Err(anyhow::anyhow!("a thread of the router died; see the log")),
    };
    info!("stopping: committing what is written");
    platform.stop().await;
    outcome
}
