//! What the services answer from what the jobs found, and what becomes of it: a member's page, its
//! impressions on their way back into the jobs, and appliances for five clients.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use serde_json::Value;

use super::feeds::Feeds;
use super::fleet::Client;
use super::services::Services;
use super::{Scene, TAKEN};

/// Between two looks for what comes back.
const LOOK: Duration = Duration::from_millis(100);
/// Looks until it is given up.
const LOOKS: u32 = 600;

/// Who watched the most titles.
const MEMBER: &str = "SELECT member_id FROM raw.playback GROUP BY member_id
ORDER BY count(DISTINCT title_id) DESC, member_id LIMIT 1";

/// Titles of a row that are printed.
const SHOWN: usize = 4;

/// Shows a member's page and follows what was logged of it into the jobs; returns a title of the
/// page: the one with the lowest number, of which the fleet has the most copies.
pub(super) async fn page(scene: &Scene, services: &Services, feeds: &Feeds) -> anyhow::Result<i64> {
    let member = count(scene, MEMBER).await?.context("somebody watched something")?;
    let before = counted(feeds)?;
    let page = services.page(member).await?;
    println!(
        "\nA page for member {member}: http://{}/v1/members/{member}/feed",
        services.recommends
    );
    let mut shown = 0;
    let mut lowest = None;
    for row in page["rows"].as_array().context("rows")? {
        let titles = row["titles"].as_array().context("titles")?;
        let told = titles.iter().take(SHOWN).map(|title| {
            let text = |name: &str| title[name].as_str().unwrap_or("?").to_owned();
            format!("{} (image {})", text("name"), title["artwork_id"])
        });
        let name = row["row"].as_str().unwrap_or("?").replace('_', " ");
        println!("  {name:<20} {}", told.collect::<Vec<_>>().join(", "));
        let ids = titles.iter().filter_map(|title| title["title_id"].as_i64());
        lowest = ids.chain(lowest).min();
        shown += titles.len() as u64;
    }
    ensure!(shown > 0, "the page is empty: {page}");
    let rung = page["rung"].as_str().unwrap_or("?");
    let id = page["answer_id"].as_str().context("the answer has an id")?;
    let written = format!("SELECT count(*) FROM raw.impressions WHERE event_id LIKE '{id}-%'");
    for _ in 0..LOOKS {
        let rows = count(scene, &written).await?.unwrap_or(0).unsigned_abs();
        let more = counted(feeds)?.saturating_sub(before);
        if rows == shown && more == shown {
            println!(
                "  The {shown} impressions of this answer (rung: {rung}) came back: {rows} in \
                 raw.impressions, {more} more counted by the job `take-rate`."
            );
            return lowest.context("a title");
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!("{shown} titles were shown, and their impressions did not come back")
}

/// Impressions of pages that the job `take-rate` has counted.
fn counted(feeds: &Feeds) -> anyhow::Result<u64> {
    let rows = feeds.rows(TAKEN)?;
    let home = rows.iter().filter(|row| row["campaign"] == "home");
    Ok(home.filter_map(|row| row["impressions"].as_u64()).sum())
}

/// The one number that `sql` answers.
async fn count(scene: &Scene, sql: &str) -> anyhow::Result<Option<i64>> {
    let batches = scene.engine.run(sql).await?.collect_all().await?;
    let first = batches.iter().find(|batch| batch.num_rows() > 0);
    Ok(first.map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0)))
}

/// Shows which appliances serve the title to each client.
pub(super) async fn steer(
    services: &Services,
    clients: &[Client],
    title: i64,
) -> anyhow::Result<()> {
    let file = format!("{title}-hd");
    println!("\nWho serves file {file}: POST http://{}/v1/steer", services.steers);
    let mut signed = None;
    for client in clients {
        let answer = services.steer(client.address, &file).await?;
        let urls = answer["files"][0]["urls"].as_array().context("urls")?;
        let name = |url: &Value| url["appliance"].as_str().unwrap_or("?").to_owned();
        let tier = urls.first().and_then(|url| url["tier"].as_str()).unwrap_or("nobody");
        let whose = format!("AS{} {}", client.asn, client.system);
        let whose: String = whose.chars().take(30).collect();
        let names = urls.iter().take(3).map(name).collect::<Vec<_>>().join(", ");
        println!("  {:<22} {whose:<30} {tier:<9} {names}", client.address.to_string());
        signed = signed.or(urls.first().and_then(|url| url["url"].as_str()).map(str::to_owned));
    }
    println!("  as a player gets it: {}", signed.context("no appliance serves anybody")?);
    Ok(())
}
