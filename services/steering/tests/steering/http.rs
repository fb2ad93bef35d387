//! Steering over HTTP: answers, hostile input, who may ask why, overload.

use std::sync::atomic::Ordering;

use millrace_steering::api::{Admin, ApiSettings};
use millrace_steering::feeds::Freshness;
use millrace_steering::sign::SigningKey;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{KEY, NOW_MS, Site};

async fn open() -> Site {
    let site = Site::start(Admin::Open, ApiSettings::default()).await;
    site.fill();
    site
}

async fn steer(site: &Site, body: &Value) -> (StatusCode, Value) {
    let url = format!("{}/v1/steer", site.url);
    read(Client::new().post(url).body(body.to_string()).send().await.unwrap()).await
}

/// The answer; problems must be problems.
async fn read(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    if status.is_success() {
        assert_eq!(content_type, "application/json");
    } else {
        assert_eq!(content_type, "application/problem+json", "{body}");
        assert_eq!(body["status"], status.as_u16());
        assert!(body["type"].as_str().unwrap().starts_with("urn:millrace:problem:"));
    }
    (status, body)
}

#[tokio::test]
async fn each_file_gets_ranked_addresses_that_open_it() {
    let site = open().await;
    let (status, answer) =
        steer(&site, &json!({"client_ip": "198.51.100.7", "files": ["film", "lost"]})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["files"][0]["file"], "film");
    let urls = answer["files"][0]["urls"].as_array().unwrap();
    assert_eq!(urls.len(), 3);
    assert_eq!((&urls[0]["appliance"], &urls[0]["tier"]), (&json!("oca-0"), &json!("prefix")));
    assert_eq!(urls[1]["tier"], "near");
    let key = SigningKey::new(KEY).unwrap();
    for url in urls {
        let base = format!("https://{}.example/oca", url["appliance"].as_str().unwrap());
        let rest = url["url"].as_str().unwrap().strip_prefix(&base).unwrap();
        assert_eq!(key.verify(rest, "198.51.100.9".parse().unwrap(), 21_600), Ok(()));
        assert!(key.verify(rest, "198.51.100.9".parse().unwrap(), 21_601).is_err());
    }
    assert_eq!(answer["files"][1], json!({"file": "lost", "urls": [], "nobody": "unknown-file"}));
    assert_eq!(answer["expires_s"], 21_601);
    assert!(answer.get("stale").is_none());
    site.stop().await;
}

#[tokio::test]
async fn an_appliance_that_is_down_or_full_is_named_no_more() {
    let site = open().await;
    let named = |answer: &Value| -> Vec<String> {
        let urls = answer["files"][0]["urls"].as_array().unwrap();
        urls.iter().map(|url| url["appliance"].as_str().unwrap().to_owned()).collect()
    };
    let request = json!({"client_ip": "198.51.100.7", "files": ["film"]});
    let change = |id: &str, change: fn(&mut millrace_steering::fleet::Report)| {
        let mut report = crate::support::report(1, (0.0, 0.0));
        change(&mut report);
        site.desk.draft().report(id, Some(report)).unwrap();
        site.desk.publish();
    };
    change("oca-0", |report| report.healthy = false);
    assert!(!named(&steer(&site, &request).await.1).contains(&"oca-0".to_owned()));
    change("oca-1", |report| report.headroom_mbps = 99.0);
    assert_eq!(named(&steer(&site, &request).await.1), ["oca-2"]);
    change("oca-2", |report| report.base_url = None);
    let (_, answer) = steer(&site, &request).await;
    assert_eq!(answer["files"][0]["nobody"], "none-serving");
    change("oca-0", |_| ());
    assert_eq!(named(&steer(&site, &request).await.1), ["oca-0"]);
    // One that was full comes back with twice the headroom that took it out.
    change("oca-1", |report| report.headroom_mbps = 199.0);
    assert_eq!(named(&steer(&site, &request).await.1), ["oca-0"]);
    change("oca-1", |report| report.headroom_mbps = 200.0);
    assert_eq!(named(&steer(&site, &request).await.1), ["oca-0", "oca-1"]);
    site.stop().await;
}

