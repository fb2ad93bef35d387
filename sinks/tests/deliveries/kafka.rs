//! The Kafka delivery without a broker.

use std::time::Duration;

use millrace_bus::{KafkaSettings, ProducerLimits};
use millrace_sinks::KafkaDeliverySettings;

use crate::rows::route;

#[test]
fn settings_do_not_show_secrets() {
    let mut kafka = KafkaSettings::plain("127.0.0.1:1");
    kafka.properties.insert("sasl.password".to_owned(), "hunter2".to_owned());
    let limits = ProducerLimits { queue_bytes: 1 << 20, linger: Duration::from_millis(5) };
    let topic = "out".to_owned();
    let settings =
        KafkaDeliverySettings { route: route(), kafka, limits, topic, key: None, id: None };
    let shown = format!("{settings:?}");
    assert!(shown.contains("127.0.0.1:1") && !shown.contains("hunter2"), "{shown}");
}
