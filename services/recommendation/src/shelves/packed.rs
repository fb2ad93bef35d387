//! The feed `history_packed`: older rows of histories, unpacked only when somebody asks for them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::history::{self, Watched};
use super::sharded::Sharded;
use super::typed::Rows;
use crate::ids::{MemberId, TitleId};

/// Bytes that the chunks of a profile may unpack to.
const MAX_UNPACKED: u64 = 16 << 20;

/// Why packed rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackedError {
    /// It is not the text of bytes.
    #[error("packed history is no base64: {0}")]
    Text(#[from] base64::DecodeError),
    /// It does not unpack.
    #[error("packed history does not unpack: {0}")]
    Pack(#[from] std::io::Error),
    /// What it unpacks to is no row.
    #[error("packed history has a line that is no row: {0}")]
    Row(#[from] serde_json::Error),
}

type Chunks = BTreeMap<(i32, i64), Arc<str>>;

/// The packed histories.
#[derive(Debug, Default)]
pub struct Packed {
    members: Sharded<MemberId, Arc<Chunks>>,
}

impl Packed {
    /// Unpacks a member's older rows, in the order they were packed. Takes a millisecond or so.
    pub fn of(&self, member: MemberId) -> Result<Vec<Watched>, PackedError> {
        let mut rows = Vec::new();
        let chunks = self.members.get(&member).unwrap_or_default();
        let mut profiles: BTreeMap<i32, Vec<u8>> = BTreeMap::new();
        for ((profile, _), text) in chunks.iter() {
            let bytes = BASE64_STANDARD.decode(text.as_bytes())?;
            profiles.entry(*profile).or_default().extend(bytes);
        }
        for (profile, bytes) in profiles {
            unpack(&bytes, profile, &mut rows)?;
        }
        Ok(rows)
    }
}

#[derive(Deserialize)]
struct Line {
    title_id: TitleId,
    #[serde(flatten)]
    row: history::Row,
}

/// Reads frame after frame: chunks that are frames of their own and chunks of one frame alike.
fn unpack(bytes: &[u8], profile: i32, rows: &mut Vec<Watched>) -> Result<(), PackedError> {
    let reader = zstd::Decoder::with_buffer(bytes)?;
    for line in BufReader::new(reader.take(MAX_UNPACKED)).lines() {
        let line = line?;
        if !line.trim().is_empty() {
            let line: Line = serde_json::from_str(&line)?;
            rows.push(line.row.watched(profile, line.title_id));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
pub(super) struct Key {
    member_id: MemberId,
    #[serde(default)]
    profile_id: i32,
    chunk: i64,
}

#[derive(Deserialize)]
pub(super) struct Row {
    packed: Arc<str>,
}

pub(super) struct PackedRows(Arc<Packed>);

impl PackedRows {
    pub(super) fn new(shown: Arc<Packed>) -> Self {
        Self(shown)
    }

    fn change(&self, member: MemberId, change: impl FnOnce(&mut Chunks)) {
        let mut chunks = Chunks::clone(&self.0.members.get(&member).unwrap_or_default());
        change(&mut chunks);
        if chunks.is_empty() {
            self.0.members.remove(&member);
        } else {
            self.0.members.put(member, Arc::new(chunks));
        }
    }
}

impl Rows for PackedRows {
    type Key = Key;
    type Row = Row;
    const FEED: &'static str = "history_packed";

    fn reset(&mut self) {
        self.0.members.clear();
    }

    fn put(&mut self, key: Key, row: Row) {
        self.change(key.member_id, |chunks| {
            chunks.insert((key.profile_id, key.chunk), row.packed);
        });
    }

    fn remove(&mut self, key: Key) {
        self.change(key.member_id, |chunks| {
            chunks.remove(&(key.profile_id, key.chunk));
        });
    }
}
