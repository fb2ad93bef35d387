//! The published form of manifests: types that exist for their JSON Schema.

#![expect(dead_code, reason = "nothing is built from these types; only their schema is used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use millrace_events::ColumnType;

/// The JSON Schema of one manifest document; editors check YAML against it.
///
/// # Panics
/// Never: a generated schema is valid JSON.
pub fn json_schema() -> serde_json::Value {
    let schema = schemars::schema_for!(Document);
    serde_json::to_value(schema).expect("a schema is plain JSON")
}

/// A Millrace manifest: one document declares one thing.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Document {
    Namespace(NamespaceDocument),
    Connection(ConnectionDocument),
    Stream(StreamDocument),
    Route(RouteDocument),
    Job(JobDocument),
}

#[derive(JsonSchema)]
enum NamespaceKind {
    Namespace,
}

#[derive(JsonSchema)]
enum ConnectionKind {
    Connection,
}

#[derive(JsonSchema)]
enum JobKind {
    Job,
}

#[derive(JsonSchema)]
enum StreamKind {
    Stream,
}

#[derive(JsonSchema)]
enum RouteKind {
    Route,
}

/// A named, typed schema on a Kafka topic.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StreamDocument {
    kind: StreamKind,
    metadata: Metadata,
    spec: Stream,
}

/// Stream → optional filter → optional projection → destination.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RouteDocument {
    kind: RouteKind,
    metadata: Metadata,
    spec: Route,
}

/// Owner of streams, routes, jobs and connections.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NamespaceDocument {
    kind: NamespaceKind,
    metadata: Metadata,
    spec: Option<Namespace>,
}

/// Where a broker or endpoint is, and which secrets open it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ConnectionDocument {
    kind: ConnectionKind,
    metadata: Metadata,
    spec: Connection,
}

