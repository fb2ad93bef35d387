//! `millrace serve steering`.

use crate::Verdict;

use super::Ground;

/// Serves until a signal comes.
pub(super) async fn run(ground: Ground) -> anyhow::Result<Verdict> {
    let feeds = millrace_feeds::FollowerSettings::new(ground.kafka.clone());
    anyhow::bail!("steering is not part of this build (it would ask {:?})", feeds.kafka)
}
