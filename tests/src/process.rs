//! A `millrace` process that tests can stop, kill, freeze and wake.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{HANGS_AFTER, eventually};

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, content.
    Clean,
    /// By SIGKILL.
    Killed,
    /// By itself, with an error.
    Failed(ExitStatus),
}

/// A running process. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Millrace {
    child: Child,
    pid: u32,
    log: PathBuf,
    /// Bytes of the log that are of processes before this one.
    log_from: usize,
    run_file: PathBuf,
}

const SIGKILL: i32 = 9;

impl Millrace {
    /// Starts `command`, whose output goes to `log` and whose data folder is `data`.
    pub fn start(mut command: Command, data: &Path, log: PathBuf) -> Result<Self> {
        let output = std::fs::File::options().create(true).append(true).open(&log)?;
        let log_from = usize::try_from(output.metadata()?.len())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .context("start millrace")?;
        let pid = child.id().context("a child that was not waited for has a pid")?;
        Ok(Self { child, pid, log, log_from, run_file: data.join("run.json") })
    }

    /// Waits until a service prints where it listens, and returns that; fails when it ends before.
    pub async fn listening(&mut self) -> Result<String> {
        let (log, from) = (self.log.clone(), self.log_from);
        let child = &mut self.child;
        eventually("an address", async || {
            if let Some(status) = child.try_wait()? {
                bail!("millrace ended with {status}:\n{}", tail(&log));
            }
            let text = std::fs::read_to_string(&log)?;
            let printed = text.get(from..).unwrap_or_default();
            let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
            let address = whole.lines().find_map(|line| line.strip_prefix("HTTP "));
            Ok(address.map(|address| address.trim().to_owned()))
        })
        .await
    }

    /// Waits until the process says where it listens; fails when it ends before.
    pub async fn ready(&mut self) -> Result<Value> {
        let (run_file, pid, log) = (self.run_file.clone(), self.pid, self.log.clone());
        let child = &mut self.child;
        eventually("run.json", async || {
            if let Some(status) = child.try_wait()? {
                bail!("millrace ended with {status}:\n{}", tail(&log));
            }
            let Ok(text) = std::fs::read_to_string(&run_file) else { return Ok(None) };
            let run: Option<Value> = serde_json::from_str(&text).ok();
            Ok(run.filter(|run| run["pid"] == pid))
        })
        .await
    }

    /// Waits for the end.
    pub async fn exit(&mut self) -> Result<Exit> {
        let Ok(status) = tokio::time::timeout(HANGS_AFTER, self.child.wait()).await else {
            bail!("millrace does not end:\n{}", tail(&self.log));
        };
        let status = status?;
        Ok(match (status.success(), status.signal()) {
            (true, _) => Exit::Clean,
            (_, Some(SIGKILL)) => Exit::Killed,
            _ => Exit::Failed(status),
        })
    }

    /// Waits for the end, which must be a clean one.
    pub async fn exit_clean(&mut self) -> Result<()> {
        let exit = self.exit().await?;
        ensure!(exit == Exit::Clean, "{exit:?}:\n{}", tail(&self.log));
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits until it did, cleanly.
    pub async fn stop(mut self) -> Result<()> {
        self.signal("TERM").await?;
        self.exit_clean().await
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Lets a frozen process go on (SIGCONT).
    pub async fn thaw(&self) -> Result<()> {
        self.signal("CONT").await
    }

    /// Freezes the process (SIGSTOP) and waits until it is.
    pub async fn freeze(&mut self) -> Result<()> {
        self.signal("STOP").await?;
        self.frozen().await
    }

    /// Waits until the process is frozen; fails when it ends instead.
    pub async fn frozen(&mut self) -> Result<()> {
        let stat = format!("/proc/{}/stat", self.pid);
        let (child, log) = (&mut self.child, &self.log);
        eventually("a frozen process", async || {
            if let Some(status) = child.try_wait()? {
                bail!("millrace ended with {status}:\n{}", tail(log));
            }
            let stat = std::fs::read_to_string(&stat)?;
            // pid (name) state …; the name may hold anything, so the last parenthesis counts.
            let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
            Ok((state == Some('T')).then_some(()))
        })
        .await
    }

    /// Where the process's output goes.
    pub fn log_file(&self) -> PathBuf {
        self.log.clone()
    }

    async fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid.to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().await?;
        ensure!(status.success(), "kill -s {name} {pid}: {status}");
        Ok(())
    }
}

/// The end of a log, for a person who reads a failure.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 40;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
