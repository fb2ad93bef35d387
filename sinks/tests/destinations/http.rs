//! The HTTP delivery against a server that misbehaves.

use std::time::Duration;

use millrace_sinks::{
    Delivery, HttpDelivery, HttpFormat, HttpSettings, RetryPolicy, SinkBatch, SinkError,
};
use url::Url;

use crate::rows::{columns, raw, route};
use crate::server::{Answer, Server};

fn settings(server: &Server) -> HttpSettings {
    let url = Url::parse(&format!("http://{}/hook", server.address)).expect("a URL");
    let retry = RetryPolicy {
        attempts: 4,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
        longest_asked: Duration::from_millis(5),
    };
    HttpSettings { allow_private: true, retry, ..HttpSettings::new(route(), url) }
}

fn delivery(settings: HttpSettings) -> HttpDelivery {
    HttpDelivery::new(settings).expect("settings are fine")
}

async fn send(
    delivery: &mut HttpDelivery,
    batches: impl IntoIterator<Item = SinkBatch>,
) -> Result<(), SinkError> {
    for batch in batches {
        let row = batch.progress.range.from.0.cast_unsigned();
        delivery.deliver(&batch, row).await?;
    }
    delivery.flush().await
}

fn rejected(outcome: Result<(), SinkError>) -> String {
    match outcome {
        Err(SinkError::Rejected { what }) => what,
        other => panic!("expected Rejected, got {other:?}"),
    }
}