/// Streaming SQL from streams into tables and feeds.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct JobDocument {
    kind: JobKind,
    metadata: Metadata,
    spec: Job,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Metadata {
    /// Lower-case letters, digits, `_`, `-`, but no `--`; at most 100 characters.
    #[schemars(regex(pattern = r"^[a-z_](-?[a-z0-9_])*-?$"), length(max = 100))]
    name: String,
    /// The namespace; `default`, or the one that the request names, if not given.
    #[schemars(regex(pattern = r"^[a-z_](-?[a-z0-9_])*-?$"), length(max = 100))]
    namespace: Option<String>,
    /// Free words to choose by.
    labels: Option<BTreeMap<String, String>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Namespace {
    /// Who answers for it.
    owner: Option<String>,
    /// What it is for.
    description: Option<String>,
}

/// Leads to Kafka or to HTTP endpoints: one of the two.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Connection {
    Kafka(KafkaConnection),
    Http(HttpConnection),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct KafkaConnection {
    kafka: KafkaCluster,
    /// Options of the client whose values are secrets.
    secrets: Option<BTreeMap<String, SecretText>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HttpConnection {
    http: HttpHeaders,
    /// Headers whose values are secrets.
    secrets: Option<BTreeMap<String, SecretText>>,
}

/// A Kafka cluster.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct KafkaCluster {
    /// `host:port`, several with commas between.
    #[schemars(regex(pattern = r"^[^:,]+.*:[0-9]+$"))]
    bootstrap: String,
    /// Options of the Kafka client that are no secrets.
    properties: Option<BTreeMap<String, Plain>>,
}

/// What requests carry.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HttpHeaders {
    /// Headers of every request that are no secrets.
    headers: Option<BTreeMap<String, Plain>>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Plain {
    Text(String),
    Number(f64),
    Boolean(bool),
}

/// Where a secret is: `env:MILLRACE_SECRET_…` or `file:/absolute/path`.
#[derive(JsonSchema)]
struct SecretText(
    #[schemars(regex(pattern = r"^(env:MILLRACE_SECRET_[A-Za-z0-9_]+|file:/.+)$"))] String,
);

/// The SQL is in the manifest or in a file beside it: one of the two.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Job {
    /// The SQL: one or more `INSERT INTO`.
    #[schemars(length(min = 1))]
    sql: Option<String>,
    /// A file with the SQL, from the manifest's folder; for the command line, not for requests.
    sql_file: Option<String>,
    /// Where the rows of a sink go; a sink that is not here goes to the table or feed of its own
    /// name.
    sinks: Option<BTreeMap<String, Sink>>,
    /// Sink for rows that come too late; they are only counted if not given.
    late: Option<String>,
    /// Instances of each operator; 1 if not given.
    #[schemars(range(min = 1, max = 128))]
    parallelism: Option<i32>,
    /// How state is saved.
    checkpoint: Option<Checkpoint>,
    /// Most memory of its process. 512MiB if not given.
    memory: Option<SizeText>,
    /// Whether it ends where the streams end when it starts; false if not given.
    until_end: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Checkpoint {
    /// Time between checkpoints. 10s if not given.
    interval: Option<DurationText>,
}

/// A table or a feed.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Sink {
    Table(TableSink),
    Feed(FeedSink),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TableSink {
    /// `table` or `schema.table`.
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$"))]
    table: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FeedSink {
    /// A compacted topic with the latest row of each key.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,249}$"))]
    feed: String,
    /// Its partitions; as many as the job's streams have if not given.
    #[schemars(range(min = 1, max = 10_000))]
    partitions: Option<i32>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Format {
    Json,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Stream {
    /// How events are written on the topic.
    format: Format,
    /// Kafka topic; the stream's name if not given.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,249}$"))]
    topic: Option<String>,
    /// Column whose value keys the records (string, int32, int64 or date).
    key: Option<String>,
    /// String column that holds the event id. Filled in when an event does not carry one.
    id: Option<String>,
    /// Where event time is read from. Filled from the record's timestamp when missing.
    event_time: Option<EventTime>,
    /// Number of partitions the topic is created with; 1 if not given.
    #[schemars(range(min = 1, max = 10_000))]
    partitions: Option<i32>,
    /// Columns in order.
    #[schemars(length(min = 1))]
    columns: Vec<Column>,
    /// Name of the Connection to the topic's Kafka cluster; the platform's own if not given.
    connection: Option<String>,
    /// How long records are kept, as `7d`; the broker's own time if not given.
    retention: Option<DurationText>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct EventTime {
    /// A `timestamp_ms` or `timestamp_us` column.
    column: String,
    /// How late an event may come: the watermark is the newest time seen minus this. 10s if not
    /// given.
    delay: Option<DurationText>,
    /// A partition silent for this long does not hold the watermark back. 30s if not given.
    idle: Option<DurationText>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Column {
    /// Column name, which is also the JSON key.
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// Column type.
    r#type: ColumnType,
    /// Whether an event without it is dead-lettered; false if not given.
    required: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Route {
    /// The stream it reads.
    from: String,
    /// SQL condition over the stream's columns; rows for which it is not true are counted as
    /// filtered.
    r#where: Option<String>,
    /// SQL select list over the stream's columns; all columns if not given.
    select: Option<String>,
    /// Takes only records that have, for every header named here, one of its values.
    headers: Option<BTreeMap<String, OneOrMany>>,
    /// Where rows go.
    to: Target,
    /// When rows are committed: at whichever limit is reached first.
    roll: Option<Roll>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum OneOrMany {
    One(String),
    Many(#[schemars(length(min = 1))] Vec<String>),
}

/// One destination.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Target {
    Table(TableTarget),
    Kafka(KafkaTarget),
    Http(HttpTarget),
}

/// A Delta table.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TableTarget {
    /// `table` or `schema.table`.
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$"))]
    table: String,
    /// Columns of the route, `event_date` or `event_hour`.
    partition_by: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct KafkaTarget {
    kafka: Kafka,
}

/// A Kafka topic.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Kafka {
    /// The topic; not the one the route reads.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,249}$"))]
    topic: String,
    /// Column whose value keys the records; the source record's key if not given.
    key: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HttpTarget {
    http: Http,
}

/// An HTTP endpoint that takes batches by POST.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Http {
    /// `http` or `https`, without user and password.
    #[schemars(regex(pattern = r"^https?://"))]
    url: String,
    /// Whether private, loopback and link-local addresses are allowed; false if not given.
    allow_private: Option<bool>,
    /// Name of the Connection whose headers go with every request.
    connection: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Roll {
    /// Commit when about this much waits. 128MiB if not given.
    bytes: Option<SizeText>,
    /// Commit when the oldest uncommitted row is this old. 30s if not given.
    every: Option<DurationText>,
    /// Commit when nothing came for this long. 5s if not given.
    idle: Option<DurationText>,
}

/// A whole number and a unit: `500ms`, `10s`, `5m`, `2h`, `7d`.
#[derive(JsonSchema)]
struct DurationText(#[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h|d)$"))] String);

/// A whole number and a unit: `512KiB`, `64MiB`, `1GiB`.
#[derive(JsonSchema)]
struct SizeText(#[schemars(regex(pattern = r"^[0-9]+(B|KiB|MiB|GiB)$"))] String);
