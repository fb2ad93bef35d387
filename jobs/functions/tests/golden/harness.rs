//! Runs the jobs of a folder over its fixtures and compares what they leave with `golden/`.
//!
//! ```text
//! jobs/NAME/manifest.yaml            kind: Job …        (all of jobs/ is read, for the streams)
//! jobs/NAME/fixtures/STREAM.jsonl    a file a stream: the events, in any order
//! jobs/NAME/golden/SINK.jsonl        a file a sink: the rows it ends with
//! ```
//!
//! A test of a job is one line, in a module of its own:
//!
//! ```ignore
//! #[tokio::test]
//! async fn it_gives_what_the_batch_gives() {
//!     Golden::of("take-rate").check().await;
//! }
//! ```
//!
//! `check` runs every job of the folder at parallelism 1, 2 and 7, in batches of one row and of
//! many, with rows dealt to the stream's partitions by its key and shuffled within its delay, once
//! straight and once with two crashes and restores from a checkpoint, all drawn from
//! `MILLRACE_GOLDEN_SEED`. Then:
//!
//! - rows of a sink whose rows change are applied by its key, others are a multiset;
//! - the order of rows and columns, and null columns, do not matter;
//! - floating columns agree to 1e-9 (relative above 1), as do numbers in lists and in text columns
//!   that hold JSON; a time may be written in any way that Arrow reads;
//! - no row may be late, since the shuffle stays within the delay: the golden results are those of
//!   all rows;
//! - every sink must have a golden file with rows, and every golden file a sink.
//!
//! [`Golden::in_order`] runs a job over given events, those of each stream in a given order: also
//! such as come later than the stream's delay allows.
//!
//! [`Golden::map`] changes the rows of a sink before they are compared: to unpack a column that
//! another program would pack into other bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use millrace_events::StreamSchema;
use millrace_plan::{Catalog, EventTimeDef, JobPlan, SourceDef, plan};
use millrace_processors::connector::{FileFormat, FileSource, MemorySink};
use millrace_processors::{
    Batch, Job, JobError, JobProbe, JobSettings, JobStep, RowKind, RunEnd, final_rows,
};
use millrace_spec::{JobSpec, Manifests, SqlCheck, SqlFault, load_dir};

use super::log::Log;
use super::rows::{Row, difference, normal, of_batch, of_text};

/// (parallelism, most rows of a batch, whether it crashes).
const RUNS: [(usize, usize, bool); 6] = [
    (1, 1_000, false),
    (1, 1, true),
    (2, 1, false),
    (2, 100, true),
    (7, 1_000, false),
    (7, 10, true),
];

/// Steps at which runs crash, by turns.
const CRASHES: [JobStep; 6] = [
    JobStep::AfterManifest,
    JobStep::Prepared,
    JobStep::Frozen,
    JobStep::BeforeManifest,
    JobStep::PositionsTaken,
    JobStep::AfterCommit,
];

/// Most rows of a fixture.
const MOST_ROWS: usize = 1_000_000;

/// Sink of late rows, of which there must be none.
const LATE: &str = "late_rows_of_the_test";

/// What a crash says.
const CRASH: &str = "the test crashes here";

/// The jobs of a folder, and what they should give.
pub(crate) struct Golden {
    folder: PathBuf,
    manifests: Manifests,
    maps: BTreeMap<String, fn(&mut Row)>,
}

/// Manifests of routes are not what is tested here.
struct AnySql;

impl SqlCheck for AnySql {
    fn check_route(
        &self,
        stream: &StreamSchema,
        _: Option<&str>,
        _: Option<&str>,
    ) -> Result<SchemaRef, SqlFault> {
        Ok(stream.arrow())
    }
}

/// What orders, batches and crashes are drawn from: `MILLRACE_GOLDEN_SEED`, or 1.
fn seed() -> u64 {
    std::env::var("MILLRACE_GOLDEN_SEED").map_or(1, |seed| seed.parse().expect("a number"))
}

/// The folder that has a folder for each job.
fn jobs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in jobs/").to_owned()
}

impl Golden {
    /// The jobs of `jobs/NAME`.
    pub(crate) fn of(name: &str) -> Self {
        Self::in_folder(&jobs(), name)
    }

    /// The jobs of `ROOT/NAME`, over the streams that are declared anywhere below `root`.
    pub(crate) fn in_folder(root: &Path, name: &str) -> Self {
        let load = |folder: &Path| match load_dir(folder, &AnySql) {
            Ok(manifests) => manifests,
            Err(mistakes) => panic!("{mistakes:#?}"),
        };
        let (mut all, folder) = (load(root), root.join(name));
        let own: BTreeSet<_> = load(&folder).jobs.into_iter().map(|job| job.name).collect();
        assert!(!own.is_empty(), "{} declares no job", folder.display());
        all.jobs.retain(|job| own.contains(&job.name));
        Self { folder, manifests: all, maps: BTreeMap::new() }
    }

