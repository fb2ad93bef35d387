//! The endpoint over HTTP.

use std::fmt::Write as _;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::Value;
use tower::ServiceExt;

use super::*;

async fn ask(limits: SqlLimits, headers: &[(&str, &str)], body: &str) -> Response {
    let (engine, _) = engine_with(limits);
    let mut request = Request::post("/v1/sql");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    router(engine).oneshot(request).await.expect("an answer")
}

async fn body_of(response: Response) -> Vec<u8> {
    to_bytes(response.into_body(), 16 << 20).await.expect("a whole body").to_vec()
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn questions_are_answered_in_the_format_asked_for() {
    let sql = "SELECT id FROM audit ORDER BY id LIMIT 2";
    let as_json = format!("{{\"sql\": \"{sql}\"}}");
    let as_csv = format!("{{\"sql\": \"{sql}\", \"format\": \"csv\"}}");
    for (headers, body, media, expected) in [
        (vec![JSON], as_json.as_str(), "application/json", "\"truncated\":false"),
        (vec![JSON], as_csv.as_str(), "text/csv; charset=utf-8", "id\n0\n1\n"),
        (vec![], sql, "application/json", "\"rows\":["),
        (vec![("accept", "text/csv")], sql, "text/csv; charset=utf-8", "id\n0\n1\n"),
        (vec![("accept", "application/x-ndjson")], sql, "application/x-ndjson", "{\"id\":0}\n"),
        (
            vec![("accept", "application/vnd.apache.parquet")],
            sql,
            "application/vnd.apache.parquet",
            "PAR1",
        ),
    ] {
        let response = ask(SqlLimits::default(), &headers, body).await;
        assert_eq!(response.status(), StatusCode::OK, "{headers:?}");
        assert_eq!(response.headers()["content-type"], media);
        assert_eq!(response.headers()["millrace-row-limit"], "100000");
        let body = body_of(response).await;
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn errors_are_problems_with_a_place() {
    let small = SqlLimits { memory_bytes: 1 << 10, ..SqlLimits::default() };
    let none = SqlLimits { queries: 0, ..SqlLimits::default() };
    let all = SqlLimits::default();
    let mut out = String::new();
    for (limits, headers, body) in [
        (all.clone(), vec![], "SELECT x\nFROM audit"),
        (all.clone(), vec![], "DROP TABLE audit"),
        (all.clone(), vec![], "SELECT * FROM broken"),
        (small, vec![], "SELECT n FROM numbers ORDER BY n DESC"),
        (none, vec![], "SELECT 1"),
        (all.clone(), vec![JSON], "{\"sql\": 5}"),
        (all.clone(), vec![JSON], "{\"sql\": \"SELECT 1\", \"fromat\": \"csv\"}"),
        (all.clone(), vec![JSON], "{\"sql\": \"SELECT 1\", \"format\": \"xml\"}"),
        (all.clone(), vec![("accept", "image/png")], "SELECT 1"),
        (all.clone(), vec![("content-type", "image/png")], "SELECT 1"),
    ] {
        let response = ask(limits, &headers, body).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let status = response.status();
        let json: Value = serde_json::from_slice(&body_of(response).await).expect("JSON");
        assert_eq!(json["status"], status.as_u16());
        write!(out, "{headers:?} {body:?}\n{json:#}\n").expect("text takes text");
    }
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn text_over_the_limit_is_413_whichever_limit_it_meets() {
    for length in [70 << 10, 1 << 20] {
        let response = ask(SqlLimits::default(), &[], &"x".repeat(length)).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn an_answer_that_fails_midway_does_not_look_whole() {
    // The last row alone does not fit the type.
    let sql = "SELECT CAST(CASE WHEN n = 262143 THEN 'x' ELSE '1' END AS INT) AS v FROM numbers";
    let limits = SqlLimits { rows: 1 << 20, ..SqlLimits::default() };
    let response = ask(limits, &[("accept", "text/csv")], sql).await;
    if response.status() == StatusCode::OK {
        assert!(to_bytes(response.into_body(), 16 << 20).await.is_err(), "the body must break off");
    } else {
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
}
