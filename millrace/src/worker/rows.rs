//! Rows of sinks as they are written, as JSON, across runs of a job in this process.

use std::collections::VecDeque;

use futures::Stream;
use futures::stream::unfold;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;

use millrace_processors::{RowKind, Tail, TailRows};
use millrace_spaas::sql::{Format, write_batches};

use super::desk::Subject;

struct Following {
    subject: watch::Receiver<Subject>,
    sink: Option<String>,
    tail: Option<Tail>,
    lines: VecDeque<String>,
}

/// Rows of `sink`, or of all, from now on, one a line. Ends with the worker. A line
/// `{"sink": …, "lost": 17}` says how many rows are missing at its place.
pub(super) fn follow(
    mut subject: watch::Receiver<Subject>,
    sink: Option<String>,
) -> impl Stream<Item = String> + Send + 'static {
    // The subject of this moment counts as news.
    subject.mark_changed();
    let state = Following { subject, sink, tail: None, lines: VecDeque::new() };
    unfold(state, |mut state| async move {
        loop {
            if let Some(line) = state.lines.pop_front() {
                return Some((line, state));
            }
            state.read_on().await?;
        }
    })
}

impl Following {
    /// Waits for the next rows, or for the next run; `None` when the worker ends.
    async fn read_on(&mut self) -> Option<()> {
        let Some(tail) = &mut self.tail else {
            self.subject.changed().await.ok()?;
            if let Subject::Job(control, _) = &*self.subject.borrow_and_update() {
                self.tail = Some(control.tail(self.sink.as_deref()));
            }
            return Some(());
        };
        match tail.next().await {
            Some(rows) => self.lines.extend(lines(&rows)),
            None => self.tail = None,
        }
        Some(())
    }
}

fn lines(shown: &TailRows) -> Vec<String> {
    let mut lines = Vec::with_capacity(shown.rows.len() + 1);
    if shown.lost > 0 {
        lines.push(json!({ "sink": shown.sink, "lost": shown.lost }).to_string());
    }
    let mut text = Vec::new();
    let rows = std::slice::from_ref(&shown.rows.rows);
    let written = write_batches(Format::Ndjson, &shown.rows.rows.schema(), rows, &mut text);
    let text = written.is_ok().then(|| String::from_utf8_lossy(&text));
    let Some(text) = text else {
        // A type that JSON has no place for.
        lines.push(json!({ "sink": shown.sink, "lost": shown.rows.len() }).to_string());
        return lines;
    };
    let sink = serde_json::Value::from(shown.sink.as_str());
    for (at, row) in text.lines().enumerate() {
        let Ok(row) = serde_json::from_str::<&RawValue>(row) else { continue };
        let kind = match shown.rows.kind(at) {
            RowKind::Insert => "+I",
            RowKind::UpdateBefore => "-U",
            RowKind::UpdateAfter => "+U",
            RowKind::Delete => "-D",
        };
        lines.push(format!("{{\"sink\":{sink},\"kind\":\"{kind}\",\"row\":{row}}}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use millrace_processors::Batch;

    use super::*;

    #[test]
    fn rows_are_lines_that_say_their_sink_and_kind() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let rows = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let rows = Batch::changes(rows, &[RowKind::UpdateAfter, RowKind::Delete]);
        let shown = TailRows { sink: "o\"ut".to_owned(), rows, lost: 3 };
        let expected = [
            r#"{"lost":3,"sink":"o\"ut"}"#,
            r#"{"sink":"o\"ut","kind":"+U","row":{"n":1}}"#,
            r#"{"sink":"o\"ut","kind":"-D","row":{"n":null}}"#,
        ];
        assert_eq!(lines(&shown), expected);
    }
}
