//! `artwork-personalization/estimates.sql` says of sums what the estimators say of rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use millrace_bandit::ope::{Estimator, Settings, Trial, evaluate};

const DAYS: [&str; 3] = ["2026-03-01", "2026-03-02", "2026-03-03"];
/// Images of each title.
const IMAGES: i64 = 3;
const TITLES: i64 = 4;
/// What the question says of the policy, and one that always shows the same image.
const EVEN: &str = "1e0 / COUNT(*) OVER (PARTITION BY title_id)";
const FIXED: &str = "CASE WHEN artwork_id % 10 = 1 THEN 1e0 ELSE 0e0 END";

/// A logged impression.
#[derive(Debug, Clone, Copy)]
struct Row {
    day: usize,
    title: i64,
    image: i64,
    propensity: f64,
    reward: f64,
}

type Image = (i64, i64);

fn log(propensities: [f64; 3]) -> Vec<Row> {
    let mut rng = StdRng::seed_from_u64(3);
    let row = |_| {
        let (day, title) = (rng.random_range(0..3), rng.random_range(0..TITLES));
        let image = rng.random_range(0..3_usize);
        let played = rng.random_bool(0.1 + 0.2 * f64::from(u32::try_from(image).expect("small")));
        let image_id = title * 10 + i64::try_from(image).expect("small");
        let (propensity, reward) = (propensities[image], f64::from(u8::from(played)));
        Row { day, title, image: image_id, propensity, reward }
    };
    (0..600).map(row).collect()
}

/// The table that the job writes of these rows.
fn table(rows: &[Row]) -> RecordBatch {
    let mut groups: BTreeMap<(usize, Image), Vec<Row>> = BTreeMap::new();
    for row in rows {
        groups.entry((row.day, (row.title, row.image))).or_default().push(*row);
    }
    let text = |of: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(groups.keys().map(|(day, _)| Some(of(*day))).collect::<StringArray>())
    };
    let id = |of: fn(&Image) -> i64| -> ArrayRef {
        Arc::new(groups.keys().map(|(_, image)| of(image)).collect::<Int64Array>())
    };
    let count = |of: fn(&Row) -> bool| -> ArrayRef {
        let count = |rows: &Vec<Row>| rows.iter().filter(|row| of(row)).count();
        let counts = groups.values().map(|rows| i64::try_from(count(rows)).expect("few"));
        Arc::new(counts.collect::<Int64Array>())
    };
    let sum = |of: fn(&Row) -> f64| -> ArrayRef {
        let sums = groups.values().map(|rows| rows.iter().map(of).sum::<f64>());
        Arc::new(sums.collect::<Float64Array>())
    };
    RecordBatch::try_from_iter([
        ("day", text(&|day| DAYS[day].to_owned())),
        ("campaign", text(&|_| "none".to_owned())),
        ("policy", text(&|_| "logged".to_owned())),
        ("title_id", id(|image| image.0)),
        ("artwork_id", id(|image| image.1)),
        ("impressions", count(|_| true)),
        ("plays", count(|row| row.reward > 0.0)),
        ("inverse", sum(|row| 1.0 / row.propensity)),
        ("inverse_squares", sum(|row| row.propensity.powi(-2))),
        ("inverse_plays", sum(|row| row.reward / row.propensity)),
        ("inverse_plays_squares", sum(|row| row.reward * row.propensity.powi(-2))),
    ])
    .expect("columns of one length")
}

/// Value and interval of each estimator, as the shipped question answers.
async fn asked(rows: &[Row], policy: &str) -> BTreeMap<String, [f64; 3]> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../artwork-personalization/estimates.sql");
    let question = std::fs::read_to_string(path).expect("it ships");
    assert_eq!(question.matches(EVEN).count(), 1, "the policy stands in one place");
    let table = table(rows);
    let held = MemTable::try_new(table.schema(), vec![vec![table]]).expect("a table");
    let schema = MemorySchemaProvider::new();
    schema.register_table("policy_value".to_owned(), Arc::new(held)).expect("the first");
    let context = SessionContext::new();
    let catalog = context.catalog("datafusion").expect("the default");
    catalog.register_schema("ope", Arc::new(schema)).expect("the first");
    let answer = context.sql(&question.replace(EVEN, policy)).await.expect("it can be asked");
    let mut found = BTreeMap::new();
    for batch in answer.collect().await.expect("it is answered") {
        let names = arrow::compute::cast(
            batch.column_by_name("estimator").expect("said"),
            &arrow::datatypes::DataType::Utf8,
        );
        let names = names.expect("texts");
        for row in 0..batch.num_rows() {
            let number = |name: &str| {
                batch.column_by_name(name).expect("said").as_primitive::<Float64Type>().value(row)
            };
            let name = names.as_string::<i32>().value(row).to_owned();
            found.insert(name, ["value", "low", "high"].map(number));
        }
    }
    found
}

/// Plays per impression of an image on other days, as README.md has it.
fn predicted(rows: &[Row], day: usize, image: Option<Image>) -> f64 {
    let others = || rows.iter().filter(move |row| row.day != day);
    let count = |number: usize| f64::from(u32::try_from(number).expect("few"));
    let rate = others().map(|row| row.reward).sum::<f64>() / count(others().count());
    let of_image = || others().filter(|row| Some((row.title, row.image)) == image);
    let plays = of_image().map(|row| row.reward).sum::<f64>();
    (plays + 100.0 * rate) / (count(of_image().count()) + 100.0)
}

fn trials(rows: &[Row], policy: fn(i64) -> f64) -> Vec<Trial> {
    let trial = |row: &Row| {
        let model = |image: i64| predicted(rows, row.day, Some((row.title, image)));
        let images = (0..IMAGES).map(|image| row.title * 10 + image);
        let mean = images.map(|image| policy(image) * model(image)).sum();
        let target = policy(row.image);
        let trial = Trial::new(row.reward, row.propensity, target).expect("sound");
        trial.matched(target > 0.0).predicted(model(row.image), mean).expect("finite")
    };
    rows.iter().map(trial).collect()
}

async fn assert_agrees(rows: &[Row], sql: &str, policy: fn(i64) -> f64, which: &[Estimator]) {
    let found = asked(rows, sql).await;
    let settings = Settings { resamples: 0, ..Settings::default() };
    let estimates = evaluate(&trials(rows, policy), &settings);
    for estimate in estimates.iter().filter(|estimate| which.contains(&estimate.estimator)) {
        let found = found[&estimate.estimator.to_string()];
        let expected = [estimate.value, estimate.normal.low, estimate.normal.high];
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-9, "{}: {found:?} {expected:?}", estimate.estimator);
    }
}

#[tokio::test]
async fn a_policy_that_draws_is_estimated_as_from_rows() {
    use Estimator::{Dr, Ips, OnPolicy, Snips};
    let rows = log([0.2, 0.3, 0.5]);
    assert_agrees(&rows, EVEN, |_| 1.0 / 3.0, &[OnPolicy, Ips, Snips, Dr]).await;
}

#[tokio::test]
async fn a_policy_that_does_not_is_replayed_too() {
    use Estimator::{Dr, Ips, OnPolicy, Replay, Snips};
    let rows = log([1.0 / 3.0; 3]);
    let policy = |image: i64| f64::from(u8::from(image % 10 == 1));
    assert_agrees(&rows, FIXED, policy, &[OnPolicy, Ips, Snips, Dr, Replay]).await;
}
