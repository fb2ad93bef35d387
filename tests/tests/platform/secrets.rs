//! A secret is where it is needed, and in nothing that the platform writes, says or answers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;

use millrace_tests::{Api, Millrace, Site, eventually, millrace_binary};

/// In a variable: what the HTTP endpoint is to be sent.
const HEADER: &str = "canary-of-the-header-5f1e77c0";
/// In a file: what Kafka's client is given.
const PASSWORD: &str = "canary-of-kafka-91bd20aa";
/// Written into manifests by somebody who should not have.
const OPEN: &str = "canary-in-the-open-c33f08d1";

/// An endpoint that refuses the first request and repeats, as some do, what it was sent.
struct Endpoint {
    url: String,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    _serving: JoinSet<()>,
}

impl Endpoint {
    async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/in", listener.local_addr()?);
        let seen = Arc::<Mutex<Vec<HeaderMap>>>::default();
        let taken = Arc::clone(&seen);
        let app = Router::new().fallback(async move |headers: HeaderMap| {
            let echo = format!("not now; your headers were {headers:?}");
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.push(headers);
            let first = taken.len() == 1;
            (if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, echo)
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { url, seen, _serving: serving })
    }

    /// The second of the requests that came, once it has come.
    async fn second(&self) -> Result<HeaderMap> {
        eventually("the repeated request", async || {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(seen.get(1).cloned())
        })
        .await
    }
}

/// Everything that was written, said and answered, and by whom.
#[derive(Default)]
struct Heard(Vec<(String, String)>);

impl Heard {
    fn add(&mut self, by: impl Into<String>, bytes: &[u8]) {
        self.0.push((by.into(), String::from_utf8_lossy(bytes).into_owned()));
    }

    /// Who said `text`.
    fn of(&self, text: &str) -> Vec<&str> {
        self.0.iter().filter(|(_, said)| said.contains(text)).map(|(by, _)| by.as_str()).collect()
    }

    /// Every file below `folder` but those in `own`.
    fn files(&mut self, folder: &Path, own: &[PathBuf]) -> Result<()> {
        for entry in std::fs::read_dir(folder)?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.files(&path, own)?;
            } else if path.is_file() && !own.contains(&path) {
                // One may go while it is looked at.
                if let Ok(bytes) = std::fs::read(&path) {
                    self.add(path.display().to_string(), &bytes);
                }
            }
        }
        Ok(())
    }

    /// The command line of every process.
    fn processes(&mut self) -> Result<()> {
        for entry in std::fs::read_dir("/proc")?.flatten() {
            // One may end while it is looked at.
            if let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) {
                let words: Vec<_> = bytes.split(|b| *b == 0).collect();
                self.add(format!("{}", entry.path().display()), &words.join(&b' '));
            }
        }
        Ok(())
    }

    /// The answer to a `GET` of `path`, which begins after `/v1`.
    async fn get(&mut self, api: &Api, path: &str) -> Result<()> {
        let response = api.request(Method::GET, path).send().await?;
        let (status, headers) = (response.status(), format!("{:?}", response.headers()));
        let body = response.text().await?;
        self.add(format!("GET {path}"), format!("{headers}\n{body}").as_bytes());
        ensure!(status.is_success(), "GET {path}: {status} {body}");
        Ok(())
    }

    /// What the command line says to `words`; the exit code.
    async fn run(&mut self, site: &Site, words: &[&str]) -> Result<i32> {
        let mut command = Command::new(millrace_binary());
        command.args(words).arg("--data").arg(site.path("data")).env("NO_COLOR", "1");
        let output = command.current_dir(site.path("")).output().await?;
        let all = [&output.stdout[..], &output.stderr[..]].concat();
        self.add(words.join(" "), &all);
        output.status.code().context("killed")
    }

    /// The same for what must go well.
    async fn done(&mut self, site: &Site, words: &[&str]) -> Result<()> {
        let code = self.run(site, words).await?;
        let said = self.0.last().map(|(_, said)| said.as_str()).unwrap_or_default();
        ensure!(code == 0, "{words:?}: {code}\n{said}");
        Ok(())
    }
}

/// Files that are there to hold a secret.
fn own(site: &Site) -> Vec<PathBuf> {
    ["data/secrets/kafka", "data/admin.token", "new.token"].map(|name| site.path(name)).to_vec()
}

