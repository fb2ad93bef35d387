//! A cluster behind TLS and a password.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use millrace_bus::{Admin, BusError, KafkaSettings, Producer, ProducerLimits};
use millrace_events::{Outgoing, Transport};

/// The folder `deploy/kafka/start.sh` was given. There is a secured listener only on a real
/// cluster: on the embedded broker this says so and has nothing to try.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("MILLRACE_TEST_KAFKA_SECURED").map(PathBuf::from);
    if folder.is_none() {
        let real = std::env::var_os("MILLRACE_TEST_KAFKA").is_some();
        assert!(!real, "set MILLRACE_TEST_KAFKA_SECURED to the folder Kafka was started in");
        println!("no real Kafka: the embedded broker has no secured listener");
    }
    folder
}

fn read(folder: &std::path::Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect("start.sh wrote it").trim().to_owned()
}

fn settings(folder: &std::path::Path, password: &str, ca: &str) -> KafkaSettings {
    let mut settings = KafkaSettings::plain(read(folder, "secured"));
    let properties = [
        ("security.protocol", "sasl_ssl"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "millrace"),
        ("sasl.password", password),
        ("ssl.ca.location", ca),
    ];
    settings.properties = properties.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_is_let_in_and_a_wrong_one_is_named() {
    let Some(folder) = folder() else { return };
    let ca = folder.join("ca.pem").display().to_string();
    let password = format!("file:{}", folder.join("password").display());
    let good = settings(&folder, &password, &ca);
    let topic = format!("secured-{}", uuid::Uuid::new_v4().simple());
    let admin = Admin::new(&good).expect("a client");
    assert_eq!(admin.ensure_topic(&topic, 2).await.expect("created"), 2);
    let limits = ProducerLimits { queue_bytes: 1 << 20, linger: Duration::from_millis(1) };
    let producer = Producer::new(&good, limits).expect("a producer");
    let record = Outgoing {
        topic: topic.as_str().into(),
        partition: None,
        key: None,
        value: Some(Bytes::from_static(b"{}")),
        headers: Vec::new(),
        timestamp_ms: None,
    };
    assert_eq!(producer.send(vec![record]).await, [Ok(())]);

    let wrong = settings(&folder, "guessed", &ca);
    let error = Admin::new(&wrong).expect("a client").partitions(&topic).await;
    let error = error.expect_err("must be refused");
    let text = error.to_string();
    assert!(matches!(error, BusError::Refused { .. }), "{text}");
    assert!(text.contains("check the user name and password") && !text.contains("guessed"));
}
