//! Dying on purpose: a crash test names a protocol step and how often it may be passed.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context;

use millrace_control::reconcile::{FAULT_POINTS, FaultPoint, NoFault};
use millrace_events::{NoProbe, Probe, Step};
use millrace_processors::{JobError, JobProbe, JobStep, NoJobProbe};

/// `STEP:N`: the process is killed (SIGKILL) when it reaches STEP for the N-th time.
const VARIABLE: &str = "MILLRACE_FAULT";
/// The same for the control plane.
const CONTROL_VARIABLE: &str = "MILLRACE_CONTROL_FAULT";

/// Kills the process at a step.
#[derive(Debug)]
struct DieAt<S> {
    step: S,
    left: AtomicI64,
}

impl<S: PartialEq> DieAt<S> {
    fn pass(&self, step: &S) {
        if *step == self.step && self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            die();
        }
    }
}

impl Probe for DieAt<Step> {
    fn reached(&self, step: Step) {
        self.pass(&step);
    }
}

impl JobProbe for DieAt<JobStep> {
    fn reached(&self, step: JobStep) -> Result<(), JobError> {
        self.pass(&step);
        Ok(())
    }
}

/// A moment right after an effect of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Effect(&'static str);

impl FromStr for Effect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = FAULT_POINTS.into_iter().find(|known| *known == text);
        known.map(Self).ok_or_else(|| format!("moments: {}", FAULT_POINTS.join(", ")))
    }
}

impl FaultPoint for DieAt<Effect> {
    fn reached(&self, point: &'static str) {
        self.pass(&Effect(point));
    }
}

/// Ends the process as an outside `kill -9` would: no destructor, no flush, nothing caught.
fn die() -> ! {
    let pid = std::process::id().to_string();
    loop {
        // SAFETY net: should `kill` be missing, an abort is the next best thing.
        if std::process::Command::new("kill").args(["-9", &pid]).status().is_err() {
            std::process::abort();
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The probe of a router that the environment asks for.
pub(crate) fn probe() -> anyhow::Result<Arc<dyn Probe>> {
    Ok(match fault::<Step>()? {
        Some(fault) => Arc::new(fault),
        None => Arc::new(NoProbe),
    })
}

/// The probe of a job that the environment asks for.
pub(crate) fn job_probe() -> anyhow::Result<Arc<dyn JobProbe>> {
    Ok(match fault::<JobStep>()? {
        Some(fault) => Arc::new(fault),
        None => Arc::new(NoJobProbe),
    })
}

/// The fault of the control plane that the environment asks for. Its workers have another variable.
pub(crate) fn control_plane() -> anyhow::Result<Arc<dyn FaultPoint>> {
    Ok(match fault_of::<Effect>(CONTROL_VARIABLE)? {
        Some(fault) => Arc::new(fault),
        None => Arc::new(NoFault),
    })
}

fn fault<S: FromStr<Err = String>>() -> anyhow::Result<Option<DieAt<S>>> {
    fault_of(VARIABLE)
}

fn fault_of<S: FromStr<Err = String>>(variable: &str) -> anyhow::Result<Option<DieAt<S>>> {
    let Ok(text) = std::env::var(variable) else { return Ok(None) };
    let fault = parse(&text).with_context(|| format!("{variable}={text}: write STEP:N"))?;
    tracing::warn!(fault = text, "this process will kill itself");
    Ok(Some(fault))
}

fn parse<S: FromStr<Err = String>>(text: &str) -> anyhow::Result<DieAt<S>> {
    let (step, n) = text.split_once(':').context("there is no `:`")?;
    let step = step.parse().map_err(anyhow::Error::msg)?;
    let n: u32 = n.parse().context("N is a number of at least 1")?;
    anyhow::ensure!(n > 0, "N is at least 1");
    Ok(DieAt { step, left: AtomicI64::new(n.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_a_known_step_and_a_count() {
        let fault: DieAt<Step> = parse("before-commit:3").expect("valid");
        assert_eq!((fault.step, fault.left.into_inner()), (Step::BeforeCommit, 3));
        for bad in ["before-commit", "nowhere:1", "after-poll:0", "after-poll:x", ""] {
            assert!(parse::<Step>(bad).is_err(), "{bad:?}");
        }
        let fault: DieAt<JobStep> = parse("before-manifest:2").expect("valid");
        assert_eq!((fault.step, fault.left.into_inner()), (JobStep::BeforeManifest, 2));
        assert!(parse::<JobStep>("before-commit:1").is_err(), "a step of the router");
    }
}
