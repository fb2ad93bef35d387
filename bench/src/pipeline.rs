//! Kafka → Delta and Kafka → Kafka, measured at the router's process from start to end.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use millrace_bus::Admin;

use crate::events;
use crate::process;
use crate::site::{Filled, PARTITIONS, Site};
use crate::table::Row;

/// Runs a router over `manifests` until it has everything.
async fn route(site: &Site, folder: &Path, manifests: &str) -> anyhow::Result<Row> {
    std::fs::write(folder.join("manifests.yaml"), manifests)?;
    let started = Instant::now();
    let mut child = Command::new(&site.binary)
        .args(["router", "--alone", "--until-idle", "200ms", "--kafka", &site.kafka.bootstrap])
        .args(["--memory", "256MiB"])
        .arg("--data")
        .arg(folder)
        .arg("-f")
        .arg(folder.join("manifests.yaml"))
        .stdout(Stdio::null())
        .env("RUST_LOG", "warn")
        .spawn()?;
    let (status, usage) = process::wait(&mut child).await?;
    anyhow::ensure!(status.success(), "the router ended with {status}");
    let audit = Command::new(&site.binary).arg("audit").arg("--data").arg(folder).output()?;
    anyhow::ensure!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
    let (cpu, rss_bytes) = (usage.cpu, usage.rss_bytes);
    Ok(Row { wall: started.elapsed(), cpu, rss_bytes, ..Row::default() })
}

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// Every event, every column.
    All,
    /// What a team asks for: one kind of event, six of the seventeen columns.
    Part,
}

/// One topic into one table a route.
pub(crate) async fn delta(
    site: &Site,
    name: &str,
    filled: &Filled,
    routes: &[Take],
) -> anyhow::Result<Row> {
    let number = routes.iter().map(|t| if *t == Take::All { "a" } else { "p" });
    let folder = site.folder(&format!("{}-{}", filled.topic, number.collect::<String>()))?;
    let mut manifests = events::manifest(&filled.topic, PARTITIONS);
    for (n, take) in routes.iter().enumerate() {
        let sql = match take {
            Take::All => "",
            Take::Part => {
                "  where: \"event_type = 'start'\"\n  select: event_id, event_time, member_id, \
                 title_id, country, device\n"
            }
        };
        let _ = write!(
            manifests,
            "---\nkind: Route\nmetadata: {{ name: r{n} }}\nspec:\n  from: {}\n{sql}  \
             to: {{ table: raw.t{n} }}\n  roll: {{ bytes: 32MiB, every: 60s, idle: 300ms }}\n",
            filled.topic
        );
    }
    let row = route(site, &folder, &manifests).await?;
    let note = "audit balanced, files and log included".to_owned();
    Ok(Row { name: name.to_owned(), events: filled.events, bytes: filled.bytes, note, ..row })
}

/// One topic into another, a quarter of the records by their header.
pub(crate) async fn copy(site: &Site, name: &str, filled: &Filled) -> anyhow::Result<Row> {
    let folder = site.folder(&format!("{}-copy", filled.topic))?;
    let target = site.name("copied");
    Admin::new(&site.kafka)?.ensure_topic(&target, PARTITIONS).await?;
    let mut manifests = events::manifest(&filled.topic, PARTITIONS);
    let _ = write!(
        manifests,
        "---\nkind: Route\nmetadata: {{ name: copy }}\nspec:\n  from: {}\n  headers: {{ kind: play }}\n  \
         to: {{ kafka: {{ topic: {target} }} }}\n  roll: {{ bytes: 32MiB, every: 60s, idle: 300ms }}\n",
        filled.topic
    );
    let row = route(site, &folder, &manifests).await?;
    let note = format!("{} of them copied", filled.events / 4);
    Ok(Row { name: name.to_owned(), events: filled.events, bytes: filled.bytes, note, ..row })
}
