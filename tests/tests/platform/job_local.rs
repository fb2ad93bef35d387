//! A job on a developer's desk: files in, results, plan and mistakes out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use datafusion::prelude::{JsonReadOptions, SessionContext};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use millrace_events::OpenBandit;
use millrace_tests::millrace_binary;
use millrace_tests::tidy::repository;

const PLAYS: &str = r#"{"at":"2024-05-01T10:00:01Z","title":"Arrival","country":"DE"}
{"at":"2024-05-01T10:00:59Z","title":"Solaris","country":"DE"}
{"at":"2024-05-01T10:01:05Z","title":"Arrival","country":"FR"}
{"at":"2024-05-01T10:00:58Z","title":"Arrival","country":"DE"}
{"at":"2024-05-01T10:03:00Z","title":"Arrival","country":"DE"}
{"at":"2024-05-01T10:00:10Z","title":"Stalker","country":"DE"}
"#;

const PER_MINUTE: &str = "INSERT INTO per_minute
SELECT window_start, title, COUNT(*) AS plays
FROM TABLE(TUMBLE(TABLE plays, DESCRIPTOR(at), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, title;
";

const BY_COUNTRY: &str = "INSERT INTO by_country
SELECT country, COUNT(*) AS plays, MAX(at) AS newest FROM plays GROUP BY country;
";

/// A folder with a job and its files.
struct Desk(TempDir);

impl Desk {
    fn new(job: &str) -> Result<Self> {
        let desk = Self(tempfile::tempdir()?);
        desk.write("plays.jsonl", PLAYS)?;
        desk.write("job.sql", job)?;
        Ok(desk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.path(name), text)?)
    }

    /// `millrace job …` in the folder.
    async fn job(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(millrace_binary());
        command.arg("job").args(args).env("NO_COLOR", "1").current_dir(self.0.path());
        Ok(command.output().await?)
    }

    /// The same, with the plays as input.
    async fn over_plays(&self, args: &[&str]) -> Result<Output> {
        let input = ["--input", "plays=plays.jsonl", "--event-time", "plays=at"];
        self.job(&[args, &input].concat()).await
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: &Output) -> Result<String> {
    ensure!(output.status.success(), "{}\n{}{}", output.status, out(output), err(output));
    Ok(out(output))
}

fn json_of(output: &Output) -> Result<Value> {
    serde_json::from_str(&succeeded(output)?).with_context(|| out(output))
}

#[tokio::test]
async fn a_run_shows_input_plan_and_result() -> Result<()> {
    let desk = Desk::new(PER_MINUTE)?;
    let output = desk.over_plays(&["run", "--local", "job.sql", "--sample", "1"]).await?;
    let text = succeeded(&output)?;
    let (shown, result) = text.split_once("\nresult ").context("a result")?;
    let input = "\
input plays: 6 rows, the first 1
+----------------------+---------+
| at                   | title   |
+----------------------+---------+
| 2024-05-01T10:00:01Z | Arrival |
+----------------------+---------+

plan
  source.plays → ";
    assert!(shown.starts_with(input), "{shown}");
    assert!(shown.trim_end().ends_with(" → sink.per_minute"), "{shown}");
    let expected = "\
per_minute: 5 rows
+----------------------+---------+-------+
| window_start         | title   | plays |
+----------------------+---------+-------+
| 2024-05-01T10:00:00Z | Arrival | 2     |
| 2024-05-01T10:00:00Z | Solaris | 1     |
| 2024-05-01T10:00:00Z | Stalker | 1     |
| 2024-05-01T10:01:00Z | Arrival | 1     |
| 2024-05-01T10:03:00Z | Arrival | 1     |
+----------------------+---------+-------+
";
    assert_eq!(result, expected);
    assert!(err(&output).starts_with("6 rows in "), "{}", err(&output));
    Ok(())
}

#[tokio::test]
async fn a_changelog_is_shown_as_the_table_it_leads_to() -> Result<()> {
    let desk = Desk::new(&format!("{PER_MINUTE}{BY_COUNTRY}"))?;
    for parallelism in ["1", "4"] {
        let args = ["run", "--local", "job.sql", "-o", "json", "--parallelism", parallelism];
        let answer =
            json_of(&desk.over_plays(&[&args[..], &["--batch-rows", "2"]].concat()).await?)?;
        let by_country = &answer["results"]["by_country"];
        let expected = json!([
            { "country": "DE", "plays": 5, "newest": "2024-05-01T10:03:00Z" },
            { "country": "FR", "plays": 1, "newest": "2024-05-01T10:01:05Z" },
        ]);
        assert_eq!(by_country["rows"], expected, "parallelism {parallelism}");
        assert_eq!(by_country["key"], json!(["country"]));
        assert_eq!((&by_country["total"], &by_country["truncated"]), (&json!(2), &json!(false)));
        assert!(by_country["changes"].as_u64() > Some(2), "{by_country}");
        assert_eq!(answer["results"]["per_minute"]["key"], Value::Null);
        assert_eq!(answer["inputs"]["plays"]["read"], json!(6));
        assert!(answer["plan"]["operators"].is_array(), "{}", answer["plan"]);
    }
    Ok(())
}

#[tokio::test]
async fn rows_that_come_too_late_are_counted() -> Result<()> {
    let desk = Desk::new(PER_MINUTE)?;
    let args = ["run", "--local", "job.sql", "--batch-rows", "1", "-o", "csv", "--limit", "9"];
    let output = desk.over_plays(&args).await?;
    let expected = "\
window_start,title,plays
2024-05-01T10:00:00Z,Arrival,1
2024-05-01T10:00:00Z,Solaris,1
2024-05-01T10:01:00Z,Arrival,1
2024-05-01T10:03:00Z,Arrival,1
";
    assert_eq!(succeeded(&output)?, expected);
    let talk = err(&output);
    assert!(talk.contains("2 rows were left out by window-aggregate."), "{talk}");
    assert!(talk.contains("2 rows of plays.jsonl were behind the watermark"), "{talk}");
    let late = desk.over_plays(&[&args[..], &["--late", "late"]].concat()).await?;
    let rows = succeeded(&late)?;
    let (_, rows) = rows.split_once("operator,watermark,row\n").context("late rows")?;
    assert_eq!(rows.lines().count(), 2, "{rows}");
    assert!(rows.contains("Stalker"), "{rows}");
    // With a delay as long as rows are late, none is.
    let patient = desk.over_plays(&[&args[..], &["--delay", "3m"]].concat()).await?;
    assert!(succeeded(&patient)?.contains("2024-05-01T10:00:00Z,Stalker,1\n"));
    assert!(!err(&patient).contains("late"), "{}", err(&patient));
    Ok(())
}

#[tokio::test]
async fn every_mistake_is_underlined_and_nothing_runs() -> Result<()> {
    let wrong = "INSERT INTO a SELECT tilte FROM plays;\n\
                 INSERT INTO b\n  SELECT COUNT(*) AS n FROM playz;\n";
    let desk = Desk::new(wrong)?;
    let mistakes = "\
job.sql:1:22: there is no column `tilte`
  | INSERT INTO a SELECT tilte FROM plays;
  |                      ^^^^^
  = did you mean `title`?

job.sql:3:29: there is no table or view `playz`
  |   SELECT COUNT(*) AS n FROM playz;
  |                             ^^^^^
  = did you mean `plays`?
";
    let run = desk.over_plays(&["run", "--local", "job.sql"]).await?;
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(out(&run), "");
    let said = format!("{mistakes}\nerror: 2 mistakes in the job; nothing was run\n");
    assert_eq!(err(&run), said);
    let explain = desk.over_plays(&["explain", "job.sql"]).await?;
    assert_eq!((explain.status.code(), err(&explain)), (Some(1), said));
    // To validate is to ask: the answer is on stdout, and the code says that it is no.
    let validate = desk.over_plays(&["validate", "job.sql"]).await?;
    assert_eq!((validate.status.code(), out(&validate)), (Some(3), mistakes.to_owned()));
    let validate = desk.over_plays(&["validate", "job.sql", "-o", "json"]).await?;
    let answer: Value = serde_json::from_str(&out(&validate))?;
    assert_eq!((&answer["valid"], validate.status.code()), (&json!(false), Some(3)));
    let second = json!({
        "line": 3, "column": 29, "width": 5, "source_line": "  SELECT COUNT(*) AS n FROM playz;",
        "message": "there is no table or view `playz`", "hint": "did you mean `plays`?",
    });
    assert_eq!(answer["mistakes"][1], second);
    Ok(())
}

#[tokio::test]
async fn a_right_job_validates_and_explains_itself() -> Result<()> {
    let desk = Desk::new(PER_MINUTE)?;
    let validate = succeeded(&desk.over_plays(&["validate", "job.sql"]).await?)?;
    assert_eq!(validate, "job.sql: no mistakes\n");
    let validate = json_of(&desk.over_plays(&["validate", "job.sql", "-o", "json"]).await?)?;
    assert_eq!(validate, json!({ "valid": true, "mistakes": [], "warnings": [] }));
    let text = succeeded(&desk.over_plays(&["explain", "job.sql"]).await?)?;
    for part in ["sink.per_minute", "keys: title", "watermark: at - 5s", "tumble-1m"] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let whole = desk.over_plays(&["run", "--local", "job.sql", "--explain"]).await?;
    assert!(succeeded(&whole)?.contains(&text), "{}", out(&whole));
    let plan = json_of(&desk.over_plays(&["explain", "job.sql", "-o", "json"]).await?)?;
    assert_eq!(plan["operators"][0]["id"], json!("source.plays"));
    let dot = succeeded(&desk.over_plays(&["explain", "job.sql", "-o", "dot"]).await?)?;
    assert!(dot.starts_with("digraph"), "{dot}");
    Ok(())
}

#[tokio::test]
async fn a_job_fails_with_the_place_of_what_it_cannot_read() -> Result<()> {
    let desk = Desk::new(PER_MINUTE)?;
    desk.write("bad.csv", "at,title\n2024-05-01 10:00:00,a\nsoon,b\n")?;
    let run = |input: &'static str| {
        let desk = &desk;
        async move {
            let args = ["run", "--local", "job.sql", "--input", input, "-f", "streams.yaml"];
            desk.job(&args).await
        }
    };
    desk.write(
        "streams.yaml",
        "kind: Stream\nmetadata: { name: plays }\nspec:\n  format: json\n  \
         event_time: { column: at, delay: 5s, idle: 30s }\n  partitions: 1\n  columns:\n    \
         - { name: at, type: timestamp_us }\n    - { name: title, type: string }\n",
    )?;
    let output = run("plays=bad.csv").await?;
    assert_eq!((output.status.code(), out(&output)), (Some(1), String::new()));
    assert!(err(&output).contains("bad.csv:3: column `at`: `soon` is not "), "{}", err(&output));
    let output = run("plays=gone.csv").await?;
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("gone.csv"), "{}", err(&output));
    let none = desk.job(&["run", "--local", "job.sql", "-f", "streams.yaml"]).await?;
    assert_eq!(none.status.code(), Some(1));
    let said = "error: stream `plays` has no rows: add --input plays=PATH\n";
    assert!(err(&none).ends_with(said), "{}", err(&none));
    let usage = desk.job(&["run", "job.sql"]).await?;
    assert_eq!(usage.status.code(), Some(2), "{}", err(&usage));
    Ok(())
}