/// Two connections and what uses them.
fn manifests(site: &Site, endpoint: &str, kafka: &str) -> String {
    let secret = format!("file:{}", site.path("data/secrets/kafka").display());
    let columns = json!([{ "name": "id", "type": "string" }]);
    let document = |kind: &str, name: &str, spec: Value| {
        json!({ "kind": kind, "metadata": { "name": name }, "spec": spec }).to_string()
    };
    let hook = json!({
        "http": { "headers": { "x-team": "films" } },
        "secrets": { "Authorization": "env:MILLRACE_SECRET_HOOK" },
    });
    let cluster = json!({
        "kafka": { "bootstrap": kafka }, "secrets": { "sasl.password": secret },
    });
    let plays = json!({ "format": "json", "columns": columns });
    let far = json!({ "format": "json", "columns": columns, "connection": "cluster" });
    let http = json!({ "url": endpoint, "allow_private": true, "connection": "hook" });
    let copies = json!({
        "sql": "INSERT INTO copied SELECT id FROM far", "checkpoint": { "interval": "200ms" },
    });
    [
        document("Connection", "hook", hook),
        document("Connection", "cluster", cluster),
        document("Stream", "plays", plays),
        document("Stream", "far", far),
        document("Route", "out", json!({ "from": "plays", "to": { "http": http } })),
        document("Job", "copies", copies),
    ]
    .join("\n---\n")
}

