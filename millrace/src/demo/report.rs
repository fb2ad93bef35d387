//! What the demo prints.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;

use millrace_sinks::AuditRow;
use millrace_spaas::sql::SqlEngine;

use super::feed::Sent;

/// Clicks per 10,000 impressions of campaign `all`, as the rows of the data set have them.
const EXPECTED: [(&str, i64); 2] = [("bts", 42), ("random", 38)];

/// Impressions and clicks meet by the impression's id: the answer is only right if no event is lost
/// or doubled on either way in.
const CLICK_THROUGH: &str = "SELECT i.policy, count(*) AS impressions, count(c.event_id) AS clicks,
       CAST(round(count(c.event_id) * 10000.0 / count(*)) AS BIGINT) AS clicks_per_10000
FROM raw.impressions i LEFT JOIN raw.clicks c ON c.impression_id = i.event_id
WHERE i.campaign = 'all' GROUP BY i.policy ORDER BY i.policy";

const ROUTES: &str = "SELECT route, sum(written + filtered + dead_lettered) AS events_in,
       sum(written) AS written, sum(filtered) AS filtered, sum(dead_lettered) AS dead_lettered,
       sum(gaps) AS log_gaps, bool_and(balanced) AS adds_up
FROM audit GROUP BY route ORDER BY route";

/// Queries to try, and what each tells.
const QUERIES: [(&str, &str); 5] = [
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

/// Prints what came of the events; whether everything is as it must be.
pub(crate) async fn results(
    engine: &SqlEngine,
    rows: &[AuditRow],
    complaints: &[String],
    sent: &BTreeMap<String, Sent>,
) -> anyhow::Result<bool> {
    println!("\nEvents in = written + filtered + dead-lettered, for every route");
    println!("{}", pretty_format_batches(&engine.run(ROUTES).await?.collect_all().await?)?);
    for complaint in complaints {
        println!("does not add up: {complaint}");
    }
    let total: u64 = sent.values().map(|s| s.total).sum();
    println!(
        "{total} events acknowledged, {} ledgers, {}",
        rows.len(),
        match complaints.len() {
            0 => "all add up".to_owned(),
            n => format!("{n} complaints"),
        }
    );

    println!("\nClick-through rate per logging policy, campaign `all`");
    let batches = engine.run(CLICK_THROUGH).await?.collect_all().await?;
    println!("{}", pretty_format_batches(&batches)?);
    let mut found = Vec::new();
    for batch in &batches {
        let policies = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8)?;
        let rates = batch.column(3).as_primitive_opt::<Int64Type>().context("a rate")?;
        for i in 0..batch.num_rows() {
            found.push((policies.as_string::<i32>().value(i).to_owned(), rates.value(i)));
        }
    }
    let right = found.iter().map(|(p, r)| (p.as_str(), *r)).eq(EXPECTED);
    if !right {
        println!("expected {EXPECTED:?} from the data set itself");
    }
    Ok(complaints.is_empty() && right)
}

pub(crate) fn queries(data: &Path) {
    let place = if data == Path::new("./millrace-data") {
        String::new()
    } else {
        format!(" --data {}", data.display())
    };
    println!("\nFive questions to try");
    println!("{}", "-".repeat(78));
    for (what, sql) in QUERIES {
        println!("{what}\n  millrace sql{place} \"{sql}\"");
    }
    println!("{}", "-".repeat(78));
    println!(
        "(`millrace` is `cargo run --release --`; keep it running with `millrace up -f \
         jobs/open-bandit{place}`)"
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
