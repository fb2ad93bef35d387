//! Verbs: what is wanted of a job, how its state is kept, what can be seen of it.

use millrace_control::model::{JobPhase, JobStatus, Kind, RunEnd, RunState};
use millrace_control::reconcile::next_run;
use reqwest::Method;
use serde_json::json;

use crate::support::{COUNTS, PLAYS, Server};

const JOB: &str = "/v1/namespaces/default/jobs/counts";

async fn with_job() -> Server {
    let server = Server::start().await;
    server.put("/v1/namespaces/default/streams/plays", PLAYS).await.is(201);
    server.put(JOB, COUNTS).await.is(201);
    server
}

/// The board says that the job runs under this goal.
fn running(server: &Server, goal: i64) {
    let status = JobStatus {
        phase: JobPhase::Running,
        reason: None,
        observed_goal: goal,
        observed_generation: Some(1),
        run: Some("run-1".to_owned()),
        restarts: 0,
        failures: 0,
        next_start_ms: None,
        worker: None,
    };
    let key = ("default".to_owned(), "counts".to_owned());
    server.board.0.lock().unwrap().insert(key, status);
}

#[tokio::test]
async fn verbs_change_the_goal_under_its_number() {
    let server = with_job().await;
    let stopped = server.post(&format!("{JOB}/stop"), &json!({"drain": true})).await.is(202);
    assert_eq!(stopped.json()["goal"]["desired"], "stopped");
    assert_eq!(stopped.json()["goal"]["drain"], true);
    assert_eq!(stopped.header("etag"), "\"2\"");
    server.post(&format!("{JOB}/restart"), &json!({})).await.problem(409, "stopped");
    let again = server.post(&format!("{JOB}/stop"), &json!({})).await.is(202);
    assert_eq!(again.header("etag"), "\"2\"", "it is stopped already");
    let resume = |tag: &str| {
        let request = server.request(Method::POST, &format!("{JOB}/resume"));
        server.send(request.header("if-match", tag))
    };
    assert_eq!(resume("\"1\"").await.problem(412, "stale")["current"], 2);
    let resumed = resume("\"2\"").await.is(202).json();
    assert_eq!(
        (&resumed["goal"]["desired"], &resumed["goal"]["drain"]),
        (&json!("running"), &json!(false))
    );
    let scaled = server.post(&format!("{JOB}/rescale"), &json!({"parallelism": 4})).await.is(202);
    assert_eq!(scaled.json()["goal"]["parallelism"], 4);
    let would = server.post(&format!("{JOB}/restart?dry_run=true"), &json!({})).await.is(200);
    assert_eq!(would.json()["goal"]["restarts"], 1);
    assert_eq!(server.get(&format!("{JOB}/status")).await.json()["goal"]["restarts"], 0);
    let events = server.get(&format!("{JOB}/events")).await.is(200).json();
    let said: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    assert_eq!(said, ["Created", "StopRequested", "StartRequested", "RescaleRequested"]);
}

#[tokio::test]
async fn an_answer_is_held_until_the_job_rests() {
    let server = with_job().await;
    running(&server, 1);
    let waited = server.post(&format!("{JOB}/deploy?wait=5"), &json!({})).await.is(202).json();
    assert_eq!(waited["settled"], true);
    let early = server.post(&format!("{JOB}/restart"), &json!({})).await.is(202).json();
    assert_eq!(early["settled"], false, "the reconciler has not seen goal 2");
    let path = format!("{JOB}/restart?wait=30");
    let seen = async {
        // Seen only once the request has set goal 3.
        while server.store.goal("default", "counts").await.unwrap().unwrap().goal < 3 {
            tokio::task::yield_now().await;
        }
        running(&server, 3);
    };
    let body = json!({});
    let (answer, ()) = tokio::join!(server.post(&path, &body), seen);
    assert_eq!(answer.is(202).json()["settled"], true);
    server.post(&format!("{JOB}/restart?wait=61"), &json!({})).await.problem(400, "bad-query");
}

#[tokio::test]
async fn a_version_that_loses_state_must_be_allowed() {
    let server = with_job().await;
    let partly = COUNTS.replace("INSERT", "/*partly*/ INSERT");
    let problem = server.put(JOB, &partly).await.problem(409, "state-incompatible");
    assert_eq!(problem["verdict"]["dropped"], json!(["window of plays"]));
    let plan = server.post_yaml(&format!("{JOB}/plan"), &partly).await.is(200).json();
    assert_eq!(
        (&plan["needs"], &plan["outcome"]),
        (&json!("allow_dropped_state"), &json!("configured"))
    );
    assert_eq!(server.get(JOB).await.json()["metadata"]["generation"], 1);
    server.put(&format!("{JOB}?allow_dropped_state=true"), &partly).await.is(200);
    let goal = &server.get(&format!("{JOB}/status")).await.json()["goal"];
    assert_eq!((&goal["version"], &goal["state"]), (&json!(2), &json!("allow_dropped")));
    let other = COUNTS.replace("INSERT", "/*incompatible*/ INSERT");
    server.put(&format!("{JOB}?allow_dropped_state=true"), &other).await.is(409);
    let upgrade = format!("{JOB}/upgrade?fresh_state=true");
    let view = server.post_yaml(&upgrade, &other).await.is(202).json();
    assert_eq!((&view["goal"]["version"], &view["goal"]["state"]), (&json!(3), &json!("fresh")));
    let back = server.post(&format!("{JOB}/rollback"), &json!({"generation": 1})).await.is(202);
    assert_eq!(back.json()["goal"]["version"], 1);
    assert_eq!(back.json()["goal"]["state"], "keep");
    let lost = server.post(&format!("{JOB}/rollback"), &json!({"generation": 2})).await;
    lost.problem(409, "state-incompatible");
    server.post(&format!("{JOB}/rollback"), &json!({"generation": 9})).await.is(404);
}

