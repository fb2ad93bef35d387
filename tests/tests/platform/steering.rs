//! An appliance falls silent and steering sends its clients to others, with real processes from the
//! report to the answer; and steering, killed, answers again from its own store.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use millrace_bus::KafkaSettings;
use millrace_events::{Clock, SystemClock};
use millrace_tests::{Api, Millrace, Site, eventually};

/// One after the other they report, so each once a second.
const APPLIANCES: usize = 8;
const STEP: Duration = Duration::from_millis(125);
/// The silence that the job looks for, and the delay of the stream of reports.
const FOUND_AFTER_MS: i64 = 5_200 + 300;
/// All but the last hold it.
const FILE: &str = "film";

/// Whom the client of each appliance's prefix is sent to first. The last one's own prefix leads to
/// nobody who has the file, so that the prefix around it counts, which number 1 announces.
const FIRST: [&str; APPLIANCES] =
    ["oca-0", "oca-1", "oca-2", "oca-3", "oca-4", "oca-5", "oca-6", "oca-1"];

/// Appliances that report. Event time passes with what is sent and not otherwise, so that a machine
/// that stands still makes nobody silent.
struct Fleet {
    api: Api,
    started: Instant,
    now_ms: i64,
    turn: u32,
    silent: Option<usize>,
    /// Of each appliance the time of its last report, and when it was sent.
    last: [Option<(i64, Instant)>; APPLIANCES],
}

impl Fleet {
    fn new(api: Api) -> Self {
        let (started, now_ms) = (Instant::now(), SystemClock::default().now_ms());
        Self { api, started, now_ms, turn: 0, silent: None, last: [None; APPLIANCES] }
    }

    /// What each appliance announces and holds.
    async fn begin(&self) -> Result<()> {
        let event = |n: usize, no: usize| {
            json!({ "event_id": format!("begin-{n}"), "event_time": self.now_ms,
                "oca_id": format!("oca-{no}") })
        };
        let own = (0..APPLIANCES).map(|no| (no, format!("198.51.{no}.0/24")));
        // Number 7 is nearer than 1, but of no use.
        let around = [(1, "198.51.0.0/16".to_owned()), (7, "198.51.0.0/20".to_owned())];
        let routes = own.chain(around).enumerate().map(|(n, (no, prefix))| {
            let mut route = event(n, no);
            route["prefix"] = prefix.into();
            route["action"] = "announce".into();
            route
        });
        let files = (0..APPLIANCES - 1).map(|no| {
            let mut file = event(no, no);
            file["file_id"] = FILE.into();
            file["action"] = "add".into();
            file
        });
        self.api.emit("oca_routes", &routes.collect::<Vec<_>>()).await?;
        self.api.emit("oca_files", &files.collect::<Vec<_>>()).await
    }

    /// Time passes, as fast as for us if the machine keeps up, and whose turn it is reports; who
    /// that was.
    async fn step(&mut self) -> Result<usize> {
        self.turn += 1;
        self.now_ms += i64::try_from(STEP.as_millis())?;
        let due = STEP * self.turn;
        tokio::time::sleep(due.saturating_sub(self.started.elapsed())).await;
        let no = usize::try_from(self.turn)? % APPLIANCES;
        if self.silent != Some(no) {
            let report = json!({
                "event_id": format!("report-{}", self.turn), "event_time": self.now_ms,
                "oca_id": format!("oca-{no}"), "base_url": format!("https://oca-{no}.example"),
                "latitude": 52.3, "longitude": 4.9, "capacity_mbps": 10_000.0,
                "load_mbps": 1_000.0, "cpu": 0.1, "disk_errors": 0,
            });
            self.last[no] = Some((self.now_ms, Instant::now()));
            self.api.emit("oca_reports", &[report]).await?;
        }
        Ok(no)
    }

    /// Lets time pass until appliance `no` has reported.
    async fn until_report_of(&mut self, no: usize) -> Result<i64> {
        while self.step().await? != no {}
        Ok(self.last[no].context("it has reported")?.0)
    }
}

struct Steering {
    process: Millrace,
    client: Client,
    address: String,
}

impl Steering {
    async fn start(site: &Site, kafka: &KafkaSettings) -> Result<Self> {
        let mut process = site.serve("steering", kafka)?;
        let address = process.listening().await?;
        Ok(Self { process, client: Client::new(), address })
    }

