//! Produce, fetch, list offsets and init producer id, answered from the logs.

use std::sync::Arc;
use std::time::Duration;

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::fetch_request::{FetchPartition, FetchTopic};
use tansu_sans_io::fetch_response::{FetchableTopicResponse, PartitionData};
use tansu_sans_io::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use tansu_sans_io::produce_request::{PartitionProduceData, TopicProduceData};
use tansu_sans_io::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use tansu_sans_io::record::deflated::{Batch, Frame};
use tansu_sans_io::{
    ErrorCode, FetchRequest, FetchResponse, InitProducerIdRequest, InitProducerIdResponse,
    ListOffsetsRequest, ListOffsetsResponse, ProduceRequest, ProduceResponse,
};
use tansu_storage::TopicId;
use tokio::task::block_in_place;
use tokio::time::Instant;
use uuid::Uuid;

use super::log::AppendError;
use super::producers::Misfit;
use super::store::{Store, Topic, lock};

/// The most one answer carries, whatever the client asks for.
const ANSWER_BYTES: usize = 16 << 20;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// Answers requests from the logs.
#[derive(Debug, Clone)]
pub(super) struct Records(pub(super) Arc<Store>);

impl Service<(), ProduceRequest> for Records {
    type Response = ProduceResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: ProduceRequest,
    ) -> Result<ProduceResponse, Error> {
        let refused =
            request.transactional_id.map(|_| ErrorCode::TransactionalIdAuthorizationFailed);
        let mut topics = Vec::new();
        for topic in request.topic_data.unwrap_or_default() {
            topics.push(self.produce(topic, refused).await);
        }
        Ok(ProduceResponse::default()
            .responses(Some(topics))
            .throttle_time_ms(Some(0))
            .node_endpoints(None))
    }
}

impl Records {
    async fn produce(
        &self,
        data: TopicProduceData,
        refused: Option<ErrorCode>,
    ) -> TopicProduceResponse {
        let topic = match refused {
            Some(code) => Err(code),
            None => self.0.topic(TopicId::Name(data.name.clone())).await,
        };
        let partitions = data.partition_data.unwrap_or_default().into_iter().map(|data| {
            let index = data.index;
            let appended = topic.as_ref().map_err(|code| *code).and_then(|t| self.append(t, data));
            let (code, base) = match appended {
                Ok(base) => (ErrorCode::None, base),
                Err(code) => (code, -1),
            };
            PartitionProduceResponse::default()
                .index(index)
                .error_code(code.into())
                .base_offset(base)
                .log_append_time_ms(Some(-1))
                .log_start_offset(Some(0))
                .record_errors(Some([].into()))
                .error_message(None)
                .current_leader(None)
        });
        let partitions = partitions.collect();
        TopicProduceResponse::default().name(data.name).partition_responses(Some(partitions))
    }

    fn append(&self, topic: &Topic, data: PartitionProduceData) -> Result<i64, ErrorCode> {
        let log = self.0.log(topic, data.index)?;
        let mut first = None;
        for batch in data.records.map(|frame| frame.batches).unwrap_or_default() {
            let bytes: bytes::Bytes = batch.into();
            let appended = block_in_place(|| lock(&log).append(bytes.into()));
            let base = appended.map_err(|error| {
                let (topic, partition) = (&topic.name, data.index);
                tracing::warn!(target: "broker", %error, topic, partition, "a batch was not appended");
                match error {
                    AppendError::Malformed => ErrorCode::CorruptMessage,
                    AppendError::Misfit(Misfit::Duplicate) => ErrorCode::DuplicateSequenceNumber,
                    AppendError::Misfit(Misfit::OutOfOrder) => ErrorCode::OutOfOrderSequenceNumber,
                    AppendError::Misfit(Misfit::OldEpoch) => ErrorCode::InvalidProducerEpoch,
                    AppendError::Io(_) => ErrorCode::KafkaStorageError,
                }
            })?;
            first.get_or_insert(base);
            self.0.grown.notify_waiters();
        }
        first.ok_or(ErrorCode::InvalidRecord)
    }
}

