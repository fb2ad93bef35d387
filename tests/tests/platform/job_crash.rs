//! A streaming job killed at any step, or at any moment, while events keep coming: its tables and
//! its feed hold what a run without crashes would have left.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use millrace_bus::KafkaSettings;
use millrace_bus::testing::TestBroker;
use millrace_processors::JobStep;
use millrace_tests::{
    Acked, EventMaker, Exit, Fate, KafkaWriter, Millrace, Planned, Site, latest_by_key, manifests,
};

const ROWS: &str = "raw.kept";
const WINDOWS: &str = "raw.minutes";
/// Kills of one job; each story has a job of its own.
const KILLS_PER_STORY: u64 = 10;
/// Stories at the same time.
const AT_ONCE: usize = 4;
/// How often a step may be passed before the process dies there.
const PASSES: u32 = 3;
const MINUTE_MS: i64 = 60_000;

type Kills = BTreeMap<String, u32>;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Where a process dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// At a step, when it is passed for the n-th time.
    At(JobStep, u32),
    /// After a while, wherever it is.
    After(Duration),
}

impl Death {
    /// The `nth` death at `parallelism`: the steps in turn, so that few kills meet every step, and
    /// then some moment.
    fn of(nth: u64, parallelism: Parallelism, rng: &mut StdRng) -> Self {
        let steps = parallelism.steps();
        let places = steps.len() as u64 + 1;
        let place = match parallelism {
            // There are few of these; the stride takes them through the whole protocol.
            Parallelism::One => nth * 3 % places,
            Parallelism::Many(_) => nth % places,
        };
        match steps.get(usize::try_from(place).expect("small")) {
            // A run passes these once.
            Some(step @ (JobStep::Claimed | JobStep::Restored)) => Self::At(*step, 1),
            Some(step) => Self::At(*step, rng.random_range(1..=PASSES)),
            None => Self::After(Duration::from_millis(rng.random_range(100..1500))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::At(step, _) => step.name(),
            Self::After(_) => "any moment",
        }
    }
}

/// Instances of each operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parallelism {
    One,
    Many(u8),
}

impl Parallelism {
    /// The steps that a run meets.
    fn steps(self) -> Vec<JobStep> {
        let all = JobStep::ALL.into_iter();
        // One instance has all operators in one task with the source: there is nothing to align.
        all.filter(|step| self != Self::One || *step != JobStep::Aligned).collect()
    }
}

impl std::fmt::Display for Parallelism {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One => f.write_str("1"),
            Self::Many(instances) => instances.fmt(f),
        }
    }
}

/// Which deaths a story tells.
struct Chapter {
    seed: u64,
    parallelism: Parallelism,
    deaths: Range<u64>,
}

/// `kills` in stories: a quarter of them at parallelism 1, the others at 2 and 3.
fn chapters(kills: u64) -> Vec<Chapter> {
    let alone = kills / 4;
    let mut chapters = Vec::new();
    for (count, one) in [(kills - alone, false), (alone, true)] {
        for first in (0..count).step_by(usize::try_from(KILLS_PER_STORY).expect("small")) {
            let seed = chapters.len() as u64;
            let parallelism = match (one, seed % 2) {
                (true, _) => Parallelism::One,
                (false, 0) => Parallelism::Many(2),
                (false, _) => Parallelism::Many(3),
            };
            let deaths = first..count.min(first + KILLS_PER_STORY);
            chapters.push(Chapter { seed, parallelism, deaths });
        }
    }
    chapters
}

/// One installation, one topic, one job.
struct Story {
    seed: u64,
    name: String,
    feed: String,
    partitions: u32,
    parallelism: Parallelism,
    kafka: KafkaSettings,
    site: Site,
}

