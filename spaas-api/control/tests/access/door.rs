//! Requests at the door.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Extension, Router};

use millrace_control::access::{Access, Reason, protect};
use millrace_control::model::{Actor, Role};

use crate::support::{Tested, bearer, empty, role, send};

async fn name(Extension(actor): Extension<Actor>) -> String {
    actor.name
}

async fn change(Extension(actor): Extension<Actor>) -> Response {
    match actor.require("a", Role::Editor) {
        Ok(()) => (Extension(Reason("from the body".into())), "done").into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn app(access: Access) -> Router {
    let routes = Router::new()
        .route("/v1/whoami", get(name))
        .route("/v1/namespaces/a/jobs/j", put(change).get(name).delete(name))
        .route("/docs/page", get(async || "page"))
        .route("/open", get(async || "open"));
    protect(routes, access, &["/open", "/docs/*"])
}

async fn status(access: &Access, headers: &HeaderMap) -> u16 {
    match access.authenticate(headers).await {
        Ok(_) => 200,
        Err(problem) => problem.status().as_u16(),
    }
}

#[tokio::test]
async fn only_a_token_as_it_was_given_opens() -> Tested {
    let (_, access, _) = empty().await?;
    let token = access.create_token("ci", role("a", Role::Viewer), None).await?;
    let other = access.create_token("cd", role("*", Role::Admin), None).await?;
    let text = token.text.reveal();
    assert_eq!(status(&access, &bearer(&text)).await, 200);
    let mixed = format!("mlr_{}_{}", token.text.id(), &other.text.reveal()[21..]);
    let last = if text.ends_with('0') { '1' } else { '0' };
    let changed = format!("{}{last}", &text[..text.len() - 1]);
    for bad in [&mixed, &changed, &text[1..], &text[..text.len() - 1], "", "mlr_"] {
        assert_eq!(status(&access, &bearer(bad)).await, 401, "{bad}");
    }
    for bad in [format!("Basic {text}"), text.clone(), format!("Bearer{text}")] {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&bad)?)]);
        assert_eq!(status(&access, &headers).await, 401);
    }
    let mut twice = bearer(&text);
    twice.append(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {text}"))?);
    assert_eq!(status(&access, &twice).await, 401);
    let odd = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff")?)]);
    assert_eq!(status(&access, &odd).await, 401);
    let lower = HeaderValue::from_str(&format!("bearer  {text}"))?;
    assert_eq!(status(&access, &HeaderMap::from_iter([(AUTHORIZATION, lower)])).await, 200);
    Ok(())
}

#[tokio::test]
async fn a_token_that_ended_or_was_removed_opens_nothing() -> Tested {
    let (store, access, clock) = empty().await?;
    let token = access.create_token("ci", role("a", Role::Viewer), Some(100_000)).await?;
    let headers = bearer(&token.text.reveal());
    clock.set(99_999);
    assert_eq!(status(&access, &headers).await, 200);
    clock.set(100_000);
    assert_eq!(status(&access, &headers).await, 401);
    clock.set(99_999);
    store.remove_token(token.text.id()).await?;
    assert_eq!(status(&access, &headers).await, 401);
    Ok(())
}

#[tokio::test]
async fn its_use_is_known_to_the_minute() -> Tested {
    let (store, access, clock) = empty().await?;
    let token = access.create_token("ci", role("a", Role::Viewer), None).await?;
    let headers = bearer(&token.text.reveal());
    for (now, known) in [(90_000, 60_000), (119_999, 60_000), (120_000, 120_000), (70_000, 120_000)]
    {
        clock.set(now);
        assert_eq!(status(&access, &headers).await, 200);
        let stored = store.token_by_id(token.text.id()).await?.ok_or("a token")?;
        assert_eq!(stored.info.last_used_ms, Some(known));
    }
    Ok(())
}

