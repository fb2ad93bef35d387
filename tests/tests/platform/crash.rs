//! A router killed at any step of the protocol, while events keep coming, loses and doubles
//! nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use millrace_bus::KafkaSettings;
use millrace_bus::testing::TestBroker;
use millrace_events::Step;
use millrace_tests::{Acked, EventMaker, Exit, KafkaWriter, Site, manifests};

const TABLE: &str = "raw.plays";
/// The stream's name is the route's and, unless the manifest says otherwise, the topic's.
const FAULTS_PER_RUN: usize = 3;
/// How often a step may be passed before the process dies there.
const PASSES: u32 = 3;
/// Routers in a row that a busy machine's broker may leave without an answer.
const UNANSWERED: usize = 3;
/// Runs at the same time.
const AT_ONCE: usize = 8;
const IDLE: [&str; 2] = ["--until-idle", "150ms"];

type Kills = BTreeMap<&'static str, u32>;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The steps a run dies at. The first is given by the seed, so that few seeds meet every step.
fn plan(seed: u64, rng: &mut StdRng) -> Vec<(Step, u32)> {
    let first = usize::try_from(seed).unwrap_or_default() % Step::ALL.len();
    let mut steps = vec![Step::ALL[first]];
    while steps.len() < FAULTS_PER_RUN {
        steps.push(Step::ALL[rng.random_range(0..Step::ALL.len())]);
    }
    steps.into_iter().map(|step| (step, rng.random_range(1..=PASSES))).collect()
}

/// One installation, one topic, one story.
struct Run {
    seed: u64,
    name: String,
    kafka: KafkaSettings,
    site: Site,
}

impl Run {
    /// Sends bursts of events with pauses between them.
    async fn produce(&self, writer: &KafkaWriter, done: &AtomicBool) -> Result<Acked> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ 0xb5);
        let mut maker = EventMaker::new(&self.name, self.seed);
        let mut acked = Acked::default();
        for _ in 0..rng.random_range(8..24) {
            let burst = maker.take(rng.random_range(1..60));
            acked.merge(writer.write(&burst).await?);
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..60))).await;
        }
        done.store(true, Ordering::Release);
        Ok(acked)
    }

    /// Starts routers that die as planned, then one that lives until everything is in.
    async fn route(&self, done: &AtomicBool) -> Result<Kills> {
        let mut kills = Kills::new();
        let mut rng = StdRng::seed_from_u64(self.seed);
        let plan = plan(self.seed, &mut rng);
        for (attempt, (step, passes)) in plan.into_iter().enumerate() {
            let fault = format!("{step}:{passes}");
            let exit = self.attempt(attempt, Some(&fault)).await.context(fault)?;
            if exit == Exit::Killed {
                *kills.entry(step.name()).or_default() += 1;
            }
        }
        let mut attempt = FAULTS_PER_RUN;
        loop {
            let everything_was_sent = done.load(Ordering::Acquire);
            let exit = self.attempt(attempt, None).await?;
            ensure!(exit == Exit::Clean, "a router without a fault: {exit:?}");
            if everything_was_sent {
                return Ok(kills);
            }
            attempt += 1;
        }
    }

    /// Every third run is in a group, each router in a new one: where it resumes is in the table,
    /// not in the group, and a dead member of an older group holds nothing up.
    async fn attempt(&self, attempt: usize, fault: Option<&str>) -> Result<Exit> {
        let group = format!("{}-{attempt}", self.name);
        let mut options = IDLE.to_vec();
        if self.seed % 3 == 2 {
            options.extend(["--group", &group]);
        } else {
            options.push("--alone");
        }
        for _ in 0..UNANSWERED {
            let mut router = self.site.router_with_fault("router", &self.kafka, &options, fault)?;
            match router.exit().await? {
                // Started again, as a supervisor would: this is no fault of the router's.
                Exit::Failed(_) if self.site.logs().contains("(Local: Timed out)") => {}
                Exit::Failed(status) => bail!("the router failed: {status}"),
                exit => return Ok(exit),
            }
        }
        bail!("the broker did not answer {UNANSWERED} routers in a row");
    }

    async fn check(&self, acked: &Acked) -> Result<()> {
        let tables = self.site.tables().await?;
        tables.must_hold(TABLE, &self.name, acked).await?;
        let letters = tables.dead_letters(&self.name).await?;
        ensure!(letters == acked.dead, "{letters} dead letters of {}", acked.dead);
        self.site.audit().await
    }
}

