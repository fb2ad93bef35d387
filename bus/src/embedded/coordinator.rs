//! Answers group requests: one lock per group, waiters woken by changes and by time.
//!
//! tansu's own coordinator takes a group out of its map while its store writes; a request that
//! comes meanwhile finds no group, starts an empty one and overwrites the first.

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tansu_broker::Error;
use tansu_broker::coordinator::group::administrator::{Forming, Group as _, Inner};
use tansu_broker::coordinator::group::{Coordinator, OffsetCommit};
use tansu_sans_io::join_group_request::JoinGroupRequestProtocol;
use tansu_sans_io::join_group_response::JoinGroupResponseMember;
use tansu_sans_io::leave_group_request::MemberIdentity;
use tansu_sans_io::leave_group_response::MemberResponse;
use tansu_sans_io::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use tansu_sans_io::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
use tansu_sans_io::sync_group_request::SyncGroupRequestAssignment;
use tansu_sans_io::{
    Body, ErrorCode, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse,
    OffsetCommitResponse, SyncGroupResponse,
};
use tansu_storage::StorageContainer;
use tokio::sync::Notify;

use super::group::{Group, Joined, Joining};
use super::store::lock;

/// How often a waiting request looks whether a session or a round has run out.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// tansu asks for the time with offsets and does not look at it.
const UNUSED: SystemTime = SystemTime::UNIX_EPOCH;

#[derive(Debug, Default)]
struct Cell {
    group: Mutex<Group>,
    /// Ids that were handed out and have not joined yet.
    announced: Mutex<HashSet<String>>,
    changed: Notify,
}

impl Cell {
    /// Does something with the group as it is now, and tells waiters.
    fn with<T>(&self, action: impl FnOnce(&mut Group, Instant) -> T) -> T {
        let now = Instant::now();
        let mut group = lock(&self.group);
        group.tick(now);
        let result = action(&mut group, now);
        group.tick(now);
        self.changed.notify_waiters();
        result
    }

    /// Waits until `look` finds what it looks for.
    async fn wait<T: Send>(
        &self,
        look: impl Fn(&mut Group, Instant) -> Option<T> + Send + Sync,
    ) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registers before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            {
                let now = Instant::now();
                let mut group = lock(&self.group);
                if group.tick(now) {
                    self.changed.notify_waiters();
                }
                if let Some(found) = look(&mut group, now) {
                    return found;
                }
            }
            let _ = tokio::time::timeout(LOOK_EVERY, changed).await;
        }
    }
}

/// The coordinator of every group. Members are kept in memory: after a restart they are told they
/// are unknown and join again. Group offsets are kept by tansu.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    storage: StorageContainer,
    groups: Arc<Mutex<HashMap<String, Arc<Cell>>>>,
}

impl Groups {
    pub(super) fn new(storage: StorageContainer) -> Self {
        Self { storage, groups: Arc::default() }
    }

    fn cell(&self, group: &str) -> Arc<Cell> {
        Arc::clone(lock(&self.groups).entry(group.to_owned()).or_default())
    }

    /// tansu's handling of offsets, which needs no group.
    fn offsets(&self) -> Inner<StorageContainer, Forming> {
        Inner::<StorageContainer, PhantomData<Forming>>::new(self.storage.clone())
    }
}

#[async_trait]
impl Coordinator for Groups {
    async fn join(
        &mut self,
        client_id: Option<&str>,
        group_id: &str,
        session_timeout_ms: i32,
        rebalance_timeout_ms: Option<i32>,
        member_id: &str,
        group_instance_id: Option<&str>,
        protocol_type: &str,
        protocols: Option<&[JoinGroupRequestProtocol]>,
        _reason: Option<&str>,
    ) -> Result<Body, Error> {
        let cell = self.cell(group_id);
        if member_id.is_empty() {
            let id = format!("{}-{}", client_id.unwrap_or("member"), uuid::Uuid::new_v4());
            lock(&cell.announced).insert(id.clone());
            return Ok(joined(&id, Err(ErrorCode::MemberIdRequired)));
        }
        let announced = lock(&cell.announced).remove(member_id);
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let joining = Joining {
            instance: group_instance_id.map(ToOwned::to_owned),
            session: millis(session_timeout_ms),
            patience: millis(rebalance_timeout_ms.unwrap_or(session_timeout_ms)),
            kind: protocol_type.to_owned(),
            protocols: protocols
                .unwrap_or_default()
                .iter()
                .map(|p| (p.name.clone(), p.metadata.clone()))
                .collect(),
        };
        let request = cell.with(|group, now| {
            if !announced && !group.has(member_id) {
                return Err(ErrorCode::UnknownMemberId);
            }
            group.join(member_id, joining, now)
        });
        let answer = match request {
            Ok(request) => cell.wait(|group, now| group.joined(member_id, request, now)).await,
            Err(code) => Err(code),
        };
        Ok(joined(member_id, answer))
    }

