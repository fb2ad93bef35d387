//! How to reach a cluster: addresses, and client properties that are checked, resolved and never
//! shown.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::BusError;

/// Properties a user may set. Everything else is chosen by the code that relies on it.
const ALLOWED: &[&str] = &[
    "broker.address.family",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "metadata.max.age.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.sigalgs.list",
];

/// Of these the value is a secret unless it is a reference.
const SECRET: &[&str] =
    &["sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password"];

/// Mechanisms this build of the client library speaks.
const MECHANISMS: &[&str] = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// A Kafka cluster and how to authenticate with it. `Debug` does not show secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, comma separated.
    pub bootstrap: String,
    /// Client properties: `security.protocol`, `sasl.*`, `ssl.*`, `client.id` and a few more. A
    /// value `env:NAME` or `file:PATH` is read from there when a client starts.
    pub properties: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// A cluster without authentication.
    pub fn plain(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into(), properties: BTreeMap::new() }
    }

    /// Every mistake in these settings, each with what to do.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for address in self.bootstrap.split(',').map(str::trim) {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
                found.push(format!("Kafka address `{address}` is not HOST:PORT"));
            }
        }
        for (name, value) in &self.properties {
            if !ALLOWED.contains(&name.as_str()) {
                found.push(format!(
                    "Kafka property `{name}` cannot be set; these can: {}",
                    ALLOWED.join(", ")
                ));
            }
            let mechanism = name.starts_with("sasl.mechanism");
            if mechanism && !MECHANISMS.contains(&value.as_str()) && reference(value).is_none() {
                let known = MECHANISMS.join(", ");
                found.push(format!("`{name}` is `{value}`; this build speaks {known}"));
            }
        }
        found
    }

    /// A client configuration with references resolved.
    pub(crate) fn client(&self) -> Result<ClientConfig, BusError> {
        let mistakes = self.mistakes();
        if !mistakes.is_empty() {
            return Err(BusError::refused(mistakes.join("\n")));
        }
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "millrace")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in &self.properties {
            config.set(name, resolve(name, value)?);
        }
        Ok(config)
    }
}

enum Reference<'a> {
    Environment(&'a str),
    File(&'a str),
}

fn reference(value: &str) -> Option<Reference<'_>> {
    let environment = value.strip_prefix("env:").map(Reference::Environment);
    environment.or_else(|| value.strip_prefix("file:").map(Reference::File))
}

fn resolve(name: &str, value: &str) -> Result<String, BusError> {
    let fail = |why: String| BusError::refused(format!("Kafka property `{name}`: {why}"));
    match reference(value) {
        None => Ok(value.to_owned()),
        Some(Reference::Environment(variable)) => std::env::var(variable)
            .map_err(|e| fail(format!("environment variable `{variable}`: {e}"))),
        Some(Reference::File(path)) => std::fs::read_to_string(path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|e| fail(format!("file `{path}`: {e}"))),
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&String, &String)| {
            // A property nobody may set could be a misspelt secret.
            let open = ALLOWED.contains(&name.as_str()) && !SECRET.contains(&name.as_str());
            let show = open || reference(value).is_some();
            (name.clone(), if show { value.clone() } else { "…".to_owned() })
        };
        let properties: BTreeMap<_, _> = self.properties.iter().map(shown).collect();
        f.debug_struct("KafkaSettings")
            .field("bootstrap", &self.bootstrap)
            .field("properties", &properties)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(properties: &[(&str, &str)]) -> KafkaSettings {
        let properties = properties.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        KafkaSettings { bootstrap: "localhost:9092".into(), properties }
    }

    #[test]
    fn secrets_are_not_shown_and_references_are() {
        let text = format!(
            "{:?}",
            with(&[
                ("sasl.password", "hunter2"),
                ("ssl.key.password", "env:KEY_PASSWORD"),
                ("sasl.pasword", "hunter3"),
                ("sasl.username", "router"),
            ])
        );
        assert!(!text.contains("hunter"), "{text}");
        assert!(text.contains("env:KEY_PASSWORD") && text.contains("router"), "{text}");
    }

    #[test]
    fn every_mistake_is_listed() {
        let mut settings = with(&[("enable.auto.commit", "true"), ("sasl.mechanism", "GSSAPI")]);
        settings.bootstrap = "localhost, :9092,ok:1".into();
        let mistakes = settings.mistakes();
        assert_eq!(mistakes.len(), 4, "{mistakes:#?}");
        assert!(matches!(settings.client(), Err(BusError::Refused { .. })));
    }

    #[test]
    fn references_are_resolved_when_a_client_starts() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), "s3cret\n").expect("written");
        let path = format!("file:{}", file.path().display());
        let config = with(&[("sasl.password", &path)]).client().expect("resolved");
        assert_eq!(config.get("sasl.password"), Some("s3cret"), "without the line end");
        let error = with(&[("sasl.password", "env:MILLRACE_NO_SUCH_VARIABLE")]).client();
        assert!(error.expect_err("not set").to_string().contains("MILLRACE_NO_SUCH_VARIABLE"));
    }
}
