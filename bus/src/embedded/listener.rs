//! Accepts connections and answers Kafka requests on them.

use std::io::ErrorKind;
use std::time::Duration;

use rama::Service as _;
use rama::layer::Layer as _;
use tansu_service::{BytesFrameLayer, TcpBytesLayer, TcpContext, TcpContextLayer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::routes::Routes;

/// The cluster's name.
pub(super) const CLUSTER: &str = "millrace";
/// After a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The only broker's number.
pub(super) const NODE: i32 = 1;

/// Serves until `stopping`. Connections are then dropped: what was not acknowledged may be sent
/// again.
pub(super) async fn serve(listener: TcpListener, routes: Routes, stopping: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, routes.clone()));
                }
                Err(error) => {
                    tracing::warn!(target: "broker", %error, "a connection was not accepted");
                    // Out of file descriptors, most likely: do not spin on it.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, routes: Routes) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(target: "broker", %error, "no delay");
    }
    let context = TcpContext::default().cluster_id(Some(CLUSTER.to_owned()));
    let service =
        (TcpContextLayer::new(context), TcpBytesLayer::default(), BytesFrameLayer::default())
            .into_layer(routes);
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
