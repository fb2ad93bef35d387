//! The published JSON Schema and the reader agree.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::canonical::json_of;
use crate::json_schema;
use crate::testing::{folder, mistakes_of};
use crate::yaml::documents;
use crate::{connection, job_reader, metadata};
use crate::{declare, fields::Fields, mistake::Report, route, stream, target};

fn yaml_documents(text: &str) -> Vec<Json> {
    let mut report = Report::default();
    let file = report.add_source(Path::new("m.yaml"), text);
    documents(file, text, &mut report).iter().map(|root| json_of(&root.node)).collect()
}

#[test]
fn good_manifests_fit_the_schema() {
    let schema = json_schema();
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    for file in ["good/playback.yaml", "good/more/out.yml"] {
        let text = std::fs::read_to_string(folder(file)).expect("a fixture");
        for document in yaml_documents(&text) {
            assert!(validator.is_valid(&document), "{document:#}");
        }
    }
    for document in yaml_documents(crate::kinds_tests::GOOD) {
        assert!(validator.is_valid(&document), "{document:#}");
    }
}

#[test]
fn bad_manifests_do_not_fit_and_are_refused_by_the_reader_too() {
    let validator = jsonschema::validator_for(&json_schema()).expect("a valid schema");
    let stream = |spec: &str| format!("kind: Stream\nmetadata: {{ name: s }}\nspec: {spec}\n");
    let route =
        |to: &str| format!("kind: Route\nmetadata: {{ name: r }}\nspec: {{ from: s, to: {to} }}\n");
    let connection =
        |spec: &str| format!("kind: Connection\nmetadata: {{ name: c }}\nspec: {spec}\n");
    let job = |spec: &str| format!("kind: Job\nmetadata: {{ name: j }}\nspec: {spec}\n");
    let column = "{ name: a, type: string }";
    for text in [
        "kind: Jobb\nmetadata: { name: a }\nspec: {}\n".to_owned(),
        "kind: Stream\nmetadata: { name: A }\nspec: { format: json, columns: [] }\n".to_owned(),
        stream("{ format: avro, columns: [{ name: a, type: string }] }"),
        stream("{ format: json, columns: [{ name: a, type: text }] }"),
        stream("{ format: json, columns: [] }"),
        stream("{ format: json, columns: [{ name: a }] }"),
        stream(&format!("{{ format: json, partitions: 0, columns: [{column}] }}")),
        stream(&format!("{{ format: json, partitions: '4', columns: [{column}] }}")),
        stream(&format!("{{ format: json, colums: 1, columns: [{column}] }}")),
        stream(&format!("{{ format: json, topic: a/b, columns: [{column}] }}")),
        stream(&format!("{{ format: json, retention: 7, columns: [{column}] }}")),
        connection("{}"),
        connection("{ kafka: { bootstrap: nowhere } }"),
        connection("{ kafka: { bootstrap: 'a:1' }, http: {} }"),
        connection("{ http: { headers: { a: [b] } } }"),
        connection("{ http: {}, secrets: { a: hunter2 } }"),
        connection("{ http: {}, secrets: { a: 'file:relative' } }"),
        job("{ sql: '' }"),
        job("{ sql: [a] }"),
        job("{ sql: a, parallelism: 0 }"),
        job("{ sql: a, parallelism: 129 }"),
        job("{ sql: a, checkpoint: { interval: often } }"),
        job("{ sql: a, memory: 1GB }"),
        job("{ sql: a, until_end: maybe }"),
        job("{ sql: a, sinks: { a: {} } }"),
        job("{ sql: a, sinks: { a: { table: t, feed: f } } }"),
        job("{ sql: a, sinks: { a: { table: t, partitions: 1 } } }"),
        job("{ sql: a, upgrade: now }"),
        "kind: Namespace\nmetadata: { name: a }\nspec: { size: 1 }\n".to_owned(),
        "kind: Namespace\nmetadata: { name: a--b }\n".to_owned(),
        "kind: Namespace\nmetadata: { name: a, labels: { b: 1 } }\n".to_owned(),
        route("{}"),
        route("{ table: A }"),
        route("{ table: a, kafka: { topic: b } }"),
        route("{ kafka: { topic: b, acks: 1 } }"),
        route("{ http: { url: ftp://a } }"),
        "kind: Route\nmetadata: { name: r }\n\
         spec: { from: s, to: { table: t }, roll: { every: 5 } }"
            .to_owned(),
    ] {
        let document = yaml_documents(&text).remove(0);
        assert!(!validator.is_valid(&document), "the schema takes {text}");
        assert!(!mistakes_of(&text).is_empty(), "the reader takes {text}");
    }
}

