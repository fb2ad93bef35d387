//! `millrace-s3 ROOT [ADDR]`: serves the folders under ROOT as buckets; prints the address it
//! bound.
//!
//! s3s-fs speaks the protocol (SigV4, multipart, ranges, listing) but looks whether an object
//! exists long before it renames the new one into place, so two conditional writers could both win.
//! Every write that makes an object visible therefore runs alone here. The body is read whole
//! before that, or one stalled client would hold up all the others.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// The service, and the turn that writers take.
#[derive(Clone)]
struct Server {
    s3: S3Service,
    turn: Arc<Mutex<()>>,
}

/// Whether the request makes an object visible: a whole put, a copy, or the end of a multipart
/// upload.
fn publishes(request: &Request<Incoming>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match *request.method() {
        Method::PUT => !has("partNumber"),
        Method::POST => has("uploadId"),
        _ => false,
    }
}

impl Server {
    /// Answers one request. Never fails: an error of the service itself is a 500.
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let answer = if publishes(&request) {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else {
                return Ok(status(StatusCode::BAD_REQUEST));
            };
            let _turn = self.turn.lock().await;
            self.s3.call(Request::from_parts(head, Body::from(body.to_bytes()))).await
        } else {
            self.s3.call(request.map(Body::from)).await
        };
        Ok(answer.unwrap_or_else(|error| {
            eprintln!("millrace-s3: {error:?}");
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }))
    }
}

fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().context("usage: millrace-s3 ROOT [ADDR]")?);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let env = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    std::fs::create_dir_all(&root).with_context(|| format!("create {}", root.display()))?;
    let files = s3s_fs::FileSystem::new(&root)
        .map_err(|e| anyhow::anyhow!("open {}: {e:?}", root.display()))?;
    let mut builder = S3ServiceBuilder::new(files);
    let key = env("AWS_ACCESS_KEY_ID", "millrace");
    builder.set_auth(SimpleAuth::from_single(key, env("AWS_SECRET_ACCESS_KEY", "millrace-secret")));
    let server = Server { s3: builder.build(), turn: Arc::default() };
    let listener = TcpListener::bind(&addr).await.with_context(|| format!("bind {addr}"))?;
    println!("{}", listener.local_addr()?);
    serve(listener, server).await
}

/// Accepts until the process is told to end; the connections are owned here and end with it.
async fn serve(listener: TcpListener, server: Server) -> Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await?;
        let server = server.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| server.clone().answer(request));
            let http = Builder::new(TokioExecutor::new());
            // A client that goes away is the client's business.
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
