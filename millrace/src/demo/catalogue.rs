//! The feeds that no job writes: titles and members, as a catalogue would tell of them.
//!
//! The recording knows titles by number alone. Each has the image that was shown, and one more that
//! nothing is known of.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use serde_json::{Value, json};

use millrace_bus::TopicSettings;
use millrace_events::ReplayEvent;

use super::Scene;
use crate::send::ByKafka;

const TITLES: &str =
    "SELECT i.item_id, min(i.event_date) AS released, max(p.duration_s) AS duration
FROM raw.impressions i LEFT JOIN raw.playback p ON p.title_id = i.item_id
WHERE i.campaign <> 'home' GROUP BY i.item_id";

const MEMBERS: &str = "SELECT member_id, min(country) AS country FROM raw.playback
WHERE country IS NOT NULL GROUP BY member_id";

/// Numbers of the images that nothing is known of begin here.
const UNSEEN: i64 = 1_000;

/// Writes both feeds.
pub(super) async fn write(scene: &Scene) -> anyhow::Result<()> {
    let mut records = Vec::new();
    for batch in scene.engine.run(TITLES).await?.collect_all().await? {
        let (released, lengths) = (texts(&batch, 1)?, numbers(&batch, 2)?);
        for (row, title) in numbers(&batch, 0)?.iter().enumerate() {
            let Some(title) = title else { continue };
            let mut told = json!({"title_id": title, "name": format!("Item {title}"),
                                  "artworks": [title, UNSEEN + title]});
            put(&mut told, "released", released[row].as_deref());
            put(&mut told, "duration_s", lengths[row]);
            records.push(record("titles", &json!({"title_id": title}), &told));
        }
    }
    for batch in scene.engine.run(MEMBERS).await?.collect_all().await? {
        let countries = texts(&batch, 1)?;
        for (row, member) in numbers(&batch, 0)?.iter().enumerate() {
            let Some(member) = member else { continue };
            let mut told = json!({"member_id": member});
            put(&mut told, "country", countries[row].as_deref());
            records.push(record("members", &json!({"member_id": member}), &told));
        }
    }
    for feed in ["titles", "members"] {
        scene.admin.ensure_topic_with(feed, &TopicSettings::compacted(1)).await?;
    }
    ByKafka::new(&scene.kafka)?.send(records).await
}

/// A record of a feed: its key and its row are JSON objects.
fn record(feed: &'static str, key: &Value, row: &Value) -> ReplayEvent {
    let key = key.to_string();
    ReplayEvent {
        stream: feed,
        json: row.to_string().into(),
        id: key.clone(),
        event_time_ms: 0,
        key,
    }
}

fn put<V: Into<Value>>(row: &mut Value, name: &str, value: Option<V>) {
    if let Some(value) = value {
        row[name] = value.into();
    }
}

fn numbers(batch: &RecordBatch, column: usize) -> anyhow::Result<Vec<Option<i64>>> {
    let column = cast(batch.column(column), &DataType::Int64)?;
    Ok(column.as_primitive::<Int64Type>().iter().collect())
}

fn texts(batch: &RecordBatch, column: usize) -> anyhow::Result<Vec<Option<String>>> {
    let column = cast(batch.column(column), &DataType::Utf8)?;
    let texts = column.as_string::<i32>();
    Ok((0..texts.len()).map(|row| texts.is_valid(row).then(|| texts.value(row).into())).collect())
}