impl Service<(), FetchRequest> for Records {
    type Response = FetchResponse;
    type Error = Error;

    async fn serve(&self, _: Context<()>, request: FetchRequest) -> Result<FetchResponse, Error> {
        let patience = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let deadline = Instant::now() + patience;
        let least = usize::try_from(request.min_bytes).unwrap_or(0);
        let most = request.max_bytes.and_then(|max| usize::try_from(max).ok());
        let most = most.unwrap_or(ANSWER_BYTES).min(ANSWER_BYTES);
        let topics = request.topics.unwrap_or_default();
        loop {
            let grown = self.0.grown.notified();
            tokio::pin!(grown);
            // Registers before looking, so that a batch appended in between is not missed.
            grown.as_mut().enable();
            let mut answer = Answer { bytes: 0, most, failed: false };
            let mut responses = Vec::with_capacity(topics.len());
            for topic in &topics {
                responses.push(self.fetch(topic, &mut answer).await);
            }
            let enough = answer.failed || answer.bytes >= least;
            if enough || tokio::time::timeout_at(deadline, grown).await.is_err() {
                return Ok(FetchResponse::default()
                    .throttle_time_ms(Some(0))
                    .error_code(Some(ErrorCode::None.into()))
                    .session_id(Some(0))
                    .node_endpoints(Some([].into()))
                    .responses(Some(responses)));
            }
        }
    }
}

/// What a fetch has collected.
struct Answer {
    bytes: usize,
    most: usize,
    failed: bool,
}

impl Records {
    async fn fetch(&self, wanted: &FetchTopic, answer: &mut Answer) -> FetchableTopicResponse {
        let topic = match (&wanted.topic, wanted.topic_id) {
            (Some(name), _) if !name.is_empty() => self.0.topic(TopicId::Name(name.clone())).await,
            (_, Some(id)) => self.0.topic(TopicId::Id(Uuid::from_bytes(id))).await,
            _ => Err(ErrorCode::UnknownTopicOrPartition),
        };
        let partitions = wanted.partitions.iter().flatten().map(|wanted| {
            let data = PartitionData::default()
                .partition_index(wanted.partition)
                .log_start_offset(Some(0))
                .diverging_epoch(None)
                .current_leader(None)
                .snapshot_id(None)
                .aborted_transactions(Some([].into()))
                .preferred_read_replica(Some(-1));
            let found = topic.as_ref().map_err(|c| *c).and_then(|t| self.read(t, wanted, answer));
            let (code, end, batches) = match found {
                Ok((end, batches)) => (ErrorCode::None, end, batches),
                Err(code) => {
                    answer.failed = true;
                    (code, -1, Vec::new())
                }
            };
            data.error_code(code.into())
                .high_watermark(end)
                .last_stable_offset(Some(end))
                .records((!batches.is_empty()).then_some(Frame { batches }))
        });
        FetchableTopicResponse::default()
            .partitions(Some(partitions.collect()))
            .topic(wanted.topic.clone())
            .topic_id(wanted.topic_id.or_else(|| topic.ok().map(|t| t.id.into_bytes())))
    }