#[tokio::test]
async fn rows_arrive_as_lines_with_their_numbers() {
    let server = Server::start().await;
    let mut delivery = delivery(settings(&server));
    send(&mut delivery, [columns(4, 6), columns(6, 7)]).await.expect("delivers");
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/hook");
    assert_eq!(seen[0].header("content-type"), "application/x-ndjson");
    assert_eq!(seen[0].header("millrace-rows"), "clicks/3/4-6");
    assert_eq!(seen[0].text(), "{\"id\":\"e4\",\"n\":4}\n{\"n\":5}\n{\"id\":\"e6\",\"n\":6}\n");
    assert_eq!(delivery.pending_bytes(), 0);
    delivery.flush().await.expect("nothing to do");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn rows_arrive_as_an_array_when_asked() {
    let server = Server::start().await;
    let format = HttpFormat::JsonArray;
    let mut delivery = delivery(HttpSettings { format, batch_rows: 2, ..settings(&server) });
    send(&mut delivery, [columns(0, 3)]).await.expect("delivers");
    let bodies: Vec<_> = server.seen().iter().map(|seen| seen.text().to_owned()).collect();
    assert_eq!(bodies, [r#"[{"n":0},{"id":"e1","n":1}]"#, r#"[{"id":"e2","n":2}]"#]);
    assert_eq!(server.seen()[0].header("content-type"), "application/json");
}

#[tokio::test]
async fn raw_records_are_sent_as_they_are() {
    let server = Server::start().await;
    let mut delivery = delivery(settings(&server));
    let records = raw(0, &[(None, Some(b"{\"a\":\n1.50}"), &[]), (None, None, &[])]);
    send(&mut delivery, [records]).await.expect("delivers");
    assert_eq!(server.seen()[0].text(), "{\"a\": 1.50}\nnull\n");
    let why = rejected(send(&mut delivery, [raw(2, &[(None, Some(b"nope"), &[])])]).await);
    assert!(why.contains("clicks/3/2") && why.contains("select"), "{why}");
}

#[tokio::test]
async fn rows_fed_again_come_in_the_same_requests_with_the_same_keys() {
    let server = Server::start().await;
    let small =
        |server: &Server| HttpSettings { batch_rows: 10, batch_bytes: 100, ..settings(server) };
    let keys = |from: usize| -> Vec<(String, String)> {
        let of = |name| move |seen: &crate::server::Seen| seen.header(name).to_owned();
        let (key, rows) = (of("idempotency-key"), of("millrace-rows"));
        server.seen()[from..].iter().map(|seen| (key(seen), rows(seen))).collect()
    };
    // Crashed after row 47: the last request was cut short by the commit.
    send(&mut delivery(small(&server)), [columns(3, 20), columns(20, 48)]).await.expect("delivers");
    let first = keys(0);
    send(&mut delivery(small(&server)), [columns(3, 31), columns(31, 90)]).await.expect("delivers");
    let again = keys(first.len());
    assert!(first.len() > 6, "{first:?}");
    assert_eq!(first[..first.len() - 1], again[..first.len() - 1]);
    let mut distinct: Vec<_> = again.iter().map(|(key, _)| key).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), again.len(), "different rows, different keys");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_key_and_body() {
    let server = Server::start().await;
    let asked = vec![("retry-after", "1".to_owned())];
    server.will_answer([
        Answer::Status(503),
        Answer::With(429, asked, String::new()),
        Answer::Status(408),
    ]);
    send(&mut delivery(settings(&server)), [columns(0, 3)]).await.expect("the fourth is taken");
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    for again in &seen[1..] {
        assert_eq!(again.header("idempotency-key"), seen[0].header("idempotency-key"));
        assert_eq!(again.body, seen[0].body);
    }
}

#[tokio::test]
async fn patience_ends_and_the_route_may_try_later() {
    let server = Server::start().await;
    server.set_broken(true);
    let mut delivery = delivery(settings(&server));
    let outcome = send(&mut delivery, [columns(0, 3)]).await;
    assert!(matches!(outcome, Err(SinkError::Retry { .. })), "{outcome:?}");
    server.set_broken(false);
    delivery.abort().await;
    send(&mut delivery, [columns(0, 3)]).await.expect("delivers");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::start().await;
    server.will_answer([Answer::Silence]);
    let mut settings = settings(&server);
    settings.retry.attempts = 1;
    settings.request_timeout = Duration::from_millis(200);
    let outcome = send(&mut delivery(settings), [columns(0, 3)]).await;
    assert!(matches!(outcome, Err(SinkError::Retry { .. })), "{outcome:?}");
}

#[tokio::test]
async fn what_the_server_will_never_take_stops_the_route_and_says_why() {
    let server = Server::start().await;
    server.will_answer([Answer::With(422, vec![], "no\u{1b}[31m such\nfield".to_owned())]);
    let why = rejected(send(&mut delivery(settings(&server)), [columns(0, 3)]).await);
    assert!(why.contains("422") && why.contains("no[31m suchfield"), "{why}");
    assert_eq!(server.seen().len(), 1, "it was not tried again");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let server = Server::start().await;
    server.will_answer([Answer::Endless(200), Answer::Endless(400)]);
    let mut delivery = delivery(settings(&server));
    send(&mut delivery, [columns(0, 3)]).await.expect("the status counts");
    let why = rejected(send(&mut delivery, [columns(3, 4)]).await);
    assert!(why.len() < 500, "{}", why.len());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (server, inner) = (Server::start().await, Server::start().await);
    for status in [301, 302, 303, 307, 308] {
        let to = vec![("location", format!("http://{}/", inner.address))];
        server.will_answer([Answer::With(status, to, String::new())]);
        let why = rejected(send(&mut delivery(settings(&server)), [columns(0, 3)]).await);
        assert!(why.contains(&status.to_string()), "{why}");
    }
    assert_eq!((server.seen().len(), inner.seen().len()), (5, 0));
}

#[tokio::test]
async fn private_addresses_are_refused_by_number_and_by_name() {
    let server = Server::start().await;
    let public_only = |url: &str| HttpSettings {
        allow_private: false,
        url: Url::parse(url).expect("a URL"),
        ..settings(&server)
    };
    let port = server.address.port();
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0", "169.254.169.254"] {
        let made = HttpDelivery::new(public_only(&format!("http://{host}:{port}/")));
        let why = rejected(made.map(|_| ()));
        assert!(why.contains("allow_private"), "{host}: {why}");
    }
    for host in ["localhost", "LOCALHOST", "localhost."] {
        let mut delivery = delivery(public_only(&format!("http://{host}:{port}/")));
        let outcome = send(&mut delivery, [columns(0, 3)]).await;
        assert!(outcome.is_err(), "{host}");
        if host != "localhost." {
            let why = rejected(outcome);
            assert!(why.contains("loopback") && why.contains("allow_private"), "{host}: {why}");
        }
    }
    for url in ["ftp://8.8.8.8/", "file:///etc/passwd"] {
        rejected(HttpDelivery::new(public_only(url)).map(|_| ()));
    }
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn secrets_of_the_url_are_used_and_never_shown() {
    let server = Server::start().await;
    let secret = |port: u16| HttpSettings {
        url: Url::parse(&format!("http://me:hunter2@127.0.0.1:{port}/t0ken/x?sig=s1gn"))
            .expect("a URL"),
        ..settings(&server)
    };
    let hidden = |text: String| {
        for word in ["hunter2", "t0ken", "s1gn", "me:"] {
            assert!(!text.contains(word), "{text}");
        }
    };
    let port = server.address.port();
    hidden(format!("{:?}", secret(port)));
    send(&mut delivery(secret(port)), [columns(0, 3)]).await.expect("delivers");
    let seen = server.seen();
    assert_eq!(seen[0].path, "/t0ken/x?sig=s1gn");
    assert_eq!(seen[0].header("authorization"), "Basic bWU6aHVudGVyMg==");
    server.will_answer([Answer::Status(403)]);
    hidden(rejected(send(&mut delivery(secret(port)), [columns(0, 3)]).await));
    // Nobody listens on a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = free.local_addr().expect("is bound").port();
    drop(free);
    let failed = send(&mut delivery(secret(port)), [columns(0, 3)]).await.expect_err("no server");
    hidden(format!("{failed} {failed:?}"));
    let denied = HttpSettings { allow_private: false, ..secret(port) };
    hidden(rejected(HttpDelivery::new(denied).map(|_| ())));
}
