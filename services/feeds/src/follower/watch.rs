//! Asks the broker which topics there are and where they end.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use millrace_bus::{Admin, BusError};
use millrace_events::{Clock, TopicPartition};

use super::start::Ends;

/// What the broker said.
pub(super) struct News {
    pub(super) feed: String,
    /// When it was asked: what was read since then it does not know.
    pub(super) asked: Duration,
    /// The ends of each partition; `None` if there is no such topic.
    pub(super) found: Result<Option<Vec<Ends>>, String>,
}

pub(super) struct Watch {
    pub(super) admin: Admin,
    pub(super) feeds: Vec<String>,
    pub(super) every: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) news: SyncSender<News>,
}

impl Watch {
    /// Asks until `stop`.
    pub(super) fn run(self, stop: &CancellationToken) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "feeds cannot be followed: no runtime");
                return;
            }
        };
        runtime.block_on(stop.run_until_cancelled(self.ask_for_ever()));
        // A question that the broker does not answer is left behind.
        runtime.shutdown_background();
    }

    async fn ask_for_ever(&self) {
        loop {
            if !self.ask_all().await {
                return;
            }
            tokio::time::sleep(self.every).await;
        }
    }

    /// Whether somebody still listens.
    async fn ask_all(&self) -> bool {
        for feed in &self.feeds {
            let asked = self.clock.monotonic();
            match self.ask(feed).await {
                Ok(found) => {
                    if !self.tell(News { feed: feed.clone(), asked, found: Ok(found) }) {
                        return false;
                    }
                }
                // The broker did not answer: asking about the others would only take longer.
                Err(error) => return self.tell_all(asked, &error),
            }
        }
        true
    }

    async fn ask(&self, feed: &str) -> Result<Option<Vec<Ends>>, BusError> {
        let Some(partitions) = self.admin.partitions(feed).await? else { return Ok(None) };
        let mut ends = Vec::new();
        for partition in 0..partitions {
            let tp = TopicPartition::new(feed, partition);
            ends.push(self.admin.watermarks(&tp).await?);
        }
        Ok(Some(ends))
    }

    fn tell_all(&self, asked: Duration, error: &BusError) -> bool {
        let news = |feed: &String| News {
            feed: feed.clone(),
            asked,
            found: Err(format!("the broker does not answer: {error}")),
        };
        self.feeds.iter().all(|feed| self.tell(news(feed)))
    }

    fn tell(&self, news: News) -> bool {
        !matches!(self.news.try_send(news), Err(TrySendError::Disconnected(_)))
    }
}
