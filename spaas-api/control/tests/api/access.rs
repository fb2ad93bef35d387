//! Every operation × everyone who may not: the operations come from the OpenAPI document, so that a
//! new one cannot be forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use millrace_control::model::{Binding, EventKind, Role};
use millrace_control::store::Happening;
use millrace_events::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{COUNTS, PLAYS, Server};

/// A clock that leaps a minute whenever it is asked, so that failed authentications are never many
/// in a minute.
#[derive(Debug, Default)]
struct Leaping(AtomicI64);

impl Clock for Leaping {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(61_000, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.now_ms().unsigned_abs())
    }
}

struct Operation {
    method: Method,
    /// As the document has it.
    template: String,
    /// With values.
    path: String,
    role: String,
    documented: Vec<u16>,
}

fn operations(document: &Value) -> Vec<Operation> {
    let values = [
        ("{ns}", "default"),
        ("{kind}", "jobs"),
        ("{name}", "counts"),
        ("{table}", "counts"),
        ("{generation}", "1"),
        ("{run}", "run-1"),
        ("{id}", "nobody"),
    ];
    let mut found = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        let path = values.iter().fold(template.clone(), |p, (name, value)| p.replace(name, value));
        assert!(!path.contains('{'), "{path}: give the parameter a value");
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            found.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                template: template.clone(),
                path: path.clone(),
                role: operation["x-role"].as_str().unwrap().to_owned(),
                documented: responses.keys().map(|status| status.parse().unwrap()).collect(),
            });
        }
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

