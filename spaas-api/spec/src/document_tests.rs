//! Documents of a text: canonical, with their own words, and refused when hostile.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::testing::{AnySql, folder, loaded};
use crate::{Document, DocumentKind, Mistake, documents, load_text, to_json, to_yaml};

fn read(text: &str) -> Vec<Document> {
    documents(Path::new("m.yaml"), text).expect("good documents")
}

fn refused(text: &str) -> Vec<Mistake> {
    documents(Path::new("m.yaml"), text).expect_err("bad documents")
}

const TWO: &str = "\
# about the first
kind: Job
metadata: { name: a, namespace: films, labels: { team: x } }
spec:
  sql: |
    INSERT INTO n
    SELECT wrong FROM s
  parallelism: 2
  memory: ~
---

# about the second
kind: Namespace
metadata: { name: films }
";

#[test]
fn documents_are_canonical_and_keep_their_own_text() {
    let docs = read(TWO);
    assert_eq!(docs.len(), 2);
    assert_eq!((docs[0].kind, docs[0].name.as_str()), (DocumentKind::Job, "a"));
    assert_eq!(
        (docs[0].namespace.as_deref(), docs[0].labels["team"].as_str()),
        (Some("films"), "x")
    );
    assert_eq!(
        docs[0].spec.to_string(),
        json!({"parallelism": 2, "sql": "INSERT INTO n\nSELECT wrong FROM s\n"}).to_string()
    );
    assert_eq!((docs[1].kind, &docs[1].spec), (DocumentKind::Namespace, &json!({})));
    let (first, second) = TWO.split_once("---\n").expect("two documents");
    assert_eq!((docs[0].text.as_str(), docs[0].line), (first, 1));
    assert_eq!((docs[1].text.as_str(), docs[1].line), (second, 11));
}

