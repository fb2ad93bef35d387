//! The command line of jobs.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use millrace_client::JobVerb;
use millrace_spec::{parse_duration, parse_size};

use super::{KafkaArgs, SecretArgs, StoreArgs};
use crate::job::{FileArg, NamedArg};

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    #[command(subcommand)]
    pub(crate) command: JobCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Run a job: from streams into tables and feeds, or over files to their end (`--local`).
    Run(Box<JobRunArgs>),
    /// Print the plan of a job: operators, keys, windows, state, event time.
    Explain(JobExplainArgs),
    /// Check a job; print every mistake with line and column.
    Validate(JobValidateArgs),
    #[command(flatten)]
    Deployed(JobVerb),
}

/// The text of a job and the streams it may read.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobTextArgs {
    /// File with the job's SQL; `-` is stdin.
    #[arg(value_name = "JOB.SQL")]
    pub(crate) job: PathBuf,
    /// Folder (or file) of manifests that declare streams: columns, event time, delay.
    #[arg(short = 'f', long = "file", visible_alias = "manifests", value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    /// Read a stream from a file or a folder of files, in one of the formats json, csv or parquet
    /// (told by the name: .jsonl, .csv.gz, …); again for more files. A stream that no manifest
    /// declares has the columns that its first rows show.
    #[arg(long = "input", value_name = "STREAM=PATH[,FORMAT]")]
    pub(crate) inputs: Vec<FileArg>,
    /// The event time of a stream that no manifest declares.
    #[arg(long = "event-time", value_name = "STREAM=COLUMN")]
    pub(crate) event_times: Vec<NamedArg>,
    /// How long rows may come late in streams with `--event-time`.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) delay: Duration,
}

/// Form of what a run shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunOutput {
    /// Tables for people: input, plan, results.
    Table,
    /// One JSON object: inputs, plan, results, late rows.
    Json,
    /// The results alone, comma-separated with a header; one after the other if there are several.
    Csv,
}

/// How a job runs that reads streams.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Without --local")]
pub(crate) struct JobStreamingArgs {
    /// Name of the job, under which a later run goes on; by default that of the file.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    /// Table of a sink whose rows are final; by default the one of the sink's name.
    #[arg(long = "table", value_name = "SINK=TABLE")]
    pub(crate) tables: Vec<NamedArg>,
    /// Topic that gets the latest row of each key; by default a sink whose rows change writes the
    /// topic of its own name.
    #[arg(long = "feed", value_name = "SINK=TOPIC")]
    pub(crate) feeds: Vec<NamedArg>,
    /// Time between checkpoints, which is when rows become visible in tables.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) checkpoint_interval: Duration,
    /// Read each stream up to where it ends now, close every window, and end.
    #[arg(long)]
    pub(crate) until_end: bool,
    /// When told to stop (SIGTERM, ctrl-c), bring event time to its end first: open windows close
    /// and their results are written. A later run that goes on from there finds every row late.
    #[arg(long)]
    pub(crate) drain: bool,
    /// Memory for state, rows in flight and open files.
    #[arg(long, default_value = "256MiB", value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct JobRunArgs {
    #[command(flatten)]
    pub(crate) text: JobTextArgs,
    /// Over files, to their end; show some input, the plan and the results. Without it the job
    /// reads the streams of `--file`.
    #[arg(long, required_unless_present = "manifests")]
    pub(crate) local: bool,
    #[command(flatten)]
    pub(crate) streaming: JobStreamingArgs,
    /// Write a sink's rows into a folder, in one of the formats json (default), csv or parquet,
    /// instead of showing them.
    #[arg(long = "sink", value_name = "SINK=DIR[,FORMAT]")]
    pub(crate) sinks: Vec<FileArg>,
    /// Keep the rows that came after their window had closed: shown as one more result of this
    /// name with `--local`, else written to a table of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) late: Option<String>,
    /// Most rows shown of each result.
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    pub(crate) limit: usize,
    /// Rows shown of each input.
    #[arg(long, default_value_t = 3, value_name = "ROWS")]
    pub(crate) sample: usize,
    /// Instances of each operator.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) parallelism: usize,
    /// Rows read at once. Event time moves on between batches: read 1 at a time to see what a slow
    /// stream would find late.
    #[arg(long, default_value_t = 8192, value_name = "ROWS")]
    pub(crate) batch_rows: usize,
    /// Show the whole plan, not only its operators.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Form of what is shown.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: RunOutput,
}

/// Form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanOutput {
    /// A tree from each sink down to its sources.
    Text,
    /// One JSON object.
    Json,
    /// A graph for Graphviz.
    Dot,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct JobExplainArgs {
    #[command(flatten)]
    pub(crate) text: JobTextArgs,
    /// Form of the plan.
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: PlanOutput,
}

/// Form of a list of mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckOutput {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct JobValidateArgs {
    #[command(flatten)]
    pub(crate) text: JobTextArgs,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: CheckOutput,
}
