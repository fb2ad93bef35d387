//! Manifests as they are sent, and mistakes as they come back.

use proptest::prelude::*;
use serde_json::json;

use super::locate::{explain, listing};
use super::read::Sources;
use super::request::Request;
use crate::context::Context;
use crate::error::ClientError;
use crate::problem::Problem;

/// Files in a folder, read.
fn sources(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Sources, ClientError>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let read = Sources::read(&mut Context::of_process(), &[folder.path().to_owned()]);
    (folder, read)
}

fn refused(kind: &str, errors: &serde_json::Value) -> ClientError {
    let body = json!({
        "type": format!("urn:millrace:problem:{kind}"), "title": "It is not right",
        "errors": errors,
    });
    ClientError::Problem(Box::new(Problem::read(400, body.to_string().as_bytes())))
}

/// What is told, without the folder's name.
fn told(folder: &tempfile::TempDir, error: &ClientError) -> String {
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

const STREAM: &str = "kind: Stream\nmetadata:\n  name: clicks\nspec:\n  format: jsn\n";
const JOB: &str =
    "# plays\nkind: Job\nmetadata: {name: plays}\nspec:\n  sql_file: 'sql/plays.sql' # here\n";
const SQL: &str = "INSERT INTO out\nSELECT titel FROM clicks\n";

#[test]
fn sql_files_are_sent_in_place_and_other_lines_stay() {
    let (_folder, read) = sources(&[("a.yaml", JOB), ("sql/plays.sql", SQL)]);
    let sources = read.unwrap();
    let request = Request::of(&sources, |_| true);
    let expected = format!(
        "---\n{}",
        JOB.replace(
            "sql_file: 'sql/plays.sql'",
            "\"sql\": \"INSERT INTO out\\nSELECT titel FROM clicks\\n\""
        )
    );
    assert_eq!(request.text, expected);
}

#[test]
fn a_sql_file_may_be_named_in_json_too() {
    let text = r#"{"kind": "Job", "metadata": {"name": "a"}, "spec": {"sql_file": "a.sql", "until_end": true}}"#;
    let (_folder, read) = sources(&[("a.json", text), ("a.sql", "SELECT 1")]);
    let sources = read.unwrap();
    let sent = Request::of(&sources, |_| true).text;
    assert!(sent.contains(r#""spec": {"sql": "SELECT 1", "until_end": true}}"#), "{sent}");
}

#[test]
fn documents_that_are_not_chosen_leave_empty_lines() {
    let text = format!("{STREAM}---\nkind: Route\nmetadata: {{name: r}}\nspec: {{}}\n");
    let (_folder, read) = sources(&[("a.yaml", &text)]);
    let sources = read.unwrap();
    let request = Request::of(&sources, |d| d.kind == "Route");
    assert_eq!(request.text, "---\n\n\n\n\n\n---\nkind: Route\nmetadata: {name: r}\nspec: {}\n");
    assert_eq!(request.documents, [(0, 1)]);
}

#[test]
fn mistakes_come_back_to_their_files() {
    let (folder, read) = sources(&[("a.yaml", JOB), ("b.yaml", STREAM), ("sql/plays.sql", SQL)]);
    let sources = read.unwrap();
    let request = Request::of(&sources, |_| true);
    // Line 5 of the second file, after the first one and two separators.
    let line = 1 + JOB.lines().count() + 1 + 5;
    let errors = json!([
        {"index": 1, "pointer": "/spec/format", "line": line, "column": 11,
            "message": "unknown format `jsn`", "hint": "did you mean `json`?"},
        {"index": 1, "pointer": "/spec/columns", "message": "there are no columns"},
        {"message": "too much"},
    ]);
    insta::assert_snapshot!(told(
        &folder,
        &explain(refused("manifest-invalid", &errors), &request)
    ));
    let errors = json!([
        {"index": 0, "pointer": "/spec/sql", "line": 2, "column": 8,
            "message": "no column `titel`", "hint": "did you mean `title`?"},
    ]);
    insta::assert_snapshot!(told(&folder, &explain(refused("sql-invalid", &errors), &request)));
}

#[test]
fn sql_in_a_manifest_is_found_there() {
    let cases = [
        ("  sql: |\n    INSERT INTO out\n    SELECT titel\n", 2, 8, "6:12"),
        (
            "  parallelism: 1\n  sql: |-\n\n      INSERT INTO out\n      SELECT titel\n",
            3,
            8,
            "8:14",
        ),
        ("  sql: SELECT titel\n", 1, 8, "4:15"),
        ("  sql: \"SELECT titel\"\n", 1, 8, "4:16"),
        ("  sql: >\n    SELECT\n    titel\n", 1, 8, "5:5:"),
    ];
    for (spec, line, column, expected) in cases {
        let text = format!("kind: Job\nmetadata: {{name: a}}\nspec:\n{spec}");
        let (folder, read) = sources(&[("a.yaml", &text)]);
        let sources = read.unwrap();
        let request = Request::of(&sources, |_| true);
        let errors = json!([{
            "index": 0, "pointer": "/spec/sql", "line": line, "column": column, "message": "wrong"
        }]);
        let shown = told(&folder, &explain(refused("sql-invalid", &errors), &request));
        assert!(shown.starts_with(&format!("a.yaml:{expected}")), "{shown}\n{text}");
        if !expected.ends_with(':') {
            assert!(shown.contains("^^^^^\n"), "{shown}");
        }
    }
}

#[test]
fn a_place_that_the_server_knows_in_the_text_is_taken() {
    let text = "kind: Job\nmetadata: {name: a}\nspec:\n  sql: >\n    SELECT\n    titel\n";
    let (folder, read) = sources(&[("a.yaml", text)]);
    let sources = read.unwrap();
    let request = Request::of(&sources, |_| true);
    let errors = json!([{
        "index": 0, "pointer": "/spec/sql", "line": 1, "column": 8, "message": "wrong",
        "document": {"line": 7, "column": 5},
    }]);
    let shown = told(&folder, &explain(refused("sql-invalid", &errors), &request));
    assert!(shown.starts_with("a.yaml:6:5: wrong\n  6 |     titel\n"), "{shown}");
}

#[test]
fn a_place_in_the_one_line_that_was_sent_is_found_in_the_sql_file() {
    let (folder, read) = sources(&[("a.yaml", JOB), ("sql/plays.sql", SQL)]);
    let sources = read.unwrap();
    let request = Request::of(&sources, |_| true);
    let line = request.text.lines().position(|l| l.contains("titel")).unwrap();
    let column = request.text.lines().nth(line).unwrap().find("titel").unwrap() + 1;
    let errors = json!([{
        "index": 0, "pointer": "/spec/sql", "line": line + 1, "column": column, "message": "wrong"
    }]);
    let shown = told(&folder, &explain(refused("manifest-invalid", &errors), &request));
    assert!(shown.starts_with("sql/plays.sql:2:8: wrong\n"), "{shown}");
}

#[test]
fn what_is_wrong_before_it_is_sent_has_its_place_too() {
    let (folder, read) = sources(&[("a.yaml", JOB), ("b.yaml", "kind: [\n"), ("c.yaml", STREAM)]);
    let error = read.unwrap_err();
    let shown = told(&folder, &error);
    assert!(shown.contains("a.yaml:5:13: `sql/plays.sql` cannot be read: "), "{shown}");
    assert!(shown.contains("b.yaml:2:1: not YAML: "), "{shown}");
    let (folder, read) = sources(&[("a.yaml", "kind: Job\nspec:\n  sql: x\n  sql_file: y\n")]);
    let shown = told(&folder, &read.unwrap_err());
    assert!(shown.contains("a.yaml:4:3: `sql` and `sql_file` exclude each other"), "{shown}");
}

#[test]
fn nothing_of_a_source_moves_the_cursor() {
    let mistake = super::locate::Mistake {
        file: Some("a".to_owned()),
        at: Some(super::yaml::Spot { line: 1, column: 1 }),
        message: "bad \x1b[2J".to_owned(),
        hint: None,
        source: Some("x\x1b[31m".to_owned()),
    };
    assert!(!listing(&[mistake]).contains('\x1b'));
}

/// Text that is often YAML: pieces of manifests, in any order.
fn manifest() -> impl Strategy<Value = String> {
    let pieces = [
        "kind: Job\n",
        "metadata: {name: a}\n",
        "spec:\n",
        "  sql: |\n",
        "    SELECT 1\n",
        "\n",
        "---\n",
        "  sql: \"a\\nb\"\n",
        "  sql: 'it''s'\n",
        "{\"spec\": {\"sql\": \"x\"}}\n",
        "# é\n",
        "  sql: >-\n",
        "- 1\n",
        "\t",
        "|",
        "...\n",
        "%YAML 1.2\n",
        "&a ",
        "*a\n",
        "\u{feff}",
        "? ",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_and_any_place_can_be_told(
        text in manifest(),
        index in prop::option::of(0_usize..4),
        pointer in prop::option::of("/spec(/sql)?|/sql|/a~0b/0||x"),
        line in prop::option::of(prop_oneof![0_usize..20, Just(usize::MAX)]),
        column in prop::option::of(prop_oneof![0_usize..40, Just(usize::MAX)]),
        sql in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), &text).unwrap();
        let read = Sources::read(&mut Context::of_process(), &[folder.path().to_owned()]);
        let Ok(sources) = read else { return Ok(()) };
        let request = Request::of(&sources, |_| true);
        // What is sent is what was written, behind a separator.
        let lines: Vec<&str> = request.text.lines().skip(1).collect();
        prop_assert_eq!(&lines, &sources.files[0].lines);
        let errors = json!([{
            "index": index, "pointer": pointer, "line": line, "column": column, "message": "wrong"
        }]);
        let kind = if sql { "sql-invalid" } else { "manifest-invalid" };
        let shown = explain(refused(kind, &errors), &request).to_string();
        prop_assert!(shown.contains("wrong"), "{}", shown);
    }

    #[test]
    fn sql_of_a_file_arrives_as_it_is(sql in any::<String>()) {
        let (_folder, read) = sources(&[("a.yaml", JOB), ("sql/plays.sql", &sql)]);
        let sources = read.unwrap();
        let sent = Request::of(&sources, |_| true).text;
        prop_assume!(!sql.contains(['\u{7f}', '\u{feff}', '\u{fffe}', '\u{ffff}']));
        let value: serde_yaml_ng::Value = serde_yaml_ng::from_str(&sent).unwrap();
        prop_assert_eq!(value["spec"]["sql"].as_str(), Some(sql.as_str()));
    }
}
