//! A server that answers what it was told to, and a command line around the commands.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::Value;
use tokio::task::JoinSet;

use millrace_client::{Context, ControlCommand, ExitKind, JobVerb, run_in, run_job_in};
use millrace_events::Clock;

/// The token of all tests; nothing that is printed may hold it.
pub(crate) const CANARY: &str = "mlr_canary_0123456789abcdef";

/// Mounted as the binary mounts them.
#[derive(Debug, Parser)]
#[command(name = "millrace")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Control(ControlCommand),
    /// Streaming SQL jobs.
    Job(JobArgs),
}

#[derive(Debug, Args)]
struct JobArgs {
    #[command(subcommand)]
    verb: JobVerb,
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Reply = (u16, Vec<(&'static str, &'static str)>, String);

#[derive(Default)]
struct Script {
    replies: Mutex<BTreeMap<String, Vec<Reply>>>,
    seen: Mutex<Vec<Seen>>,
}

/// A server that answers what it was told to; the last answer of a request again and again.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
    _tasks: JoinSet<()>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let script = Arc::new(Script::default());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, script, _tasks: tasks }
    }

    /// Answers `METHOD /path` with JSON.
    pub(crate) fn on(&self, request: &str, status: u16, body: &Value) -> &Self {
        self.reply(request, (status, vec![("content-type", "application/json")], body.to_string()))
    }

    /// Answers with a problem document.
    pub(crate) fn problem(&self, request: &str, status: u16, kind: &str, more: &Value) -> &Self {
        let mut body = serde_json::json!({
            "type": format!("urn:millrace:problem:{kind}"), "title": "It is not right",
            "status": status,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let media = vec![("content-type", "application/problem+json")];
        self.reply(request, (status, media, body.to_string()))
    }

    pub(crate) fn reply(&self, request: &str, reply: Reply) -> &Self {
        let mut replies = self.script.replies.lock().unwrap();
        replies.entry(request.to_owned()).or_default().push(reply);
        self
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// Runs a command against this server, with the token in the environment.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        let server = format!("http://{}", self.address);
        let mut all = args.to_vec();
        all.extend(["--server", &server]);
        run(&all, &[("MILLRACE_TOKEN", CANARY)], "").await
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let line = format!("{} {}", parts.method, parts.uri);
    script.seen.lock().unwrap().push(Seen {
        line: line.clone(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let path = format!("{} {}", parts.method, parts.uri.path());
    let mut replies = script.replies.lock().unwrap();
    let key = if replies.contains_key(&line) { line } else { path };
    let Some(list) = replies.get_mut(&key) else {
        let mut response = Response::new(Body::from("no such thing"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let (status, headers, body) = if list.len() > 1 { list.remove(0) } else { list[0].clone() };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: ExitKind,
    pub(crate) out: String,
    pub(crate) talk: String,
}

impl Ran {
    /// The output, once it is sure that all went well.
    pub(crate) fn good(self) -> String {
        assert_eq!(self.exit, ExitKind::Done, "{self:?}");
        self.out
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A clock that goes on by a second with each look.
#[derive(Debug, Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now_ms(&self) -> i64 {
        1_800_000_000_000
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Runs a command line; `input` is what somebody types, nobody is there if it is empty.
pub(crate) async fn run(
    args: &[&str],
    env: &'static [(&'static str, &'static str)],
    input: &'static str,
) -> Ran {
    let (out, talk) = (Buffer::default(), Buffer::default());
    let mut keys = 0;
    let mut ctx = Context {
        out: Box::new(out.clone()),
        talk: Box::new(talk.clone()),
        input: Box::new(input.as_bytes()),
        out_terminal: false,
        talk_terminal: false,
        input_terminal: !input.is_empty(),
        env: Box::new(|name| {
            env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        }),
        clock: Arc::new(Ticking::default()),
        new_key: Box::new(move || {
            keys += 1;
            format!("key-{keys}")
        }),
        pauses: vec![Duration::from_millis(1); 3],
        poll: Duration::from_millis(1),
    };
    let mut line = vec!["millrace"];
    line.extend(args);
    let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
    let exit = match cli.command {
        Command::Control(command) => run_in(command, Cli::command(), &mut ctx).await,
        Command::Job(job) => run_job_in(job.verb, &mut ctx).await,
    };
    let ran = Ran { exit, out: out.text(), talk: talk.text() };
    assert!(!format!("{ran:?}").contains(CANARY), "the token was printed: {ran:?}");
    ran
}

/// Checks the whole command line: no two options of one name, no default that is none.
pub(crate) fn check_the_command_line() {
    Cli::command().debug_assert();
}

/// The help of a command.
pub(crate) fn help(args: &[&str]) -> String {
    let mut line = vec!["millrace"];
    line.extend(args);
    line.push("--help");
    Cli::try_parse_from(line).expect_err("help ends the reading").to_string()
}

/// A folder with files.
pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The text without the folder's name.
pub(crate) fn without(text: &str, folder: &tempfile::TempDir) -> String {
    text.replace(&format!("{}/", folder.path().display()), "")
}
