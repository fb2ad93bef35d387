//! The control plane of a whole platform dies right after each of its effects.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};

use millrace_tests::{Api, Exit, eventually, kill_worker, workers};

use super::{KEPT, Plane, Story, Verb, path};

/// What leads to an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A request about a job.
    Ask(Verb),
    /// The removal of a job.
    Delete,
    /// A worker that is not the recorded one.
    Stray,
}

/// Every moment after an effect (`FAULT_POINTS` of the reconciler), and what leads to it.
const EFFECTS: [(&str, Way); 8] = [
    ("after-record-run", Way::Ask(Verb::Deploy)),
    ("after-launch", Way::Ask(Verb::Upgrade)),
    ("after-update-run", Way::Ask(Verb::Restart)),
    ("after-ask-stop", Way::Ask(Verb::Stop)),
    ("after-kill", Way::Stray),
    ("after-forget-runs", Way::Delete),
    ("after-forget-state", Way::Delete),
    ("after-remove-job", Way::Delete),
];

/// One death after each effect.
pub(super) async fn die_after_each(story: &Story, mut plane: Plane) -> Result<Plane> {
    for (nth, (point, way)) in (100..).zip(EFFECTS) {
        let rests = rests(story, &plane.api).await;
        rests.with_context(|| format!("before the death {point}"))?;
        let died = match way {
            Way::Ask(verb) => asked(story, plane, point, verb, nth).await,
            Way::Delete => deleted(story, plane, point).await,
            Way::Stray => replaced(story, plane, point).await,
        };
        plane = died.with_context(|| format!("the death {point}"))?;
    }
    Ok(plane)
}

/// Waits until nothing is left to do or to write down, so that the next effect is of what is
/// asked next.
async fn rests(story: &Story, api: &Api) -> Result<()> {
    for job in story.jobs() {
        api.reaches(&job, "running").await?;
        let newest = format!("{}/runs?limit=1", path(&job));
        eventually(&format!("a checkpoint of {job}"), async || {
            let runs = api.get(&newest).await?.is(200)?.json;
            let run = &runs["items"][0];
            Ok((run["state"] == "running" && run["checkpointed"] == true).then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn armed(story: &Story, plane: Plane, point: &str) -> Result<Plane> {
    plane.process.kill().await?;
    story.start_with(Some(&format!("{point}:1"))).await
}

/// Dies after a request; whoever got no answer asks the next control plane again.
async fn asked(story: &Story, plane: Plane, point: &str, verb: Verb, nth: u64) -> Result<Plane> {
    let mut plane = armed(story, plane, point).await?;
    let answered = story.ask(&plane.api, verb, nth).await.is_ok();
    ensure!(plane.process.exit().await? == Exit::Killed, "another end");
    let plane = story.start().await?;
    if !answered {
        story.ask(&plane.api, verb, nth).await?;
    }
    if verb == Verb::Stop {
        plane.api.reaches(KEPT, "stopped").await?;
        story.resume(&plane.api).await?;
    }
    Ok(plane)
}

/// Dies while it removes a job that was only just deployed; the next one removes what is left.
async fn deleted(story: &Story, plane: Plane, point: &str) -> Result<Plane> {
    let job = point.replace('-', "_");
    plane.api.put(&path(&job), &story.job(&job, 1)).await?.is(201)?;
    let mut plane = armed(story, plane, point).await?;
    let delete = async |api: &Api| api.delete(&path(&job)).await;
    let answered = delete(&plane.api).await.is_ok();
    ensure!(plane.process.exit().await? == Exit::Killed, "another end");
    let plane = story.start().await?;
    if !answered {
        delete(&plane.api).await?;
    }
    eventually(&format!("{job} is gone"), async || {
        Ok((plane.api.get(&path(&job)).await?.status == 404).then_some(()))
    })
    .await?;
    ensure!(!workers(&story.site.path("data")).contains_key(&job), "its worker lives");
    Ok(plane)
}

/// While no control plane is there, a worker that nobody recorded takes the place of the right
/// one. The next control plane kills it and dies of that.
async fn replaced(story: &Story, plane: Plane, point: &str) -> Result<Plane> {
    plane.process.kill().await?;
    let data = story.site.path("data");
    let real = *workers(&data).get(KEPT).context("the job has a worker")?;
    let command = command_of(real)?;
    kill_worker(real);
    let mut stray = stray(&command)?;
    eventually("the stray is at work", async || {
        ensure!(stray.try_wait()?.is_none(), "the stray has left");
        Ok(workers(&data).get(KEPT).filter(|pid| **pid != real).map(drop))
    })
    .await?;
    let fault = format!("{point}:1");
    let mut dying = story.site.up_with_fault(story.kafka.as_ref(), Some(&fault))?;
    ensure!(dying.exit().await? == Exit::Killed, "another end");
    let end = stray.wait().await?;
    ensure!(!end.success() && end.code().is_none(), "the stray ended by itself: {end}");
    story.start().await
}

/// The words that a process was started with.
fn command_of(pid: u32) -> Result<Vec<String>> {
    let words = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    let words = words.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    Ok(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// Starts the same work once more, as a run that is recorded nowhere.
fn stray(command: &[String]) -> Result<Child> {
    let at = command.iter().position(|word| word == "--assignment").context("an assignment")? + 1;
    let known = Path::new(&command[at]);
    let mut launch: Value = serde_json::from_slice(&std::fs::read(known)?)?;
    launch["assignment"]["run"] = "stray".into();
    let file: PathBuf = known.with_file_name("stray.json");
    std::fs::write(&file, launch.to_string())?;
    let stray = Command::new(&command[0])
        .args(&command[1..at])
        .arg(file)
        .args(&command[at + 1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    stray.context("start a worker")
}
