//! `token`, `whoami`, `audit-log`.

use millrace_client::ExitKind;
use serde_json::{Value, json};

use super::support::{Fake, folder};

#[tokio::test]
async fn a_new_token_goes_to_stdout_or_to_a_file_of_its_owner() {
    let fake = Fake::start().await;
    fake.on("POST /v1/tokens", 201, &json!({"token": "mlr_t1_new", "info": {"id": "t1"}}));
    let args =
        ["token", "create", "ci", "--role", "editor", "--namespace", "shop", "--expires", "30d"];
    let ran = fake.run(&args).await;
    assert_eq!(ran.talk, "token t1; it is shown this once\n");
    assert_eq!(ran.good(), "mlr_t1_new\n");
    let sent: Value = serde_json::from_str(&fake.seen()[0].body).unwrap();
    let ends = 1_800_000_000_000_i64 + 30 * 86_400_000;
    let bindings = json!([{"namespace": "shop", "role": "editor"}]);
    assert_eq!(sent, json!({"name": "ci", "bindings": bindings, "expiresMs": ends}));

    let folder = folder(&[]);
    let file = folder.path().join("token");
    let mut to_file = args.to_vec();
    to_file.extend(["--out", file.to_str().unwrap()]);
    let ran = fake.run(&to_file).await;
    assert!(!format!("{ran:?}").contains("mlr_t1_new"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mlr_t1_new\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // A file that is there is not written over, and no token is made for it.
    assert_eq!(fake.run(&to_file).await.exit, ExitKind::Usage);
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test]
async fn access_is_shown_and_taken_back() {
    let fake = Fake::start().await;
    let bindings =
        json!([{"namespace": "shop", "role": "editor"}, {"namespace": "*", "role": "viewer"}]);
    let token = json!({
        "id": "t1", "name": "ci", "bindings": bindings, "createdMs": 0, "expiresMs": null,
        "lastUsedMs": 60_000,
    });
    fake.on("GET /v1/tokens", 200, &json!({"items": [token], "next": null}));
    fake.on("DELETE /v1/tokens/t1", 204, &json!(null));
    let entry = json!({
        "seq": 5, "atMs": 0, "actor": "ci", "method": "PUT", "path": "/v1/namespaces/shop",
        "status": 403, "reason": null,
    });
    fake.on("GET /v1/audit", 200, &json!({"items": [entry], "next": "5"}));
    fake.on("GET /v1/whoami", 200, &json!({"token": "t1", "name": "ci", "bindings": bindings}));
    let mut shown = fake.run(&["token", "list"]).await.good();
    let ran = fake.run(&["audit-log", "--after", "4", "--limit", "1"]).await;
    assert_eq!(ran.talk, "more: millrace audit-log --after 5\n");
    shown.push_str(&ran.good());
    shown.push_str(&fake.run(&["whoami"]).await.good());
    insta::assert_snapshot!(shown);
    // The newest are at the end of the last page.
    fake.on("GET /v1/audit?limit=500&after=5", 200, &json!({"items": [{"seq": 6}], "next": null}));
    let out = fake.run(&["audit-log", "--limit", "1", "-o", "name"]).await.good();
    assert_eq!(out, "audit/6\n");
    assert_eq!(fake.run(&["token", "delete", "t1"]).await.good(), "token deleted\n");
    let lines = fake.lines();
    assert_eq!(lines[1], "GET /v1/audit?after=4&limit=1");
    assert_eq!(lines[5], "DELETE /v1/tokens/t1");
}
