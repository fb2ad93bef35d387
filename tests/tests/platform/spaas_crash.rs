//! Control plane, worker and router killed at any moment of deploy, upgrade, rescale, stop and
//! restart, and the control plane after each of its effects: never two runs of one job, nothing
//! lost or doubled, and all converges.

mod effects;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use millrace_bus::KafkaSettings;
use millrace_tests::{
    Acked, Api, EventMaker, KafkaWriter, Millrace, Site, eventually, kill_worker, manifests,
    unique, workers,
};

/// The job that is there all the time.
const KEPT: &str = "kept";
/// Where the route writes.
const ROUTED: &str = "routed";
/// Kills of one platform.
const KILLS_PER_STORY: u64 = 10;
/// Platforms at the same time.
const AT_ONCE: usize = 2;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    ControlPlane,
    Worker,
    Router,
}

/// What is asked right before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Deploy,
    Upgrade,
    Rescale,
    Stop,
    Savepoint,
    Restart,
}

const VICTIMS: [Victim; 3] = [Victim::ControlPlane, Victim::Worker, Victim::Router];
const VERBS: [Verb; 6] =
    [Verb::Deploy, Verb::Upgrade, Verb::Rescale, Verb::Stop, Verb::Savepoint, Verb::Restart];

/// What happens in a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plot {
    /// So many kills, of anybody, at moments and after verbs that the seed chooses.
    Anybody(u64),
    /// The control plane dies right after each of its effects.
    Effects,
}

struct Story {
    seed: u64,
    name: String,
    site: Site,
    kafka: Option<KafkaSettings>,
    /// Every job that is to run in the end.
    jobs: Mutex<BTreeSet<String>>,
}

fn path(job: &str) -> String {
    format!("/namespaces/default/jobs/{job}")
}

/// A control plane and the way to it.
struct Plane {
    process: Millrace,
    api: Api,
    kafka: KafkaSettings,
}

impl Story {
    fn new(seed: u64) -> Result<Self> {
        let kafka = std::env::var("MILLRACE_TEST_KAFKA").ok().map(KafkaSettings::plain);
        let name = unique("plays");
        // The machine may be slow: partitions that wait are not idle.
        let site = Site::new(&manifests(&name, "routed", 3).replace("idle: 30s", "idle: 1h"))?;
        Ok(Self { seed, name, site, kafka, jobs: Mutex::default() })
    }

    async fn start(&self) -> Result<Plane> {
        self.start_with(None).await
    }

    /// A control plane that dies at `fault`, if given.
    async fn start_with(&self, fault: Option<&str>) -> Result<Plane> {
        let mut process = self.site.up_with_fault(self.kafka.as_ref(), fault)?;
        let run = process.ready().await?;
        let text = |name: &str| run[name].as_str().map(str::to_owned).context("run.json");
        let api = Api::admin(&self.site.path("data"), &text("http")?)?;
        Ok(Plane { process, api, kafka: KafkaSettings::plain(text("kafka")?) })
    }

    /// A job that writes every event to a table of its own name; versions differ in a condition
    /// that keeps every event.
    fn job(&self, job: &str, version: u64) -> Value {
        let sql = format!(
            "INSERT INTO kept SELECT event_id, member_id FROM `{}` \
             WHERE kind <> 'debug' AND member_id > -{version}",
            self.name
        );
        json!({
            "kind": "Job",
            "metadata": { "name": job },
            "spec": {
                "sql": sql,
                "sinks": { "kept": { "table": format!("raw.{job}") } },
                "checkpoint": { "interval": "100ms" },
            },
        })
    }

    fn jobs(&self) -> BTreeSet<String> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn deploy(&self, api: &Api, job: &str) -> Result<()> {
        let answer = api.put(&path(job), &self.job(job, 1)).await?;
        ensure!(matches!(answer.status, 200 | 201), "{} {:#}", answer.status, answer.json);
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(job.to_owned());
        Ok(())
    }

