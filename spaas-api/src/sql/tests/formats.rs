//! Every format gives back the rows it was given.

use std::fmt::Write as _;

use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::*;

async fn bytes_of(format: Format, sql: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rows = engine().run(sql).await.expect(sql);
    write_rows(format, &mut rows, &mut out).await.expect(sql);
    out
}

const ALL: &str = "SELECT * FROM raw.plays ORDER BY id";
const NONE: &str = "SELECT id, title FROM raw.plays WHERE id > 100";

#[tokio::test]
async fn text_formats_read_well() {
    let mut out = String::new();
    for format in [Format::Json, Format::Ndjson, Format::Csv, Format::Table] {
        for sql in [ALL, NONE] {
            let text = String::from_utf8(bytes_of(format, sql).await).expect("text");
            write!(out, "{format:?}\n{text}\n").expect("text takes text");
        }
    }
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn json_is_json_also_when_the_rows_come_in_many_batches() {
    for (sql, rows) in [(ALL, 4), (NONE, 0), ("SELECT n FROM numbers LIMIT 50000", 50_000)] {
        let json: Value = serde_json::from_slice(&bytes_of(Format::Json, sql).await).expect(sql);
        assert_eq!(json["rows"].as_array().map(Vec::len), Some(rows), "{sql}");
        assert_eq!(json["truncated"], false);
    }
}

#[tokio::test]
async fn parquet_and_arrow_give_the_same_rows_back() {
    let parquet = Bytes::from(bytes_of(Format::Parquet, ALL).await);
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(parquet)
        .expect("a file")
        .build()
        .expect("a reader");
    let from_parquet = reader.next().expect("a batch").expect("readable");
    let stream = bytes_of(Format::Arrow, ALL).await;
    let mut reader = StreamReader::try_new(stream.as_slice(), None).expect("a stream");
    let from_arrow = reader.next().expect("a batch").expect("readable");
    for batch in [from_parquet, from_arrow] {
        assert_eq!(batch.columns(), plays().columns());
    }
    for format in [Format::Parquet, Format::Arrow] {
        assert!(!bytes_of(format, NONE).await.is_empty(), "{format:?}");
    }
}

#[tokio::test]
async fn twins_get_names_of_their_own() {
    let sql =
        "SELECT p.id, a.id, a.id AS id_2 FROM raw.plays p JOIN audit a ON p.id = a.id LIMIT 1";
    let rows = engine().run(sql).await.expect(sql);
    let schema = rows.schema();
    let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["id", "id_2", "id_2_2"]);
}

#[test]
fn accept_headers_choose_a_format() {
    for (accept, format) in [
        ("*/*", Some(Format::Json)),
        ("text/csv", Some(Format::Csv)),
        ("text/html, application/vnd.apache.parquet;q=0.5", Some(Format::Parquet)),
        ("application/x-ndjson", Some(Format::Ndjson)),
        ("image/png", None),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept}");
    }
    assert!("xml".parse::<Format>().is_err());
}

#[test]
fn batches_at_hand_can_be_written_too() {
    let mut out = Vec::new();
    let batch = plays();
    let written = write_batches(Format::Csv, &batch.schema(), &[batch.clone(), batch], &mut out);
    assert_eq!(written.expect("csv"), Written { rows: 8, truncated: false });
    assert_eq!(String::from_utf8(out).expect("text").matches("id,title").count(), 1);
}
