//! Waiting for something to become true, with an end so that a hang is a failure and not a silence.

use std::time::Duration;

use anyhow::{Result, bail};

/// Far beyond what anything here takes. Reaching it means that something hangs, never that it is
/// slow.
pub const HANGS_AFTER: Duration = Duration::from_mins(3);

/// Asks `probe` until it answers `Some`; `what` is named when it never does.
pub async fn eventually<T, F>(what: &str, mut probe: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Option<T>>,
{
    const STEP: Duration = Duration::from_millis(25);
    let asked = async {
        loop {
            if let Some(answer) = probe().await? {
                return Ok(answer);
            }
            tokio::time::sleep(STEP).await;
        }
    };
    match tokio::time::timeout(HANGS_AFTER, asked).await {
        Ok(answer) => answer,
        Err(_) => bail!("{what}: not within {HANGS_AFTER:?}"),
    }
}