#[tokio::test]
async fn the_door_lets_on_whoever_has_a_token_and_anybody_to_what_is_open() -> Tested {
    let (_, access, _) = empty().await?;
    let token = access.create_token("ci", role("a", Role::Viewer), None).await?;
    let (app, text) = (app(access), token.text.reveal());
    for (path, without, with) in [
        ("/v1/whoami", 401, 200),
        ("/nowhere", 401, 404),
        ("/open", 200, 200),
        ("/open/", 401, 404),
        ("/opened", 401, 404),
        ("/docs/page", 200, 200),
        ("/docs", 401, 404),
        ("/docs/../v1/whoami", 401, 404),
        ("/docs/nowhere", 404, 404),
    ] {
        assert_eq!(send(&app, "GET", path, None).await?.status(), without, "{path}");
        assert_eq!(send(&app, "GET", path, Some(&text)).await?.status(), with, "{path}");
    }
    let refused = send(&app, "GET", "/v1/whoami", None).await?;
    assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Bearer realm=\"millrace\"");
    let refused = send(&app, "GET", "/v1/whoami", Some("mlr_x_y")).await?;
    let challenge = refused.headers()[WWW_AUTHENTICATE].to_str()?;
    assert!(challenge.contains("invalid_token"), "{challenge}");
    Ok(())
}

#[tokio::test]
async fn changes_and_refusals_are_written_down_and_nothing_else() -> Tested {
    let (store, access, _) = empty().await?;
    let viewer = access.create_token("vera", role("a", Role::Viewer), None).await?.text.reveal();
    let editor = access.create_token("eddy", role("a", Role::Editor), None).await?.text.reveal();
    let stranger = access.create_token("sam", role("b", Role::Admin), None).await?.text.reveal();
    let app = app(access);
    let path = "/v1/namespaces/a/jobs/j";
    let with_query = format!("{path}?reason=night%20shift&sql=hidden");
    for (method, uri, token, expected) in [
        ("GET", path, Some(&viewer), 200),
        ("PUT", path, Some(&viewer), 403),
        ("PUT", path, Some(&editor), 200),
        ("DELETE", with_query.as_str(), Some(&editor), 200),
        ("PUT", path, Some(&stranger), 404),
        ("GET", "/v1/namespaces/a/routes", Some(&stranger), 404),
        ("GET", "/v1/namespaces/a/routes", Some(&viewer), 404),
        ("GET", path, None, 401),
    ] {
        let answer = send(&app, method, uri, token.map(String::as_str)).await?;
        assert_eq!(answer.status(), expected, "{method} {uri}");
    }
    let entries = store.audit(0, 100).await?;
    let told: Vec<_> = entries
        .iter()
        .map(|e| (e.actor.as_str(), e.method.as_str(), e.path.as_str(), e.status))
        .collect();
    let foreign = "/v1/namespaces/a/routes";
    assert_eq!(
        told,
        [
            ("vera", "PUT", path, 403),
            ("eddy", "PUT", path, 200),
            ("eddy", "DELETE", path, 200),
            ("sam", "PUT", path, 404),
            ("sam", "GET", foreign, 404),
            ("-", "GET", path, 401),
        ]
    );
    let reasons: Vec<_> = entries.iter().filter_map(|e| e.reason.as_deref()).collect();
    assert_eq!(reasons, ["from the body", "night shift"]);
    Ok(())
}

#[tokio::test]
async fn many_failures_of_an_address_are_told_to_wait_and_do_not_fill_the_log() -> Tested {
    let (store, access, clock) = empty().await?;
    let token = access.create_token("ci", role("a", Role::Viewer), None).await?.text.reveal();
    let at = |last: u8| Extension(ConnectInfo(SocketAddr::from(([10, 0, 0, last], 1))));
    let (app, other) = (app(access.clone()).layer(at(1)), app(access).layer(at(2)));
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(send(&app, "GET", "/v1/whoami", None).await?);
    }
    let too_many = answers.iter().filter(|a| a.status() == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(too_many, 10);
    assert_eq!(answers[29].headers()[RETRY_AFTER], "30");
    assert_eq!(store.audit(0, 100).await?.len(), 20);
    assert_eq!(send(&app, "GET", "/v1/whoami", Some(&token)).await?.status(), 200);
    assert_eq!(send(&other, "GET", "/v1/whoami", None).await?.status(), 401);
    clock.set(120_000);
    assert_eq!(send(&app, "GET", "/v1/whoami", None).await?.status(), 401);
    Ok(())
}
