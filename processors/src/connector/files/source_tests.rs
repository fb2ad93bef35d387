//! A file gives the same rows from wherever reading resumes, and says where it is wrong.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use millrace_events::{Column, ColumnType, StreamSchema};

use super::{FileFormat, FileSource};
use crate::connector::{Position, Read, SourceFactory, SplitId};

const ALL: [FileFormat; 3] = [FileFormat::JsonLines, FileFormat::Csv, FileFormat::Parquet];

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn stream() -> StreamSchema {
    let column =
        |name: &str, data_type, required| Column { name: name.into(), data_type, required };
    StreamSchema {
        name: "plays".parse().unwrap(),
        topic: "plays".into(),
        partitions: 1,
        key: None,
        id: None,
        event_time: None,
        columns: vec![
            column("id", ColumnType::Int64, true),
            column("title", ColumnType::String, false),
            column("at", ColumnType::TimestampMs, false),
        ],
    }
}

/// Twenty rows; every fifth has no title, some titles want quotes.
fn write_rows(folder: &Path, format: FileFormat) -> PathBuf {
    let path = folder.join(format!("plays.{}", format.extension()));
    let title = |id: i64| (id % 5 != 0).then(|| format!("a \"title\", line 1\nline {id}"));
    let at = |id: i64| 1_700_000_000_000 + id * 250;
    let ids = 0..20_i64;
    match format {
        FileFormat::JsonLines => {
            let line = |id| serde_json::json!({"id": id, "title": title(id), "at": at(id), "x": 1});
            // Blank lines are no rows.
            let lines = ids.map(|id| format!("{}\n\n", line(id)));
            std::fs::write(&path, lines.collect::<String>()).unwrap();
        }
        FileFormat::Csv => {
            let quoted = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
            let line = |id| {
                let title = title(id).map_or_else(String::new, quoted);
                format!("{},1,{id},{title}\n", at(id))
            };
            let lines = ids.map(line).collect::<String>();
            std::fs::write(&path, format!("at,x,id,title\n{lines}")).unwrap();
        }
        FileFormat::Parquet => {
            let columns: [(&str, ArrayRef); 3] = [
                ("at", Arc::new(Int64Array::from_iter_values(ids.clone().map(at)))),
                ("title", Arc::new(ids.clone().map(title).collect::<StringArray>())),
                ("id", Arc::new(Int32Array::from_iter_values(0..20))),
            ];
            let rows = RecordBatch::try_from_iter(columns).unwrap();
            let groups = WriterProperties::builder().set_max_row_group_row_count(Some(7)).build();
            let file = std::fs::File::create(&path).unwrap();
            let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(groups)).unwrap();
            writer.write(&rows).unwrap();
            writer.close().unwrap();
        }
    }
    path
}

/// All rows from `from` on, and the position after each batch.
async fn read(
    source: &FileSource,
    columns: &[usize],
    from: Option<Position>,
) -> Result<(Vec<RecordBatch>, Vec<Position>), String> {
    let splits = source.splits().await.map_err(|e| e.to_string())?;
    let splits: Vec<_> = splits.into_iter().map(|split| (split, from.clone())).collect();
    let mut reader = source.open(splits.clone(), columns).await.map_err(|e| e.to_string())?;
    let (mut batches, mut positions, mut ended) = (Vec::new(), Vec::new(), 0);
    while ended < splits.len() {
        match reader.next().await.map_err(|e| e.to_string())? {
            Read::Rows { rows, position, .. } => {
                batches.push(rows);
                positions.push(position);
            }
            Read::End { .. } => ended += 1,
            Read::Idle { .. } => panic!("a file is never idle"),
        }
    }
    Ok((batches, positions))
}

#[tokio::test]
async fn a_file_reads_the_same_from_every_position() {
    let folder = TempDir::new().unwrap();
    for format in ALL {
        let path = write_rows(folder.path(), format);
        for (rows, columns) in [(1, &[0, 1, 2][..]), (3, &[0, 1, 2]), (7, &[0, 2]), (64, &[2])] {
            let source =
                FileSource::of_stream(vec![path.clone()], format, &stream()).batch_rows(rows);
            let (batches, positions) = read(&source, columns, None).await.unwrap();
            let whole = concat_batches(&batches[0].schema(), &batches).unwrap();
            assert_eq!(whole.num_rows(), 20, "{format:?}");
            let mut done = 0;
            for (batch, position) in batches.iter().zip(positions) {
                done += batch.num_rows();
                let (rest, _) = read(&source, columns, Some(position)).await.unwrap();
                let rest = concat_batches(&whole.schema(), &rest).unwrap();
                assert_eq!(rest, whole.slice(done, 20 - done), "{format:?} after {done}");
            }
        }
    }
}

