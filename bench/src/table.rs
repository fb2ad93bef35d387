//! The table that is printed at the end.

use std::time::Duration;

/// What one run took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) events: u64,
    /// Bytes of JSON (or of records) that went through.
    pub(crate) bytes: u64,
    pub(crate) wall: Duration,
    /// User and system time of the process under test.
    pub(crate) cpu: Duration,
    /// Most resident memory of the process under test.
    pub(crate) rss_bytes: u64,
    pub(crate) note: String,
}

impl Row {
    /// Megabytes (10⁶ bytes) per CPU-second.
    pub(crate) fn mb_per_cpu_second(&self) -> f64 {
        per(self.bytes, self.cpu) / 1e6
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per(n: u64, time: Duration) -> f64 {
    n as f64 / time.as_secs_f64().max(1e-9)
}

/// All rows, in the order they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{}", line(&row));
        self.0.push(row);
    }

    /// Prints the table and what follows from it.
    pub(crate) fn print(&self) {
        println!(
            "| {:<48} | {:>9} | {:>7} | {:>7} | {:>7} | {:>12} | {:>11} | {:>8} | note |",
            "run", "events", "MB", "wall s", "CPU s", "MB / CPU s", "k ev / CPU s", "RSS MiB"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|---|");
        self.0.iter().for_each(|row| println!("{}", line(row)));
        self.ratios();
    }

    fn find(&self, start: &str) -> Option<&Row> {
        self.0.iter().find(|r| r.name.starts_with(start))
    }

    fn ratios(&self) {
        let pairs = [
            ("delta: Kafka → Delta, 1 KB", "limit: decode + encode in memory, 1 KB"),
            ("delta: Kafka → Delta, 0.5 KB", "limit: decode + encode in memory, 0.5 KB"),
        ];
        for (run, limit) in pairs {
            if let (Some(run), Some(limit)) = (self.find(run), self.find(limit)) {
                let share = run.mb_per_cpu_second() / limit.mb_per_cpu_second() * 100.0;
                println!("{}: {share:.0} % of the in-memory limit", run.name);
            }
        }
        for second in ["delta: with a second route (where", "delta: with a second route (every"] {
            if let (Some(one), Some(two)) = (self.find("delta: Kafka"), self.find(second)) {
                let more = (two.cpu.as_secs_f64() / one.cpu.as_secs_f64() - 1.0) * 100.0;
                println!("{}: {more:.0} % of the first on top", two.name);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn line(row: &Row) -> String {
    format!(
        "| {:<48} | {:>9} | {:>7.0} | {:>7.2} | {:>7.2} | {:>12.0} | {:>11.0} | {:>8} | {} |",
        row.name,
        row.events,
        row.bytes as f64 / 1e6,
        row.wall.as_secs_f64(),
        row.cpu.as_secs_f64(),
        row.mb_per_cpu_second(),
        per(row.events, row.cpu) / 1e3,
        row.rss_bytes >> 20,
        row.note,
    )
}
