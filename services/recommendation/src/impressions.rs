//! Logs what was answered, as events of the stream `impressions`, behind the requests' backs.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use metrics::counter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use millrace_events::{Emitter, Header, ID_HEADER, Outgoing};

use crate::answer::{Answer, Card};
use crate::ids::Country;
use crate::time;

/// The campaign that impressions of this service are of.
pub const CAMPAIGN: &str = "home";

/// The requests' end of the log.
#[derive(Debug, Clone)]
pub(crate) struct ImpressionLog {
    queue: mpsc::Sender<Arc<Answer>>,
}

impl ImpressionLog {
    /// A log of at most `answers` waiting answers, and its other end.
    pub(crate) fn new(answers: usize) -> (Self, mpsc::Receiver<Arc<Answer>>) {
        let (queue, waiting) = mpsc::channel(answers);
        (Self { queue }, waiting)
    }

    /// Notes an answer. Never waits: with a full queue the loss is counted.
    pub(crate) fn note(&self, answer: Arc<Answer>) {
        if let Err(error) = self.queue.try_send(answer) {
            let answer = match error {
                mpsc::error::TrySendError::Full(answer)
                | mpsc::error::TrySendError::Closed(answer) => answer,
            };
            let titles = answer.rows.iter().map(|row| row.titles.len() as u64).sum();
            counter!("millrace_recommendation_impressions_lost_total").increment(titles);
        }
    }
}

/// Emits what is noted until `stop`, then what was noted until then.
pub(crate) async fn pump(
    mut waiting: mpsc::Receiver<Arc<Answer>>,
    emitter: &Emitter,
    topic: &str,
    stop: &CancellationToken,
) {
    let topic: Arc<str> = topic.into();
    loop {
        let answer = tokio::select! {
            answer = waiting.recv() => answer,
            () = stop.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        };
        let Some(answer) = answer else { return };
        let records = records(&answer, &topic);
        let titles = records.len() as u64;
        match emitter.emit_all(records).await {
            Ok(()) => counter!("millrace_recommendation_impressions_total").increment(titles),
            Err(_) => {
                counter!("millrace_recommendation_impressions_lost_total").increment(titles);
            }
        }
    }
}

/// The impressions of an answer: the columns of the stream, all in one buffer.
///
/// Written by hand, for this is what a request costs most: what they share is written once, and
/// no text in them needs escaping.
fn records(answer: &Answer, topic: &Arc<str>) -> Vec<Outgoing> {
    let shared = Shared::of(answer);
    let count = answer.rows.iter().map(|row| row.titles.len()).sum();
    let each = ID_AT + 300 + shared.middle.len() + shared.end.len();
    let (mut text, mut ends) = (Vec::with_capacity(count * each), Vec::with_capacity(count));
    let cards =
        answer.rows.iter().flat_map(|row| row.titles.iter().map(|card| (row.row.name(), card)));
    for (row, card) in cards {
        shared.write(&mut text, row, card);
        ends.push((text.len(), card.impression_id.len()));
    }
    let (text, mut begin) = (Bytes::from(text), 0);
    let key = Bytes::from(answer.member_id.0.to_string());
    let record = |(end, id): (usize, usize)| {
        let value = text.slice(begin..end);
        begin = end;
        Outgoing {
            topic: Arc::clone(topic),
            partition: None,
            key: Some(key.clone()),
            headers: vec![Header {
                name: ID_HEADER.to_owned(),
                value: Some(value.slice(ID_AT..ID_AT + id)),
            }],
            value: Some(value),
            timestamp_ms: Some(answer.now_ms),
        }
    };
    ends.into_iter().map(record).collect()
}

const ID: &str = r#"{"event_id":""#;
/// Where the id is in an event.
const ID_AT: usize = ID.len();

/// What all impressions of an answer have in common.
struct Shared {
    /// From behind the id to the title.
    middle: String,
    /// From behind the last column that differs.
    end: String,
}

