//! Namespaces, connections, jobs and what refers to them: what is read, and what is refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::datatypes::SchemaRef;

use millrace_events::StreamSchema;

use crate::testing::{AnySql, loaded, mistakes_of};
use crate::{ConnectionKind, SecretRef, SinkSpec, Target, load_dir, load_text, load_texts_in};
use crate::{Mistake, SqlCheck, SqlFault};

pub(crate) const GOOD: &str = "\
kind: Namespace
metadata: { name: films, labels: { team: films, cost-centre: a/7 } }
spec: { owner: ada, description: What is watched }
---
kind: Connection
metadata: { name: cluster, namespace: films }
spec:
  kafka:
    bootstrap: a.example:9092, b.example:9092
    properties: { security.protocol: SASL_SSL, sasl.mechanism: PLAIN, linger.ms: 5 }
  secrets: { sasl.username: env:MILLRACE_SECRET_USER, sasl.password: file:/run/secrets/kafka }
---
kind: Connection
metadata: { name: hook }
spec:
  http: { headers: { X-Team: films } }
  secrets: { Authorization: env:MILLRACE_SECRET_HOOK }
---
kind: Stream
metadata: { name: plays, namespace: films }
spec:
  format: json
  connection: cluster
  retention: 7d
  columns: [{ name: a, type: string }]
---
kind: Route
metadata: { name: out }
spec: { from: plays, to: { http: { url: 'https://a.example/in', connection: hook } } }
---
kind: Job
metadata: { name: counts }
spec:
  sql: |
    INSERT INTO n SELECT count(*) FROM plays;
  sinks: { n: { table: raw.n }, m: { feed: m.latest, partitions: 3 } }
  late: too_late
  parallelism: 4
  checkpoint: { interval: 5s }
  memory: 1GiB
  until_end: true
---
kind: Job
metadata: { name: bare }
spec: { sql: INSERT INTO n SELECT 1 }
";

#[test]
fn every_kind_is_read_with_its_defaults() {
    let read = loaded(&[GOOD]);
    assert_eq!(read.namespaces[0].owner.as_deref(), Some("ada"));
    let [cluster, hook] = &read.connections[..] else { panic!("{:?}", read.connections) };
    let ConnectionKind::Kafka { properties, .. } = &cluster.kind else { panic!("{cluster:?}") };
    assert_eq!(properties["linger.ms"], "5");
    assert_eq!(cluster.secrets["sasl.password"], SecretRef::File("/run/secrets/kafka".into()));
    assert_eq!(hook.secrets["Authorization"].to_string(), "env:MILLRACE_SECRET_HOOK");
    let plays = "plays".parse().expect("a name");
    let extras = &read.stream_extras[&plays];
    assert_eq!(extras.retention, Some(Duration::from_hours(7 * 24)));
    assert_eq!(extras.connection.as_ref().map(millrace_events::RouteName::as_str), Some("cluster"));
    assert_eq!(read.streams[&plays].topic, "films--plays");
    let Target::Http { connection: Some(connection), .. } = &read.routes[0].to else {
        panic!("{:?}", read.routes)
    };
    assert_eq!(connection.as_str(), "hook");
    let [bare, counts] = &read.jobs[..] else { panic!("{:?}", read.jobs) };
    assert_eq!((counts.parallelism, counts.memory, counts.until_end), (4, 1 << 30, true));
    assert_eq!(counts.sql, "INSERT INTO n SELECT count(*) FROM plays;\n");
    assert_eq!(
        counts.sinks["m"],
        SinkSpec::Feed { topic: "m.latest".to_owned(), partitions: Some(3) }
    );
    assert_eq!((bare.parallelism, bare.memory, bare.until_end), (1, 512 << 20, false));
    assert_eq!(bare.checkpoint_interval, Duration::from_secs(10));
    assert_eq!((bare.late.as_deref(), bare.sinks.len()), (None, 0));
}