    async fn steer(&self, client: usize) -> Result<Value> {
        let asked = json!({ "client_ip": format!("198.51.{client}.7"), "files": [FILE] });
        let request = self.client.post(format!("{}/v1/steer", self.address)).json(&asked);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Whom a client in the prefix of each appliance is sent to, best first.
    async fn answers(&self) -> Result<Vec<Vec<String>>> {
        let mut answers = Vec::new();
        for client in 0..APPLIANCES {
            let answer = self.steer(client).await?;
            let urls = answer["files"][0]["urls"].as_array().context("addresses")?;
            let named = urls.iter().filter_map(|url| url["appliance"].as_str());
            answers.push(named.map(str::to_owned).collect());
        }
        Ok(answers)
    }

    /// What is said of appliance 0 to the client in its prefix: among the chosen, or the others.
    async fn why(&self, among: &str) -> Result<Option<Value>> {
        let query = format!("client_ip=198.51.0.7&file={FILE}");
        let url = format!("{}/v1/admin/why?{query}", self.address);
        let why: Value = self.client.get(url).send().await?.error_for_status()?.json().await?;
        let said = why[among].as_array().context("appliances")?;
        Ok(said.iter().find(|said| said["appliance"] == "oca-0").cloned())
    }
}

fn first(answers: &[Vec<String>]) -> Vec<&str> {
    answers.iter().map(|named| named.first().map_or("nobody", String::as_str)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_an_appliance_that_falls_silent_are_sent_elsewhere_until_it_is_well()
-> Result<()> {
    let site = Site::shipped(&["jobs/oca-health"])?;
    let platform = site.up(None)?;
    tell(&site, platform).await.with_context(|| site.logs())
}

async fn tell(site: &Site, mut platform: Millrace) -> Result<()> {
    let run = platform.ready().await?;
    let api = Api::admin(&site.path("data"), run["http"].as_str().context("an address")?)?;
    api.reaches("oca-health", "running").await?;
    let kafka = KafkaSettings::plain(run["kafka"].as_str().context("a broker")?);
    let steering = Steering::start(site, &kafka).await?;

    let mut fleet = Fleet::new(api);
    fleet.begin().await?;
    let well = eventually("everybody is served by the nearest", async || {
        fleet.step().await?;
        let answers = steering.answers().await?;
        Ok((first(&answers) == FIRST && answers[0].len() == APPLIANCES - 1).then_some(answers))
    })
    .await?;

    falls_silent(&mut fleet, &steering, &well).await?;
    comes_back(&mut fleet, &steering, &well).await?;

    // Killed, and no broker to ask any more: the store is enough, and it says how old that is.
    steering.process.kill().await?;
    platform.stop().await?;
    let steering = Steering::start(site, &kafka).await?;
    let stale = steering.steer(0).await?["stale"]["reason"].clone();
    ensure!(stale == "feed-silent", "{stale}");
    ensure!(steering.answers().await? == well, "another answer after a restart");
    steering.process.stop().await
}

async fn falls_silent(fleet: &mut Fleet, steering: &Steering, well: &[Vec<String>]) -> Result<()> {
    fleet.silent = Some(0);
    let (last_ms, last) = fleet.last[0].context("it has reported")?;
    let took = eventually("its client is sent elsewhere", async || {
        fleet.step().await?;
        let answers = steering.answers().await?;
        ensure!(first(&answers)[1..] == FIRST[1..], "others keep theirs: {answers:?}");
        Ok((first(&answers)[0] != "oca-0").then(|| last.elapsed()))
    })
    .await?;
    println!("moved {:.2} s after the last report", took.as_secs_f64());
    let silent_ms = fleet.now_ms - last_ms;
    ensure!(silent_ms >= FOUND_AFTER_MS, "taken for dead after {silent_ms} ms");

    // Nothing else has changed: the same lists without it, so the first is number 1 by its prefix.
    let without = |named: &Vec<String>| named.iter().filter(|n| *n != "oca-0").cloned().collect();
    let expected: Vec<Vec<String>> = well.iter().map(without).collect();
    ensure!(first(&expected)[0] == "oca-1", "{expected:?}");
    let answers = steering.answers().await?;
    ensure!(answers == expected, "{answers:?} instead of {expected:?}");
    ensure!(steering.why("chosen").await?.is_none(), "chosen, and not in the answer");
    let said = steering.why("others").await?.context("an appliance that was considered")?;
    let about = (&said["fault"], &said["holds_file"], &said["last_report_ms"]);
    ensure!(about == (&json!("unhealthy"), &json!(true), &json!(last_ms)), "{said}");
    Ok(())
}

/// Twice it reports and is not trusted yet; with the third good report it has its clients back.
async fn comes_back(fleet: &mut Fleet, steering: &Steering, well: &[Vec<String>]) -> Result<()> {
    fleet.silent = None;
    for _ in 0..2 {
        let reported = fleet.until_report_of(0).await?;
        eventually("its report is known", async || {
            let said = steering.why("others").await?.context("it is not chosen yet")?;
            Ok((said["last_report_ms"] == reported).then_some(()))
        })
        .await?;
        ensure!(first(&steering.answers().await?)[0] == "oca-1", "it came back too early");
    }
    fleet.until_report_of(0).await?;
    eventually("it has its clients back", async || {
        let answers = steering.answers().await?;
        ensure!(first(&answers)[1..] == FIRST[1..], "others keep theirs: {answers:?}");
        Ok((answers == well).then_some(()))
    })
    .await
}
