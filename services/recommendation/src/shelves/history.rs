//! The feed `history`: what each member watched, the recent part.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::{MemberId, TitleId};
use crate::time;

/// A title that a member watched.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Watched {
    /// The member's profile.
    pub profile_id: i32,
    /// The title.
    #[schema(value_type = i64)]
    pub title_id: TitleId,
    /// When it was watched last, milliseconds since the Unix epoch.
    pub last_watched_ms: i64,
    /// Where to go on, in seconds.
    pub position_s: f64,
    /// Length of the title in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// How much of it was reached, 0 to 1.
    pub completion: f64,
    /// Seconds that were watched.
    pub watched_s: f64,
    /// The device it was watched on last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// The live histories.
#[derive(Debug, Default)]
pub struct Histories {
    members: Sharded<MemberId, Arc<Vec<Watched>>>,
}

impl Histories {
    /// What the member watched, most recent first; `None` if nothing is known of the member.
    pub fn of(&self, member: MemberId) -> Option<Arc<Vec<Watched>>> {
        self.members.get(&member)
    }

    /// How many members have a history.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "columns have their names")]
pub(super) struct Key {
    member_id: MemberId,
    #[serde(default)]
    profile_id: i32,
    title_id: TitleId,
}

/// The columns of a row; rows of packed histories have the same.
#[derive(Deserialize)]
pub(super) struct Row {
    last_watched: String,
    #[serde(default)]
    position_s: f64,
    duration_s: Option<f64>,
    #[serde(default)]
    completion: f64,
    #[serde(default)]
    watched_s: f64,
    device: Option<String>,
}

impl Row {
    pub(super) fn watched(self, profile_id: i32, title_id: TitleId) -> Watched {
        Watched {
            profile_id,
            title_id,
            last_watched_ms: time::parse(&self.last_watched).unwrap_or(0),
            position_s: self.position_s,
            duration_s: self.duration_s,
            completion: self.completion,
            watched_s: self.watched_s,
            device: self.device,
        }
    }
}

pub(super) struct HistoryRows(Arc<Histories>);

impl HistoryRows {
    pub(super) fn new(shown: Arc<Histories>) -> Self {
        Self(shown)
    }

    /// Rows but the one of `key`, in their order.
    fn without(&self, key: &Key) -> Vec<Watched> {
        let rows = self.0.members.get(&key.member_id).unwrap_or_default();
        let other = |w: &&Watched| (w.profile_id, w.title_id) != (key.profile_id, key.title_id);
        rows.iter().filter(other).cloned().collect()
    }
}

impl Rows for HistoryRows {
    type Key = Key;
    type Row = Row;
    const FEED: &'static str = "history";

    fn reset(&mut self) {
        self.0.members.clear();
    }

    fn put(&mut self, key: Key, row: Row) {
        let mut rows = self.without(&key);
        let new = row.watched(key.profile_id, key.title_id);
        let later = |w: &Watched| w.last_watched_ms > new.last_watched_ms;
        rows.insert(rows.partition_point(later), new);
        self.0.members.put(key.member_id, Arc::new(rows));
    }

    fn remove(&mut self, key: Key) {
        let rows = self.without(&key);
        if rows.is_empty() {
            self.0.members.remove(&key.member_id);
        } else {
            self.0.members.put(key.member_id, Arc::new(rows));
        }
    }
}
