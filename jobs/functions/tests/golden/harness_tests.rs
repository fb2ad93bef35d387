//! The harness itself: it finds what is wrong, and takes what is right in another form.

use std::path::Path;

use serde_json::Value;

use super::harness::Golden;

const MANIFEST: &str = r"
kind: Stream
metadata: { name: sale }
spec:
  format: json
  key: shop
  id: id
  event_time: { column: at, delay: 20s }
  partitions: 3
  columns:
    - { name: id, type: string }
    - { name: at, type: timestamp_ms }
    - { name: shop, type: int64 }
    - { name: price, type: float64 }
---
kind: Job
metadata: { name: sales }
spec:
  sql: |
    INSERT INTO of_shop SELECT shop, SUM(price) AS total, '[1, ' || CAST(COUNT(*) AS STRING) || ']' AS packed
    FROM sale GROUP BY shop;
    INSERT INTO of_minute SELECT window_start AS minute, COUNT(*) AS sales
    FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
";

/// A job over 300 sales, ten a minute, of seven shops; with its golden results.
fn sales(root: &Path) {
    let write = |name: &str, text: &str| {
        let path = root.join("sales").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("manifest.yaml", MANIFEST);
    let at = |n: u32| format!("2026-01-01T00:{:02}:{:02}Z", n / 10, n % 10 * 6);
    let sale = |n: u32| {
        format!(r#"{{"id":"{n}","at":"{}","shop":{},"price":{}.1}}"#, at(n), n % 7, n % 11) + "\n"
    };
    write("fixtures/sale.jsonl", &(0..300).map(sale).collect::<String>());
    let shop = |shop: u32| {
        let prices: Vec<u32> = (0..300).filter(|n| n % 7 == shop).map(|n| n % 11).collect();
        let count = prices.len();
        let total =
            f64::from(prices.iter().sum::<u32>()) + 0.1 * f64::from(u32::try_from(count).unwrap());
        format!(
            r#"{{"total":{total},"shop":{shop},"packed":"[1.0000000000001,{count}]","no":null}}"#
        ) + "\n"
    };
    write("golden/of_shop.jsonl", &(0..7).rev().map(shop).collect::<String>());
    let minute = |n: u32| format!(r#"{{"minute":"2026-01-01 00:{n:02}:00","sales":10}}"#) + "\n";
    write("golden/of_minute.jsonl", &(0..30).map(minute).collect::<String>());
}

fn edit(root: &Path, file: &str, from: &str, to: &str) {
    let path = root.join("sales").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

#[tokio::test]
async fn right_results_pass_in_any_form() {
    let root = tempfile::tempdir().unwrap();
    sales(root.path());
    Golden::in_folder(root.path(), "sales").check().await;
    edit(root.path(), "golden/of_minute.jsonl", "\"sales\":10", "\"sales\":-10");
    let signless = Golden::in_folder(root.path(), "sales").map("of_minute", |row| {
        let sales = row["sales"].as_i64().unwrap().abs();
        row.insert("sales".to_owned(), Value::from(sales));
    });
    signless.check().await;
}

async fn complaint(file: &str, from: &str, to: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    sales(root.path());
    edit(root.path(), file, from, to);
    let run = async move { Golden::in_folder(root.path(), "sales").check().await };
    let panic = tokio::task::JoinSet::from_iter([run]).join_next().await.unwrap().unwrap_err();
    *panic.into_panic().downcast::<String>().expect("a message")
}

#[tokio::test]
async fn wrong_results_do_not() {
    let wrong = complaint("golden/of_minute.jsonl", "\"sales\":10", "\"sales\":11").await;
    assert!(wrong.contains("sink `of_minute`: 30 rows instead of 30"), "{wrong}");
    let wrong = complaint("golden/of_shop.jsonl", "\"shop\":6,", "\"shop\":7,").await;
    assert!(wrong.contains("expected and not there, first 5:\n  {\"packed\":[1"), "{wrong}");
    let wrong = complaint("golden/of_shop.jsonl", "\"shop\":6,", "\"shop\":6,\"more\":1,").await;
    assert!(wrong.contains("sink `of_shop`"), "{wrong}");
    let wrong = complaint("manifest.yaml", "INTO of_minute", "INTO of_hour").await;
    assert!(wrong.contains("of_hour.jsonl"), "{wrong}");
}

#[test]
#[should_panic(expected = "declares no job")]
fn a_folder_without_jobs_is_no_test() {
    let _ = Golden::of("streams");
}
