//! `millrace serve recommendation`.

use axum::Router;

use millrace_feeds::Follower;

use crate::Verdict;

use super::Ground;

/// Serves until a signal comes; then open requests are answered, and what was taken is in the
/// store.
pub(super) async fn run(ground: Ground) -> anyhow::Result<Verdict> {
    let (store, clock) = (ground.store.clone(), ground.clock.clone());
    let follower = Follower::start(ground.following(), store, Vec::new(), clock)?;
    let _ = &ground.folder;
    ground.serve(Router::new()).await?;
    follower.stop().await;
    Ok(Verdict::Good)
}
