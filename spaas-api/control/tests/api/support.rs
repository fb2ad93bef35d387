//! A server of its own for every test, and requests to it.

use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use millrace_control::access::Access;
use millrace_control::admission::Admission;
use millrace_control::api::{ControlParts, router};
use millrace_control::model::{Binding, Role};
use millrace_control::store::Store;
use millrace_events::{Clock, SystemClock};
use millrace_http::server::serve;

use crate::engine::{Board, Engine, Log, Runs, Shared, Warehouse};

/// A stream, as YAML.
pub(crate) const PLAYS: &str = "\
kind: Stream
metadata:
  name: plays
spec:
  format: json
  columns:
    - { name: id, type: string }
    - { name: at, type: timestamp_ms }
    - { name: member, type: int64 }
";

/// A job over it, as YAML.
pub(crate) const COUNTS: &str = "\
kind: Job
metadata:
  name: counts
spec:
  sql: INSERT INTO counts SELECT member FROM plays
";

/// A server and what it stands on.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) admin: String,
    pub(crate) access: Access,
    pub(crate) store: Store,
    pub(crate) board: Shared<Board>,
    pub(crate) engine: Shared<Engine>,
    pub(crate) log: Shared<Log>,
    // Ends with the test.
    _serving: JoinSet<()>,
    _folder: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The answer, if its status is this one.
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// The problem, if it is one of this status and kind.
    pub(crate) fn problem(self, status: u16, kind: &str) -> Value {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:millrace:problem:{kind}"), "{problem:#}");
        problem
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_at(Arc::new(SystemClock::default())).await
    }

    pub(crate) async fn start_at(clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}?mode=rwc", folder.path().join("control.db").display());
        let store = Store::open(&url).await.unwrap();
        let (board, engine, log) = (Arc::default(), Arc::default(), Arc::default());
        let (planner, topics) = (Arc::<Engine>::clone(&engine), Arc::<Log>::clone(&log));
        let admission =
            Admission::new(store.clone(), planner.clone(), topics.clone(), clock.clone());
        let access = Access::new(store.clone(), clock.clone());
        let everywhere = Binding { namespace: "*".to_owned(), role: Role::Admin };
        let admin = access.create_token("admin", vec![everywhere], None).await.unwrap();
        let parts = ControlParts {
            store: store.clone(),
            admission: Arc::new(admission),
            access: access.clone(),
            planner,
            topics,
            tables: Arc::new(Warehouse),
            launcher: Arc::new(Runs),
            live: Arc::<Board>::clone(&board),
            clock,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = router(parts);
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, app, CancellationToken::new()));
        let client = Client::new();
        let admin = admin.text.reveal();
        Self {
            url,
            client,
            admin,
            access,
            store,
            board,
            engine,
            log,
            _serving: serving,
            _folder: folder,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.admin)
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// PUT of YAML.
    pub(crate) async fn put(&self, path: &str, manifest: &str) -> Answer {
        self.send(yaml(self.request(Method::PUT, path), manifest)).await
    }

    /// POST of YAML.
    pub(crate) async fn post_yaml(&self, path: &str, manifests: &str) -> Answer {
        self.send(yaml(self.request(Method::POST, path), manifests)).await
    }

    /// POST of JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }
}

pub(crate) fn yaml(request: RequestBuilder, text: &str) -> RequestBuilder {
    request.header("content-type", "application/yaml").body(text.to_owned())
}
