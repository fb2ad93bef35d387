//! Accepts connections and answers Kafka requests on them.

use std::io::ErrorKind;

use rama::Service as _;
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_storage::slate::Engine;
use tansu_storage::{BrokerRegistrationRequest, Storage as _, StorageContainer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The cluster's name.
pub(super) const CLUSTER: &str = "millrace";
/// The only broker's number.
pub(super) const NODE: i32 = 1;

/// Serves until `stopping`. Connections are then dropped: what was not acknowledged may be sent again.
pub(super) async fn serve(listener: TcpListener, engine: Engine, stopping: CancellationToken) {
    let registration = BrokerRegistrationRequest {
        broker_id: NODE,
        cluster_id: CLUSTER.to_owned(),
        incarnation_id: uuid::Uuid::new_v4(),
        rack: None,
    };
    if let Err(error) = engine.register_broker(registration).await {
        tracing::error!(target: "broker", %error, "the embedded broker cannot register");
        return;
    }
    let storage = StorageContainer::Slate(engine);
    let groups = match Controller::with_storage(storage.clone()) {
        Ok(groups) => groups,
        Err(error) => {
            tracing::error!(target: "broker", %error, "the group coordinator cannot start");
            return;
        }
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, groups.clone(), storage.clone()));
                }
                Err(error) => tracing::warn!(target: "broker", %error, "a connection was not accepted"),
            },
        }
    }
    connections.shutdown().await;
}

async fn connection(
    stream: TcpStream,
    groups: Controller<StorageContainer>,
    storage: StorageContainer,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(target: "broker", %error, "no delay");
    }
    let service = match tansu_broker::service::services(CLUSTER, groups, storage, None) {
        Ok(service) => service,
        Err(error) => {
            tracing::error!(target: "broker", %error, "no service for a connection");
            return;
        }
    };
    match service.serve(rama::Context::default(), stream).await {
        Err(tansu_broker::Error::Io(io))
            if matches!(
                io.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ) => {}
        Err(error) => tracing::warn!(target: "broker", %error, "a connection failed"),
        Ok(()) => {}
    }
}
