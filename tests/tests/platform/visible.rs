//! What a feed shows does not wait: neither for the watermark nor for a checkpoint.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use millrace_events::{Clock, SystemClock};
use millrace_tests::{Millrace, Site, eventually, latest_by_key};

const MANIFEST: &str = "manifests/jobs/viewing-history/manifest.yaml";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_in_the_history_before_any_watermark_or_checkpoint() -> Result<()> {
    let site = Site::shipped(&["jobs/streams", "jobs/viewing-history"])?;
    let shipped = std::fs::read_to_string(site.path(MANIFEST))?;
    let without = shipped.replace("interval: 5s", "interval: 1h");
    ensure!(without != shipped, "the job has another interval now");
    std::fs::write(site.path(MANIFEST), without)?;
    let mut platform = site.up(None)?;
    let told = tell(&site, &mut platform).await;
    let ended = platform.stop().await;
    told.with_context(|| site.logs())?;
    ended.with_context(|| site.logs())
}

async fn tell(site: &Site, platform: &mut Millrace) -> Result<()> {
    let (api, kafka) = site.reached(platform).await?;
    api.reaches("viewing-history", "running").await?;
    // One member is in one partition: for a watermark, the others would have to be silent first,
    // and then it would still be a minute behind.
    for position in [30, 60] {
        let event = json!({
            "event_id": format!("e{position}"), "event_time": SystemClock::default().now_ms(),
            "session_id": "s", "member_id": 1, "profile_id": 1, "title_id": 7,
            "event_type": "heartbeat", "position_s": position, "duration_s": 3600,
        });
        api.emit("playback", &[event]).await?;
        eventually("the position in the history", async || {
            let rows = latest_by_key(&kafka, "history").await?;
            Ok(rows.values().any(|row| row["position_s"] == position).then_some(()))
        })
        .await?;
    }
    Ok(())
}