#[test]
fn a_connection_must_lead_to_what_uses_it() {
    let swapped = GOOD
        .replace("connection: cluster", "connection: HOOK")
        .replace("connection: hook", "connection: cluster")
        .replace("HOOK", "hook");
    let messages: Vec<_> = mistakes_of(&swapped).into_iter().map(|m| m.message).collect();
    assert_eq!(
        messages,
        [
            "connection `hook` leads to HTTP, not Kafka",
            "connection `cluster` leads to Kafka, not HTTP"
        ]
    );
}

#[test]
fn a_stream_without_topic_has_its_qualified_name() {
    let text = "kind: Stream\nmetadata: { name: s }\n\
                spec: { format: json, columns: [{ name: a, type: string }] }\n";
    let texts = [(PathBuf::from("s"), text.to_owned())];
    for (namespace, topic) in [("default", "s"), ("films", "films--s")] {
        let read = load_texts_in(namespace, &texts, &AnySql).expect("good");
        assert_eq!(read.streams.values().next().map(|s| s.topic.as_str()), Some(topic));
    }
}

#[test]
fn qualified_names_are_for_programs_only() {
    let text =
        "kind: Job\nmetadata: { name: films--counts }\nspec: { sql: INSERT INTO a SELECT 1 }";
    assert_eq!(loaded(&[text]).jobs[0].name.as_str(), "films--counts");
    assert!(mistakes_of(text)[0].message.contains("stands between namespace and name"));
}