    /// Changes the rows of `sink`, got and expected ones, before they are compared.
    pub(crate) fn map(mut self, sink: &str, change: fn(&mut Row)) -> Self {
        self.maps.insert(sink.to_owned(), change);
        self
    }

    /// Runs all jobs in all ways; panics with the first difference.
    pub(crate) async fn check(&self) {
        let mut unread = self.files("golden");
        for job in &self.manifests.jobs {
            for (seed, run) in (seed()..).zip(RUNS) {
                for (sink, rows) in self.run(job, run, seed).await {
                    let path = self.folder.join("golden").join(format!("{sink}.jsonl"));
                    unread.remove(&path);
                    self.compare(&sink, &rows, &path, &format!("{} {run:?}", job.name));
                }
            }
        }
        assert!(unread.is_empty(), "no job has such a sink: {unread:?}");
    }

    fn compare(&self, sink: &str, got: &RecordBatch, golden: &Path, run: &str) {
        let text = std::fs::read_to_string(golden)
            .unwrap_or_else(|error| panic!("{}: {error}", golden.display()));
        let form = |mut rows: Vec<Row>| {
            if let Some(change) = self.maps.get(sink) {
                rows.iter_mut().for_each(change);
            }
            normal(rows, &got.schema())
        };
        let expected = form(of_text(&text));
        assert!(!expected.is_empty(), "{} has rows", golden.display());
        if let Some(difference) = difference(&form(of_batch(got)), &expected) {
            panic!("{run}: sink `{sink}`: {difference}");
        }
    }

    fn files(&self, folder: &str) -> BTreeSet<PathBuf> {
        let folder = self.folder.join(folder);
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")).collect()
    }

    /// Runs a job to its end, and gives what its sinks hold.
    async fn run(
        &self,
        spec: &JobSpec,
        (parallelism, max_rows, crashes): (usize, usize, bool),
        seed: u64,
    ) -> Vec<(String, RecordBatch)> {
        let plan = self.plan(spec);
        let settings = JobSettings {
            parallelism,
            checkpoint_interval: Some(Duration::from_millis(20)),
            ..JobSettings::default()
        };
        let (job, sinks) = with_sinks(&plan);
        let job = job.settings(settings);
        let logs = self.logs(&plan, seed, max_rows);
        let with_logs = |percent: usize| {
            let read = |job: Job, (name, log): (&String, &Log)| {
                job.with_source(name, log.growing(percent))
            };
            logs.iter().fold(job.clone(), read)
        };
        if crashes {
            for (percent, seed) in [(40, seed), (75, seed + 1)] {
                crash(with_logs(percent), seed).await;
            }
        }
        let end = with_logs(100).run().await.expect("nothing crashes");
        assert_eq!(end, RunEnd::Finished);
        let mut left = left(&plan, &sinks);
        left.retain(|(sink, rows)| {
            let late = sink == LATE;
            assert!(!late || rows.num_rows() == 0, "late: {:?}", of_batch(rows).first());
            !late
        });
        left
    }

    /// What the sinks of a job hold when the events of its streams (JSON lines) come one at a time
    /// and as they stand, whatever their times. How streams interleave is not said.
    pub(crate) async fn in_order(
        &self,
        job: &str,
        streams: &[(&str, String)],
    ) -> BTreeMap<String, Vec<Row>> {
        let spec = self.manifests.jobs.iter().find(|spec| spec.name.as_str() == job);
        let plan = self.plan(spec.expect("the folder has the job"));
        let (mut job, sinks) = with_sinks(&plan);
        let folder = tempfile::tempdir().expect("there is room for a file");
        for (_, source) in plan.sources() {
            let text = streams.iter().find(|(name, _)| *name == source.name);
            let path = folder.path().join(format!("{}.jsonl", source.name));
            std::fs::write(&path, text.map_or("", |(_, text)| text)).expect("there is room");
            let rows = self.read(&source.name, path).1;
            job = job.with_source(&source.name, Log::in_order(rows));
        }
        job.run().await.expect("nothing crashes");
        left(&plan, &sinks).into_iter().map(|(sink, rows)| (sink, of_batch(&rows))).collect()
    }

