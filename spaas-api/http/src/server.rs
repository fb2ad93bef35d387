//! The HTTP server: who may reach it, how long a slow client may take, how it stops.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::map_request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::classify::ServerErrorsFailureClass;
use tower_http::timeout::TimeoutBody;
use tower_http::trace::TraceLayer;
use tracing::Span;

use crate::problem::Problem;

/// Why an address may not be listened on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} can be reached from other machines, and nothing here asks who is calling; listen on \
     127.0.0.1 or allow external access explicitly"
)]
pub struct ListenError(pub SocketAddr);

/// Refuses an address that other machines can reach, unless that was allowed explicitly.
pub fn check_listen(addr: SocketAddr, allow_external: bool) -> Result<(), ListenError> {
    if allow_external || addr.ip().to_canonical().is_loopback() {
        Ok(())
    } else {
        Err(ListenError(addr))
    }
}

/// Limits of the server as a whole; those of an endpoint are the endpoint's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeSettings {
    /// Time a client has to send a request's header, and an idle connection is kept. Default 30 s.
    pub header_timeout: Duration,
    /// Longest pause between two pieces of a request's body. Default 15 s.
    pub body_stall_timeout: Duration,
    /// Connections served at once; more wait in the listener's backlog. Default 1024.
    pub max_connections: usize,
    /// Bytes a request's header may have. Default 64 KiB.
    pub max_header_bytes: usize,
    /// Names that requests may be addressed to while only this machine can connect, beside
    /// `localhost` and addresses. Without this check a web page could have its own name resolve to
    /// this machine and read every table through its visitor's browser. `*` is any name. Default:
    /// none.
    pub hosts: Vec<String>,
    /// Time open requests get to finish once stopped; then they are cut. Default 10 s.
    pub shutdown_deadline: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            body_stall_timeout: Duration::from_secs(15),
            max_connections: 1024,
            max_header_bytes: 64 << 10,
            hosts: Vec::new(),
            shutdown_deadline: Duration::from_secs(10),
        }
    }
}

/// Serves `app` with the default [`ServeSettings`] until `stop`; see [`serve_with`].
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    serve_with(listener, app, stop, ServeSettings::default()).await;
}

/// Serves `app` over HTTP/1.1 until `stop` is cancelled.
///
/// Order of stopping: no more connections are accepted; idle ones are closed; open requests are
/// answered; after the deadline the rest is cut. Returns when no connection is left.
pub async fn serve_with(
    listener: TcpListener,
    app: Router,
    stop: CancellationToken,
    settings: ServeSettings,
) {
    let local = listener.local_addr().is_ok_and(|addr| addr.ip().to_canonical().is_loopback());
    let any = !local || settings.hosts.iter().any(|host| host == "*");
    let hosts = (!any).then(|| settings.hosts.clone());
    let server = Server {
        app: layers(app, settings.body_stall_timeout, hosts),
        http: http(&settings),
        places: Arc::new(Semaphore::new(settings.max_connections)),
        stop,
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = server.stop.cancelled() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => note(ended),
            (stream, remote, place) = server.accept(&listener) => {
                connections.spawn(server.connection(stream, remote, place));
            }
        }
    }
    drop(listener);
    let ended = tokio::time::timeout(settings.shutdown_deadline, async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    });
    if ended.await.is_err() {
        tracing::warn!(open = connections.len(), "requests cut off at the shutdown deadline");
        connections.shutdown().await;
    }
}

struct Server {
    app: Router,
    http: http1::Builder,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => return (stream, remote, place),
                Err(error) => {
                    // Out of file descriptors, most likely: spinning would make it worse.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        place: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let service = self.app.clone().map_request(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(remote));
            request
        });
        // Answers are written whole; waiting for more to fill a packet only adds latency.
        let _ = stream.set_nodelay(true);
        let connection =
            self.http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let stop = self.stop.clone();
        async move {
            let _place = place;
            let mut connection = std::pin::pin!(connection);
            let result = tokio::select! {
                result = connection.as_mut() => result,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = result {
                tracing::debug!(%remote, %error, "connection ended early");
            }
        }
    }
}

fn http(settings: &ServeSettings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        // hyper asks for at least 8 KiB.
        .max_buf_size(settings.max_header_bytes.max(8 << 10));
    http
}

/// What every request passes: a span and timing in the log (never bodies or query strings, which
/// may hold personal data), a check of the name it is addressed to (`None`: any will do), and a
/// limit on how long its body may stall.
fn layers(app: Router, stall: Duration, hosts: Option<Vec<String>>) -> Router {
    let span = |request: &Request| {
        let (method, path) = (request.method(), request.uri().path());
        tracing::debug_span!("http", %method, path)
    };
    let guard = move |request: Request| {
        let known = hosts.as_ref().is_none_or(|hosts| is_known(request.headers(), hosts));
        let request = request.map(|body| Body::new(TimeoutBody::new(stall, body)));
        std::future::ready(if known { Ok(request) } else { Err(misdirected()) })
    };
    let trace = TraceLayer::new_for_http().make_span_with(span).on_failure(
        |failure: ServerErrorsFailureClass, took: Duration, _: &Span| log_failure(&failure, took),
    );
    app.layer(map_request(guard)).layer(trace)
}

/// A server that refuses what it has no room for must not write a line for each refusal: that is
/// when it has the least time for it.
fn log_failure(failure: &ServerErrorsFailureClass, took: Duration) {
    if matches!(failure, ServerErrorsFailureClass::StatusCode(StatusCode::SERVICE_UNAVAILABLE)) {
        tracing::debug!(?took, "refused for now");
    } else {
        tracing::error!(%failure, ?took, "a request failed");
    }
}

/// Whether a request is addressed to this machine by address, as `localhost`, or by one of `hosts`.
fn is_known(headers: &HeaderMap, hosts: &[String]) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Some(authority) = host.to_str().ok().and_then(|h| h.parse::<Authority>().ok()) else {
        return false;
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let named = |known: &str| name.eq_ignore_ascii_case(known);
    name.parse::<IpAddr>().is_ok() || named("localhost") || hosts.iter().any(|host| named(host))
}

fn misdirected() -> Problem {
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown-host", "Unknown host").detail(
        "address this server by IP address, as localhost, or by a name it is told to accept",
    )
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a request handler panicked; its connection was closed");
    }
}