async fn run(seed: u64, kafka: KafkaSettings, name: String) -> Result<Kills> {
    let partitions = 1 + u32::try_from(seed % 4)?;
    let site = Site::new(&manifests(&name, "plays", partitions))?;
    let writer = KafkaWriter::open(&kafka, &name, partitions).await?;
    let run = Run { seed, name, kafka, site };
    let done = AtomicBool::new(false);
    let told = tokio::try_join!(run.produce(&writer, &done), run.route(&done));
    let result = match told {
        Ok((acked, kills)) => run.check(&acked).await.map(|()| kills),
        Err(error) => Err(error),
    };
    result.with_context(|| {
        format!(
            "repeat with MILLRACE_CRASH_SEEDS=1 MILLRACE_CRASH_FIRST_SEED={seed}\n{}",
            run.site.logs()
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_killed_at_any_step_loses_and_doubles_nothing() -> Result<()> {
    let broker = TestBroker::start().await;
    let first = number("MILLRACE_CRASH_FIRST_SEED", 0);
    let seeds = number("MILLRACE_CRASH_SEEDS", 12);
    let mut kills = Kills::new();
    let mut runs = JoinSet::new();
    let mut left = first..first + seeds;
    loop {
        // A run mostly waits for processes to start and to be idle, so several share the machine.
        while runs.len() < AT_ONCE
            && let Some(seed) = left.next()
        {
            runs.spawn(run(seed, broker.settings(), broker.topic("crash")));
        }
        let Some(run) = runs.join_next().await else { break };
        for (step, count) in run?? {
            *kills.entry(step).or_default() += count;
        }
    }
    println!("{seeds} runs, killed at: {kills:?}");
    // Whether a fault is met in one run depends on how the broker cuts batches; over many it must
    // be.
    if seeds >= 12 {
        let missed: Vec<_> = Step::ALL
            .iter()
            .map(|step| step.name())
            .filter(|name| !kills.contains_key(name))
            .collect();
        ensure!(missed.is_empty(), "nothing died at {missed:?}, only at {kills:?}");
    }
    Ok(())
}

/// One of two members of a group dies while it hands partitions to the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_router_killed_while_partitions_move_to_another_loses_and_doubles_nothing() -> Result<()>
{
    let broker = TestBroker::start().await;
    let (kafka, name) = (broker.settings(), broker.topic("crash"));
    let site = Site::new(&manifests(&name, "plays", 4))?;
    let writer = KafkaWriter::open(&kafka, &name, 4).await?;
    let mut maker = EventMaker::new(&name, 77);
    let mut acked = writer.write(&maker.take(300)).await?;
    let tables = site.tables().await?;

    // Six seconds are the least that Kafka allows by default.
    let options = ["--group", &name, "--session-timeout", "6s"];
    // The first time is its own assignment, the second gives partitions away.
    let fault = Some("during-rebalance:2");
    let mut dying = site.router_with_fault("dying", &kafka, &options, fault)?;
    tables.will_hold(TABLE, &acked).await?;
    let heir = site.router("heir", &kafka, &options)?;
    acked.merge(writer.write(&maker.take(300)).await?);
    ensure!(dying.exit().await? == Exit::Killed, "{}", site.logs());
    acked.merge(writer.write(&maker.take(300)).await?);
    tables.will_hold(TABLE, &acked).await.with_context(|| site.logs())?;
    heir.stop().await?;
    tables.must_hold(TABLE, &name, &acked).await?;
    site.audit().await
}
