//! What was shown and played, and whether tables and feeds count exactly that.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use millrace_bus::KafkaSettings;
use millrace_tests::{Api, eventually, latest_by_key};

/// A title and its image.
pub(super) type Artwork = (i64, i64);
/// Impressions, and how many of them were played.
type Counts = (u64, u64);

/// An impression, as an answer promised it and as the table has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub(super) member: i64,
    pub(super) artwork: Artwork,
    pub(super) row: String,
    position: i64,
    propensity: f64,
    policy: String,
    country: String,
    device: String,
}

/// Everything that answers said was shown, by impression id, and what was played of it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) shown: BTreeMap<String, Shown>,
    pub(super) plays: BTreeMap<Artwork, u64>,
}

fn whole(value: &Value) -> Result<i64> {
    value.as_i64().with_context(|| format!("a whole number instead of {value}"))
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("text instead of {value}"))?.to_owned())
}

/// The impressions of an answer that explains itself.
pub(super) fn shown(answer: &Value, device: &str) -> Result<Vec<(String, Shown)>> {
    let mut all = Vec::new();
    for row in answer["rows"].as_array().context("rows")? {
        for card in row["titles"].as_array().context("titles")? {
            let image = whole(&card["artwork_id"])?;
            let candidates = card["candidates"].as_array().context("candidates")?;
            let chosen = candidates.iter().find(|other| other["artwork_id"] == image);
            let shown = Shown {
                member: whole(&answer["member_id"])?,
                artwork: (whole(&card["title_id"])?, image),
                row: text(&row["row"])?,
                position: whole(&card["position"])?,
                propensity: chosen.context("it is a candidate")?["probability"]
                    .as_f64()
                    .context("a probability")?,
                policy: text(&answer["policy"])?,
                country: text(&answer["country"])?,
                device: device.to_owned(),
            };
            all.push((text(&card["impression_id"])?, shown));
        }
    }
    Ok(all)
}

/// The impressions of the table that the service logged.
async fn logged(api: &Api) -> Result<Vec<(String, Shown)>> {
    let sql = "SELECT event_id, member_id, item_id, artwork_id, \"row\", position, propensity, \
               policy, country, device FROM raw.impressions WHERE device IS NOT NULL";
    let rows = api.sql(sql).await?.unwrap_or_default();
    let row = |row: &Value| {
        let shown = Shown {
            member: whole(&row["member_id"])?,
            artwork: (whole(&row["item_id"])?, whole(&row["artwork_id"])?),
            row: text(&row["row"])?,
            position: whole(&row["position"])?,
            propensity: row["propensity"].as_f64().context("a propensity")?,
            policy: text(&row["policy"])?,
            country: text(&row["country"])?,
            device: text(&row["device"])?,
        };
        Ok((text(&row["event_id"])?, shown))
    };
    rows.iter().map(row).collect()
}

impl Ledger {
    /// Waits until every impression of the ledger is in the table, as it was promised and once.
    /// Those of answers that nobody received are in the table as well: how many ids there are.
    pub(super) async fn is_logged(&self, api: &Api) -> Result<usize> {
        let rows = eventually("the impressions in the table", async || {
            let rows = logged(api).await?;
            let ids: BTreeMap<_, _> = rows.iter().map(|(id, shown)| (id, shown)).collect();
            Ok(self.shown.keys().all(|id| ids.contains_key(id)).then_some(rows))
        })
        .await?;
        let count = rows.len();
        let ids: BTreeMap<_, _> = rows.into_iter().collect();
        ensure!(ids.len() == count, "{count} rows of {} impressions", ids.len());
        for (id, promised) in &self.shown {
            let logged = &ids[id];
            ensure!(logged == promised, "{id}: {logged:?} instead of {promised:?}");
        }
        Ok(count)
    }

    /// What jobs must have counted: the impressions of the table, and the plays of the ledger.
    async fn expected(&self, api: &Api) -> Result<BTreeMap<Artwork, Counts>> {
        let sql = "SELECT item_id, artwork_id, COUNT(*) AS n FROM raw.impressions GROUP BY 1, 2";
        let mut counts = BTreeMap::new();
        for row in api.sql(sql).await?.unwrap_or_default() {
            let artwork = (whole(&row["item_id"])?, whole(&row["artwork_id"])?);
            let plays = self.plays.get(&artwork).copied().unwrap_or(0);
            counts.insert(artwork, (u64::try_from(whole(&row["n"])?)?, plays));
        }
        Ok(counts)
    }

    /// Waits until the feeds of both jobs that count impressions have counted each once.
    pub(super) async fn is_counted(&self, api: &Api, kafka: &KafkaSettings) -> Result<()> {
        let mut seen = String::new();
        let counted = eventually("counts of what was shown and played", async || {
            let expected = self.expected(api).await?;
            let mut by_title: BTreeMap<i64, Counts> = BTreeMap::new();
            for ((title, _), (impressions, plays)) in &expected {
                let sums = by_title.entry(*title).or_default();
                *sums = (sums.0 + impressions, sums.1 + plays);
            }
            let (titles, artworks) = (take_rates(kafka).await?, policies(kafka).await?);
            let equal = titles == by_title && artworks == expected;
            seen = format!(
                "take_rate {titles:?}\ninstead of {by_title:?}\nartwork_policy {artworks:?}\n\
                 instead of {expected:?}"
            );
            Ok(equal.then_some(()))
        })
        .await;
        counted.context(seen)
    }
}

fn counts(row: &Value) -> Result<Counts> {
    let count = |name: &str| row[name].as_u64().with_context(|| format!("{name} in {row}"));
    Ok((count("impressions")?, count("plays")?))
}

/// Counts of each title in the feed `take_rate`: over all hours and countries.
async fn take_rates(kafka: &KafkaSettings) -> Result<BTreeMap<i64, Counts>> {
    let mut titles: BTreeMap<i64, Counts> = BTreeMap::new();
    for row in latest_by_key(kafka, "take_rate").await?.values().filter(|row| row["hours"] == 1) {
        let (impressions, plays) = counts(row)?;
        let sums = titles.entry(whole(&row["title_id"])?).or_default();
        *sums = (sums.0 + impressions, sums.1 + plays);
    }
    Ok(titles)
}

/// Counts of each image in the feed `artwork_policy`.
async fn policies(kafka: &KafkaSettings) -> Result<BTreeMap<Artwork, Counts>> {
    let rows = latest_by_key(kafka, "artwork_policy").await?;
    let row = |row: &Value| {
        let artwork = (whole(&row["title_id"])?, whole(&row["artwork_id"])?);
        Ok((artwork, counts(row)?))
    };
    rows.values().map(row).collect()
}