    fn read(
        &self,
        topic: &Topic,
        wanted: &FetchPartition,
        answer: &mut Answer,
    ) -> Result<(i64, Vec<Batch>), ErrorCode> {
        let log = self.0.log(topic, wanted.partition)?;
        let (end, reader) = {
            let log = lock(&log);
            (log.end(), log.view().from(wanted.fetch_offset))
        };
        if !(0..=end).contains(&wanted.fetch_offset) {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        // A full answer takes nothing more, but an empty one takes a batch of any size.
        if wanted.fetch_offset == end || answer.bytes >= answer.most {
            return Ok((end, Vec::new()));
        }
        let of_partition = usize::try_from(wanted.partition_max_bytes).unwrap_or(0);
        let most = of_partition.min(answer.most - answer.bytes);
        let broken = |error: &dyn std::fmt::Display| {
            let (topic, partition) = (&topic.name, wanted.partition);
            tracing::error!(target: "broker", %error, topic, partition, "cannot read the log");
            ErrorCode::KafkaStorageError
        };
        let batches = block_in_place(|| reader.read(most)).map_err(|e| broken(&e))?;
        answer.bytes += batches.iter().map(bytes::Bytes::len).sum::<usize>();
        let batches: Result<Vec<_>, _> = batches.into_iter().map(Batch::try_from).collect();
        Ok((end, batches.map_err(|e| broken(&e))?))
    }
}

impl Service<(), ListOffsetsRequest> for Records {
    type Response = ListOffsetsResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: ListOffsetsRequest,
    ) -> Result<ListOffsetsResponse, Error> {
        let mut topics = Vec::new();
        for wanted in request.topics.unwrap_or_default() {
            let topic = self.0.topic(TopicId::Name(wanted.name.clone())).await;
            let partitions = wanted.partitions.iter().flatten().map(|p| {
                let found = topic.as_ref().map_err(|code| *code);
                let found = found.and_then(|t| self.offset_at(t, p.partition_index, p.timestamp));
                let (code, timestamp, offset) = match found {
                    Ok((timestamp, offset)) => (ErrorCode::None, timestamp, offset),
                    Err(code) => (code, -1, -1),
                };
                ListOffsetsPartitionResponse::default()
                    .partition_index(p.partition_index)
                    .error_code(code.into())
                    .old_style_offsets(None)
                    .timestamp(Some(timestamp))
                    .offset(Some(offset))
                    .leader_epoch(Some(0))
            });
            let partitions = partitions.collect();
            topics.push(
                ListOffsetsTopicResponse::default().partitions(Some(partitions)).name(wanted.name),
            );
        }
        Ok(ListOffsetsResponse::default().throttle_time_ms(Some(0)).topics(Some(topics)))
    }
}

impl Records {
    /// Timestamp and offset. By timestamp this is the start of the batch, which may be earlier than
    /// the record Kafka would name but never later.
    fn offset_at(
        &self,
        topic: &Topic,
        index: i32,
        timestamp: i64,
    ) -> Result<(i64, i64), ErrorCode> {
        let log = self.0.log(topic, index)?;
        let (end, reader) = {
            let log = lock(&log);
            (log.end(), log.view().from(0))
        };
        match timestamp {
            LATEST => Ok((-1, end)),
            EARLIEST => Ok((-1, 0)),
            ..0 => Err(ErrorCode::UnsupportedVersion),
            timestamp => {
                let found = block_in_place(|| reader.since(timestamp));
                let found = found.map_err(|_| ErrorCode::KafkaStorageError)?;
                Ok(found.unwrap_or((-1, -1)))
            }
        }
    }
}

impl Service<(), InitProducerIdRequest> for Records {
    type Response = InitProducerIdResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: InitProducerIdRequest,
    ) -> Result<InitProducerIdResponse, Error> {
        let answer = InitProducerIdResponse::default().throttle_time_ms(0);
        if request.transactional_id.is_some() {
            let code = ErrorCode::TransactionalIdAuthorizationFailed;
            return Ok(answer.error_code(code.into()).producer_id(-1).producer_epoch(-1));
        }
        // A producer that lost track asks for the next epoch of its id.
        let next = match (request.producer_id, request.producer_epoch) {
            (Some(id), Some(epoch)) if id >= 0 && (0..i16::MAX - 1).contains(&epoch) => {
                Ok((id, epoch + 1))
            }
            _ => block_in_place(|| self.0.producer_id()).map(|id| (id, 0)),
        };
        Ok(match next {
            Ok((id, epoch)) => {
                answer.error_code(ErrorCode::None.into()).producer_id(id).producer_epoch(epoch)
            }
            Err(error) => {
                tracing::error!(target: "broker", %error, "no producer id");
                answer
                    .error_code(ErrorCode::KafkaStorageError.into())
                    .producer_id(-1)
                    .producer_epoch(-1)
            }
        })
    }
}