#[tokio::test]
async fn what_one_start_may_forget_the_next_may_not() {
    let server = with_job().await;
    let other = COUNTS.replace("INSERT", "/*incompatible*/ INSERT");
    server.put(&format!("{JOB}?fresh_state=true"), &other).await.is(200);
    let early = server.post(&format!("{JOB}/restart"), &json!({})).await.is(202).json();
    assert_eq!(early["goal"]["state"], "fresh", "version 2 has not started yet");
    running(&server, 3);
    let late = server.post(&format!("{JOB}/restart"), &json!({})).await.is(202).json();
    assert_eq!(late["goal"]["state"], "keep");
}

#[tokio::test]
async fn every_verb_keeps_the_state_of_a_job_that_has_started() {
    let server = with_job().await;
    let verbs = [
        ("stop", json!({})),
        ("resume", json!({})),
        ("rescale", json!({"parallelism": 3})),
        ("restart", json!({})),
    ];
    for (n, (verb, body)) in verbs.into_iter().enumerate() {
        let other = COUNTS.replace("INSERT", &format!("/*incompatible {n}*/ INSERT"));
        let upgrade = format!("{JOB}/upgrade?fresh_state=true");
        let fresh = server.post_yaml(&upgrade, &other).await.is(202).json();
        assert_eq!(fresh["goal"]["state"], "fresh", "before {verb}");
        running(&server, fresh["goal"]["goal"].as_i64().expect("a number"));
        let path = format!("{JOB}/{verb}");
        let would = server.post(&format!("{path}?dry_run=true"), &body).await.is(200).json();
        let done = server.post(&path, &body).await.is(202).json();
        for view in [would, done] {
            assert_eq!(view["goal"]["state"], "keep", "{verb}");
            assert!(view["goal"]["goal"].as_i64() > fresh["goal"]["goal"].as_i64(), "{verb}");
        }
    }
}

/// A run under the goal as it is now, which was refused.
async fn refused(server: &Server, id: &str) {
    let goal = server.store.goal("default", "counts").await.unwrap().unwrap();
    let last = server.store.newest_run("default", "counts").await.unwrap();
    let job = server.store.get("default", Kind::Job, "counts").await.unwrap().unwrap();
    let names = (id, "default", "counts", job.metadata.uid.as_str());
    let mut run = next_run(&goal, last.as_ref(), names, 1, 0);
    server.store.add_run(&run).await.unwrap();
    let reason = "its state does not fit".to_owned();
    run.end = Some(RunEnd::Failed { reason, retryable: false });
    (run.state, run.ended_ms) = (RunState::Ended, Some(1));
    server.store.update_run(&run).await.unwrap();
}

#[tokio::test]
async fn an_unchanged_job_that_was_refused_begins_anew_with_what_is_allowed() {
    let server = with_job().await;
    let outcome = async |query: &str| {
        let answer = server.put(&format!("{JOB}{query}"), COUNTS).await.is(200);
        answer.header("millrace-outcome").to_owned()
    };
    assert_eq!(outcome("?fresh_state=true").await, "unchanged", "nothing is wrong with it");
    refused(&server, "r1").await;
    assert_eq!(outcome("").await, "unchanged", "nothing more is allowed");
    let diff = server.post_yaml("/v1/namespaces/default/diff", COUNTS).await.is(200).json();
    assert_eq!(diff["results"][0]["outcome"], "unchanged", "a diff allows nothing");
    assert_eq!(outcome("?fresh_state=true&dry_run=true").await, "configured");
    for (goal, restarts) in [(2, 0), (3, 1)] {
        assert_eq!(outcome("?fresh_state=true").await, "configured");
        let view = server.get(&format!("{JOB}/status")).await.is(200).json();
        let seen = (&view["goal"]["goal"], &view["goal"]["state"], &view["goal"]["restarts"]);
        assert_eq!(seen, (&json!(goal), &json!("fresh"), &json!(restarts)));
        assert_eq!(outcome("?fresh_state=true").await, "unchanged", "it has yet to be tried");
        refused(&server, &format!("r-of-{goal}")).await;
    }
}

