//! What the demo prints.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use serde_json::Value;

use millrace_bandit::ope::{Estimate, Estimator};
use millrace_sinks::AuditRow;
use millrace_spaas::sql::SqlEngine;

use super::api::JobNow;
use super::feed::Sent;
use crate::ope::{Worth, question, worth as worth_of};

/// Taken impressions of each campaign and policy as a batch over the tables has them: each click
/// names its impression. Clicks per 10,000 of campaign `all`, from the rows of the data set: 42
/// (bts), 38 (random).
const TAKEN: &str = "SELECT i.campaign, i.policy, count(*) AS impressions,
       count(c.impression_id) AS plays
FROM raw.impressions i
LEFT JOIN (SELECT DISTINCT impression_id FROM raw.clicks) c ON c.impression_id = i.event_id
GROUP BY i.campaign, i.policy ORDER BY i.campaign, i.policy";

const ROUTES: &str = "SELECT route, sum(written + filtered + dead_lettered) AS events_in,
       sum(written) AS written, sum(filtered) AS filtered, sum(dead_lettered) AS dead_lettered,
       sum(gaps) AS log_gaps, bool_and(balanced) AS adds_up
FROM audit GROUP BY route ORDER BY route";

/// Queries to try, and what each tells.
const QUERIES: [(&str, &str); 6] = [
    (
        "Which positions get clicks?",
        "SELECT position, count(*) AS clicks FROM raw.clicks GROUP BY position ORDER BY position",
    ),
    (
        "The ten most clicked items of campaign `men`",
        "SELECT item_id, count(*) AS clicks FROM raw.clicks WHERE campaign = 'men' \
         GROUP BY item_id ORDER BY clicks DESC, item_id LIMIT 10",
    ),
    (
        "How even is each policy?",
        "SELECT policy, campaign, min(propensity) AS least, max(propensity) AS most \
         FROM raw.impressions GROUP BY policy, campaign ORDER BY policy, campaign",
    ),
    (
        "Impressions a day",
        "SELECT event_date, count(*) AS impressions FROM raw.impressions \
         GROUP BY event_date ORDER BY event_date",
    ),
    (
        "What was watched longest in one go?",
        "SELECT member_id, title_id, started_at, watched_s, completion FROM viewing.sessions \
         ORDER BY watched_s DESC, member_id LIMIT 10",
    ),
    (
        "Where did every event go?",
        "SELECT route, partition, first_offset, last_offset, written, filtered, balanced \
         FROM audit ORDER BY route, partition",
    ),
];

pub(crate) fn welcome(data: &Path, kafka: &str, http: SocketAddr) {
    println!("Millrace, a platform of its own, data in {}", data.display());
    println!("  broker    {kafka}  (embedded; any Kafka client can produce and consume)");
    println!("  HTTP API  http://{http}");
    println!();
    println!(
        "Replaying the Open Bandit Dataset (ZOZO, inc., CC BY 4.0): real impressions and clicks"
    );
}

pub(crate) fn sent(sent: &BTreeMap<String, Sent>) {
    for (stream, s) in sent {
        println!(
            "  {stream:<12} {:>6} events by {}, {:.1} s{}",
            s.now,
            s.by,
            s.took.as_secs_f64(),
            if s.now < s.total {
                format!(" ({} were there already)", s.total - s.now)
            } else {
                String::new()
            }
        );
    }
}

/// Prints what the jobs did.
pub(super) fn jobs(jobs: &[JobNow]) {
    println!("\nJobs, each a process, exactly once");
    for job in jobs {
        let (events, rows) = (job.events_in.unwrap_or(0), job.rows_out.unwrap_or(0));
        println!("  {:<16} {events:>6} events in, {rows:>6} rows out since its start", job.name);
    }
}

/// Prints where the events went, of which `sent` were acknowledged; whether it adds up.
pub(super) async fn audit(
    engine: &SqlEngine,
    rows: &[AuditRow],
    complaints: &[String],
    sent: u64,
) -> anyhow::Result<bool> {
    println!("\nEvents in = written + filtered + dead-lettered, for every route");
    println!("{}", pretty_format_batches(&engine.run(ROUTES).await?.collect_all().await?)?);
    for complaint in complaints {
        println!("does not add up: {complaint}");
    }
    println!(
        "{sent} events acknowledged, {} ledgers, {}",
        rows.len(),
        match complaints.len() {
            0 => "all add up".to_owned(),
            n => format!("{n} complaints"),
        }
    );
    Ok(complaints.is_empty())
}