#[tokio::test]
async fn old_health_is_served_and_said_to_be_old() {
    let site = open().await;
    let request = json!({"client_ip": "198.51.100.7", "files": ["film"]});
    site.clock.0.store(NOW_MS + 60_000, Ordering::Relaxed);
    for (freshness, reason, since) in [
        (Freshness { heard_ms: Some(NOW_MS), exists: true }, "feed-silent", NOW_MS),
        (Freshness { heard_ms: Some(NOW_MS + 60_000), exists: false }, "feed-gone", 1_000),
        (Freshness { heard_ms: Some(NOW_MS + 60_000), exists: true }, "reports-old", 1_000),
    ] {
        site.desk.set_freshness(freshness);
        let (status, answer) = steer(&site, &request).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["stale"], json!({"reason": reason, "since_ms": since}));
        assert_eq!(answer["files"][0]["urls"].as_array().unwrap().len(), 3);
        assert_eq!(answer["health_as_of_ms"], 1_000);
    }
    site.stop().await;
}

#[tokio::test]
async fn hostile_input_gets_a_problem() {
    let site = open().await;
    let url = format!("{}/v1/steer", site.url);
    let client = Client::new();
    let many: Vec<_> = (0..33).map(|n| n.to_string()).collect();
    let ok = |files: Value| json!({"client_ip": "198.51.100.7", "files": files}).to_string();
    for (body, status, says) in [
        (String::new(), 400, "errors"),
        ("[".repeat(10_000), 400, "errors"),
        ("\u{0}\u{1}".into(), 400, "errors"),
        (json!({"client_ip": "198.51.100.7"}).to_string(), 400, "files"),
        (json!({"client_ip": "300.1.1.1", "files": ["a"]}).to_string(), 400, "/client_ip"),
        (json!({"client_ip": "1".repeat(5_000), "files": ["a"]}).to_string(), 400, "/client_ip"),
        (json!({"client_ip": "10.0.0.1/8", "files": ["a"]}).to_string(), 400, "/client_ip"),
        (json!({"client_ip": 7, "files": ["a"]}).to_string(), 400, "string"),
        (ok(json!([])), 400, "/files"),
        (ok(json!(many)), 400, "1 to 32"),
        (ok(json!([""])), 400, "/files/0"),
        (ok(json!(["a", ".."])), 400, "/files/1"),
        (ok(json!(["a\nb"])), 400, "/files/0"),
        (ok(json!(["x".repeat(257)])), 400, "/files/0"),
        (json!({"client_ip": "::1", "files": ["a"], "limit": 9}).to_string(), 400, "limit"),
        (ok(json!(["x".repeat(20_000)])), 413, "16384"),
    ] {
        let answer = client.post(&url).body(body.clone()).send().await.unwrap();
        let (got, problem) = read(answer).await;
        let shown: String = body.chars().take(80).collect();
        assert_eq!(got.as_u16(), status, "{shown}: {problem}");
        assert!(problem.to_string().contains(says), "{shown}: {problem}");
    }
    let invalid = client.post(&url).body(vec![0xff_u8; 10]).send().await.unwrap();
    assert_eq!(read(invalid).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(read(client.get(&url).send().await.unwrap()).await.0.as_u16(), 405);
    let nowhere = client.get(format!("{}/v2", site.url)).send().await.unwrap();
    assert_eq!(read(nowhere).await.0, StatusCode::NOT_FOUND);
    for query in [
        "",
        "client_ip=::1",
        "client_ip=x&file=a",
        "client_ip=::1&file=..",
        "client_ip=::1&file=a&x=1",
    ] {
        let why = client.get(format!("{}/v1/admin/why?{query}", site.url)).send().await.unwrap();
        assert_eq!(read(why).await.0, StatusCode::BAD_REQUEST, "{query}");
    }
    // And then it still answers.
    assert_eq!(steer(&site, &json!({"client_ip": "::1", "files": ["film"]})).await.0, 200);
    site.stop().await;
}

#[tokio::test]
async fn why_names_every_appliance_that_was_considered() {
    let site = open().await;
    {
        let mut draft = site.desk.draft();
        draft.report("oca-2", None).unwrap();
        draft.announce("oca-9", "198.51.0.0/16".parse().unwrap()).unwrap();
    }
    site.desk.publish();
    let url = format!("{}/v1/admin/why?client_ip=198.51.100.7&file=film", site.url);
    let (status, why) = read(reqwest::get(url).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(why["covering"], json!(["198.51.100.0/24", "198.51.0.0/16"]));
    assert_eq!((&why["position_from"], &why["holders"]), (&json!("prefix"), &json!(3)));
    let chosen = why["chosen"].as_array().unwrap();
    assert_eq!((chosen.len(), &chosen[0]["appliance"]), (2, &json!("oca-0")));
    assert_eq!((&chosen[0]["rank"], &chosen[0]["prefix_length"]), (&json!(1), &json!(24)));
    assert_eq!(chosen[1]["within_km"], 100.0);
    let others = why["others"].as_array().unwrap();
    let told: Vec<_> =
        others.iter().map(|o| (&o["appliance"], &o["holds_file"], &o["fault"])).collect();
    assert_eq!(told[0], (&json!("oca-9"), &json!(false), &json!("unknown")));
    assert_eq!(told[1], (&json!("oca-2"), &json!(true), &json!("unknown")));
    site.stop().await;
}

#[tokio::test]
async fn what_operators_ask_is_behind_the_token_and_probes_are_not() {
    let site = Site::start(Admin::Token("let me in".into()), ApiSettings::default()).await;
    let client = Client::new();
    let get = async |path: &str, token: Option<&str>| {
        let mut request = client.get(format!("{}{path}", site.url));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        request.send().await.unwrap().status().as_u16()
    };
    for path in ["/v1/admin/why?client_ip=::1&file=f", "/v1/status", "/metrics"] {
        assert_eq!(get(path, None).await, 401, "{path}");
        for wrong in
            ["Bearer let me i", "Bearer ", "Basic let me in", "let me in", "Bearer let me inn"]
        {
            assert_eq!(get(path, Some(wrong)).await, 401, "{path} {wrong}");
        }
        assert_eq!(get(path, Some("Bearer let me in")).await, 200, "{path}");
    }
    assert_eq!(get("/healthz", None).await, 200);
    assert_eq!(get("/readyz", None).await, 503, "no appliance is known");
    site.fill();
    assert_eq!(get("/readyz", None).await, 200);
    assert_eq!(get("/openapi.json", None).await, 200);
    site.stop().await;
}

#[tokio::test]
async fn the_document_describes_what_is_served() {
    let site = open().await;
    let (_, document) =
        read(reqwest::get(format!("{}/openapi.json", site.url)).await.unwrap()).await;
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/v1/admin/why", "/v1/status", "/v1/steer"]);
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    site.stop().await;
}

/// Ten times as many connections as places, all at once: whatever is answered is a whole answer or
/// a refusal that says when to come back, playback is answered, and afterwards all is as before.
#[tokio::test(flavor = "multi_thread")]
async fn under_ten_times_the_load_some_wait_and_nothing_breaks() {
    let settings = ApiSettings { at_once: 16, ..ApiSettings::default() };
    let site = Site::start(Admin::Open, settings).await;
    site.fill();
    let mut clients = JoinSet::new();
    let shared = Client::new();
    for no in 0..160 {
        let url = format!("{}/v1/steer", site.url);
        let client = shared.clone();
        clients.spawn(async move {
            let prefetch = no % 2 == 0;
            let mut answered = 0;
            for _ in 0..10 {
                let body = json!({"client_ip": "198.51.100.7", "files": ["film"]}).to_string();
                let request = client.post(&url).body(body);
                let request = if prefetch { request.header("priority", "u=6") } else { request };
                let answer = request.send().await.unwrap();
                if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                    assert_eq!(answer.headers()["retry-after"], "1");
                    assert_eq!(read(answer).await.1["type"], "urn:millrace:problem:overloaded");
                    continue;
                }
                let (status, answer) = read(answer).await;
                assert_eq!(status, StatusCode::OK);
                assert_eq!(answer["files"][0]["urls"].as_array().unwrap().len(), 3);
                answered += 1;
            }
            (prefetch, answered)
        });
    }
    let answered = clients.join_all().await;
    let playback: usize = answered.iter().filter(|(prefetch, _)| !prefetch).map(|(_, n)| n).sum();
    assert!(playback > 0);
    // Every place was given back.
    for _ in 0..40 {
        let request = json!({"client_ip": "198.51.100.7", "files": ["film"]});
        assert_eq!(steer(&site, &request).await.0, StatusCode::OK);
    }
    site.stop().await;
}
