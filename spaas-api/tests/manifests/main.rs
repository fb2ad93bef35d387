//! Tests of manifests: good ones, a folder full of mistakes, and arbitrary text.

mod places;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::DFSchema;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use millrace_events::StreamSchema;

use millrace_spaas::sql::SqlError;
use millrace_spec::*;

/// Compiles SQL with DataFusion, as the router does, so that faults carry real places.
struct DataFusionCheck;

impl SqlCheck for DataFusionCheck {
    fn check_route(
        &self,
        stream: &StreamSchema,
        filter: Option<&str>,
        select: Option<&str>,
    ) -> Result<SchemaRef, SqlFault> {
        let mut config = SessionConfig::new();
        config.options_mut().sql_parser.collect_spans = true;
        let ctx = SessionContext::new_with_config(config);
        let columns = stream.arrow();
        let fault = |sql: &str, skip: usize, e| {
            let SqlError { line, column, message, hint, .. } = SqlError::from_datafusion(sql, &e);
            SqlFault { line: line.saturating_sub(skip), column, message, hint }
        };
        if let Some(sql) = filter {
            let schema = DFSchema::try_from(Arc::clone(&columns)).expect("stream columns");
            ctx.state().create_logical_expr(sql, &schema).map_err(|e| fault(sql, 0, e))?;
        }
        let Some(list) = select else { return Ok(columns) };
        let table = MemTable::try_new(columns, vec![vec![]]).expect("an empty table");
        ctx.register_table("stream", Arc::new(table)).expect("a new name");
        let sql = format!("SELECT\n{list}\nFROM stream");
        let plan = futures::executor::block_on(ctx.state().create_logical_plan(&sql));
        let plan = plan.map_err(|e| fault(&sql, 1, e))?;
        let fields = plan.schema().fields().iter().map(|f| match f.data_type() {
            arrow::datatypes::DataType::Utf8View => {
                Arc::new(f.as_ref().clone().with_data_type(arrow::datatypes::DataType::Utf8))
            }
            _ => Arc::clone(f),
        });
        Ok(Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>())))
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(name)
}

fn mistakes_of(text: &str) -> Vec<Mistake> {
    load_text(Path::new("m.yaml"), text, &DataFusionCheck).err().unwrap_or_default()
}

#[test]
fn good_manifests_become_streams_and_routes() {
    let manifests = load_dir(&folder("good"), &DataFusionCheck).expect("good manifests");
    insta::assert_debug_snapshot!(manifests);
}

#[test]
fn every_mistake_of_a_folder_is_listed_with_its_place() {
    let mistakes = load_dir(&folder("mistakes"), &DataFusionCheck).expect_err("full of mistakes");
    let root = format!("{}/", folder("mistakes").display());
    let lines: Vec<_> = mistakes.iter().map(|m| m.to_string().replace(&root, "")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_folder_without_manifests_and_a_missing_folder_are_mistakes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        let mistakes = load_dir(&path, &DataFusionCheck).expect_err("nothing there");
        assert!(mistakes.iter().any(|m| m.message.contains("no manifest")), "{mistakes:?}");
        assert!(mistakes.iter().all(|m| m.file == path && m.line == 1 && m.column == 1));
    }
}

#[test]
fn one_file_can_be_loaded_alone() {
    let manifests = load_dir(&folder("good/playback.yaml"), &DataFusionCheck).expect("good");
    assert_eq!((manifests.streams.len(), manifests.routes.len()), (1, 2));
}

#[test]
fn a_mistake_shows_the_line_it_is_in() {
    let mistakes = mistakes_of("kind: Strem\nmetadata: { name: a }\nspec: {}\n");
    assert_eq!(mistakes[0].snippet.as_deref(), Some("kind: Strem"));
    assert_eq!(
        mistakes[0].to_string(),
        "m.yaml:1:7: unknown kind `Strem` (did you mean `Stream`?)"
    );
}

/// Pieces of manifests, so that arbitrary text gets past the first lines.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "kind: Stream\n", "kind: Route\n", "metadata: { name: a }\n", "spec:\n", "---\n",
            "  format: json\n", "  columns:\n", "    - { name: x, type: string }\n", "  from: a\n",
            "  to: { table: t, partition_by: [x] }\n", "  where: |\n", "    x <> '\n",
            "  where: \"x",
            "  select: 'x''\n", "  to: { kafka: { topic: a } }\n", "{", "[", "- ", ": ", "? ",
            "|\n",
            ">-\n", "\t", "\r\n", "&a ", "*a ", "!!x ", "'", "\"",
            "\\", "#", "\u{feff}", "é", "%TAG",
        ]).prop_map(str::to_owned),
        1 => ".{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_text_never_panics_and_places_lie_within_the_file(
        pieces in prop::collection::vec(fragment(), 0..24),
    ) {
        let text = pieces.concat();
        let unified = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<&str> = unified.split('\n').collect();
        for mistake in mistakes_of(&text) {
            prop_assert!(mistake.line >= 1 && mistake.line <= lines.len().max(1), "{mistake}");
            let width = lines.get(mistake.line - 1).map_or(0, |l| l.chars().count());
            prop_assert!(mistake.column >= 1 && mistake.column <= width + 1, "{mistake}");
        }
    }
}
