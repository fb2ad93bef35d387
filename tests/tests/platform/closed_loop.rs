//! The main loop of the platform, with its shipped jobs: what the recommendation service shows is
//! logged and counted once, what is played shapes the next page, what is deleted is gone
//! everywhere, and nobody's sudden end counts anything twice.

mod ledger;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use millrace_bus::KafkaSettings;
use millrace_events::{Clock, SystemClock};
use millrace_tests::{
    Api, Millrace, Recommender, Site, eventually, kill_worker, latest_by_key, workers, write_feed,
};

use ledger::{Artwork, Ledger, shown};
use world::{MEMBER, OTHERS, POSITION_S, WATCHED};

/// What is deployed, as it ships.
const FOLDERS: [&str; 5] = [
    "jobs/streams",
    "jobs/open-bandit",
    "jobs/viewing-history",
    "jobs/take-rate",
    "jobs/artwork-personalization",
];
const JOBS: [&str; 4] = ["viewing-history", "take-rate", "popularity", "artwork-personalization"];
/// Titles that a history keeps as rows; older ones are packed.
const RECENT: usize = 20;
/// What the documentation of the table of sessions tells its readers to do.
const VIEWING_HISTORY: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../jobs/viewing-history/README.md"));

/// A platform, and what was done on it so far.
struct Story<'a> {
    site: &'a Site,
    api: Api,
    kafka: KafkaSettings,
    clock: SystemClock,
    ledger: Ledger,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_counted_once_and_what_is_played_shapes_the_next_page() -> Result<()> {
    let site = Site::shipped(&FOLDERS)?;
    let mut platform = site.up(None)?;
    let told = tell(&site, &mut platform).await;
    let ended = platform.stop().await;
    told.with_context(|| site.logs())?;
    ended.with_context(|| site.logs())
}

async fn tell(site: &Site, platform: &mut Millrace) -> Result<()> {
    let (api, kafka) = site.reached(platform).await?;
    let clock = SystemClock::default();
    let mut story = Story { site, api, kafka, clock, ledger: Ledger::default() };
    story.begins().await.context("the beginning")?;
    let service = Recommender::start(site, &story.kafka).await?;
    story.knows(&service).await.context("what the service knows")?;
    let (played, impression) = story.shows(&service).await.context("pages")?;
    story.plays(&service, played, &impression).await.context("a play")?;
    let service = story.deletes(service, played.0).await.context("a deletion")?;
    story.dies(service, played.0).await.context("sudden ends")
}

