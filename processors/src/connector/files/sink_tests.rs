//! Files are seen whole, once, and only after their checkpoint.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use tempfile::TempDir;

use super::{FileFormat, FileSink, FileSource};
use crate::connector::{ConnectorError, SinkFactory};
use crate::{Batch, RowKind};

fn rows(values: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

/// Names in the folder that a reader sees.
fn visible(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[tokio::test]
async fn rows_are_seen_once_their_checkpoint_is_complete() {
    for format in [FileFormat::JsonLines, FileFormat::Csv, FileFormat::Parquet] {
        let folder = TempDir::new().unwrap();
        let sink = FileSink::new(folder.path(), format);
        let mut committer = sink.committer(1).await.unwrap();
        let mut writer = sink.writer(0, 1).await.unwrap();
        writer.write(Batch::append(rows(&[1, 2]))).await.unwrap();
        writer.write(Batch::append(rows(&[3]))).await.unwrap();
        let first = writer.prepare(1).await.unwrap();
        writer.write(Batch::append(rows(&[4]))).await.unwrap();
        let nothing = sink.writer(1, 1).await.unwrap().prepare(1).await.unwrap();
        assert!(nothing.is_null());
        assert!(visible(folder.path()).is_empty());
        // A restart commits again what it finds in the checkpoint.
        for _ in 0..2 {
            committer.commit(1, &[], vec![first.clone(), nothing.clone()]).await.unwrap();
        }
        let names = visible(folder.path());
        assert_eq!(names, [format!("part-00000001-1-0.{}", format.extension())]);
        let files = vec![folder.path().join(&names[0])];
        let read = FileSource::infer(files, format, None).unwrap().head(10).unwrap();
        assert_eq!(read.columns(), rows(&[1, 2, 3]).columns());
    }
}

#[tokio::test]
async fn an_earlier_run_commits_nothing_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let sink = FileSink::new(folder.path(), FileFormat::Csv);
    let mut old = sink.committer(1).await.unwrap();
    let mut writer = sink.writer(0, 1).await.unwrap();
    writer.write(Batch::append(rows(&[1]))).await.unwrap();
    let stale = writer.prepare(7).await.unwrap();
    let mut new = sink.committer(2).await.unwrap();
    let error = old.commit(7, &[], vec![stale]).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Fenced { .. }), "{error}");
    assert!(matches!(sink.committer(1).await, Err(ConnectorError::Fenced { .. })));
    let mut writer = sink.writer(0, 2).await.unwrap();
    writer.write(Batch::append(rows(&[2]))).await.unwrap();
    let prepared = writer.prepare(7).await.unwrap();
    new.commit(7, &[], vec![prepared]).await.unwrap();
    assert_eq!(visible(folder.path()), ["part-00000007-2-0.csv"]);
    let all = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(all, 2, "the new file and the name of the run");
}

#[tokio::test]
async fn files_refuse_changes() {
    let folder = TempDir::new().unwrap();
    let mut writer = FileSink::new(folder.path(), FileFormat::Csv).writer(0, 1).await.unwrap();
    let changes = Batch::changes(rows(&[1, 1]), &[RowKind::Insert, RowKind::Delete]);
    let error = writer.write(changes).await.unwrap_err().to_string();
    assert!(error.contains("only appended rows"), "{error}");
}
