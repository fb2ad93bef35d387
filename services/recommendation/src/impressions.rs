//! Logs what was answered, as events of the stream `impressions`, behind the requests' backs.

use std::sync::Arc;

use bytes::Bytes;
use metrics::counter;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use millrace_events::{Emitter, Header, ID_HEADER, Outgoing};

use crate::answer::{Answer, Card};
use crate::ids::{Country, MemberId, TitleId};
use crate::time;

/// The campaign that impressions of this service are of.
pub const CAMPAIGN: &str = "home";

/// One title's artwork was shown: the columns of `impressions`.
#[derive(Debug, Serialize)]
struct Impression<'a> {
    event_id: &'a str,
    event_time: &'a str,
    campaign: &'static str,
    policy: &'static str,
    member_id: MemberId,
    item_id: TitleId,
    position: i32,
    propensity: f64,
    artwork_id: i64,
    row: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Country>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: Option<i64>,
    context: &'a RawValue,
}

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
        let (mut logged, mut lost) = (0, 0);
        for record in records(&answer, &topic) {
            match emitter.emit(record).await {
                Ok(_) => logged += 1,
                Err(_) => lost += 1,
            }
        }
        counter!("millrace_recommendation_impressions_total").increment(logged);
        counter!("millrace_recommendation_impressions_lost_total").increment(lost);
    }
}

fn records<'a>(answer: &'a Answer, topic: &'a Arc<str>) -> impl Iterator<Item = Outgoing> + 'a {
    let event_time = time::format(answer.now_ms);
    // The same for all of them.
    let context = to_raw_value(answer.context.features()).expect("finite numbers");
    let key = Bytes::from(answer.member_id.0.to_string());
    let cards = answer
        .rows
        .iter()
        .flat_map(|row| row.titles.iter().map(move |card| (row.row.name(), card)));
    cards.map(move |(row, card)| Outgoing {
        topic: Arc::clone(topic),
        partition: None,
        key: Some(key.clone()),
        value: Some(event(answer, row, card, &event_time, &context)),
        headers: vec![Header {
            name: ID_HEADER.to_owned(),
            value: Some(Bytes::from(card.impression_id.clone())),
        }],
        timestamp_ms: Some(answer.now_ms),
    })
}

fn event(
    answer: &Answer,
    row: &'static str,
    card: &Card,
    event_time: &str,
    context: &RawValue,
) -> Bytes {
    let impression = Impression {
        event_id: &card.impression_id,
        event_time,
        campaign: CAMPAIGN,
        policy: answer.policy,
        member_id: answer.member_id,
        item_id: card.title_id,
        position: card.position,
        propensity: card.propensity,
        artwork_id: card.artwork_id,
        row,
        country: (answer.country != Country::WORLD).then_some(answer.country),
        device: answer.device,
        policy_version: card.policy_version,
        context,
    };
    serde_json::to_vec(&impression).expect("text and finite numbers").into()
}