impl Shared {
    fn of(answer: &Answer) -> Self {
        let middle = format!(
            r#"","event_time":"{}","campaign":"{CAMPAIGN}","policy":"{}","member_id":{},"item_id":"#,
            time::format(answer.now_ms),
            answer.policy,
            answer.member_id.0
        );
        let country = (answer.country != Country::WORLD).then_some(answer.country);
        let country = country.map(|country| format!(r#","country":"{country}""#));
        let device = answer.device.map(|device| format!(r#","device":"{device}""#));
        let context = serde_json::to_string(answer.context.features()).expect("finite numbers");
        let end = [
            country.as_deref().unwrap_or_default(),
            device.as_deref().unwrap_or_default(),
            r#","context":"#,
            &context,
            "}",
        ];
        let end = end.concat();
        Self { middle, end }
    }

    fn write(&self, text: &mut Vec<u8>, row: &str, card: &Card) {
        let Self { middle, end } = self;
        let (id, title, image) = (&card.impression_id, card.title_id.0, card.artwork_id);
        put(text, format_args!("{ID}{id}{middle}{title}"));
        put(text, format_args!(r#","position":{},"propensity":"#, card.position));
        serde_json::to_writer(&mut *text, &card.propensity).expect("memory takes everything");
        put(text, format_args!(r#","artwork_id":{image},"row":"{row}""#));
        if let Some(version) = card.policy_version {
            put(text, format_args!(r#","policy_version":{version}"#));
        }
        text.extend_from_slice(end.as_bytes());
    }
}

fn put(text: &mut Vec<u8>, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("memory takes everything");
}

#[cfg(test)]
mod tests {
    use millrace_bandit::Context;
    use serde_json::{Value, json};

    use super::*;
    use crate::answer::CardRow;
    use crate::ids::{MemberId, TitleId};
    use crate::page::{RowName, Rung};

    fn card(answer: &str, number: usize, version: Option<i64>) -> Card {
        Card {
            title_id: TitleId(7),
            name: Some("\"Quoted\"".to_owned()),
            artwork_id: -71,
            impression_id: format!("{answer}-{number}"),
            position: 3,
            rank: None,
            score: None,
            resume_s: None,
            completion: None,
            candidates: None,
            propensity: 1.0 / 3.0,
            policy_version: version,
        }
    }

    fn logged(country: Country, device: Option<&'static str>) -> Vec<Outgoing> {
        let row = |row, titles| CardRow { row, because: None, titles };
        let answer = Answer {
            answer_id: "abc".to_owned(),
            member_id: MemberId(-5),
            profile_id: None,
            rung: Rung::Personal,
            country,
            policy: "thompson",
            stale: Arc::default(),
            rows: vec![
                row(RowName::Top10, vec![card("abc", 0, None), card("abc", 1, Some(9))]),
                row(RowName::New, vec![card("abc", 2, Some(-1))]),
            ],
            device,
            now_ms: 951_825_600_000,
            context: Context::unknown(),
        };
        records(&answer, &"impressions".into())
    }

    #[test]
    fn an_impression_has_the_columns_of_its_stream() {
        let records = logged(Country::parse("de").unwrap(), Some("tv"));
        let values: Vec<Value> = records
            .iter()
            .map(|r| serde_json::from_slice(r.value.as_ref().unwrap()).unwrap())
            .collect();
        let wanted = json!({
            "event_id": "abc-1", "event_time": "2000-02-29T12:00:00.000Z", "campaign": "home",
            "policy": "thompson", "member_id": -5, "item_id": 7, "position": 3,
            "propensity": 1.0 / 3.0, "artwork_id": -71, "row": "top_10", "policy_version": 9,
            "country": "DE", "device": "tv", "context": Context::unknown().features(),
        });
        assert_eq!(values[1], wanted);
        assert_eq!((&values[2]["row"], &values[2]["policy_version"]), (&json!("new"), &json!(-1)));
        for (number, record) in records.iter().enumerate() {
            let id = Bytes::from(format!("abc-{number}"));
            assert_eq!(record.headers, [Header { name: ID_HEADER.to_owned(), value: Some(id) }]);
            assert_eq!(record.key.as_deref(), Some(&b"-5"[..]));
            assert_eq!(record.timestamp_ms, Some(951_825_600_000));
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let records = logged(Country::WORLD, None);
        let first: Value = serde_json::from_slice(records[0].value.as_ref().unwrap()).unwrap();
        for column in ["country", "device", "policy_version"] {
            assert_eq!(first.get(column), None, "{column}");
        }
        assert_eq!(first["event_id"], "abc-0");
    }
}
