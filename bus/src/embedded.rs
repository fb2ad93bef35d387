//! A Kafka-protocol broker inside this process, on a local folder.

use std::net::SocketAddr;
use std::path::Path;

use crate::BusError;

/// A running broker.
pub struct EmbeddedBroker {
    address: SocketAddr,
}

#[expect(unused_variables, clippy::unused_async)]
impl EmbeddedBroker {
    /// Starts on `dir`.
    pub async fn start(dir: &Path, listen: SocketAddr) -> Result<Self, BusError> {
        todo!()
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops.
    pub async fn stop(self) {}
}
