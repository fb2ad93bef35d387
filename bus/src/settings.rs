//! How to reach a cluster.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;

use crate::BusError;

/// A Kafka cluster and how to authenticate with it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, comma separated.
    pub bootstrap: String,
    /// Client properties: `security.protocol`, `sasl.*`, `ssl.*`, `client.id` and a few more. A value
    /// `env:NAME` or `file:PATH` is read from there when a client starts.
    pub properties: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// A cluster without authentication.
    pub fn plain(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into(), properties: BTreeMap::new() }
    }

    pub(crate) fn client(&self) -> Result<ClientConfig, BusError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        Ok(config)
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}