/// Prints the take-rates that the job `take-rate` wrote to its feed; whether they are those of a
/// batch over the tables.
pub(super) async fn taken(engine: &SqlEngine, feed: &[Value]) -> anyhow::Result<bool> {
    println!("\nTake-rate of each campaign and logging policy: the feed `campaign_take_rate`");
    println!("  campaign  policy   impressions  plays  per 10,000   95 % interval    as a batch");
    let mut right = true;
    let mut expected = 0;
    for batch in engine.run(TAKEN).await?.collect_all().await? {
        let text = |i: usize| arrow::compute::cast(batch.column(i), &DataType::Utf8);
        let (campaigns, policies) = (text(0)?, text(1)?);
        let (campaigns, policies) = (campaigns.as_string::<i32>(), policies.as_string::<i32>());
        let count = |i: usize| batch.column(i).as_primitive_opt::<Int64Type>().context("a count");
        let (impressions, plays) = (count(2)?, count(3)?);
        for row in 0..batch.num_rows() {
            let (campaign, policy) = (campaigns.value(row), policies.value(row));
            let of = |found: &&Value| found["campaign"] == campaign && found["policy"] == policy;
            let Some(found) = feed.iter().find(of) else {
                println!("  {campaign:<9} {policy:<8} is missing in the feed");
                right = false;
                continue;
            };
            let same = found["impressions"] == impressions.value(row)
                && found["plays"] == plays.value(row);
            right &= same;
            let rate = |name: &str| found[name].as_f64().unwrap_or(f64::NAN) * 10_000.0;
            println!(
                "  {campaign:<9} {policy:<8} {:>11} {:>6} {:>11.1} {:>7.1} to {:<7.1} {}",
                found["impressions"].to_string(),
                found["plays"].to_string(),
                rate("take_rate"),
                rate("low"),
                rate("high"),
                if same {
                    "the same".to_owned()
                } else {
                    format!("{} of {}", plays.value(row), impressions.value(row))
                },
            );
            expected += 1;
        }
    }
    let others = feed.iter().filter(|row| row["campaign"] != "none").count() != expected;
    Ok(right && !others)
}

/// Prints what the log of uniform choices says that Thompson sampling is worth, beside what the
/// real one was.
pub(super) async fn worth(engine: &SqlEngine) -> anyhow::Result<()> {
    let rows = async |policy| anyhow::Ok(engine.run(&question(policy)).await?.collect_all().await?);
    let (random, bts) = (rows("random").await?, rows("bts").await?);
    let Worth { estimated, logged } =
        tokio::task::spawn_blocking(move || worth_of(&random, &bts)).await??;
    println!(
        "\nWhat Thompson sampling is worth in campaign `all`, from the log of uniform choices alone"
    );
    println!("  estimator       per 10,000   95 % interval");
    let line = |name: &str, found: &Estimate| {
        let [value, low, high] =
            [found.value, found.normal.low, found.normal.high].map(|rate| rate * 10_000.0);
        println!("  {name:<15} {value:>10.1}   {low:.1} to {high:.1}");
    };
    let wanted = [Estimator::Ips, Estimator::Snips, Estimator::Dr];
    for found in estimated.iter().filter(|found| wanted.contains(&found.estimator)) {
        line(&found.estimator.to_string(), found);
    }
    line("as it was", &logged);
    println!("  (as it was: logged by the Thompson sampling that really ran)");
    Ok(())
}

pub(crate) fn queries(data: &Path) {
    let place = if data == Path::new("./millrace-data") {
        String::new()
    } else {
        format!(" --data {}", data.display())
    };
    println!("\nSix questions to try");
    println!("{}", "-".repeat(78));
    for (what, sql) in QUERIES {
        println!("{what}\n  millrace sql{place} \"{sql}\"");
    }
    println!("{}", "-".repeat(78));
    println!(
        "(`millrace` is `cargo run --release --`; `millrace up{place}` keeps all of it running, \
         what was declared comes back)"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_is_one_line_a_shell_takes() {
        for (_, sql) in QUERIES {
            assert!(!sql.contains(['"', '\n', '$', '`']), "{sql}");
        }
    }
}