#[tokio::test]
async fn every_format_gives_the_stream_s_rows() {
    let folder = TempDir::new().unwrap();
    let mut seen = Vec::new();
    for format in ALL {
        let source =
            FileSource::of_stream(vec![write_rows(folder.path(), format)], format, &stream());
        let (batches, _) = read(&source, &[0, 1, 2], None).await.unwrap();
        assert_eq!(batches.len(), 1);
        let rows = &batches[0];
        assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(7), 7);
        assert!(rows.column(1).is_null(5));
        let times = rows.column(2).as_primitive::<TimestampMicrosecondType>();
        assert_eq!(times.value(4), 1_700_000_001_000_000);
        assert_eq!(rows.column(2).data_type(), &micros());
        seen.push(rows.clone());
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test]
async fn rows_can_be_counted_without_reading_a_column() {
    let folder = TempDir::new().unwrap();
    for format in ALL {
        let source =
            FileSource::of_stream(vec![write_rows(folder.path(), format)], format, &stream());
        let (batches, _) = read(&source, &[], None).await.unwrap();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!((rows, batches[0].num_columns()), (20, 0), "{format:?}");
    }
}

#[tokio::test]
async fn files_are_splits_read_in_turns() {
    let folder = TempDir::new().unwrap();
    let paths: Vec<_> = ALL[..2].iter().map(|format| write_rows(folder.path(), *format)).collect();
    let other = folder.path().join("more.jsonl");
    std::fs::copy(&paths[0], &other).unwrap();
    let files = vec![paths[0].clone(), other];
    let source = FileSource::of_stream(files, FileFormat::JsonLines, &stream()).batch_rows(15);
    let (batches, _) = read(&source, &[0], None).await.unwrap();
    let sizes: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [15, 15, 5, 5]);
    let stranger = vec![(SplitId("/elsewhere".into()), None)];
    assert!(source.open(stranger, &[0]).await.is_err());
}

#[tokio::test]
async fn a_bad_line_is_named_with_its_file() {
    let folder = TempDir::new().unwrap();
    let cases = [
        ("a.jsonl", "{\"id\": 1}\n\n{\"id\": \"x\"}\n", ":3: "),
        ("b.jsonl", "{\"id\": 1}\n{\"id\": 2\n", ":2: "),
        ("c.jsonl", "{\"id\": 1}\n{\"title\": \"no id\"}\n", ":2: "),
        (
            "d.csv",
            "id,title,at\n1,\"two\nlines\",5\n\nx,t,5\n",
            ":5: column `id`: `x` is not Int64",
        ),
        ("e.csv", "id,title,at\n1,t,5\n2,t,soon\n", ":3: column `at`: `soon` is not "),
        ("f.csv", "id,title,at\n1,\"t\nt\",5\n2,t\n", ":4: "),
        ("g.csv", "id,title,at\n,t,5\n", ":2: column `id` is required and empty"),
        ("h.csv", "id,name,at\n1,t,5\n", ":1: there is no column `title`; there are `id`, `name`"),
    ];
    for (name, text, complaint) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let format = FileFormat::of(&path).unwrap();
        let source = FileSource::of_stream(vec![path.clone()], format, &stream());
        let error = read(&source, &[1, 2], None).await.unwrap_err();
        assert!(error.starts_with(&format!("{}{complaint}", path.display())), "{error}");
    }
    let gone = FileSource::of_stream(vec!["gone.csv".into()], FileFormat::Csv, &stream());
    let error = read(&gone, &[0], None).await.unwrap_err();
    assert!(error.starts_with("gone.csv: "), "{error}");
}

#[tokio::test]
async fn a_compressed_file_reads_as_a_plain_one() {
    let folder = TempDir::new().unwrap();
    for format in [FileFormat::JsonLines, FileFormat::Csv] {
        let plain = write_rows(folder.path(), format);
        let packed = PathBuf::from(format!("{}.gz", plain.display()));
        let file = std::fs::File::create(&packed).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gzip.write_all(&std::fs::read(&plain).unwrap()).unwrap();
        gzip.finish().unwrap();
        assert_eq!(FileFormat::of(&packed), Some(format));
        let source = |path| FileSource::of_stream(vec![path], format, &stream()).batch_rows(9);
        let (expected, positions) = read(&source(plain), &[0, 1], None).await.unwrap();
        let (batches, _) = read(&source(packed.clone()), &[0, 1], None).await.unwrap();
        assert_eq!(batches, expected);
        let resumed = read(&source(packed), &[0, 1], Some(positions[0].clone())).await.unwrap();
        assert_eq!(resumed.0, expected[1..]);
    }
}