impl Story<'_> {
    /// Catalogue and members are written, as by those who own them; members watch.
    async fn begins(&mut self) -> Result<()> {
        for job in JOBS {
            self.api.reaches(job, "running").await?;
        }
        write_feed(&self.kafka, "titles", &["title_id"], &world::titles()).await?;
        write_feed(&self.kafka, "members", &["member_id"], &world::members()).await?;
        let now = self.clock.now_ms();
        self.api.emit("impressions", &world::earlier_impressions(now)).await?;
        self.api.emit("clicks", &world::earlier_clicks(now)).await?;
        self.api.emit("playback", &world::earlier_plays(now)).await?;
        self.api.emit("playback", &world::players_now(now)).await?;
        // The click and the start of member 2 are one play; that of member 3 names nothing.
        self.ledger.plays.insert((1, 10), 2);
        self.ledger.is_counted(&self.api, &self.kafka).await?;
        let sessions = "SELECT title_id FROM viewing.sessions WHERE member_id = 1";
        self.rows(sessions, WATCHED.collect()).await
    }

    /// Waits until the first column of a query holds `titles`, each once.
    async fn rows(&self, sql: &str, titles: BTreeSet<i64>) -> Result<()> {
        let mut seen = Vec::new();
        let found = eventually("the rows of a query", async || {
            let rows = self.api.sql(sql).await?.unwrap_or_default();
            seen = rows.iter().filter_map(|row| row["title_id"].as_i64()).collect();
            seen.sort_unstable();
            Ok(seen.iter().eq(&titles).then_some(()))
        })
        .await;
        found.with_context(|| format!("{sql}\nhas {seen:?} instead of {titles:?}"))
    }

    /// Waits until the service shows `titles` as the member's history.
    async fn history_is(&self, service: &Recommender, titles: &BTreeSet<i64>) -> Result<()> {
        let mut seen = Vec::new();
        let found = eventually("a history", async || {
            let answer = service.get(&format!("/members/{MEMBER}/history")).await?.is(200)?;
            let rows = answer.json["titles"].as_array().context("titles")?.clone();
            seen = rows.iter().filter_map(|row| row["title_id"].as_i64()).collect();
            seen.sort_unstable();
            Ok(seen.iter().eq(titles).then_some(()))
        })
        .await;
        found.with_context(|| format!("{seen:?} instead of {titles:?}"))
    }

    /// What the jobs made of it has come to the service.
    async fn knows(&self, service: &Recommender) -> Result<()> {
        self.history_is(service, &WATCHED.collect()).await?;
        eventually("catalogue, members, popularity, take rate and policy", async || {
            let status = service.get("/status").await?.is(200)?.json;
            let title = service.get("/titles/1/stats?country=DE").await?.is(200)?.json;
            let rate = &title["take_rates"][0];
            let known = status["titles"] == 40
                && status["members"] == 4
                && title["popularity"]["plays"].as_f64() == Some(3.0)
                && rate["impressions"] == 3
                && rate["plays"] == 2
                && title["policy_version"] == 5;
            Ok(known.then_some(()))
        })
        .await
    }

    /// A page of the member's own. Every answer on the way there was shown, too.
    async fn page(&mut self, service: &Recommender) -> Result<Value> {
        let path = format!("/members/{MEMBER}/feed?profile=1&device=tv&titles=5&explain=true");
        eventually("a page of the member's own", async || {
            let answer = service.get(&path).await?.is(200)?.json;
            self.ledger.shown.extend(shown(&answer, "tv")?);
            Ok((answer["rung"] == "personal").then_some(answer))
        })
        .await
    }

    /// Pages are logged as they were answered, and counted. Ends with an image and its impression,
    /// of a title that the member did not play and was shown again later with another image.
    async fn shows(&mut self, service: &Recommender) -> Result<(Artwork, String)> {
        let first = shown(&self.page(service).await?, "tv")?;
        let rows: BTreeSet<_> = first.iter().map(|(_, shown)| shown.row.as_str()).collect();
        ensure!(rows.is_superset(&["continue_watching", "top_10", "new"].into()), "{rows:?}");
        self.ledger.is_logged(&self.api).await?;
        self.has_versions(&first).await?;
        self.ledger.is_counted(&self.api, &self.kafka).await?;

        let found = eventually("a title with two images", async || {
            let page = shown(&self.page(service).await?, "tv")?;
            let both = first.iter().filter(|(_, shown)| shown.row == "new").find(|(_, before)| {
                let later = page.iter().find(|(_, s)| s.artwork.0 == before.artwork.0);
                later.is_some_and(|(_, later)| later.artwork != before.artwork)
            });
            Ok(both.map(|(id, shown)| (shown.artwork, id.clone())))
        })
        .await?;
        self.ledger.is_logged(&self.api).await?;
        self.ledger.is_counted(&self.api, &self.kafka).await?;
        Ok(found)
    }

    /// The first page was chosen by what was known: of title 1 alone.
    async fn has_versions(&self, page: &[(String, ledger::Shown)]) -> Result<()> {
        let sql = "SELECT event_id, policy_version FROM raw.impressions";
        let rows = self.api.sql(sql).await?.context("the table")?;
        let versions: BTreeMap<_, _> =
            rows.iter().map(|row| (row["event_id"].as_str(), &row["policy_version"])).collect();
        ensure!(page.iter().any(|(_, shown)| shown.artwork.0 == 1), "title 1 is on the page");
        for (id, shown) in page {
            let version = versions[&Some(id.as_str())];
            let known = if shown.artwork.0 == 1 { json!(5) } else { Value::Null };
            ensure!(*version == known, "{shown:?} was chosen by version {version}");
        }
        Ok(())
    }

    /// A play that names an impression is counted as one of that, and shows on the next page.
    async fn plays(
        &mut self,
        service: &Recommender,
        played: Artwork,
        impression: &str,
    ) -> Result<()> {
        let now = self.clock.now_ms();
        let events = world::play(MEMBER, played.0, now, Some(impression));
        self.api.emit("playback", &events).await?;
        self.ledger.plays.insert(played, 1);
        self.ledger.is_counted(&self.api, &self.kafka).await?;
        self.history_is(service, &WATCHED.chain([played.0]).collect()).await?;
        eventually("popularity and take rate of the title", async || {
            let path = format!("/titles/{}/stats?country=DE", played.0);
            let stats = service.get(&path).await?.is(200)?.json;
            let popular = stats["popularity"]["plays"].as_f64() == Some(1.0);
            Ok((popular && stats["take_rates"][0]["plays"] == 1).then_some(()))
        })
        .await?;

        let page = self.page(service).await?;
        let continued = &page["rows"][0];
        ensure!(continued["row"] == "continue_watching", "{page:#}");
        let first = &continued["titles"][0];
        ensure!(first["title_id"] == played.0, "{first:#}");
        ensure!(first["resume_s"].as_f64() == Some(f64::from(POSITION_S)), "{first:#}");
        self.ledger.is_logged(&self.api).await?;
        self.ledger.is_counted(&self.api, &self.kafka).await
    }

    /// A recent and a packed title are deleted: from the service at once, from feeds and sessions
    /// when the job has seen it, and they stay deleted when the service forgets what it hid.
    async fn deletes(&mut self, service: Recommender, played: i64) -> Result<Recommender> {
        let (recent, packed) = (*WATCHED.end(), *WATCHED.start());
        let feed = self.recent().await?;
        ensure!(feed.contains(&recent) && !feed.contains(&packed), "{feed:?}");
        for title in [recent, packed] {
            let path = format!("/members/{MEMBER}/history/{title}");
            let answer = service.delete(&path).await?.is(202)?.json;
            ensure!(answer["profiles"] == json!([1]), "{answer:#}");
        }
        let left: BTreeSet<_> =
            WATCHED.chain([played]).filter(|t| ![recent, packed].contains(t)).collect();
        let answer = service.get(&format!("/members/{MEMBER}/history")).await?.is(200)?.json;
        let titles = answer["titles"].as_array().context("titles")?;
        let shown: BTreeSet<_> = titles.iter().filter_map(|row| row["title_id"].as_i64()).collect();
        ensure!(shown == left, "{shown:?} right after the deletion");

        // The title that was played last, then the greatest numbers.
        let newest =
            [played].into_iter().chain(left.iter().copied().rev().filter(|t| *t != played));
        let newest: BTreeSet<_> = newest.take(RECENT).collect();
        eventually("the feed `history` without the title", async || {
            Ok((self.recent().await? == newest).then_some(()))
        })
        .await?;
        let (_, sql) = VIEWING_HISTORY.split_once("```sql\n").context("a query")?;
        let (sql, _) = sql.split_once("```").context("its end")?;
        let sql = format!("SELECT title_id FROM ({sql}) AS kept WHERE member_id = {MEMBER}");
        self.rows(&sql, WATCHED.filter(|t| ![recent, packed].contains(t)).collect()).await?;

        // What is not hidden any more comes from the feeds alone: both of them have forgotten.
        service.stop().await?;
        let service = Recommender::start(self.site, &self.kafka).await?;
        self.history_is(&service, &left).await?;
        let page = shown_titles(&self.page(&service).await?, "continue_watching");
        ensure!(!page.contains(&recent), "a deleted title is on the page: {page:?}");
        Ok(service)
    }

    /// Titles of the member in the feed `history`.
    async fn recent(&self) -> Result<BTreeSet<i64>> {
        let rows = latest_by_key(&self.kafka, "history").await?;
        let own = rows.values().filter(|row| row["member_id"] == MEMBER);
        Ok(own.filter_map(|row| row["title_id"].as_i64()).collect())
    }

    /// The service dies with answers that are not logged yet, then jobs and router while they
    /// count. What is in the table is counted once, and what was counted before still is.
    async fn dies(&mut self, service: Recommender, played: i64) -> Result<()> {
        let logged = self.ledger.is_logged(&self.api).await?;
        cut_off(service).await?;
        let service = Recommender::start(self.site, &self.kafka).await?;
        for job in ["take-rate", "artwork-personalization", "viewing-history", "system--router"] {
            self.pages_of_others(&service).await?;
            let workers = workers(&self.site.path("data"));
            kill_worker(*workers.get(job).with_context(|| format!("a worker of {job}"))?);
        }
        // These come after everything that was sent before, in each partition.
        self.pages_of_others(&service).await?;
        let now_logged = self.ledger.is_logged(&self.api).await?;
        ensure!(now_logged > logged, "nothing was shown");
        self.ledger.is_counted(&self.api, &self.kafka).await?;
        let left = (*WATCHED.start() + 1)..*WATCHED.end();
        self.history_is(&service, &left.chain([played]).collect()).await?;
        service.stop().await
    }

    async fn pages_of_others(&mut self, service: &Recommender) -> Result<()> {
        for member in OTHERS {
            let path = format!("/members/{member}/feed?device=web&titles=3&explain=true");
            let answer = service.get(&path).await?.is(200)?.json;
            self.ledger.shown.extend(shown(&answer, "web")?);
        }
        Ok(())
    }
}

/// Kills the service in the midst of answers.
async fn cut_off(service: Recommender) -> Result<()> {
    let (client, mut asked) = (Client::new(), JoinSet::new());
    for member in OTHERS.cycle().take(30) {
        let request = client.get(service.url(&format!("/members/{member}/feed?device=web")));
        asked.spawn(async move { request.send().await?.text().await });
    }
    for _ in 0..10 {
        asked.join_next().await.context("a request")???;
    }
    service.kill().await?;
    // How the others end does not matter.
    while asked.join_next().await.is_some() {}
    Ok(())
}

/// Titles in a row of a page.
fn shown_titles(page: &Value, row: &str) -> Vec<i64> {
    let rows = page["rows"].as_array().into_iter().flatten();
    let of_row = rows.filter(|shown| shown["row"] == row);
    let titles = of_row.flat_map(|shown| shown["titles"].as_array().into_iter().flatten());
    titles.filter_map(|title| title["title_id"].as_i64()).collect()
}
