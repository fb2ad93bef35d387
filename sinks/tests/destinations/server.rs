//! An HTTP endpoint that remembers what it was sent and answers as told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use tokio::task::JoinSet;

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(u16),
    With(u16, Vec<(&'static str, String)>, String),
    /// A status and a body that never ends.
    Endless(u16),
    Silence,
}

#[derive(Default)]
struct Memory {
    seen: Vec<Seen>,
    answers: VecDeque<Answer>,
    broken: bool,
}

/// The endpoint; stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let memory = Arc::new(Mutex::new(Memory::default()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&memory));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("is bound");
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Self { address, memory, _task: task }
    }

    /// Answers the next requests so, and all after them with 200.
    pub(crate) fn will_answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.memory.lock().expect("not poisoned").answers.extend(answers);
    }

    /// Answers 503 from now on, or no longer.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.memory.lock().expect("not poisoned").broken = broken;
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.memory.lock().expect("not poisoned").seen.clone()
    }
}

async fn answer(
    State(memory): State<Arc<Mutex<Memory>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let answer = {
        let mut memory = memory.lock().expect("not poisoned");
        if memory.broken {
            Answer::Status(503)
        } else {
            let path = uri.to_string();
            memory.seen.push(Seen { path, headers, body });
            memory.answers.pop_front().unwrap_or(Answer::Status(200))
        }
    };
    let (status, headers, body) = match answer {
        Answer::Status(status) => (status, vec![], Body::empty()),
        Answer::With(status, headers, body) => (status, headers, Body::from(body)),
        Answer::Endless(status) => {
            let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 8192]));
            (status, vec![], Body::from_stream(futures::stream::repeat_with(chunk)))
        }
        Answer::Silence => std::future::pending().await,
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().expect("a header value"));
    }
    response
}
