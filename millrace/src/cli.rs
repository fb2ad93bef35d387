//! The command line: nouns, verbs, options and their help.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

use millrace_client::ControlCommand;
use millrace_spec::{parse_duration, parse_size};

mod generate;
mod job;
mod ope;
mod serve;

pub(crate) use generate::{
    FleetArgs, GenerateArgs, GenerateCommand, GenerateTo, PaceArgs, PlaybackArgs,
};
pub(crate) use job::{
    CheckOutput, JobArgs, JobCommand, JobExplainArgs, JobRunArgs, JobStreamingArgs, JobTextArgs,
    JobValidateArgs, PlanOutput, RunOutput,
};
pub(crate) use ope::{Campaign, LogName, OpeArgs, PolicyArg};
pub(crate) use serve::{ServeArgs, ServeCommand, ServiceArgs, SteeringArgs};

/// Event streams into tables, every event exactly once.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, propagate_version = true)]
pub(crate) struct Cli {
    /// Form of the log lines on stderr.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log: LogForm,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the platform: the HTTP API, and with it broker, router and jobs as processes.
    Up(UpArgs),
    /// Run a router alone, beside others of its group.
    Router(RouterArgs),
    /// See real events flow: replay the bundled data, report, and list queries to try.
    Demo(DemoArgs),
    /// Send events from a file or stdin to a stream.
    Emit(EmitArgs),
    /// Make events from a seed, and print or send them.
    Generate(GenerateArgs),
    /// Ask the tables a question.
    Sql(SqlArgs),
    /// Streaming SQL jobs: run them, explain, validate.
    Job(JobArgs),
    /// Estimate what a policy would have been worth, from logged impressions.
    Ope(Box<OpeArgs>),
    /// Check manifests; print every mistake with file, line and column.
    Validate(ManifestArgs),
    /// Print the JSON Schema of the manifests.
    Schema,
    /// Look at events that could not be decoded or routed, and send them again.
    DeadLetters(DeadLettersArgs),
    /// Check that every event is written, filtered or dead-lettered exactly once.
    Audit(AuditArgs),
    /// Run a service that answers from feeds: recommendation, steering.
    Serve(ServeArgs),
    #[command(flatten)]
    Control(ControlCommand),
    /// Do what the control plane assigned to a process of its own.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

/// Where the platform keeps its data.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// Folder of everything the platform keeps.
    #[arg(long, default_value = "./millrace-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Object store of the tables: `file:///…` or `s3://bucket/prefix` (credentials, region and
    /// endpoint from the usual AWS_… variables). Default: `tables` in the data folder.
    #[arg(long, value_name = "URL", env = "MILLRACE_STORE")]
    pub(crate) store: Option<Url>,
}

/// Where secrets are.
#[derive(Debug, Clone, Args)]
pub(crate) struct SecretArgs {
    /// Folder of the files that connections may refer to with `file:`. Default: `secrets` in the
    /// data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets: Option<PathBuf>,
}

/// Which manifests.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManifestArgs {
    /// Folder (or file) of manifests. Default: the ones of the demo.
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
}

/// Which broker.
#[derive(Debug, Clone, Args)]
pub(crate) struct KafkaArgs {
    /// Use this Kafka cluster instead of the embedded broker.
    #[arg(long, value_name = "HOST:PORT[,…]", env = "MILLRACE_KAFKA")]
    pub(crate) kafka: Option<String>,
    /// Option of the Kafka client, such as `security.protocol=sasl_ssl`; a value of the form
    /// `env:NAME` or `file:PATH` is read from there, which keeps secrets off the command line.
    #[arg(long = "kafka-property", value_name = "NAME=VALUE")]
    pub(crate) properties: Vec<String>,
}

/// How the router works.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorkArgs {
    /// Memory for everything in flight: fetched records, builders, uploads.
    #[arg(long, default_value = "256MiB", value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: u64,
    /// Consumer group, when a Kafka cluster is used.
    #[arg(long, default_value = "millrace", value_name = "NAME")]
    pub(crate) group: String,
    /// Read every partition without a consumer group: for a router that is the only one, which then
    /// goes on at once after a crash.
    #[arg(long)]
    pub(crate) alone: bool,
    /// After this long without a heartbeat the cluster gives the partitions of a router to others.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) session_timeout: Duration,
    /// Stop once everything is read and committed and nothing came for this long.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) until_idle: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Folder (or file) of manifests to declare once the platform runs, as `millrace apply` does.
    /// What was declared before stays.
    #[arg(short = 'f', long = "file", value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    /// Where goal state is kept: `sqlite:PATH?mode=rwc` or `postgres://…`. Default: `goals.db` in
    /// the data folder. Give a URL with a password by the variable.
    #[arg(long, value_name = "URL", env = "MILLRACE_GOALS", hide_env_values = true)]
    pub(crate) goals: Option<Url>,
    /// Memory of the router; an eighth of as much for HTTP requests in flight.
    #[arg(long, default_value = "256MiB", value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: u64,
    /// Address of the HTTP API.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Address of the embedded broker.
    #[arg(long, default_value = "127.0.0.1:9092", value_name = "ADDR:PORT")]
    pub(crate) broker_listen: SocketAddr,
    /// Allow addresses that other machines can reach. Every request then needs a token.
    #[arg(long)]
    pub(crate) allow_external: bool,
    /// Give each worker a cgroup with its memory limit in this folder of the cgroup v2 hierarchy,
    /// which must be delegated to this user and hold no process. Without it, or where it cannot be
    /// used, workers limit themselves (`RLIMIT_DATA`).
    #[arg(long, value_name = "DIR")]
    pub(crate) cgroup: Option<PathBuf>,
    /// Leave jobs, router and broker running when the platform ends; the next one takes them over.
    #[arg(long)]
    pub(crate) keep_workers: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RouterArgs {
    #[command(flatten)]
    pub(crate) manifests: ManifestArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// Address for `/metrics`, `/healthz` and `/readyz`; none by default.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Allow addresses that other machines can reach.
    #[arg(long)]
    pub(crate) allow_external: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Folder of everything the demo keeps.
    #[arg(long, default_value = "./millrace-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Memory for everything in flight.
    #[arg(long, default_value = "256MiB", value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct EmitArgs {
    /// The stream.
    pub(crate) stream: String,
    /// File of events, one JSON object a line; `-` or nothing is stdin.
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) manifests: ManifestArgs,
    /// Data folder of the running platform, which says where its broker is.
    #[arg(long, default_value = "./millrace-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
}

/// Form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns for people.
    Table,
    /// A JSON array of rows.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values with a header.
    Csv,
    /// A Parquet file (redirect stdout).
    Parquet,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SqlArgs {
    /// One SELECT, WITH or EXPLAIN; `-` reads it from stdin.
    pub(crate) sql: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
    /// Longest a query may run.
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Most rows a query may answer.
    #[arg(long, default_value_t = 100_000, value_name = "ROWS")]
    pub(crate) limit: usize,
    /// Memory a query may use.
    #[arg(long, default_value = "1GiB", value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    pub(crate) command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Print dead letters, newest last.
    List(DeadLettersListArgs),
    /// Append the original bytes to their topics again, for the routes that refused them.
    Replay(DeadLettersReplayArgs),
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeadLettersFilter {
    /// Only of this route.
    #[arg(long)]
    pub(crate) route: Option<String>,
    /// Only of this topic.
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DeadLettersListArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) filter: DeadLettersFilter,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DeadLettersReplayArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) filter: DeadLettersFilter,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
    /// Only say what would be sent.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerArgs {
    /// File that says what to do; the lock, the log and the socket are in its folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) assignment: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}
