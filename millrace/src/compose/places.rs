//! Where a job keeps what is in no table, and in which cluster a stream is.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use millrace_bus::KafkaSettings;
use millrace_events::StreamSchema;
use millrace_processors::CheckpointStore;
use millrace_sinks::Warehouse;
use millrace_spec::{ConnectionKind, ConnectionSpec, Manifests};

use super::{Secrets, Unfit};

/// Folders beside those of the tables. No schema has a hyphen in its name.
const STATE: &str = "job-state";
const BESIDE_TABLES: &str = "job-";
const SAVEPOINTS: &str = "savepoints";

/// Folder of everything that the job keeps while it is not deleted, savepoints aside.
pub(crate) fn state_folder(job: &str) -> String {
    format!("{STATE}/{job}")
}

/// Folder of the job's savepoints.
pub(crate) fn savepoints_folder(job: &str) -> String {
    format!("{BESIDE_TABLES}{SAVEPOINTS}/{job}")
}

/// The checkpoints of a job.
pub(crate) fn checkpoints(warehouse: &Warehouse, job: &str) -> CheckpointStore {
    let (store, path) = warehouse.folder(&format!("{}/checkpoints", state_folder(job)));
    CheckpointStore::new(store, path)
}

/// What the control plane calls `savepoints/JOB/ID`.
pub(crate) fn savepoint(warehouse: &Warehouse, path: &str) -> CheckpointStore {
    let (store, path) = savepoint_path(warehouse, path);
    CheckpointStore::new(store, path)
}

/// The same as the store and the path in it.
pub(crate) fn savepoint_path(warehouse: &Warehouse, path: &str) -> (Arc<dyn ObjectStore>, Path) {
    warehouse.folder(&savepoint_folder(path))
}

/// Folder of the same.
pub(crate) fn savepoint_folder(path: &str) -> String {
    format!("{BESIDE_TABLES}{path}")
}

/// The cluster of `stream`: that of its connection, or `default`. Secrets stay references; a client
/// resolves them when it starts.
pub(crate) fn kafka_of(
    manifests: &Manifests,
    stream: &StreamSchema,
    default: &KafkaSettings,
    allowed: &Secrets,
) -> Result<KafkaSettings, Unfit> {
    let extras = manifests.stream_extras.get(&stream.name);
    let Some(name) = extras.and_then(|extras| extras.connection.as_ref()) else {
        return Ok(default.clone());
    };
    let connection = manifests.connections.iter().find(|connection| connection.name == *name);
    let Some(ConnectionSpec {
        kind: ConnectionKind::Kafka { bootstrap, properties }, secrets, ..
    }) = connection
    else {
        let stream = &stream.name;
        let why = format!("stream `{stream}`: there is no Kafka connection `{name}`");
        return Err(Unfit::Spec(why));
    };
    for secret in secrets.values() {
        let why = |error| Unfit::Spec(format!("connection `{name}`: {error}"));
        allowed.check(secret).map_err(why)?;
    }
    let secrets = secrets.iter().map(|(option, secret)| (option.clone(), secret.to_string()));
    let properties = properties.clone().into_iter().chain(secrets).collect();
    Ok(KafkaSettings { bootstrap: bootstrap.clone(), properties })
}

#[cfg(test)]
mod tests {
    use millrace_spec::{SecretRef, StreamExtras};

    use super::*;

    #[test]
    fn a_stream_is_read_over_its_own_connection() {
        let text = crate::manifests::DEMO;
        let read = crate::manifests::load_text(std::path::Path::new("demo.yaml"), text);
        let mut manifests = read.expect("the demo is right");
        let stream = manifests.streams.values().next().expect("it has streams").clone();
        let default = KafkaSettings::plain("here:1");
        let args = crate::cli::SecretArgs { secrets: Some("/run/secrets".into()) };
        let store = crate::cli::StoreArgs { data: "data".into(), store: None };
        let allowed = Secrets::of(&args, &store).unwrap();
        let kafka_of = |manifests: &Manifests| kafka_of(manifests, &stream, &default, &allowed);
        assert_eq!(kafka_of(&manifests).unwrap(), default);

        let connection = Some("far".parse().unwrap());
        let extras = StreamExtras { connection, retention: None };
        manifests.stream_extras.insert(stream.name.clone(), extras);
        let missing = kafka_of(&manifests).unwrap_err().to_string();
        assert!(missing.ends_with("there is no Kafka connection `far`"), "{missing}");

        let properties = [("security.protocol".to_owned(), "sasl_ssl".to_owned())].into();
        let secret = SecretRef::Env("MILLRACE_SECRET_FAR".to_owned());
        manifests.connections.push(ConnectionSpec {
            name: "far".parse().unwrap(),
            kind: ConnectionKind::Kafka { bootstrap: "far:2".to_owned(), properties },
            secrets: [("sasl.password".to_owned(), secret)].into(),
        });
        let far = kafka_of(&manifests).unwrap();
        assert_eq!(far.bootstrap, "far:2");
        assert_eq!(far.properties["sasl.password"], "env:MILLRACE_SECRET_FAR");
        assert_eq!(far.properties["security.protocol"], "sasl_ssl");

        let elsewhere = SecretRef::File("/etc/shadow".into());
        manifests.connections[0].secrets.insert("sasl.password".to_owned(), elsewhere);
        let refused = kafka_of(&manifests).unwrap_err().to_string();
        assert!(refused.contains("/etc/shadow is not below /run/secrets"), "{refused}");
    }
}