#[test]
fn columns_are_told_by_the_rows() {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("a.jsonl");
    let text = "{\"z\": 1, \"at\": \"2024-05-01T10:00:00+02:00\", \"ms\": 1700000000000}\n\
                {\"z\": 1.5, \"a\": [\"x\"], \"b\": true, \"n\": null, \"o\": {\"k\": [1]}}\n";
    std::fs::write(&json, text).unwrap();
    let csv = folder.path().join("a.csv");
    let text = "n,x,at,day,b,t,none\n1,1,2024-05-01 08:00:00,2024-05-01,true,a,\n\
                2,1.5,2024-05-01T09:00:00Z,2024-05-02,false,7,\n";
    std::fs::write(&csv, text).unwrap();
    let fields = |source: &FileSource| {
        let fields = source.schema().fields().iter();
        fields.map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>()
    };
    let list = |t| DataType::List(Arc::new(Field::new_list_field(t, true)));
    let source = FileSource::infer(vec![json], FileFormat::JsonLines, Some("ms")).unwrap();
    let found = fields(&source);
    let expected = [
        ("z", DataType::Float64),
        ("at", micros()),
        ("ms", micros()),
        ("a", list(DataType::Utf8)),
        ("b", DataType::Boolean),
        ("n", DataType::Utf8),
    ];
    for ((name, data_type), (expected, expected_type)) in found.iter().zip(&expected) {
        assert_eq!((name.as_str(), data_type), (*expected, expected_type));
    }
    assert!(matches!(&found[6], (name, DataType::Struct(_)) if name == "o"));
    let head = source.head(5).unwrap();
    let at = |rows: &RecordBatch, column| {
        rows.column(column).as_primitive::<TimestampMicrosecondType>().value(0)
    };
    assert_eq!((at(&head, 1), head.num_rows()), (1_714_550_400_000_000, 2));

    let source = FileSource::infer(vec![csv], FileFormat::Csv, Some("at")).unwrap();
    let types: Vec<_> = fields(&source).into_iter().map(|(_, data_type)| data_type).collect();
    let expected = [
        DataType::Int64,
        DataType::Float64,
        micros(),
        DataType::Date32,
        DataType::Boolean,
        DataType::Utf8,
        DataType::Utf8,
    ];
    assert_eq!(types, expected);
    let head = source.head(1).unwrap();
    assert_eq!((at(&head, 2), head.num_rows()), (1_714_550_400_000_000, 1));
}

#[test]
fn milliseconds_stay_milliseconds() {
    let folder = TempDir::new().unwrap();
    for (name, text) in [("a.jsonl", "{\"at\": 1700000000250}\n"), ("a.csv", "at\n1700000000250\n")]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let format = FileFormat::of(&path).unwrap();
        let source = FileSource::infer(vec![path], format, Some("at")).unwrap();
        let head = source.head(1).unwrap();
        let times = head.column(0).as_primitive::<TimestampMicrosecondType>();
        assert_eq!(times.value(0), 1_700_000_000_250_000);
    }
}

#[test]
fn what_is_no_time_cannot_be_the_event_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, "at,n\nsoon,1\n").unwrap();
    let infer = |time| {
        let files = vec![path.clone()];
        FileSource::infer(files, FileFormat::Csv, Some(time)).unwrap_err().to_string()
    };
    assert!(infer("at").ends_with("a.csv: column `at` is no time: `soon`"), "{}", infer("at"));
    assert!(infer("t").ends_with("there is no column `t`; there are `at`, `n`"), "{}", infer("t"));
}

#[tokio::test]
async fn a_schema_may_have_types_that_no_stream_has() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, "{\"o\": {\"k\": 1}}\n\n{\"o\": {\"k\": 2}}\n{\"o\": 3}\n").unwrap();
    let inner = DataType::Struct(vec![Field::new("k", DataType::Int64, true)].into());
    let schema = Arc::new(Schema::new(vec![Field::new("o", inner, true)]));
    let source = FileSource::new(vec![path.clone()], FileFormat::JsonLines, &schema).batch_rows(2);
    assert_eq!(source.head(2).unwrap().num_rows(), 2);
    let error = read(&source, &[0], None).await.unwrap_err();
    assert!(error.starts_with(&format!("{}:4: ", path.display())), "{error}");
}
