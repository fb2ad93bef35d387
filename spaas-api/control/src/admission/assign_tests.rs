//! Names of what is handed to runs.

use crate::model::Metadata;

use super::*;

fn resource(ns: &str, kind: Kind, name: &str, spec: Value) -> Resource {
    let metadata = Metadata {
        namespace: ns.to_owned(),
        name: name.to_owned(),
        uid: "u".to_owned(),
        generation: 1,
        resource_version: 1,
        labels: std::collections::BTreeMap::new(),
        created_ms: 0,
        updated_ms: 0,
        deleting_ms: None,
    };
    Resource { kind, metadata, spec }
}

#[test]
fn what_the_router_gets_is_qualified_and_keeps_its_topics() {
    let route = resource(
        "team",
        Kind::Route,
        "out",
        json!({"from": "plays", "to": {"http": {"url": "https://x/", "connection": "hook"}}}),
    );
    let text: Value = serde_json::from_str(&qualified_document(&route)).unwrap();
    assert_eq!(text["metadata"]["name"], "team--out");
    assert_eq!(text["spec"]["from"], "team--plays");
    assert_eq!(text["spec"]["to"]["http"]["connection"], "team--hook");
    let stream = resource("team", Kind::Stream, "plays", json!({"format": "json"}));
    let text: Value = serde_json::from_str(&qualified_document(&stream)).unwrap();
    assert_eq!(text["spec"]["topic"], "team--plays");
    let named = resource("team", Kind::Stream, "plays", json!({"topic": "shared"}));
    let text: Value = serde_json::from_str(&qualified_document(&named)).unwrap();
    assert_eq!(
        (&text["metadata"]["name"], &text["spec"]["topic"]),
        (&json!("team--plays"), &json!("shared"))
    );
    let own = resource("default", Kind::Stream, "plays", json!({}));
    let text: Value = serde_json::from_str(&qualified_document(&own)).unwrap();
    assert_eq!(text["metadata"]["name"], "plays");
}

#[test]
fn a_stream_says_what_its_topic_is_to_be() {
    let spec = json!({"partitions": 4, "retention": "24h"});
    let need = stream_topic(&resource("team", Kind::Stream, "plays", spec));
    assert_eq!((need.topic.as_str(), need.partitions), ("team--plays", 4));
    assert_eq!(need.retention, Some(std::time::Duration::from_hours(24)));
}
