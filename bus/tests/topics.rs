//! Topics created by many clients at once.

use tokio::task::JoinSet;

use millrace_bus::Admin;
use millrace_bus::testing::TestBroker;

const CLIENTS: usize = 12;
const TOPICS_EACH: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_create_topics_at_once() {
    let broker = TestBroker::start().await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let admin = Admin::new(&broker.settings()).expect("a client");
        let topics: Vec<_> = (0..TOPICS_EACH).map(|_| broker.topic("many")).collect();
        clients.spawn(async move {
            for topic in topics {
                assert_eq!(admin.ensure_topic(&topic, 3).await.expect("created"), 3);
                assert_eq!(admin.partitions(&topic).await.expect("asked"), Some(3));
            }
        });
    }
    clients.join_all().await;
    broker.stop().await;
}