impl Story {
    fn new(chapter: &Chapter, broker: &TestBroker) -> Result<Self> {
        let Chapter { seed, parallelism, .. } = *chapter;
        let (name, feed) = (broker.topic("job"), broker.topic("feed"));
        let partitions = 1 + u32::try_from(seed % 4)?;
        // A stream that waits for a slow machine must not turn partitions idle: what they hold
        // would be late then.
        let manifests = manifests(&name, "unused", partitions).replace("idle: 30s", "idle: 1h");
        let site = Site::new(&manifests)?;
        std::fs::write(site.path("job.sql"), sql(&name))?;
        Ok(Self { seed, name, feed, partitions, parallelism, kafka: broker.settings(), site })
    }

    /// Sends bursts of events until nobody dies any more; returns what was acknowledged.
    async fn produce(&self, writer: &KafkaWriter, over: &AtomicBool) -> Result<(Acked, Expected)> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ 0x10b);
        let mut maker = EventMaker::new(&self.name, self.seed);
        let (mut acked, mut expected) = (Acked::default(), Expected::default());
        while !over.load(Ordering::Acquire) {
            let burst = maker.take(rng.random_range(1..60));
            acked.merge(writer.write(&burst).await?);
            burst.iter().try_for_each(|event| expected.add(event))?;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..80))).await;
        }
        Ok((acked, expected))
    }

    /// Starts the job again and again, each time to die.
    async fn die(&self, deaths: Range<u64>, over: &AtomicBool) -> Result<Kills> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut met = Kills::new();
        for nth in deaths {
            let death = Death::of(nth, self.parallelism, &mut rng);
            self.attempt(death, &[]).await.with_context(|| format!("{death:?}"))?;
            let met_at = format!("{} at {}", death.name(), self.parallelism);
            *met.entry(met_at).or_default() += 1;
        }
        over.store(true, Ordering::Release);
        Ok(met)
    }

    async fn attempt(&self, death: Death, options: &[&str]) -> Result<()> {
        let mut job = match death {
            Death::At(step, n) => self.start(options, Some(&format!("{step}:{n}")))?,
            Death::After(_) => self.start(options, None)?,
        };
        if let Death::After(time) = death {
            tokio::time::sleep(time).await;
            return job.kill().await;
        }
        let exit = job.exit().await?;
        ensure!(exit == Exit::Killed, "the job was not killed: {exit:?}");
        Ok(())
    }

    fn start(&self, options: &[&str], fault: Option<&str>) -> Result<Millrace> {
        let mut command = self.site.command(&["job", "run"], "data");
        command
            .arg(self.site.path("job.sql"))
            .arg("-f")
            .arg(self.site.path("manifests"))
            .args(["--kafka", &self.kafka.bootstrap, "--name", "plays"])
            .args(["--checkpoint-interval", "50ms", "--parallelism"])
            .arg(self.parallelism.to_string())
            .args(["--table", "kept=raw.kept", "--table", "minutes=raw.minutes"])
            .args(["--feed", &format!("totals={}", self.feed)])
            .args(options);
        if let Some(fault) = fault {
            command.env("MILLRACE_FAULT", fault);
        }
        Millrace::start(command, &self.site.path("data"), self.site.path("job.log"))
    }

    /// Nothing is sent any more: the job runs to the end, dying once on the way.
    async fn finish(&self) -> Result<()> {
        let until_end = ["--until-end"];
        self.attempt(Death::At(JobStep::AfterManifest, 1), &until_end).await?;
        self.start(&until_end, None)?.exit_clean().await
    }

    async fn check(&self, acked: &Acked, expected: &Expected) -> Result<()> {
        let tables = self.site.tables().await?;
        acked.must_be(&tables.ids(ROWS).await?).context("the table of rows")?;
        let sql = "SELECT country, CAST(window_start AS BIGINT) / 1000, n, total FROM t \
                   ORDER BY 1, 2, 3, 4";
        let windows = tables.sql(WINDOWS, sql).await?;
        let windows: Vec<_> = windows.iter().flat_map(window_rows).collect();
        let wanted: Vec<_> = expected
            .windows
            .iter()
            .map(|((country, start), (n, total))| (country.clone(), *start, *n, *total))
            .collect();
        ensure!(windows == wanted, "windows are {windows:?}\nand must be {wanted:?}");
        let letters = tables.dead_letters(&format!("plays-{}", self.name)).await?;
        ensure!(letters == acked.dead, "{letters} dead letters of {}", acked.dead);
        let totals = latest_by_key(&self.kafka, &self.feed).await?;
        ensure!(totals == expected.totals(), "the feed is {totals:?}\nand must be {expected:?}");
        Ok(())
    }
}