    async fn sync(
        &mut self,
        group_id: &str,
        generation_id: i32,
        member_id: &str,
        _group_instance_id: Option<&str>,
        protocol_type: Option<&str>,
        protocol_name: Option<&str>,
        assignments: Option<&[SyncGroupRequestAssignment]>,
    ) -> Result<Body, Error> {
        let cell = self.cell(group_id);
        let shares = assignments.unwrap_or_default().iter();
        let shares = shares.map(|a| (a.member_id.clone(), a.assignment.clone())).collect();
        let assigned = cell.with(|group, now| group.assign(member_id, generation_id, shares, now));
        let share = match assigned {
            Ok(()) => cell.wait(|group, now| group.share(member_id, generation_id, now)).await,
            Err(code) => Err(code),
        };
        let (code, share) = match share {
            Ok(share) => (ErrorCode::None, share),
            Err(code) => (code, Bytes::new()),
        };
        Ok(SyncGroupResponse::default()
            .throttle_time_ms(Some(0))
            .error_code(code.into())
            .protocol_type(protocol_type.map(ToOwned::to_owned))
            .protocol_name(protocol_name.map(ToOwned::to_owned))
            .assignment(share)
            .into())
    }

    async fn heartbeat(
        &mut self,
        group_id: &str,
        generation_id: i32,
        member_id: &str,
        _group_instance_id: Option<&str>,
    ) -> Result<Body, Error> {
        let cell = self.cell(group_id);
        let alive = cell.with(|group, now| group.heartbeat(member_id, generation_id, now));
        Ok(HeartbeatResponse::default()
            .throttle_time_ms(Some(0))
            .error_code(code_of(alive).into())
            .into())
    }

    async fn leave(
        &mut self,
        group_id: &str,
        member_id: Option<&str>,
        members: Option<&[MemberIdentity]>,
    ) -> Result<Body, Error> {
        let cell = self.cell(group_id);
        let leave = |id: &str| code_of(cell.with(|group, now| group.leave(id, now)));
        let mut code = ErrorCode::None;
        let mut left = Vec::new();
        if let Some(id) = member_id.filter(|id| !id.is_empty()) {
            code = leave(id);
        }
        for member in members.unwrap_or_default() {
            left.push(
                MemberResponse::default()
                    .member_id(member.member_id.clone())
                    .group_instance_id(member.group_instance_id.clone())
                    .error_code(leave(&member.member_id).into()),
            );
        }
        Ok(LeaveGroupResponse::default()
            .throttle_time_ms(Some(0))
            .error_code(code.into())
            .members(Some(left))
            .into())
    }

    async fn offset_commit(&mut self, detail: OffsetCommit<'_>) -> Result<Body, Error> {
        let generation = detail.generation_id_or_member_epoch.unwrap_or(-1);
        // Without a generation this is not a member but a tool, or a reader without a subscription.
        if generation >= 0 {
            let id = detail.member_id.unwrap_or_default();
            let cell = self.cell(detail.group_id);
            if let Err(code) = cell.with(|group, _| group.may_commit(id, generation)) {
                return Ok(refused_commit(&detail, code));
            }
        }
        Ok(self.offsets().offset_commit(UNUSED, &detail).await.1)
    }

    async fn offset_fetch(
        &mut self,
        group_id: Option<&str>,
        topics: Option<&[OffsetFetchRequestTopic]>,
        groups: Option<&[OffsetFetchRequestGroup]>,
        require_stable: Option<bool>,
    ) -> Result<Body, Error> {
        // There are no transactions, so every offset is stable.
        let stable = require_stable.map(|_| false);
        Ok(self.offsets().offset_fetch(UNUSED, group_id, topics, groups, stable).await.1)
    }
}

fn code_of(result: Result<(), ErrorCode>) -> ErrorCode {
    result.err().unwrap_or(ErrorCode::None)
}

fn joined(id: &str, answer: Result<Joined, ErrorCode>) -> Body {
    let response = JoinGroupResponse::default()
        .throttle_time_ms(Some(0))
        .member_id(id.to_owned())
        .skip_assignment(Some(false));
    match answer {
        Ok(joined) => {
            let member = |(id, instance, metadata): (String, Option<String>, Bytes)| {
                JoinGroupResponseMember::default()
                    .member_id(id)
                    .group_instance_id(instance)
                    .metadata(metadata)
            };
            response
                .error_code(ErrorCode::None.into())
                .generation_id(joined.generation)
                .protocol_type(Some(joined.kind))
                .protocol_name(Some(joined.protocol))
                .leader(joined.leader)
                .members(Some(joined.members.into_iter().map(member).collect()))
                .into()
        }
        Err(code) => response
            .error_code(code.into())
            .generation_id(-1)
            .protocol_type(Some(String::new()))
            .protocol_name(Some(String::new()))
            .leader(String::new())
            .members(Some(Vec::new()))
            .into(),
    }
}

fn refused_commit(detail: &OffsetCommit<'_>, code: ErrorCode) -> Body {
    let partition = |index| {
        OffsetCommitResponsePartition::default().partition_index(index).error_code(code.into())
    };
    let topics = detail.topics.unwrap_or_default().iter().map(|topic| {
        let partitions = topic.partitions.iter().flatten().map(|p| partition(p.partition_index));
        OffsetCommitResponseTopic::default()
            .name(topic.name.clone())
            .partitions(Some(partitions.collect()))
    });
    OffsetCommitResponse::default().throttle_time_ms(Some(0)).topics(Some(topics.collect())).into()
}