#[test]
fn the_schema_and_the_reader_know_the_same_fields() {
    let schema = json_schema();
    let known = |name: &str| {
        let properties = schema["$defs"][name]["properties"].as_object().expect(name).keys();
        let mut names: Vec<_> = properties.map(String::as_str).collect();
        names.sort_unstable();
        names
    };
    let sorted = |names: &[&'static str]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    assert_eq!(known("StreamDocument"), sorted(&declare::DOCUMENT));
    assert_eq!(known("RouteDocument"), sorted(&declare::DOCUMENT));
    assert_eq!(known("Metadata"), sorted(&metadata::METADATA));
    assert_eq!(known("Stream"), sorted(&stream::SPEC));
    assert_eq!(known("EventTime"), sorted(&stream::EVENT_TIME));
    assert_eq!(known("Column"), sorted(&stream::COLUMN));
    assert_eq!(known("Route"), sorted(&route::SPEC));
    assert_eq!(known("Roll"), sorted(&route::ROLL));
    assert_eq!(known("Kafka"), sorted(&target::KAFKA));
    assert_eq!(known("Http"), sorted(&target::HTTP));
    assert_eq!(known("NamespaceDocument"), sorted(&declare::DOCUMENT));
    assert_eq!(known("ConnectionDocument"), sorted(&declare::DOCUMENT));
    assert_eq!(known("JobDocument"), sorted(&declare::DOCUMENT));
    assert_eq!(known("Namespace"), sorted(&metadata::NAMESPACE));
    assert_eq!(known("KafkaCluster"), sorted(&connection::KAFKA));
    assert_eq!(known("HttpHeaders"), sorted(&connection::HTTP));
    let mut connections = ["KafkaConnection", "HttpConnection"].map(known).concat();
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections, sorted(&connection::SPEC));
    assert_eq!(known("Job"), sorted(&job_reader::SPEC));
    assert_eq!(known("Checkpoint"), sorted(&job_reader::CHECKPOINT));
    let mut sinks = ["TableSink", "FeedSink"].map(known).concat();
    sinks.sort_unstable();
    assert_eq!(sinks, sorted(&job_reader::SINK));
    let targets = ["TableTarget", "KafkaTarget", "HttpTarget"].map(known).concat();
    assert_eq!(sorted(&target::TO).len(), targets.len());
    assert!(target::TO.iter().all(|name| targets.contains(name)));
}

#[test]
fn every_column_type_can_be_written() {
    let names = stream::TYPES.map(|(name, _)| name);
    for (name, data_type) in stream::TYPES {
        assert_eq!(serde_json::to_value(data_type).expect("plain"), json!(name));
    }
    let schema = json_schema().to_string();
    assert!(names.iter().all(|name| schema.contains(&format!("\"{name}\""))), "{schema}");
}

#[test]
fn an_opened_mapping_reports_what_it_does_not_know() {
    let mut report = Report::default();
    let text = "a: 1\nb: 2\na: 3\n";
    let file = report.add_source(Path::new("m.yaml"), text);
    let docs = documents(file, text, &mut report);
    let fields =
        Fields::open(&docs[0].node, "the test", &["a", "c"], &mut report).expect("a mapping");
    assert!(fields.get("a").is_some() && fields.get("b").is_none());
    assert!(fields.need("c", &mut report).is_none());
    let lines: Vec<_> = report.into_mistakes().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