/// Specs of connections that are wrong, each with [`OPEN`] in it.
fn wrong() -> Vec<String> {
    let kafka = |rest: &str| format!("{{ kafka: {{ bootstrap: 'a:1', {rest} }} }}");
    vec![
        format!("{{ http: {{ headers: {{ Authorization: {OPEN} }} }} }}"),
        format!("{{ http: {{ headers: {{ x-any: Bearer {OPEN} }} }} }}"),
        format!("{{ http: {{}}, secrets: {{ x-token: {OPEN} }} }}"),
        format!("{{ http: {{}}, secrets: {{ x-token: 'env:{OPEN}' }} }}"),
        format!("{{ http: {{}}, secrets: {{ x-token: 'file:{OPEN}' }} }}"),
        kafka(&format!("properties: {{ sasl.password: {OPEN} }}")),
        kafka(&format!("properties: {{ ssl.key.pem: {OPEN} }}")),
        kafka(&format!("properties: {{ client.id: 'env:{OPEN}' }}")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_where_they_are_needed_and_nowhere_else() -> Result<()> {
    let site = Site::empty()?;
    std::fs::create_dir_all(site.path("data/secrets"))?;
    std::fs::write(site.path("data/secrets/kafka"), format!("{PASSWORD}\n"))?;
    let words = ["up", "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"];
    let mut command = site.command(&words, "data");
    command.env("MILLRACE_SECRET_HOOK", format!("Bearer {HEADER}"));
    let mut process = Millrace::start(command, &site.path("data"), site.path("up.log"))?;
    let mut heard = Heard::default();
    let told = live(&site, &mut process, &mut heard).await;
    let ended = process.stop().await;
    let tokens = told.with_context(|| site.logs())?;
    ended.with_context(|| site.logs())?;

    heard.files(&site.path(""), &own(&site))?;
    // Nothing was found because it was looked for where it would be.
    for known in ["goals.db", "up.log", "GET /openapi.json", "describe connection"] {
        ensure!(heard.0.iter().any(|(by, _)| by.contains(known)), "{known} was not looked at");
    }
    let assigned = heard.of("env:MILLRACE_SECRET_HOOK");
    ensure!(assigned.iter().any(|by| by.contains("/run/")), "no assignment was looked at");
    let refused = heard.of("the server answered 503");
    ensure!(!refused.is_empty(), "no log tells of the refused request\n{}", site.logs());
    for secret in [HEADER, PASSWORD, OPEN].into_iter().chain(tokens.iter().map(String::as_str)) {
        let by = heard.of(secret);
        ensure!(by.is_empty(), "{secret} is told by {by:#?}");
    }
    Ok(())
}

/// Everything that is done with the platform; the secrets of the tokens there are.
async fn live(site: &Site, process: &mut Millrace, heard: &mut Heard) -> Result<Vec<String>> {
    let endpoint = Endpoint::start().await?;
    let run = process.ready().await?;
    let http = run["http"].as_str().context("an address")?;
    let api = Api::admin(&site.path("data"), http)?;
    let text = manifests(site, &endpoint.url, run["kafka"].as_str().context("a broker")?);
    let input = tempfile::tempdir()?;
    let file = input.path().join("all.yaml");
    std::fs::write(&file, &text)?;
    let file = file.to_str().context("a path")?;
    heard.done(site, &["apply", "-f", file, "--reason", "to begin with"]).await?;
    heard.done(site, &["diff", "-f", file]).await?;
    api.reaches("copies", "running").await?;

    // Both secrets are used: the endpoint is sent the one, the client of Kafka is given the other.
    api.emit("plays", &[json!({ "id": "a" })]).await?;
    let sent = endpoint.second().await?;
    ensure!(sent["authorization"] == format!("Bearer {HEADER}").as_str(), "{sent:?}");
    ensure!(sent["x-team"] == "films", "{sent:?}");
    api.emit("far", &[json!({ "id": "b" })]).await?;
    eventually("the row from afar", async || {
        Ok(api.sql("SELECT id FROM copied").await?.filter(|rows| !rows.is_empty()))
    })
    .await?;
    let sample = json!({ "sql": "INSERT INTO x SELECT id FROM far" });
    let sample = api.post("/namespaces/default/jobs/-/sample?events=10", &sample).await?.is(200)?;
    heard.add("sample", sample.json.to_string().as_bytes());

    let changed = text.replace("films", "shows");
    std::fs::write(input.path().join("changed.yaml"), changed)?;
    let changed = input.path().join("changed.yaml");
    let code = heard.run(site, &["diff", "-f", changed.to_str().context("a path")?]).await?;
    ensure!(code == 3, "a difference: {code}");
    mistakes(site, &api, input.path(), heard).await?;
    elsewhere(site, &api, heard).await?;
    let tokens = tokens(site, &api, heard).await?;
    questions(site, &api, heard).await?;
    open_doors(http, heard).await?;
    heard.processes()?;
    // What the workers were assigned is removed when they end.
    heard.files(&site.path("data"), &own(site))?;
    Ok(tokens)
}

/// What is refused is not repeated.
async fn mistakes(site: &Site, api: &Api, input: &Path, heard: &mut Heard) -> Result<()> {
    let file = input.join("wrong.yaml");
    for (n, spec) in wrong().into_iter().enumerate() {
        let text = format!("kind: Connection\nmetadata: {{ name: wrong }}\nspec: {spec}\n");
        std::fs::write(&file, &text)?;
        for verb in ["apply", "diff"] {
            let code = heard.run(site, &[verb, "-f", file.to_str().context("a path")?]).await?;
            ensure!(code == 3, "{verb} took {spec}");
            let request = api.request(Method::POST, &format!("/namespaces/default/{verb}"));
            let request = request.header("content-type", "application/yaml").body(text.clone());
            let answer = api.send(request).await?;
            ensure!(answer.status == 400, "{verb} of {spec}: {:#}", answer.json);
            heard.add(format!("{verb} of {n}"), format!("{:#}", answer.json).as_bytes());
        }
        let path = "/namespaces/default/connections/wrong";
        let request = api.request(Method::PUT, path).header("content-type", "application/yaml");
        let answer = api.send(request.body(text)).await?;
        ensure!(answer.status == 400, "PUT of {spec}: {:#}", answer.json);
        heard.add(format!("PUT of {n}"), format!("{:#}", answer.json).as_bytes());
    }
    Ok(())
}

/// A file that is not among the secrets goes nowhere, least of all the admin's token.
async fn elsewhere(site: &Site, api: &Api, heard: &mut Heard) -> Result<()> {
    let file = format!("file:{}", site.path("data/admin.token").display());
    let spec = json!({
        "kafka": { "bootstrap": "127.0.0.1:1" }, "secrets": { "sasl.password": file },
    });
    let astray = json!({ "kind": "Connection", "metadata": { "name": "astray" }, "spec": spec });
    api.put("/namespaces/default/connections/astray", &astray).await?.is(201)?;
    let columns = json!([{ "name": "id", "type": "string" }]);
    let spec = json!({ "format": "json", "connection": "astray", "columns": columns });
    let lost = json!({ "kind": "Stream", "metadata": { "name": "lost" }, "spec": spec });
    api.put("/namespaces/default/streams/lost", &lost).await?.is(201)?;
    let sample = json!({ "sql": "INSERT INTO x SELECT id FROM lost" });
    let answer = api.post("/namespaces/default/jobs/-/sample", &sample).await?;
    let told = format!("{:#}", answer.json);
    ensure!((400..500).contains(&answer.status) && told.contains("--secrets"), "{told}");
    heard.add("a sample of what is elsewhere", told.as_bytes());
    Ok(())
}

/// Makes tokens; the secrets of all there are. Each is told once, to whom it is made for.
async fn tokens(site: &Site, api: &Api, heard: &mut Heard) -> Result<Vec<String>> {
    let body = json!({ "name": "eve", "bindings": [{ "namespace": "*", "role": "viewer" }] });
    let made = api.post("/tokens", &body).await?.is(201)?;
    let by_api = made.json["token"].as_str().context("a token")?.to_owned();
    heard.add("what is kept of a token", made.json["info"].to_string().as_bytes());
    let words = ["token", "create", "bob", "--role", "editor", "--namespace", "default"];
    heard.done(site, &[&words[..], &["--out", "new.token"]].concat()).await?;
    let read = |name: &str| std::fs::read_to_string(site.path(name)).context(name.to_owned());
    let all = [by_api, read("new.token")?, read("data/admin.token")?];
    // mlr_<id>_<secret>
    all.iter()
        .map(|token| Ok(token.trim().splitn(3, '_').nth(2).context("a secret")?.to_owned()))
        .collect()
}

/// Every form of every answer.
async fn questions(site: &Site, api: &Api, heard: &mut Heard) -> Result<()> {
    let things = [
        ("connections", "connection", "hook"),
        ("connections", "connection", "cluster"),
        ("streams", "stream", "far"),
        ("routes", "route", "out"),
        ("jobs", "job", "copies"),
    ];
    for (kinds, kind, name) in things {
        for form in ["table", "json", "yaml"] {
            heard.done(site, &["get", kinds, "-o", form]).await?;
            heard.done(site, &["get", kinds, name, "-o", form]).await?;
            heard.done(site, &["describe", kind, name, "-o", form]).await?;
            heard.done(site, &["versions", kind, name, "-o", form]).await?;
        }
        let path = format!("/namespaces/default/{kinds}/{name}");
        for below in ["", "/versions", "/versions/1", "/events"] {
            heard.get(api, &format!("{path}{below}")).await?;
        }
    }
    for words in [
        &["events"][..],
        &["audit-log", "-o", "json"],
        &["token", "list", "-o", "json"],
        &["whoami"],
        &["top", "--once"],
        &["job", "status", "copies", "-o", "yaml"],
        &["job", "logs", "copies"],
        &["job", "metrics", "copies", "-o", "json"],
    ] {
        heard.done(site, words).await?;
    }
    for path in [
        "/audit?limit=500",
        "/tokens",
        "/whoami",
        "/overview",
        "/openapi.json",
        "/status",
        "/namespaces/default/events",
        "/namespaces/default/connections",
        "/namespaces/default/tables",
        "/namespaces/default/jobs/copies/status",
        "/namespaces/default/jobs/copies/runs",
        "/namespaces/default/jobs/copies/logs?lines=10000",
        "/namespaces/default/jobs/copies/metrics",
        "/namespaces/default/jobs/copies/explain",
    ] {
        heard.get(api, path).await?;
    }
    Ok(())
}

/// What is told without a token.
async fn open_doors(http: &str, heard: &mut Heard) -> Result<()> {
    for path in ["metrics", "metrics/copies", "metrics/system--router", "docs"] {
        let response = reqwest::get(format!("http://{http}/{path}")).await?;
        ensure!(response.status().is_success(), "{path}: {}", response.status());
        heard.add(format!("GET /{path}"), &response.bytes().await?);
    }
    let wrong = format!("mlr_{}_{OPEN}", "0".repeat(16));
    let refused = Api::with_token(http, &wrong).get("/whoami").await?.is(401)?;
    heard.add("a wrong token", Value::to_string(&refused.json).as_bytes());
    Ok(())
}