async fn ask(server: &Server, operation: &Operation, token: Option<&str>) -> u16 {
    let url = format!("{}{}", server.url, operation.path);
    let mut request = server.client.request(operation.method.clone(), url);
    if operation.method != Method::GET {
        request = request.json(&json!({}));
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = server.send(request).await;
    if answer.status.as_u16() == 401 {
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{:?}", answer.headers);
    }
    if answer.status.as_u16() >= 400 {
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    answer.status.as_u16()
}

#[tokio::test]
async fn every_operation_is_closed_to_those_who_may_not() {
    let server = Server::start_at(Arc::new(Leaping::default())).await;
    server.put("/v1/namespaces/default/streams/plays", PLAYS).await.is(201);
    server.put("/v1/namespaces/default/jobs/counts", COUNTS).await.is(201);
    let token = async |namespace: &str, role, expires| {
        let binding = Binding { namespace: namespace.to_owned(), role };
        server.access.create_token("t", vec![binding], expires).await.unwrap().text.reveal()
    };
    let viewer = token("default", Role::Viewer, None).await;
    let foreign = token("elsewhere", Role::Editor, None).await;
    let expired = token("*", Role::Admin, Some(1)).await;
    let document = server.get("/v1/openapi.json").await.is(200).json();
    for operation in operations(&document) {
        let Operation { method, template, role, .. } = &operation;
        let within = template.contains("{ns}");
        for nobody in [None, Some("mlr_nonsense"), Some(expired.as_str())] {
            assert_eq!(ask(&server, &operation, nobody).await, 401, "{method} {template}");
        }
        let seen = ask(&server, &operation, Some(&viewer)).await;
        match role.as_str() {
            "editor" | "admin" => assert_eq!(seen, 403, "{method} {template} as a viewer"),
            _ => assert!(![401, 403].contains(&seen), "{method} {template} as a viewer: {seen}"),
        }
        let seen = ask(&server, &operation, Some(&foreign)).await;
        match (within, role.as_str()) {
            (true, _) => assert_eq!(seen, 404, "{method} {template} from elsewhere"),
            (false, "admin") => assert_eq!(seen, 403, "{method} {template} from elsewhere"),
            _ => assert_eq!(seen, 200, "{method} {template} from elsewhere"),
        }
    }
}

#[tokio::test]
async fn every_operation_is_served_and_answers_as_documented() {
    let server = Server::start().await;
    server.put("/v1/namespaces/default/streams/plays", PLAYS).await.is(201);
    server.put("/v1/namespaces/default/jobs/counts", COUNTS).await.is(201);
    let document = server.get("/v1/openapi.json").await.is(200).json();
    for operation in operations(&document) {
        let Operation { method, template, documented, .. } = &operation;
        let status = ask(&server, &operation, Some(&server.admin)).await;
        assert!(documented.contains(&status), "{method} {template} answers {status}");
    }
}

#[tokio::test]
async fn a_token_is_told_once_and_made_once() {
    let server = Server::start().await;
    let wanted = json!({"name": "eve", "bindings": [{"namespace": "*", "role": "viewer"}]});
    let keyed = || {
        let request = server.request(Method::POST, "/v1/tokens").json(&wanted);
        server.send(request.header("idempotency-key", "t-1"))
    };
    let made = keyed().await.is(201).json();
    let again = keyed().await;
    let problem = again.problem(409, "told-once");
    assert!(!problem.to_string().contains(made["token"].as_str().expect("its text")));
    let listed = server.get("/v1/tokens").await.is(200).json();
    let names = listed["items"].as_array().expect("a list").iter();
    assert_eq!(names.filter(|token| token["name"] == "eve").count(), 1);
}

#[tokio::test]
async fn tokens_are_made_used_and_removed_and_written_down() {
    let server = Server::start().await;
    let wanted = json!({"name": "ci", "bindings": [{"namespace": "default", "role": "viewer"}]});
    let made = server.post("/v1/tokens", &wanted).await.is(201).json();
    let token = made["token"].as_str().unwrap();
    let who = server.client.get(format!("{}/v1/whoami", server.url)).bearer_auth(token);
    let seen = server.send(who.try_clone().unwrap()).await.is(200).json();
    assert_eq!((&seen["name"], &seen["expiresMs"]), (&json!("ci"), &json!(null)));
    let listed = server.get("/v1/tokens").await.is(200);
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    let secret = token.rsplit('_').next().unwrap();
    assert!(!listed.text.contains(secret));
    let id = made["info"]["id"].as_str().unwrap();
    server.delete(&format!("/v1/tokens/{id}")).await.is(204);
    server.send(who).await.problem(401, "unauthenticated");
    let audit = server.get("/v1/audit").await.is(200);
    assert!(!audit.text.contains(secret));
    let audit = audit.json();
    let lines: Vec<String> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{} {} {}", e["actor"].as_str().unwrap(), e["method"], e["status"]))
        .collect();
    assert_eq!(lines, ["admin \"POST\" 201", "admin \"DELETE\" 204", "- \"GET\" 401"]);
    let wrong = json!({"name": "x", "bindings": [{"namespace": "A B", "role": "viewer"}]});
    let problem = server.post("/v1/tokens", &wrong).await.problem(400, "bad-body");
    assert_eq!(problem["errors"][0]["pointer"], "/bindings/0/namespace");
    let wrong = json!({"name": "x", "bindings": [{"namespace": "a", "role": "king"}]});
    let problem = server.post("/v1/tokens", &wrong).await.problem(400, "bad-body");
    assert_eq!(problem["errors"][0]["pointer"], "/bindings/0/role");
}

#[tokio::test]
async fn a_token_says_when_it_ends() {
    let server = Server::start().await;
    let viewer = vec![Binding { namespace: "default".to_owned(), role: Role::Viewer }];
    let ends = Some(i64::MAX);
    let token = server.access.create_token("short", viewer, ends).await.unwrap().text.reveal();
    let who = server.client.get(format!("{}/v1/whoami", server.url)).bearer_auth(token);
    assert_eq!(server.send(who).await.is(200).json()["expiresMs"], json!(ends));
}

#[tokio::test]
async fn what_happens_to_the_router_is_seen_by_an_admin_of_all() {
    let server = Server::start().await;
    let event = Happening {
        at_ms: 1,
        level: EventKind::Warning,
        ns: "system",
        kind: "Job",
        name: "router",
        what: "RunLost",
        message: "run 1 is gone",
        author: "reconciler",
    };
    server.store.add_event(&event).await.unwrap();
    let seen = server.get("/v1/namespaces/system/events").await.is(200).json();
    assert_eq!(seen["items"][0]["what"], "RunLost");
    let seen = server.get("/v1/namespaces/system/jobs/router/events").await.is(200).json();
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    server.put("/v1/namespaces/system/streams/plays", PLAYS).await.problem(404, "not-found");
    let everywhere = vec![Binding { namespace: "*".to_owned(), role: Role::Editor }];
    let editor =
        server.access.create_token("editor", everywhere, None).await.unwrap().text.reveal();
    let path = format!("{}/v1/namespaces/system/events", server.url);
    server.send(server.client.get(path).bearer_auth(editor)).await.problem(404, "not-found");
}

#[tokio::test]
async fn namespaces_are_apart() {
    let server = Server::start().await;
    let team = "kind: Namespace\nmetadata: { name: team }\n";
    server.put("/v1/namespaces/team", team).await.is(201);
    server.put("/v1/namespaces/default/streams/plays", PLAYS).await.is(201);
    server.put("/v1/namespaces/default/jobs/counts", COUNTS).await.is(201);
    server.put("/v1/namespaces/team/streams/plays", PLAYS).await.is(201);
    assert!(server.log.0.lock().unwrap().contains_key("team--plays"));
    let problem = server.put("/v1/namespaces/team/jobs/counts", COUNTS).await;
    let problem = problem.problem(409, "owned-elsewhere");
    assert!(problem["detail"].as_str().unwrap().starts_with("table `counts` belongs"));
    let thief =
        PLAYS.replace("  format", "  topic: plays\n  format").replace("plays\nspec", "x\nspec");
    let problem = server.put("/v1/namespaces/team/streams/x", &thief).await;
    let problem = problem.problem(409, "owned-elsewhere");
    assert_eq!(problem["errors"][0]["pointer"], "/spec/topic");
    let feed = COUNTS.replace("INTO counts", "INTO feed_counts");
    server.put("/v1/namespaces/default/jobs/counts", &feed).await.is(200);
    server.put("/v1/namespaces/team/jobs/counts", &feed).await.is(201);
    let problem = server.delete("/v1/namespaces/team").await.problem(409, "in-use");
    assert!(problem["detail"].as_str().unwrap().contains("it is not empty"));
    server.delete("/v1/namespaces/default").await.problem(409, "immutable");
    let inside = format!("{team}---\n{PLAYS}");
    let problem = server.post_yaml("/v1/namespaces/team/apply", &inside).await;
    assert_eq!(problem.problem(400, "manifest-invalid")["errors"][0]["pointer"], "/kind");
    server.put("/v1/namespaces/empty", &team.replace("team", "empty")).await.is(201);
    server.delete("/v1/namespaces/empty").await.is(204);
    server.get("/v1/namespaces/empty").await.problem(404, "not-found");
    let listed = server.get("/v1/namespaces").await.is(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}