    /// What the folder's first job gives to `sink` change by change, read row by row.
    pub(crate) async fn changes(&self, sink: &str) -> Vec<(RowKind, Row)> {
        let spec = self.manifests.jobs.first().expect("checked when it was loaded");
        let plan = self.plan(spec);
        let (job, sinks) = with_sinks(&plan);
        let logs = self.logs(&plan, 1, 1);
        let job = logs.iter().fold(job, |job, (name, log)| job.with_source(name, log.growing(100)));
        job.run().await.expect("nothing crashes");
        let of_batch = |batch: &Batch| {
            let kinds: Vec<_> = (0..batch.len()).map(|row| batch.kind(row)).collect();
            kinds.into_iter().zip(of_batch(&batch.rows)).collect::<Vec<_>>()
        };
        sinks[sink].committed().iter().flat_map(of_batch).collect()
    }

    fn plan(&self, spec: &JobSpec) -> JobPlan {
        let catalog = millrace_functions::register(Catalog::default().with_open_sinks());
        let catalog = self.manifests.streams.values().fold(catalog, |catalog, stream| {
            let event_time = stream.event_time.as_ref().map(|time| EventTimeDef {
                column: time.column.clone(),
                delay: time.delay,
                idle: time.idle,
            });
            let def = SourceDef { schema: stream.arrow(), event_time, bounded: false };
            catalog.source(stream.name.as_str(), def)
        });
        let mut plan = plan(&spec.sql, &catalog).unwrap_or_else(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            panic!("{}: {}", spec.name, errors.join("\n"))
        });
        plan.keep_late_rows(LATE);
        plan
    }

    fn logs(&self, plan: &JobPlan, seed: u64, max_rows: usize) -> BTreeMap<String, Log> {
        let names: BTreeSet<_> = plan.sources().map(|(_, source)| source.name.clone()).collect();
        let log = |(name, number): (String, u64)| {
            let path = self.folder.join("fixtures").join(format!("{name}.jsonl"));
            let (stream, rows) = self.read(&name, path);
            let log = Log::new(&rows, stream, seed * 100 + number, max_rows);
            (name, log)
        };
        names.into_iter().zip(0..).map(log).collect()
    }

    /// A stream, and the events of it that are in a file.
    fn read(&self, name: &str, path: PathBuf) -> (&StreamSchema, RecordBatch) {
        let mut streams = self.manifests.streams.values();
        let stream = streams.find(|stream| stream.name.as_str() == name).expect("planned");
        let source = FileSource::of_stream(vec![path], FileFormat::JsonLines, stream);
        (stream, source.head(MOST_ROWS).expect("a file has the events of its stream"))
    }
}

/// A job that writes to memory.
fn with_sinks(plan: &JobPlan) -> (Job, BTreeMap<String, MemorySink>) {
    let sinks: BTreeMap<String, MemorySink> =
        plan.sinks().map(|(_, sink)| (sink.name.clone(), MemorySink::new())).collect();
    let job = Job::new("golden", plan.clone());
    (sinks.iter().fold(job, |job, (name, sink)| job.with_sink(name, sink.clone())), sinks)
}

/// Runs a job whose input does not end until it crashes, some time after its first checkpoint.
async fn crash(job: Job, seed: u64) {
    let step = CRASHES[usize::try_from(seed).expect("small") % CRASHES.len()];
    let probe = CrashAfterCommit { step, commits: AtomicU64::new(0), wanted: 1 + seed % 3 };
    let job = job.probe(Arc::new(probe));
    let error = job.run().await.expect_err("it crashes");
    assert!(error.to_string().contains(CRASH), "{error}");
    assert!(job.starts_from().await.expect("checkpoints can be read").is_some());
}

/// Fails at a step once so many checkpoints of the run have been committed.
#[derive(Debug)]
struct CrashAfterCommit {
    step: JobStep,
    commits: AtomicU64,
    wanted: u64,
}

impl JobProbe for CrashAfterCommit {
    fn reached(&self, step: JobStep) -> Result<(), JobError> {
        let crash = step == self.step && self.commits.load(Ordering::SeqCst) >= self.wanted;
        if step == JobStep::AfterCommit {
            self.commits.fetch_add(1, Ordering::SeqCst);
        }
        if crash { Err(JobError::Unsupported(CRASH.to_owned())) } else { Ok(()) }
    }
}

/// What the sinks of a job hold, by name.
fn left(plan: &JobPlan, sinks: &BTreeMap<String, MemorySink>) -> Vec<(String, RecordBatch)> {
    let mut left = Vec::new();
    for (node, sink) in plan.sinks() {
        let batches = sinks[&sink.name].committed();
        let late = sink.name == LATE;
        let changes = !late && !plan.node(node.inputs[0].from).changes.is_append();
        let key = sink.key.as_deref().filter(|_| changes);
        let schema = batches.first().map_or_else(|| node.schema.clone(), |b| b.rows.schema());
        let rows = final_rows(&schema, key, &batches).expect("keys can be compared");
        left.push((sink.name.clone(), rows));
    }
    left
}