#[tokio::test]
async fn rows_are_written_to_files_that_another_job_reads() -> Result<()> {
    let desk = Desk::new(PER_MINUTE)?;
    desk.write(
        "again.sql",
        "INSERT INTO total SELECT SUM(plays) AS plays, COUNT(*) AS n FROM counts;",
    )?;
    for format in ["json", "csv", "parquet"] {
        let sink = format!("per_minute=counts-{format},{format}");
        let output =
            desk.over_plays(&["run", "--local", "job.sql", "--sink", &sink, "-o", "json"]).await?;
        assert_eq!(json_of(&output)?["results"], json!({}));
        let input = format!("counts=counts-{format}");
        let args = ["run", "--local", "again.sql", "--input", &input, "-o", "csv"];
        let total = succeeded(&desk.job(&args).await?)?;
        assert_eq!(total, "plays,n\n6,5\n", "{format}");
    }
    desk.write("job.sql", BY_COUNTRY)?;
    let changes = desk.over_plays(&["run", "--local", "job.sql", "--sink", "by_country=x"]).await?;
    assert_eq!(changes.status.code(), Some(1));
    assert!(err(&changes).contains("rows of `by_country` change"), "{}", err(&changes));
    Ok(())
}

/// The job that comes with the data, over one of its files as it is: compressed, with a hundred
/// columns, times with a zone.
#[tokio::test]
async fn the_job_of_the_bundled_data_runs_on_its_files() -> Result<()> {
    let desk = Desk::new("")?;
    let path = |name: &str| repository().join(name).display().to_string();
    let job = path("jobs/open-bandit/take-rate.sql");
    let log = format!("log={}", path("jobs/data/open-bandit/random/all/all.csv.gz"));
    let files = ["--input", &log, "--event-time", "log=timestamp"];
    let args = ["run", "--local", &job, "-o", "json", "--limit", "1000"];
    let answer = json_of(&desk.job(&[&args[..], &files].concat()).await?)?;
    let found = answer["results"]["take_rate"]["rows"].as_array().context("rows")?;

    let mut expected: BTreeMap<(String, i64), (i64, i64)> = BTreeMap::new();
    for event in OpenBandit::bundled()? {
        let event = event?;
        let fields: Value = serde_json::from_slice(&event.json)?;
        if fields["policy"] != "random" || fields["campaign"] != "all" {
            continue;
        }
        let time = fields["event_time"].as_str().context("a time")?;
        let position = fields["position"].as_i64().context("a position")?;
        let counts = expected.entry((format!("{}T00:00:00Z", &time[..10]), position)).or_default();
        let count = if event.stream == "clicks" { &mut counts.1 } else { &mut counts.0 };
        *count += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "there are some thousand")]
    let row = |((day, position), (shown, clicked)): ((String, i64), (i64, i64))| {
        json!({
            "window_start": day, "position": position, "impressions": shown, "clicks": clicked,
            "take_rate": clicked as f64 / shown as f64,
        })
    };
    let expected: Vec<_> = expected.into_iter().map(row).collect();
    assert_eq!(expected.len(), 21, "three positions on seven days");
    assert_eq!(found, &expected);
    Ok(())
}

