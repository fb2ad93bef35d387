//! The feed `members`: key `member_id`; `country`.

use std::sync::Arc;

use serde::Deserialize;

use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::{Country, MemberId};

/// Where members are.
#[derive(Debug, Default)]
pub struct Members {
    countries: Sharded<MemberId, Country>,
}

impl Members {
    /// The member's country; `None` if the member is not known.
    pub fn country(&self, member: MemberId) -> Option<Country> {
        self.countries.get(&member)
    }

    /// How many members are known.
    pub fn len(&self) -> usize {
        self.countries.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Deserialize)]
pub(super) struct Key {
    member_id: MemberId,
}

#[derive(Deserialize)]
pub(super) struct Row {
    #[serde(default)]
    country: Country,
}

pub(super) struct MemberRows(Arc<Members>);

impl MemberRows {
    pub(super) fn new(shown: Arc<Members>) -> Self {
        Self(shown)
    }
}

impl Rows for MemberRows {
    type Key = Key;
    type Row = Row;
    const FEED: &'static str = "members";

    fn reset(&mut self) {
        self.0.countries.clear();
    }

    fn put(&mut self, key: Key, row: Row) {
        self.0.countries.put(key.member_id, row.country);
    }

    fn remove(&mut self, key: Key) {
        self.0.countries.remove(&key.member_id);
    }
}
