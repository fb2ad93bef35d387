//! A consumer group as its coordinator sees it: who is in, which round, who got what. No I/O, no
//! clock.
//!
//! This is Kafka's classic protocol: any change of members starts a round; members notice through
//! their heartbeat and join again; when all have, one of them (the leader) assigns the partitions
//! and everybody fetches its share.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tansu_sans_io::ErrorCode;

/// What a member brings when it joins.
#[derive(Debug, Clone)]
pub(super) struct Joining {
    pub(super) instance: Option<String>,
    pub(super) session: Duration,
    /// How long it may take to join again in a round.
    pub(super) patience: Duration,
    pub(super) kind: String,
    /// Ways of assigning it knows, best first, with what the leader needs to know of it.
    pub(super) protocols: Vec<(String, Bytes)>,
}

/// The round a member is in now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) generation: i32,
    pub(super) kind: String,
    pub(super) protocol: String,
    pub(super) leader: String,
    /// For the leader: everybody, with instance id and metadata.
    pub(super) members: Vec<(String, Option<String>, Bytes)>,
}

#[derive(Debug)]
struct Member {
    joining: Joining,
    seen: Instant,
    /// Counts its join requests: only the last one is answered.
    request: u64,
    /// It has joined the round that is forming.
    in_round: bool,
    answer: Option<Joined>,
    share: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for members to join; those that have not by then are out.
    Forming { until: Instant },
    /// Waiting for the leader's assignment.
    Assigning,
    /// Everybody can have its share.
    Stable,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    generation: i32,
    phase: Phase,
    leader: String,
    protocol: String,
    members: BTreeMap<String, Member>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            generation: 0,
            phase: Phase::Stable,
            leader: String::new(),
            protocol: String::new(),
            members: BTreeMap::new(),
        }
    }
}

impl Group {
    /// `id` joins, again or for the first time; returns the number of the request to wait with.
    pub(super) fn join(
        &mut self,
        id: &str,
        joining: Joining,
        now: Instant,
    ) -> Result<u64, ErrorCode> {
        let knows = |protocols: &[(String, Bytes)], name| protocols.iter().any(|(n, _)| n == name);
        let others = || self.members.iter().filter(|(other, _)| *other != id);
        let fits = |name| others().all(|(_, m)| knows(&m.joining.protocols, name));
        if others().any(|(_, m)| m.joining.kind != joining.kind)
            || !joining.protocols.iter().any(|(name, _)| fits(name))
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if !matches!(self.phase, Phase::Forming { .. }) {
            self.start_round(now, joining.patience);
        }
        let request = self.members.get(id).map_or(0, |m| m.request) + 1;
        let member = Member {
            joining,
            seen: now,
            request,
            in_round: true,
            answer: None,
            share: Bytes::new(),
        };
        self.members.insert(id.to_owned(), member);
        Ok(request)
    }

    /// The answer to a join request; `None` while the round is forming.
    pub(super) fn joined(
        &mut self,
        id: &str,
        request: u64,
        now: Instant,
    ) -> Option<Result<Joined, ErrorCode>> {
        let Some(member) = self.members.get_mut(id).filter(|m| m.request == request) else {
            return Some(Err(ErrorCode::UnknownMemberId));
        };
        member.seen = now;
        member.answer.take().map(Ok)
    }

    /// The leader's shares; from others this is only a sign of life.
    pub(super) fn assign(
        &mut self,
        id: &str,
        generation: i32,
        shares: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.alive(id, generation, now)?;
        if self.phase == Phase::Assigning && id == self.leader {
            for (member, share) in shares {
                if let Some(member) = self.members.get_mut(&member) {
                    member.share = share;
                }
            }
            self.phase = Phase::Stable;
        }
        Ok(())
    }

