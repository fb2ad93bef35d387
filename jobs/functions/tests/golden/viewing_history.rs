//! Viewing history: sessions, and what each profile's history shows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::harness::Golden;
use super::rows::{Row, of_text};

/// Unpacks the rows of a chunk: what they are packed to depends on the compressor.
fn unpack(row: &mut Row) {
    if let Some(Value::String(packed)) = row.get("packed") {
        let bytes = STANDARD.decode(packed).expect("it is Base64");
        let lines = zstd::stream::decode_all(bytes.as_slice()).expect("it is of zstd");
        let rows = of_text(std::str::from_utf8(&lines).expect("JSON is text"));
        let rows = rows.into_iter().map(Value::Object).collect();
        row.insert("packed".to_owned(), Value::Array(rows));
    }
}

#[tokio::test]
async fn it_gives_what_the_batch_gives() {
    Golden::of("viewing-history").map("history_packed", unpack).check().await;
}