/// Clicks per impression of each campaign and day, by the engine and by a batch query over the
/// same real events.
#[tokio::test]
async fn the_take_rate_of_each_campaign_equals_the_batch_value() -> Result<()> {
    let desk = Desk::new(
        "CREATE TEMPORARY VIEW shown AS
         SELECT campaign, event_time, 0 AS click FROM impressions
         UNION ALL SELECT campaign, event_time, 1 AS click FROM clicks;
         INSERT INTO take_rate
         SELECT window_start AS shown_on, campaign, COUNT(*) - SUM(click) AS impressions,
                SUM(click) AS clicks,
                CAST(SUM(click) AS DOUBLE) / (COUNT(*) - SUM(click)) AS take_rate
         FROM TABLE(TUMBLE(TABLE shown, DESCRIPTOR(event_time), INTERVAL '1' DAY))
         GROUP BY window_start, window_end, campaign;",
    )?;
    let (mut impressions, mut clicks) = (Vec::new(), Vec::new());
    for event in OpenBandit::bundled()? {
        let event = event?;
        let file = if event.stream == "clicks" { &mut clicks } else { &mut impressions };
        file.extend_from_slice(&event.json);
        file.push(b'\n');
    }
    std::fs::write(desk.path("impressions.jsonl"), impressions)?;
    std::fs::write(desk.path("clicks.jsonl"), clicks)?;
    let manifests = repository().join("jobs/open-bandit").display().to_string();
    let files = ["--input", "impressions=impressions.jsonl", "--input", "clicks=clicks.jsonl"];
    let args = ["run", "--local", "job.sql", "-f", &manifests, "-o", "json", "--limit", "1000"];
    let two = ["--parallelism", "2"];
    let answer = json_of(&desk.job(&[&args[..], &files, &two].concat()).await?)?;
    let found = answer["results"]["take_rate"]["rows"].as_array().context("rows")?;

    let batch = SessionContext::new();
    for stream in ["impressions", "clicks"] {
        let path = desk.path(&format!("{stream}.jsonl")).display().to_string();
        let options = JsonReadOptions::default().file_extension(".jsonl");
        batch.register_json(stream, &path, options).await?;
    }
    let rows = batch
        .sql(
            "WITH i AS (SELECT substr(event_time, 1, 10) AS day, campaign, count(*) AS n
                        FROM impressions GROUP BY 1, 2),
                  c AS (SELECT substr(event_time, 1, 10) AS day, campaign, count(*) AS n
                        FROM clicks GROUP BY 1, 2)
             SELECT i.day || 'T00:00:00Z' AS shown_on, i.campaign, i.n AS impressions,
                    c.n AS clicks, CAST(c.n AS DOUBLE) / i.n AS take_rate
             FROM i JOIN c USING (day, campaign) ORDER BY 1, 2",
        )
        .await?
        .collect()
        .await?;
    let mut text = arrow::json::ArrayWriter::new(Vec::new());
    text.write_batches(&rows.iter().collect::<Vec<_>>())?;
    text.finish()?;
    let expected: Value = serde_json::from_slice(&text.into_inner())?;
    ensure!(found.len() == 14, "two campaigns on seven days, not {}", found.len());
    assert_eq!(&json!(found), &expected);
    Ok(())
}
