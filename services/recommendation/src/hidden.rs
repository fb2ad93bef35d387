//! Titles that members deleted from their history and that the feeds may still have.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::ids::{MemberId, TitleId};
use crate::shelves::Watched;

/// Deletes remembered at most; the oldest go first. The job takes seconds, so this is hours.
const MOST: usize = 100_000;

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deleted {
    /// The member.
    pub member: MemberId,
    /// The member's profile.
    pub profile: i32,
    /// The title.
    pub title: TitleId,
}

/// Hides what was deleted until the feeds have forgotten it.
#[derive(Debug, Default)]
pub struct Hidden {
    deleted: RwLock<HashMap<Deleted, i64>>,
}

impl Hidden {
    /// Hides the title as far as it was watched up to now.
    pub fn hide(&self, deleted: Deleted, now_ms: i64) {
        let mut all = self.deleted.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            let mut times: Vec<_> = all.values().copied().collect();
            let (_, middle, _) = times.select_nth_unstable(MOST / 2);
            let middle = *middle;
            all.retain(|_, at| *at > middle);
        }
        all.insert(deleted, now_ms);
    }

    /// Whether the member deleted it after watching it.
    pub fn hides(&self, member: MemberId, watched: &Watched) -> bool {
        let all = self.deleted.read().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return false;
        }
        let (profile, title) = (watched.profile_id, watched.title_id);
        let deleted = all.get(&Deleted { member, profile, title });
        deleted.is_some_and(|at| watched.last_watched_ms <= *at)
    }
}