    /// The share of `id`; `None` while the leader thinks.
    pub(super) fn share(
        &mut self,
        id: &str,
        generation: i32,
        now: Instant,
    ) -> Option<Result<Bytes, ErrorCode>> {
        if let Err(code) = self.heartbeat(id, generation, now) {
            return Some(Err(code));
        }
        (self.phase == Phase::Stable).then(|| Ok(self.members[id].share.clone()))
    }

    /// A sign of life; tells the member to join again while a round is forming.
    pub(super) fn heartbeat(
        &mut self,
        id: &str,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.alive(id, generation, now)?;
        match self.phase {
            Phase::Forming { .. } => Err(ErrorCode::RebalanceInProgress),
            Phase::Assigning | Phase::Stable => Ok(()),
        }
    }

    fn alive(&mut self, id: &str, generation: i32, now: Instant) -> Result<(), ErrorCode> {
        let member = self.members.get_mut(id).ok_or(ErrorCode::UnknownMemberId)?;
        member.seen = now;
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) }
    }

    /// Whether `id` is a member.
    pub(super) fn has(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    /// Whether `id` may commit offsets as a member of `generation`.
    pub(super) fn may_commit(&self, id: &str, generation: i32) -> Result<(), ErrorCode> {
        if !self.has(id) {
            return Err(ErrorCode::UnknownMemberId);
        }
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) }
    }

    /// `id` goes.
    pub(super) fn leave(&mut self, id: &str, now: Instant) -> Result<(), ErrorCode> {
        self.members.remove(id).ok_or(ErrorCode::UnknownMemberId)?;
        if !matches!(self.phase, Phase::Forming { .. }) {
            self.start_round(now, Duration::ZERO);
        }
        Ok(())
    }

    /// Time passed: drops members that are silent or late and closes a round that is complete.
    /// `true` when that changed something.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let before = self.members.len();
        let late = matches!(self.phase, Phase::Forming { until } if now >= until);
        self.members.retain(|_, m| {
            now.saturating_duration_since(m.seen) <= m.joining.session && (m.in_round || !late)
        });
        let dropped = self.members.len() < before;
        let forming = matches!(self.phase, Phase::Forming { .. });
        if dropped && !forming {
            self.start_round(now, Duration::ZERO);
        }
        let complete = matches!(self.phase, Phase::Forming { .. })
            && self.members.values().all(|m| m.in_round);
        if complete {
            self.close_round(now);
        }
        dropped || complete
    }

    fn start_round(&mut self, now: Instant, newcomer: Duration) {
        let patience = self.members.values().map(|m| m.joining.patience).max();
        self.phase = Phase::Forming { until: now + patience.unwrap_or_default().max(newcomer) };
        self.members.values_mut().for_each(|m| m.in_round = false);
    }

    fn close_round(&mut self, now: Instant) {
        self.generation += 1;
        let Some((first, member)) = self.members.first_key_value() else {
            self.phase = Phase::Stable;
            return;
        };
        self.phase = Phase::Assigning;
        if !self.members.contains_key(&self.leader) {
            self.leader.clone_from(first);
        }
        let known = |m: &Member, name: &str| m.joining.protocols.iter().any(|(n, _)| n == name);
        let mut names = member.joining.protocols.iter().map(|(name, _)| name);
        let common = names.find(|name| self.members.values().all(|m| known(m, name)));
        self.protocol = common.expect("checked when each member joined").clone();
        let metadata = |m: &Member| {
            let found = m.joining.protocols.iter().find(|(name, _)| *name == self.protocol);
            found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
        };
        let everybody: Vec<_> = self
            .members
            .iter()
            .map(|(id, m)| (id.clone(), m.joining.instance.clone(), metadata(m)))
            .collect();
        for (id, member) in &mut self.members {
            member.seen = now;
            member.share = Bytes::new();
            member.answer = Some(Joined {
                generation: self.generation,
                kind: member.joining.kind.clone(),
                protocol: self.protocol.clone(),
                leader: self.leader.clone(),
                members: if *id == self.leader { everybody.clone() } else { Vec::new() },
            });
        }
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
