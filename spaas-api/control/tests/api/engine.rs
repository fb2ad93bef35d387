//! Small stand-ins for the engine, the log, the warehouse and the launcher.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use millrace_control::model::JobStatus;
use millrace_control::worker::{Assignment, StopOrder};
use millrace_control::{
    JobOutline, LaunchError, Launcher, Observed, Planner, SampleRows, SeamError, SinkOutline,
    SqlMistake, StateVerdict, TableInfo, Tables, TopicNeed, Topics,
};
use millrace_events::StreamSchema;
use millrace_spec::{JobSpec, Manifests, SqlCheck, SqlFault};

/// Understands `INSERT INTO sink SELECT a, b FROM stream`; a sink called `feed…` is a feed. What
/// becomes of state is said in a comment: `/*partly*/`, `/*incompatible*/`.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    /// How often SQL was planned.
    pub(crate) planned: Mutex<usize>,
    /// Savepoints whose files were removed.
    pub(crate) forgotten: Mutex<Vec<String>>,
}

fn mistake(sql: &str, at: usize, message: String) -> SqlMistake {
    let before = &sql[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    SqlMistake { line, column, message, hint: Some("see the stream".to_owned()), excerpt: None }
}

/// The words of the SQL and where they are.
fn words(sql: &str) -> Vec<(usize, &str)> {
    let split = |c: char| c.is_whitespace() || c == ',' || c == ';';
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in sql.char_indices().chain([(sql.len(), ' ')]) {
        match (start, split(c)) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                found.push((from, &sql[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    found.into_iter().filter(|(_, word)| !word.starts_with("/*")).collect()
}

impl SqlCheck for Engine {
    fn check_route(
        &self,
        stream: &StreamSchema,
        filter: Option<&str>,
        select: Option<&str>,
    ) -> Result<SchemaRef, SqlFault> {
        let text = filter.or(select).unwrap_or_default();
        for (at, word) in words(text) {
            let name = word.starts_with(|c: char| c.is_ascii_lowercase());
            if name && !stream.columns.iter().any(|c| c.name == word) {
                let message = format!("there is no column `{word}`");
                return Err(SqlFault { line: 1, column: at + 1, message, hint: None });
            }
        }
        Ok(stream.arrow())
    }
}

#[async_trait]
impl Planner for Engine {
    fn validate(&self, job: &JobSpec, streams: &Manifests) -> Result<JobOutline, SeamError> {
        *self.planned.lock().unwrap() += 1;
        let words = words(&job.sql);
        let place = |word: &str| words.iter().position(|(_, w)| w.eq_ignore_ascii_case(word));
        let (Some(into), Some(select), Some(from)) =
            (place("into"), place("select"), place("from"))
        else {
            let message = "expected INSERT INTO … SELECT … FROM …".to_owned();
            return Err(SeamError::Sql(vec![mistake(&job.sql, 0, message)]));
        };
        let (sink, (at, stream)) = (words[into + 1].1, words[from + 1]);
        let found = streams.streams.iter().find(|(name, _)| name.as_str() == stream);
        let Some((_, schema)) = found else {
            let message = format!("there is no stream `{stream}`");
            return Err(SeamError::Sql(vec![mistake(&job.sql, at, message)]));
        };
        let unknown = words[select + 1..from]
            .iter()
            .filter(|(_, w)| !schema.columns.iter().any(|c| c.name == *w));
        let wrong: Vec<_> = unknown
            .map(|(at, w)| mistake(&job.sql, *at, format!("there is no column `{w}`")))
            .collect();
        if !wrong.is_empty() {
            return Err(SeamError::Sql(wrong));
        }
        let feed = sink.starts_with("feed");
        let sink = SinkOutline {
            name: sink.to_owned(),
            table: (!feed).then(|| sink.to_owned()),
            topic: feed.then(|| sink.to_owned()),
            columns: vec![("a".to_owned(), "Int64".to_owned())],
            key: Vec::new(),
        };
        let warnings = Vec::new();
        Ok(JobOutline { streams: vec![stream.to_owned()], sinks: vec![sink], warnings })
    }

    fn explain(&self, job: &JobSpec, streams: &Manifests, form: &str) -> Result<String, SeamError> {
        self.validate(job, streams)?;
        Ok(match form {
            "json" => format!("{{\"job\": \"{}\"}}", job.name),
            _ => format!("{form} of {}", job.name),
        })
    }

    async fn verdict(
        &self,
        job: &JobSpec,
        _: &Manifests,
        _: Option<&str>,
    ) -> Result<StateVerdict, SeamError> {
        Ok(if job.sql.contains("/*partly*/") {
            StateVerdict::Partly {
                kept: Vec::new(),
                dropped: vec!["window of plays".to_owned()],
                new: Vec::new(),
            }
        } else if job.sql.contains("/*incompatible*/") {
            let (operator, why) = ("window of plays".to_owned(), "another key".to_owned());
            StateVerdict::Incompatible { operator, why }
        } else {
            StateVerdict::Same
        })
    }

    async fn forget_savepoint(&self, path: &str) -> Result<(), SeamError> {
        self.forgotten.lock().unwrap().push(path.to_owned());
        Ok(())
    }

    async fn sample(
        &self,
        job: &JobSpec,
        streams: &Manifests,
        events: usize,
        rows: usize,
    ) -> Result<Vec<SampleRows>, SeamError> {
        let outline = self.validate(job, streams)?;
        let rows = vec![serde_json::json!({"events": events, "rows": rows})];
        let sampled = |sink: SinkOutline| SampleRows {
            sink: sink.name,
            rows: rows.clone(),
            truncated: false,
        };
        Ok(outline.sinks.into_iter().map(sampled).collect())
    }

    async fn forget(&self, _: &str) -> Result<(), SeamError> {
        Ok(())
    }
}

/// Remembers the topics asked for.
#[derive(Debug, Default)]
pub(crate) struct Log(pub(crate) Mutex<BTreeMap<String, TopicNeed>>);

#[async_trait]
impl Topics for Log {
    async fn ensure(&self, need: &TopicNeed) -> Result<Vec<String>, SeamError> {
        self.0.lock().unwrap().insert(need.topic.clone(), need.clone());
        Ok(Vec::new())
    }
}

/// Has every table but those called `empty…`.
#[derive(Debug, Default)]
pub(crate) struct Warehouse;

#[async_trait]
impl Tables for Warehouse {
    async fn table(&self, name: &str) -> Result<Option<TableInfo>, SeamError> {
        Ok((!name.contains("empty")).then(|| TableInfo {
            name: name.to_owned(),
            columns: vec![("a".to_owned(), "Int64".to_owned())],
            partition_by: Vec::new(),
            rows: Some(3),
            bytes: Some(100),
            version: Some(1),
        }))
    }
}

/// Statuses as a test wants them to be seen.
#[derive(Debug, Default)]
pub(crate) struct Board(pub(crate) Mutex<BTreeMap<(String, String), JobStatus>>);

impl millrace_control::api::Live for Board {
    fn status(&self, namespace: &str, job: &str) -> Option<JobStatus> {
        self.0.lock().unwrap().get(&(namespace.to_owned(), job.to_owned())).cloned()
    }
}

/// Says two lines and two rows; makes savepoints of the run `run-1` only.
#[derive(Debug, Default)]
pub(crate) struct Runs;

fn lines(of: [String; 2]) -> BoxStream<'static, String> {
    stream::iter(of).boxed()
}

#[async_trait]
impl Launcher for Runs {
    async fn start(&self, _: &Assignment) -> Result<(), LaunchError> {
        Ok(())
    }

    async fn observe(&self, _: &str, _: &str) -> Result<Observed, LaunchError> {
        Ok(Observed::Absent { begun: false, trace: None })
    }

    async fn stop(&self, _: &str, _: &str, _: &StopOrder) -> Result<(), LaunchError> {
        Ok(())
    }

    async fn savepoint(&self, job: &str, run: &str, path: &str) -> Result<u64, LaunchError> {
        if run != "run-1" {
            return Err(LaunchError::Gone { job: job.to_owned(), run: run.to_owned() });
        }
        assert!(path.starts_with(&format!("savepoints/{job}/")), "{path}");
        Ok(7)
    }

    async fn kill(&self, _: &str, _: &str) -> Result<(), LaunchError> {
        Ok(())
    }

    async fn forget(&self, _: &str) -> Result<(), LaunchError> {
        Ok(())
    }

    async fn logs(
        &self,
        job: &str,
        count: usize,
        _: bool,
    ) -> Result<BoxStream<'static, String>, LaunchError> {
        Ok(lines([format!("log of {job}"), format!("last {count}")]))
    }

    async fn tail(
        &self,
        _: &str,
        run: &str,
        sink: Option<&str>,
    ) -> Result<BoxStream<'static, String>, LaunchError> {
        let row = |n| {
            let row = serde_json::json!({"sink": sink, "kind": "+I", "row": {"n": n, "run": run}});
            row.to_string()
        };
        Ok(lines([row(1), row(2)]))
    }

    async fn metrics(&self, _: &str, _: &str) -> Result<String, LaunchError> {
        Ok(String::new())
    }
}

pub(crate) type Shared<T> = Arc<T>;