/// Rows as they came, windows of a minute, and totals that change.
fn sql(stream: &str) -> String {
    format!(
        "CREATE TEMPORARY VIEW plays AS SELECT * FROM `{stream}` WHERE kind <> 'debug';
         INSERT INTO kept SELECT event_id, country, member_id FROM plays;
         INSERT INTO minutes
           SELECT country, window_start, COUNT(*) AS n, SUM(member_id) AS total
           FROM TABLE(TUMBLE(TABLE plays, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
           GROUP BY country, window_start, window_end;
         INSERT INTO totals
           SELECT country, COUNT(*) AS n, SUM(member_id) AS total FROM plays GROUP BY country;"
    )
}

/// What the acknowledged events come to, computed here.
#[derive(Debug, Default)]
struct Expected {
    /// Count and sum by country and start of the minute.
    windows: BTreeMap<(String, i64), (i64, i64)>,
}

impl Expected {
    fn add(&mut self, event: &Planned) -> Result<()> {
        if event.fate != Fate::Written {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(&event.value)?;
        let time = value["event_time"].as_i64().context("a time")?;
        let country = value["country"].as_str().context("a country")?.to_owned();
        let window = self.windows.entry((country, time - time % MINUTE_MS)).or_default();
        window.0 += 1;
        window.1 += event.member;
        Ok(())
    }

    /// The feed: value by key.
    fn totals(&self) -> BTreeMap<Vec<u8>, Value> {
        let mut totals: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for ((country, _), (n, total)) in &self.windows {
            let sum = totals.entry(country).or_default();
            *sum = (sum.0 + n, sum.1 + total);
        }
        let record = |(country, (n, total))| {
            let key = json!({ "country": country }).to_string().into_bytes();
            (key, json!({ "country": country, "n": n, "total": total }))
        };
        totals.into_iter().map(record).collect()
    }
}

fn window_rows(batch: &RecordBatch) -> Vec<(String, i64, i64, i64)> {
    let country = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8);
    let country = country.expect("text");
    let number = |column: usize, row| batch.column(column).as_primitive::<Int64Type>().value(row);
    (0..batch.num_rows())
        .map(|row| {
            let country = country.as_string::<i32>().value(row).to_owned();
            (country, number(1, row), number(2, row), number(3, row))
        })
        .collect()
}

async fn tell(story: Story, deaths: Range<u64>) -> Result<Kills> {
    let writer = KafkaWriter::open(&story.kafka, &story.name, story.partitions).await?;
    let over = AtomicBool::new(false);
    let told = async {
        let ((acked, expected), kills) =
            tokio::try_join!(story.produce(&writer, &over), story.die(deaths, &over))?;
        story.finish().await?;
        if acked.written.is_empty() {
            bail!("no event was written");
        }
        story.check(&acked, &expected).await.map(|()| kills)
    };
    told.await.with_context(|| format!("story {}\n{}", story.seed, story.site.logs()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_killed_at_any_step_leaves_tables_and_a_feed_as_if_it_had_not_been() -> Result<()> {
    let broker = TestBroker::start().await;
    let wanted = number("MILLRACE_JOB_KILLS", 16);
    let mut kills = Kills::new();
    let mut stories = JoinSet::new();
    let mut chapters = chapters(wanted).into_iter();
    loop {
        // A story mostly waits for processes to start, so several share the machine.
        while stories.len() < AT_ONCE
            && let Some(chapter) = chapters.next()
        {
            let story = Story::new(&chapter, &broker)?;
            stories.spawn(tell(story, chapter.deaths));
        }
        let Some(told) = stories.join_next().await else { break };
        for (step, count) in told?? {
            *kills.entry(step).or_default() += count;
        }
    }
    println!("{wanted} kills of jobs: {kills:?}");
    Ok(())
}