#[test]
fn a_list_in_json_is_a_list_of_documents() {
    let text = "[\n\t{\"kind\": \"Namespace\", \"metadata\": {\"name\": \"a\"}},\n\
                {\"kind\": \"Namespace\",\n \"metadata\": {\"name\": \"b\"},\n \
                \"spec\": {\"owner\": \"\\ud83d\\ude00 ]}\\u007f\"}}\n]\n";
    let docs = read(text);
    assert_eq!(docs.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((docs[0].line, docs[0].column, docs[1].line), (2, 2, 3));
    assert_eq!(docs[1].spec, json!({"owner": "😀 ]}\u{7f}"}));
    for doc in &docs {
        assert_eq!(read(&doc.text)[0].spec, doc.spec);
    }
    let bad = text.replace("owner", "ownr");
    let mistakes = load_text(Path::new("m"), &bad, &AnySql).expect_err("unknown field");
    assert_eq!((mistakes[0].document, mistakes[0].pointer.as_deref()), (1, Some("/spec/ownr")));
}

#[test]
fn what_is_canonical_reads_the_same_again() {
    for file in ["good/playback.yaml", "good/more/out.yml"] {
        let text = std::fs::read_to_string(folder(file)).expect("a fixture");
        for doc in read(&text) {
            for again in [doc.to_json(), doc.to_yaml()] {
                let again = &read(&again)[0];
                assert_eq!((&again.spec, &again.labels), (&doc.spec, &doc.labels));
                assert_eq!(again.spec.to_string(), doc.spec.to_string(), "in the same order");
            }
        }
    }
    let text = crate::kinds_tests::GOOD;
    let all = read(text);
    let json: Vec<_> = all.iter().map(Document::to_json).collect();
    let yaml: Vec<_> = all.iter().map(Document::to_yaml).collect();
    let texts = |t: &[String]| loaded(&t.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(texts(&json), texts(&yaml));
    assert_eq!(texts(&json), loaded(&[text]));
}

#[test]
fn yaml_for_people_is_in_blocks() {
    insta::assert_snapshot!(read(TWO)[0].to_yaml());
    insta::assert_snapshot!(to_yaml(&json!({
        "list": [{"b": 1, "a": [1, "two", []]}, [], {}, [[1]], "x: y"],
        "words": ["yes", "No", "1", "1e5", "a b", " pad", "a\nb", "a\nb\n", "\ttab\nx", ""],
        "none": null, "empty": {}, "odd key": true,
    })));
}

#[test]
fn what_only_looks_like_a_number_stays_as_it_was_written() {
    let text = "kind: Connection\nmetadata: { name: a }\n\
                spec: { http: { headers: { a: 007, b: 1.50, c: 12, d: true, e: 1e3, f: 0.5 } } }";
    let headers = &read(text)[0].spec["http"]["headers"];
    let wanted = json!({"a": "007", "b": "1.50", "c": 12, "d": true, "e": "1e3", "f": 0.5});
    assert_eq!(*headers, wanted);
    assert_eq!(loaded(&[&read(text)[0].to_json()]), loaded(&[text]));
}

#[test]
fn sql_is_placed_in_the_file_it_came_from() {
    let docs = read(&format!("kind: Namespace\nmetadata: {{ name: z }}\n---\n{TWO}"));
    assert_eq!(docs[1].locate_sql(2, 8), Some((10, 12)));
    assert_eq!(docs[0].locate_sql(1, 1), None);
    let list =
        "[{\"kind\":\"Job\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"sql\":\"SELECT\\n wrong\"}}]";
    let column = list.find("wrong").expect("it is there") + 1;
    assert_eq!(read(list)[0].locate_sql(2, 2), Some((1, column)));
}

#[test]
fn sql_from_a_file_takes_its_place_in_the_manifest() {
    let mut doc = read("kind: Job\nmetadata: { name: a }\nspec: { sql_file: a.sql }\n").remove(0);
    assert_eq!(doc.sql_file(), Some("a.sql"));
    doc.inline_sql("SELECT a\nFROM b\n");
    assert_eq!((doc.sql_file(), &doc.spec), (None, &json!({"sql": "SELECT a\nFROM b\n"})));
    assert_eq!(read(&doc.text)[0].spec, doc.spec);
}

#[test]
fn hostile_text_is_refused_at_little_cost() {
    let deep = format!("kind: Job\nmetadata: {{ name: a }}\nspec: {}", "[".repeat(200_000));
    let too_deep = |m: &Mistake| m.message.contains("nested") || m.message.contains("recursion");
    assert!(refused(&deep).iter().any(too_deep), "{}", refused(&deep)[0]);
    let deep = format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    assert!(refused(&deep).iter().any(too_deep), "{}", refused(&deep)[0]);
    let aliases =
        format!("kind: &a Job\nmetadata: {{ name: a }}\nspec: [{}]", "*a, ".repeat(200_000));
    let mistakes = refused(&aliases);
    assert!(mistakes.len() <= 500, "{}", mistakes.len());
    assert!(mistakes.iter().any(|m| m.message == "aliases are not supported"));
    let big = format!("kind: Job\n#{}", "x".repeat(1 << 20));
    let mistakes = refused(&big);
    assert!(mistakes[0].message.contains("too big"), "{}", mistakes[0]);
    assert!(load_text(Path::new("m"), &big, &AnySql).is_err());
}

#[test]
fn many_of_anything_take_no_time_that_grows_with_their_square() {
    let many = |n: usize, one: &dyn Fn(usize) -> String| (0..n).map(one).collect::<String>();
    let doc = |spec: &str| format!("kind: Job\nmetadata: {{ name: a }}\nspec: {{ {spec} }}\n");
    let keys = doc(&many(80_000, &|n| format!("k{n}: 1, ")));
    assert_eq!(read(&keys)[0].spec.as_object().map(serde_json::Map::len), Some(80_000));
    let columns = many(25_000, &|n| format!("{{ name: c{n}, type: string }}, "));
    let stream = format!(
        "kind: Stream\nmetadata: {{ name: a }}\nspec: {{ format: json, columns: [{columns}] }}"
    );
    let mistakes = load_text(Path::new("m"), &stream, &AnySql).expect_err("too many columns");
    assert_eq!(mistakes[0].message, "25000 columns, at most 2000");
    let list = many(20_000, &|_| "{\"kind\":\"Job\"},".to_owned());
    let list = format!("[{}]", list.trim_end_matches(','));
    assert!(refused(&list).iter().any(|m| m.message == "more than 1000 documents in one text"));
    let list = many(1000, &|n| {
        let (name, filler) = (format!("\\ud83d\\ude00{n}"), "x".repeat(900));
        format!(
            "{{\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"n{n}\"}},\
                 \"spec\":{{\"owner\":\"{name}\",\"description\":\"{filler}\"}}}},"
        )
    });
    let docs = read(&format!("[{}]", list.trim_end_matches(',')));
    assert_eq!(docs[999].spec["owner"], "😀999");
    assert_eq!(read(&docs[999].text)[0].spec, docs[999].spec);
}

#[test]
fn the_form_is_checked_whatever_the_spec_says() {
    let message = |text: &str| refused(text)[0].message.clone();
    let doc = |spec: &str| format!("kind: Job\nmetadata: {{ name: a }}\nspec: {spec}\n");
    assert_eq!(message(&doc("{ sinks: { x: 1, x: 2 } }")), "`x` is given twice");
    assert_eq!(message(&doc("{ [a]: 1 }")), "a name must be plain text");
    assert!(message(&doc("text")).contains("must be a mapping"));
    assert_eq!(message(""), "there is no manifest in it");
    assert!(message("kind: Job\nmetadata: { name: a--b }\nspec: {}").contains("contains `--`"));
    let route = "kind: Route\nmetadata: { name: a }\nspec: { from: x--y, to: { table: t } }";
    assert_eq!(refused(route)[0].pointer.as_deref(), Some("/spec/from"));
    for name in ["../a", "A", "a b", "", "\"a\\0b\"", "é", "5", "true", "[a]"] {
        let text = format!("kind: Job\nmetadata: {{ name: {name} }}\nspec: {{}}");
        assert!(documents(Path::new("m"), &text).is_err(), "{name}");
    }
    let (long, name) = ("n".repeat(60), "j".repeat(60));
    let text = format!("kind: Job\nmetadata: {{ name: {name}, namespace: {long} }}\nspec: {{}}");
    assert!(message(&text).contains("longer than 100 characters"));
}

/// Any JSON mapping without the nulls that a manifest leaves out.
fn any_json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        ".{0,12}".prop_map(Json::from),
        "[ a:#'\"\\-\n\t\\\\|>\u{7f}é😀]{0,12}".prop_map(Json::from),
    ];
    let leaf =
        prop_oneof![text, any::<i64>().prop_map(Json::from), any::<bool>().prop_map(Json::from)];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[ -~é\n]{1,8}", inner, 0..4)
                .prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-z]{1,4}", tree, 0..4)
        .prop_map(|m| Json::Object(m.into_iter().collect()))
}

