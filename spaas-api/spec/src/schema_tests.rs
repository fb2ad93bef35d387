//! The published JSON Schema and the reader agree.

use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use saphyr_parser::ScalarStyle;
use serde_json::{Map, Value as Json, json};

use crate::yaml::{Node, Value, documents};
use crate::{Mistake, json_schema, load_text};
use crate::{SqlCheck, SqlFault, fields::Fields, load, mistake::Report, route, stream, target};

/// Takes any SQL.
struct AnySql;

impl SqlCheck for AnySql {
    fn check_route(
        &self,
        stream: &millrace_events::StreamSchema,
        _filter: Option<&str>,
        _select: Option<&str>,
    ) -> Result<SchemaRef, SqlFault> {
        Ok(stream.arrow())
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/manifests").join(name)
}

fn mistakes_of(text: &str) -> Vec<Mistake> {
    load_text(Path::new("m.yaml"), text, &AnySql).err().unwrap_or_default()
}

fn json_of(node: &Node) -> Json {
    match &node.value {
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| match &k.value {
                Value::Scalar(name, _) => (name.clone(), json_of(v)),
                _ => ("?".to_owned(), Json::Null),
            });
            Json::Object(pairs.collect::<Map<_, _>>())
        }
        Value::Scalar(..) if node.is_null() => Json::Null,
        Value::Scalar(text, ScalarStyle::Plain) => match (text.as_str(), text.parse::<i64>()) {
            ("true", _) => json!(true),
            ("false", _) => json!(false),
            (_, Ok(number)) => json!(number),
            _ => json!(text),
        },
        Value::Scalar(text, _) => json!(text),
    }
}

fn yaml_documents(text: &str) -> Vec<Json> {
    let mut report = Report::default();
    let file = report.add_source(Path::new("m.yaml"), text);
    documents(file, text, &mut report).iter().map(json_of).collect()
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
}

#[test]
fn bad_manifests_do_not_fit_and_are_refused_by_the_reader_too() {
    let validator = jsonschema::validator_for(&json_schema()).expect("a valid schema");
    let stream = |spec: &str| format!("kind: Stream\nmetadata: {{ name: s }}\nspec: {spec}\n");
    let route =
        |to: &str| format!("kind: Route\nmetadata: {{ name: r }}\nspec: {{ from: s, to: {to} }}\n");
    let column = "{ name: a, type: string }";
    for text in [
        "kind: Job\nmetadata: { name: a }\nspec: {}\n".to_owned(),
        "kind: Stream\nmetadata: { name: A }\nspec: { format: json, columns: [] }\n".to_owned(),
        stream("{ format: avro, columns: [{ name: a, type: string }] }"),
        stream("{ format: json, columns: [{ name: a, type: text }] }"),
        stream("{ format: json, columns: [] }"),
        stream("{ format: json, columns: [{ name: a }] }"),
        stream(&format!("{{ format: json, partitions: 0, columns: [{column}] }}")),
        stream(&format!("{{ format: json, partitions: '4', columns: [{column}] }}")),
        stream(&format!("{{ format: json, colums: 1, columns: [{column}] }}")),
        stream(&format!("{{ format: json, topic: a/b, columns: [{column}] }}")),
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
    assert_eq!(known("StreamDocument"), sorted(&load::DOCUMENT));
    assert_eq!(known("RouteDocument"), sorted(&load::DOCUMENT));
    assert_eq!(known("Metadata"), sorted(&load::METADATA));
    assert_eq!(known("Stream"), sorted(&stream::SPEC));
    assert_eq!(known("EventTime"), sorted(&stream::EVENT_TIME));
    assert_eq!(known("Column"), sorted(&stream::COLUMN));
    assert_eq!(known("Route"), sorted(&route::SPEC));
    assert_eq!(known("Roll"), sorted(&route::ROLL));
    assert_eq!(known("Kafka"), sorted(&target::KAFKA));
    assert_eq!(known("Http"), sorted(&target::HTTP));
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
    let fields = Fields::open(&docs[0], "the test", &["a", "c"], &mut report).expect("a mapping");
    assert!(fields.get("a").is_some() && fields.get("b").is_none());
    assert!(fields.need("c", &mut report).is_none());
    let lines: Vec<_> = report.into_mistakes().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
