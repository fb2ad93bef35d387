//! SQL over the table of the first run, beside DuckDB on the same files.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::process;
use crate::site::Site;
use crate::table::{Row, Table};

const SQL: &str = "SELECT country, event_type, count(*) AS n, avg(throughput) AS mean, \
                   max(position_ms) AS longest FROM raw.t0 GROUP BY country, event_type ORDER BY n DESC";

/// The same in DuckDB, over the Parquet files the table consists of.
const PYTHON: &str = "
import duckdb, sys
sql = sys.argv[2].replace('raw.t0', f\"read_parquet('{sys.argv[1]}/*.parquet')\")
duckdb.execute('SET threads=2'); print(len(duckdb.execute(sql).fetchall()))
";

/// Measures both; without a table of the first run there is nothing to scan.
pub(crate) async fn run(
    site: &Site,
    python: Option<&Path>,
    table: &mut Table,
) -> anyhow::Result<()> {
    let folder = site.dir.path().join(format!("{}-a", site.name("full")));
    let files = folder.join("tables/raw/t0");
    if !files.exists() {
        eprintln!("scan: needs the table of the run `delta`");
        return Ok(());
    }
    let mut ours = Command::new(&site.binary);
    ours.args(["sql", SQL, "--data"]).arg(&folder);
    table.add(measure("scan: group by two columns, millrace sql", ours).await?);
    if let Some(python) = python {
        let mut duckdb = Command::new(python);
        duckdb.args(["-c", PYTHON]).arg(&files).arg(SQL);
        table.add(measure("scan: the same files in DuckDB", duckdb).await?);
    } else {
        eprintln!("scan: no DuckDB beside ours; set MILLRACE_PYTHON to a Python that has it");
    }
    Ok(())
}

async fn measure(name: &str, mut command: Command) -> anyhow::Result<Row> {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let (status, usage) = process::wait(&mut child).await?;
    anyhow::ensure!(status.success(), "{name}: {status}");
    let (cpu, rss_bytes) = (usage.cpu, usage.rss_bytes);
    let note = "process start included".to_owned();
    Ok(Row {
        name: name.to_owned(),
        wall: started.elapsed(),
        cpu,
        rss_bytes,
        note,
        ..Row::default()
    })
}
