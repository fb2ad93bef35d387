//! `millrace job run`: a job over streams, restarted from its last checkpoint while that may help.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use millrace_bus::KafkaSettings;
use millrace_events::{NoProbe, RouteName};
use millrace_plan::JobPlan;
use millrace_processors::{Job, JobControl, JobError, RunEnd, Stop};

use super::args::NamedArg;
use super::check::plan_job;
use super::inputs::Inputs;
use super::late::keep_late_rows;
use super::restart::until_it_ends;
use crate::cli::{JobRunArgs, JobStreamingArgs, ManifestArgs};
use crate::compose::{self, Parts, Secrets, StreamingJob};
use crate::platform::RunFile;
use crate::{Verdict, fault, manifests, store};

/// How often the status is logged.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// Runs the job until it ends, fails for good, or is told to end.
pub(super) async fn run(args: JobRunArgs) -> anyhow::Result<Verdict> {
    let stop = CancellationToken::new();
    let mut signals = JoinSet::new();
    let (mut term, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = stop.clone();
    signals.spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    ensure!(args.parallelism > 0, "--parallelism counts from 1");
    let no_files = args.text.inputs.is_empty() && args.sinks.is_empty();
    ensure!(no_files, "--input and --sink need --local: this run reads streams");
    let started = start(&args);
    let (job, parts) = tokio::select! {
        started = started => started?,
        () = stop.cancelled() => return Ok(Verdict::Good),
    };
    let how = Stop { drain: args.streaming.drain, ..Stop::default() };
    let run = async || once(&job, &stop, &how).await;
    let end = until_it_ends(run, tokio::time::sleep, parts.clock.as_ref(), &stop).await;
    match end.context("the job failed")?.flatten() {
        Some(RunEnd::Finished) => eprintln!("the job has finished"),
        Some(RunEnd::Stopped { checkpoint }) => {
            eprintln!("the job was stopped after checkpoint {checkpoint}");
        }
        None => eprintln!("the job was stopped before it ran"),
    }
    Ok(Verdict::Good)
}

/// The job with everything it needs.
async fn start(args: &JobRunArgs) -> anyhow::Result<(Job, Parts)> {
    let streaming = &args.streaming;
    let from = ManifestArgs { manifests: args.text.manifests.clone() };
    let manifests = manifests::load(&from)?;
    let mut plan = plan_job(&args.text.job, &Inputs::declared(&manifests.streams))?;
    if let Some(late) = &args.late {
        keep_late_rows(&mut plan, late)?;
    }
    let job = StreamingJob {
        name: name(streaming, &args.text.job)?,
        tables: by_sink(&plan, "--table", &streaming.tables)?,
        feeds: by_sink(&plan, "--feed", &streaming.feeds)?,
        feed_partitions: BTreeMap::new(),
        plan,
        manifests: &manifests,
        parallelism: args.parallelism,
        checkpoint_interval: streaming.checkpoint_interval,
        until_end: streaming.until_end,
    };
    let kafka = match compose::cluster(&streaming.kafka)? {
        Some(kafka) => kafka,
        None => KafkaSettings::plain(RunFile::read(&streaming.store.data)?.kafka),
    };
    let probe = fault::job_probe()?;
    let warehouse = store::open(&streaming.store, Arc::new(NoProbe)).await?;
    let secrets = Secrets::of(&streaming.secrets, &streaming.store)?;
    let parts = Parts::new(kafka, warehouse, secrets, streaming.memory, Arc::new(NoProbe));
    let assembled = job.assemble(&parts, probe).await?;
    Ok((assembled, parts))
}

/// What the job is called.
fn name(args: &JobStreamingArgs, job: &Path) -> anyhow::Result<RouteName> {
    let of_file = || job.file_stem()?.to_str().filter(|stem| *stem != "-").map(str::to_owned);
    let name = args.name.clone().or_else(of_file).context("give the job a --name")?;
    name.parse().with_context(|| format!("`{name}` cannot name a job: give it another --name"))
}

/// Values of an option by sink; each must be of a sink that the job writes.
fn by_sink(
    plan: &JobPlan,
    option: &str,
    args: &[NamedArg],
) -> anyhow::Result<BTreeMap<String, String>> {
    let known: Vec<_> = plan.sinks().map(|(_, sink)| sink.name.as_str()).collect();
    for NamedArg { name, .. } in args {
        let writes = known.contains(&name.as_str());
        ensure!(writes, "{option} {name}=…: the job writes {}", known.join(", "));
    }
    Ok(args.iter().map(|arg| (arg.name.clone(), arg.value.clone())).collect())
}

/// `None`: it was told to stop before it ran.
async fn once(job: &Job, stop: &CancellationToken, how: &Stop) -> Result<Option<RunEnd>, JobError> {
    let mut running = job.start();
    let control = tokio::select! {
        control = running.control() => control,
        () = stop.cancelled() => return Ok(None),
    };
    // A run that ended before it could be asked anything says best itself why.
    let Ok(control) = control else { return running.wait().await.map(Some) };
    info!(generation = control.status().generation, "the job runs");
    let mut end = pin!(running.wait());
    let mut tick = interval(STATUS_EVERY);
    loop {
        tokio::select! {
            end = &mut end => return end.map(Some),
            _ = tick.tick() => show(&control),
            () = stop.cancelled() => break,
        }
    }
    info!(drain = how.drain, "stopping after a last checkpoint");
    // If the run is over already, its end says more.
    let _ = control.stop(how.clone()).await;
    end.await.map(Some)
}

fn show(control: &JobControl) {
    match serde_json::to_string(&control.status()) {
        Ok(status) => debug!(status, "the job"),
        Err(error) => debug!(%error, "the job's status cannot be shown"),
    }
}