/// Pieces of manifests, so that arbitrary text gets past the first lines.
fn fragment() -> impl Strategy<Value = String> {
    let pieces = vec![
        "kind: Job\nmetadata: { name: a }\nspec: { sql: SELECT }\n",
        "kind: Job\nmetadata: { name: b }\nspec:\n  sql: |\n    SELECT\n\n     1\n",
        "kind: Namespace\nmetadata: { name: n }\n",
        "  memory: 64MiB\n",
        "---\n",
        "--- # x\n",
        "---",
        "...\n",
        "# c\n",
        "%YAML 1.2\n",
        "\n",
        "\r\n",
        "\r",
        "~\n",
        "[",
        "{\"kind\": \"Namespace\", \"metadata\": {\"name\": \"j\"}}",
        ",",
        "]",
        "\t",
        "\u{feff}",
        "é",
        "\"",
    ];
    prop_oneof![4 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => ".{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_spec_survives_being_written_and_read(spec in any_json()) {
        let manifest = json!({"kind": "Job", "metadata": {"name": "a"}, "spec": spec});
        for text in [to_yaml(&manifest), to_json(&manifest), manifest.to_string()] {
            let docs = documents(Path::new("m"), &text);
            prop_assert!(docs.is_ok(), "{text}\n{docs:?}");
            prop_assert_eq!(&docs.expect("just checked")[0].spec, &spec, "{}", text);
        }
    }

    #[test]
    fn arbitrary_text_never_panics_and_what_is_read_reads_the_same_again(
        pieces in prop::collection::vec(fragment(), 0..24),
    ) {
        let text = pieces.concat();
        match documents(Path::new("m"), &text) {
            Ok(docs) => for doc in docs {
                let again = documents(Path::new("m"), &doc.text);
                prop_assert!(again.is_ok(), "{text:?}\n{:?}\n{again:?}", doc.text);
                prop_assert_eq!(&again.expect("just checked")[0].spec, &doc.spec);
                prop_assert!(load_text(Path::new("m"), &doc.to_json(), &AnySql).is_ok()
                    || load_text(Path::new("m"), &doc.text, &AnySql).is_err());
            },
            Err(mistakes) => {
                let lines = text.replace("\r\n", "\n").replace('\r', "\n").split('\n').count();
                prop_assert!(!mistakes.is_empty());
                prop_assert!(mistakes.iter().all(|m| (1..=lines).contains(&m.line)));
            }
        }
    }
}
