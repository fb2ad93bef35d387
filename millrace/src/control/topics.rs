//! Topics as the control plane wants them.

use async_trait::async_trait;

use millrace_bus::{Admin, TopicSettings};
use millrace_control::{SeamError, TopicNeed, Topics};

use super::of_bus;

/// Topics of one cluster.
pub(crate) struct TopicsOf(Admin);

impl TopicsOf {
    pub(crate) fn new(admin: Admin) -> Self {
        Self(admin)
    }
}

#[async_trait]
impl Topics for TopicsOf {
    async fn ensure(&self, need: &TopicNeed) -> Result<Vec<String>, SeamError> {
        let TopicNeed { topic, partitions, retention, compacted } = need;
        let wanted =
            TopicSettings { partitions: *partitions, retention: *retention, compacted: *compacted };
        let state = self.0.ensure_topic_with(topic, &wanted).await.map_err(of_bus)?;
        let differences = state.differences(&wanted, "its declaration");
        Ok(differences.into_iter().map(|how| format!("topic `{topic}` {how}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millrace_bus::testing::TestBroker;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_missing_topic_is_made_and_one_that_differs_is_told() {
        let broker = TestBroker::start().await;
        let topics = TopicsOf::new(Admin::new(&broker.settings()).unwrap());
        let topic = broker.topic("need");
        let hour = Some(Duration::from_hours(1));
        let need = TopicNeed { topic, partitions: 2, retention: hour, compacted: false };
        assert_eq!(topics.ensure(&need).await.unwrap(), [""; 0]);
        assert_eq!(topics.ensure(&need).await.unwrap(), [""; 0], "it is as it was made");
        let other = TopicNeed { partitions: 3, ..need.clone() };
        let told = topics.ensure(&other).await.unwrap();
        let name = &need.topic;
        let expected = format!("topic `{name}` has 2 partitions, its declaration says 3");
        assert_eq!(told, [expected]);
    }
}