#[tokio::test]
async fn the_newest_version_is_judged_when_it_ends_a_rollback() {
    let server = with_job().await;
    let second = COUNTS.replace("SELECT member", "SELECT /*partly*/ member");
    server.put(&format!("{JOB}?allow_dropped_state=true"), &second).await.is(200);
    server.post(&format!("{JOB}/rollback"), &json!({"generation": 1})).await.is(202);
    server.put(JOB, &second).await.problem(409, "state-incompatible");
    server.put(&format!("{JOB}?allow_dropped_state=true"), &second).await.is(200);
    let goal = server.get(&format!("{JOB}/status")).await.is(200).json()["goal"].clone();
    assert_eq!((&goal["version"], &goal["state"]), (&json!(2), &json!("allow_dropped")));
}

#[tokio::test]
async fn savepoints_are_made_of_running_jobs_and_start_new_ones() {
    let server = with_job().await;
    let path = format!("{JOB}/savepoint");
    server.post(&path, &json!({})).await.problem(409, "not-running");
    running(&server, 1);
    let made = server.post(&path, &json!({"reason": "before the move"})).await.is(202).json();
    assert_eq!(made["state"], json!({"kind": "complete", "checkpoint": 7}));
    let listed = server.get(&format!("{JOB}/savepoints")).await.is(200).json();
    assert_eq!(listed["items"][0], made);
    let id = made["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("{JOB}/savepoints/{id}")).await.is(200).json(), made);
    let moved = COUNTS.replace("name: counts", "name: moved");
    let path = format!("/v1/namespaces/default/jobs/moved?from_savepoint={id}&stopped=true");
    server.put(&path, &moved).await.is(201);
    let view = server.get("/v1/namespaces/default/jobs/moved/status").await.is(200).json();
    assert_eq!(view["goal"]["fromSavepoint"], made["path"]);
    assert_eq!(view["goal"]["desired"], "stopped");
    let stop = server.post(&format!("{JOB}/stop"), &json!({"savepoint": true})).await.is(202);
    let asked = stop.json()["goal"]["stopSavepoint"].as_str().unwrap().to_owned();
    let asked = server.get(&format!("{JOB}/savepoints/{asked}")).await.is(200).json();
    assert_eq!(asked["state"]["kind"], "requested");
    let in_use = server.delete(&format!("{JOB}/savepoints/{id}")).await.problem(409, "in-use");
    assert!(in_use["detail"].as_str().unwrap().starts_with("job moved begins from it"));
    assert!(server.engine.forgotten.lock().unwrap().is_empty());
    server.delete("/v1/namespaces/default/jobs/moved").await.is(202);
    server.delete(&format!("{JOB}/savepoints/{id}")).await.is(204);
    assert_eq!(*server.engine.forgotten.lock().unwrap(), [made["path"].as_str().unwrap()]);
    server.get(&format!("{JOB}/savepoints/{id}")).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_job_can_be_looked_at() {
    let server = with_job().await;
    let log = server.get(&format!("{JOB}/logs?lines=7")).await.is(200);
    assert_eq!(log.text, "log of counts\nlast 7\n");
    assert_eq!(log.header("content-type"), "text/plain; charset=utf-8");
    server.get(&format!("{JOB}/tail")).await.problem(409, "not-running");
    running(&server, 1);
    let tail = server.get(&format!("{JOB}/tail?sink=counts")).await.is(200);
    assert_eq!(tail.header("content-type"), "text/event-stream");
    assert!(tail.text.starts_with("data: {\"kind\":\"+I\""), "{}", tail.text);
    let numbers = server.get(&format!("{JOB}/metrics")).await.is(200).json();
    assert_eq!((&numbers["phase"], &numbers["lag"]), (&json!("running"), &json!(null)));
    let overview = server.get("/v1/overview").await.is(200).json();
    assert_eq!(overview["jobs"][0]["job"], "counts");
    assert_eq!(overview["jobs"][0], numbers, "one shape");
    let plan = server.get(&format!("{JOB}/explain?form=dot")).await.is(200);
    assert_eq!(plan.text, "dot of counts");
    let sql = json!({"sql": "INSERT INTO counts SELECT member FROM plays"});
    let path = "/v1/namespaces/default/jobs/-/sample?events=5&rows=2";
    let rows = server.post(path, &sql).await.is(200).json();
    assert_eq!(rows[0]["rows"], json!([{"events": 5, "rows": 2}]));
    let tables = server.get("/v1/namespaces/default/tables").await.is(200).json();
    assert_eq!(tables["items"][0]["name"], "public.counts");
    assert_eq!(tables["items"][0]["writers"], json!(["jobs/counts"]));
    server.get("/v1/namespaces/default/tables/counts").await.is(200);
    server.get("/v1/namespaces/default/tables/other").await.problem(404, "not-found");
    assert_eq!(server.get(&format!("{JOB}/runs")).await.is(200).json()["items"], json!([]));
}