    /// Sends bursts of events until the killing is over.
    async fn produce(&self, kafka: &KafkaSettings, over: &AtomicBool) -> Result<Acked> {
        let writer = KafkaWriter::open(kafka, &self.name, 3).await?;
        let mut rng = StdRng::seed_from_u64(self.seed ^ 0x10b);
        let mut maker = EventMaker::new(&self.name, self.seed);
        let mut acked = Acked::default();
        while !over.load(Ordering::Acquire) {
            acked.merge(writer.write(&maker.take(rng.random_range(1..60))).await?);
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..120))).await;
        }
        Ok(acked)
    }

    async fn ask(&self, api: &Api, verb: Verb, nth: u64) -> Result<()> {
        let (what, body) = match verb {
            Verb::Deploy => return self.deploy(api, &new(nth)).await,
            Verb::Upgrade => ("", self.job(KEPT, nth + 2)),
            Verb::Rescale => ("/rescale", json!({ "parallelism": 1 + nth % 3 })),
            Verb::Stop => ("/stop", json!({ "savepoint": nth.is_multiple_of(2) })),
            Verb::Savepoint => ("/savepoint", json!({})),
            Verb::Restart => ("/restart", json!({})),
        };
        let method = if verb == Verb::Upgrade { Method::PUT } else { Method::POST };
        let request = api.request(method, &format!("{}{what}", path(KEPT))).json(&body);
        let answer = api.send(request).await?;
        // A savepoint of a job that is not running is refused; nothing else is.
        let fine = answer.status < 300 || (verb == Verb::Savepoint && answer.status == 409);
        ensure!(fine, "{verb:?}: {} {:#}", answer.status, answer.json);
        Ok(())
    }

    async fn resume(&self, api: &Api) -> Result<()> {
        api.post(&format!("{}/resume", path(KEPT)), &json!({})).await?.is(202).map(drop)
    }

    /// Kills the control plane, which comes back, or the worker of a job.
    async fn kill(&self, plane: Plane, victim: Victim, job: &str) -> Result<Plane> {
        let name = match victim {
            Victim::ControlPlane => {
                plane.process.kill().await?;
                return self.start().await;
            }
            Victim::Worker => job,
            Victim::Router => "system--router",
        };
        if let Some(pid) = workers(&self.site.path("data")).get(name) {
            kill_worker(*pid);
        }
        Ok(plane)
    }

    async fn die(&self, mut plane: Plane, kills: u64) -> Result<Plane> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        for nth in 0..kills {
            let verb = VERBS[rng.random_range(0..VERBS.len())];
            // Every victim is met in every story.
            let victim = VICTIMS[usize::try_from((nth + self.seed) % 3)?];
            let wait = Duration::from_millis(rng.random_range(0..500));
            let job = if verb == Verb::Deploy { new(nth) } else { KEPT.to_owned() };
            self.ask(&plane.api, verb, nth).await?;
            tokio::time::sleep(wait).await;
            plane = self
                .kill(plane, victim, &job)
                .await
                .with_context(|| format!("{victim:?} killed {wait:?} after {verb:?}"))?;
            if verb == Verb::Stop {
                self.resume(&plane.api).await?;
            }
        }
        Ok(plane)
    }

    async fn check(&self, plane: &Plane, acked: &Acked) -> Result<()> {
        let tables = self.site.tables().await?;
        for job in &self.jobs() {
            plane.api.reaches(job, "running").await?;
            self.runs_follow_each_other(&plane.api, job).await.with_context(|| job.clone())?;
        }
        for table in self.jobs().into_iter().chain([ROUTED.to_owned()]) {
            let table = format!("raw.{table}");
            let ids = eventually(&format!("the rows of {table}"), async || {
                let ids = tables.ids(&table).await.unwrap_or_default();
                Ok((ids.len() >= acked.written.len()).then_some(ids))
            })
            .await?;
            acked.must_be(&ids).context(table)?;
        }
        Ok(())
    }

    /// No run began before the one before it had ended.
    async fn runs_follow_each_other(&self, api: &Api, job: &str) -> Result<()> {
        let mut runs = Vec::new();
        let first = format!("{}/runs?limit=100", path(job));
        let mut page_path = first.clone();
        loop {
            let page = api.get(&page_path).await?.is(200)?.json;
            runs.extend(page["items"].as_array().context("a list")?.iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            page_path = format!("{first}&after={next}");
        }
        runs.sort_by_key(|run| run["startedMs"].as_i64());
        ensure!(!runs.is_empty(), "there were runs");
        for pair in runs.windows(2) {
            let (ended, started) = (pair[0]["endedMs"].as_i64(), pair[1]["startedMs"].as_i64());
            ensure!(ended.is_some() && ended <= started, "two runs at once: {pair:#?}");
        }
        Ok(())
    }

    async fn tell(&self, plot: Plot) -> Result<()> {
        let plane = self.start().await?;
        self.deploy(&plane.api, KEPT).await?;
        let (kafka, over) = (plane.kafka.clone(), AtomicBool::new(false));
        let killing = async {
            let plane = match plot {
                Plot::Anybody(kills) => self.die(plane, kills).await,
                Plot::Effects => effects::die_after_each(self, plane).await,
            };
            over.store(true, Ordering::Release);
            plane
        };
        let (acked, plane) = tokio::try_join!(self.produce(&kafka, &over), killing)?;
        self.check(&plane, &acked).await?;
        plane.process.stop().await?;
        ensure!(workers(&self.site.path("data")).is_empty(), "workers outlive their platform");
        Ok(())
    }
}

/// Name of the job that the `nth` deployment makes.
fn new(nth: u64) -> String {
    format!("new{nth}")
}

/// How many kills in all: `MILLRACE_SPAAS_KILLS`, else a few. Deaths after effects come on top.
fn kills() -> Result<u64> {
    std::env::var("MILLRACE_SPAAS_KILLS").map_or(Ok(6), |text| Ok(text.parse()?))
}

/// The stories of so many kills.
fn plots(kills: u64) -> Vec<Plot> {
    let stories = kills.div_ceil(KILLS_PER_STORY);
    let anybody = (0..stories)
        .map(|story| Plot::Anybody(KILLS_PER_STORY.min(kills - story * KILLS_PER_STORY)));
    [Plot::Effects].into_iter().chain(anybody).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_each_event_counts_once_and_jobs_run_once() -> Result<()> {
    let mut told: JoinSet<Result<()>> = JoinSet::new();
    for (seed, plot) in (0..).zip(plots(kills()?)) {
        if told.len() == AT_ONCE {
            told.join_next().await.context("one is under way")??.context("a story")?;
        }
        told.spawn_blocking(move || {
            // A thread of its own: what a story waits for need not be sent between threads.
            let story = Story::new(seed)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let ended = runtime.block_on(story.tell(plot));
            ended.with_context(|| format!("seed {seed}, {plot:?}\n{}", story.site.logs()))
        });
    }
    while let Some(ended) = told.join_next().await {
        ended??;
    }
    Ok(())
}