#[test]
fn every_mistake_of_the_new_kinds_is_listed_with_place_pointer_and_cure() {
    let text = include_str!("testdata/mistakes.yaml");
    let lines: Vec<_> = mistakes_of(text)
        .iter()
        .map(|m| format!("{} [{}{}]", m, m.document, m.pointer.as_deref().unwrap_or(" -")))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_secret_in_the_open_is_in_no_message() {
    for spec in [
        "{ http: { headers: { Authorization: hunter2 } } }",
        "{ http: { headers: { X-Any: Bearer hunter2 } } }",
        "{ http: {}, secrets: { x-token: hunter2 } }",
        "{ http: {}, secrets: { x-token: 'env:hunter2!' } }",
        "{ http: {}, secrets: { x-token: 'env:MILLRACE_SECRET_hunter2!' } }",
        "{ http: {}, secrets: { x-token: 'file:hunter2' } }",
        "{ kafka: { bootstrap: 'a:1', properties: { sasl.password: hunter2 } } }",
        "{ kafka: { bootstrap: 'a:1', properties: { ssl.key.pem: hunter2 } } }",
        "{ kafka: { bootstrap: 'a:1', properties: { sasl.jaas.config: hunter2 } } }",
    ] {
        let mistakes =
            mistakes_of(&format!("kind: Connection\nmetadata: {{ name: c }}\nspec: {spec}"));
        assert_eq!(mistakes.len(), 1, "{spec}: {mistakes:?}");
        assert!(!format!("{mistakes:?}").contains("hunter2"), "{mistakes:?}");
        let hint = mistakes[0].hint.as_deref().expect("the cure");
        assert!(hint.contains("env:") && hint.contains("file:"), "{hint}");
    }
    let text = "kind: Connection\nmetadata: { name: C }\n\
                spec: { htp: 1, http: { headers: { Cookie: hunter2 } }, secrets: 5 }";
    let mistakes = mistakes_of(text);
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    assert!(!format!("{mistakes:?}").contains("hunter2"), "{mistakes:?}");
}

#[test]
fn only_what_is_meant_for_connections_can_be_referred_to() {
    let refused = |spec: &str| {
        let mistakes =
            mistakes_of(&format!("kind: Connection\nmetadata: {{ name: c }}\nspec: {spec}"));
        let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    for name in
        ["AWS_SECRET_ACCESS_KEY", "MILLRACE_GOALS", "MILLRACE_SECRET_", "A.MILLRACE_SECRET_A"]
    {
        let told = refused(&format!("{{ http: {{}}, secrets: {{ x-a: 'env:{name}' }} }}"));
        assert!(told.contains("begins with `MILLRACE_SECRET_`"), "{name}: {told}");
    }
    for value in ["env:AWS_SECRET_ACCESS_KEY", "file:/etc/passwd"] {
        let told = refused(&format!(
            "{{ kafka: {{ bootstrap: 'a:1', properties: {{ client.id: '{value}' }} }} }}"
        ));
        assert!(told.contains("move it to `secrets: { client.id: … }`"), "{told}");
    }
    let told =
        refused("{ kafka: { bootstrap: 'a:1' }, secrets: { client.id: 'env:MILLRACE_SECRET_A' } }");
    assert!(told.contains("`client.id` holds no secret"), "{told}");
}

/// Finds every condition wrong at its second line.
struct BadCondition;

impl SqlCheck for BadCondition {
    fn check_route(
        &self,
        stream: &StreamSchema,
        filter: Option<&str>,
        _select: Option<&str>,
    ) -> Result<SchemaRef, SqlFault> {
        match filter {
            Some(_) => {
                Err(SqlFault { line: 2, column: 5, message: "wrong".to_owned(), hint: None })
            }
            None => Ok(stream.arrow()),
        }
    }
}

#[test]
fn a_fault_in_sql_has_its_place_and_its_field() {
    let text = "kind: Stream\nmetadata: { name: s }\n\
                spec: { format: json, columns: [{ name: a, type: string }] }\n---\n\
                kind: Route\nmetadata: { name: r }\nspec:\n  from: s\n  to: { table: t }\n  \
                where: |\n    a = 'x'\n    AND wrong = 'y'\n";
    let mistakes = load_text(Path::new("m"), text, &BadCondition).expect_err("a fault");
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    let Mistake { line, column, document, pointer, .. } = &mistakes[0];
    assert_eq!((*line, *column, *document), (12, 9, 1));
    assert_eq!(pointer.as_deref(), Some("/spec/where"));
}

#[test]
fn a_file_of_sql_is_read_beside_its_manifest_and_only_there() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let manifest = "kind: Job\nmetadata: { name: j }\nspec: { sql_file: sql/j.sql }\n";
    let below = dir.path().join("jobs");
    std::fs::create_dir_all(below.join("sql")).expect("folders");
    std::fs::write(below.join("j.yaml"), manifest).expect("a file");
    let missing = load_dir(dir.path(), &AnySql).expect_err("no such file");
    assert!(missing[0].message.contains("`sql/j.sql` cannot be read"), "{}", missing[0]);
    std::fs::write(below.join("sql/j.sql"), "INSERT INTO a SELECT 1").expect("a file");
    for path in [dir.path().to_owned(), below.join("j.yaml")] {
        let read = load_dir(&path, &AnySql).expect("good");
        assert_eq!(read.jobs[0].sql, "INSERT INTO a SELECT 1");
    }
    let mistakes = load_text(&below.join("j.yaml"), manifest, &AnySql).expect_err("only text");
    assert!(mistakes[0].hint.as_deref().is_some_and(|h| h.contains("into `sql`")), "{mistakes:?}");
    let absolute = manifest.replace("sql/j.sql", "/etc/passwd");
    std::fs::write(below.join("j.yaml"), absolute).expect("a file");
    let mistakes = load_dir(dir.path(), &AnySql).expect_err("absolute");
    assert!(mistakes[0].message.contains("absolute"), "{mistakes:?}");
}

#[test]
fn manifests_of_a_folder_may_be_json() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let job = |name: &str| {
        format!(r#"{{"kind":"Job","metadata":{{"name":"{name}"}},"spec":{{"sql":"SELECT 1"}}}}"#)
    };
    for name in ["a.json", "b.yaml", "c.txt"] {
        std::fs::write(dir.path().join(name), job(&name[..1])).expect("a file");
    }
    let read = load_dir(dir.path(), &AnySql).expect("good");
    assert_eq!(read.jobs.iter().map(|job| job.name.to_string()).collect::<Vec<_>>(), ["a", "b"]);
}
