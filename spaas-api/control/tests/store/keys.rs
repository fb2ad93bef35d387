//! Tokens, the audit log, idempotency keys.

use millrace_control::model::{AuditEntry, Binding, Role, TokenInfo};
use millrace_control::store::{Answer, Idempotent, KEPT_MS, Page, StoreError};

use crate::database::{Database, Tested, on_every_database};

on_every_database!(
    tokens_are_kept_until_they_are_removed,
    the_audit_log_only_grows,
    the_same_request_gets_the_same_answer_for_a_day,
    a_request_that_was_cut_off_can_be_sent_again,
);

fn token(id: &str) -> TokenInfo {
    TokenInfo {
        id: id.into(),
        name: "ci".into(),
        bindings: vec![Binding { namespace: "default".into(), role: Role::Editor }],
        created_ms: 5,
        expires_ms: None,
        last_used_ms: None,
    }
}

async fn tokens_are_kept_until_they_are_removed(database: &Database) -> Tested {
    let store = database.open().await?;
    let ending = TokenInfo { expires_ms: Some(9), ..token("b") };
    store.add_token(&ending, "hash b").await?;
    store.add_token(&token("a"), "hash a").await?;
    assert!(matches!(store.add_token(&token("a"), "x").await, Err(StoreError::Exists(_))));
    let first = store.tokens(&Page { after: None, limit: 1 }).await?;
    assert_eq!((first.items, first.next.as_deref()), (vec![token("a")], Some("a")));
    let second = store.tokens(&Page { after: first.next, limit: 1 }).await?;
    assert_eq!((second.items, second.next), (vec![ending], None));

    store.touch_token("a", 60_000).await?;
    store.touch_token("a", 30_000).await?;
    let found = store.token_by_id("a").await?.ok_or("a token")?;
    assert_eq!((found.info.last_used_ms, found.hash.as_str()), (Some(60_000), "hash a"));
    assert!(!format!("{found:?}").contains("hash a"));
    store.remove_token("a").await?;
    assert_eq!(store.token_by_id("a").await?, None);
    assert!(matches!(store.remove_token("a").await, Err(StoreError::NotFound(_))));
    Ok(())
}

async fn the_audit_log_only_grows(database: &Database) -> Tested {
    let store = database.open().await?;
    let entry = |path: &str, reason: Option<&str>| AuditEntry {
        seq: 0,
        at_ms: 7,
        actor: "ann\u{0}".into(),
        method: "PUT".into(),
        path: path.into(),
        status: 201,
        reason: reason.map(Into::into),
    };
    for n in 1..=3 {
        assert_eq!(store.add_audit(&entry(&format!("/{n}"), Some("why"))).await?, n);
    }
    store.add_audit(&entry("/4", None)).await?;
    let all = store.audit(0, 10).await?;
    let seqs: Vec<_> = all.iter().map(|e| (e.seq, e.path.as_str(), e.status)).collect();
    assert_eq!(seqs, [(1, "/1", 201), (2, "/2", 201), (3, "/3", 201), (4, "/4", 201)]);
    assert_eq!((all[0].reason.as_deref(), all[3].reason.as_deref()), (Some("why"), None));
    assert_eq!(store.audit(1, 2).await?, all[1..3]);
    Ok(())
}

async fn the_same_request_gets_the_same_answer_for_a_day(database: &Database) -> Tested {
    let store = database.open().await?;
    let ask = async |key: &str, token: &str, hash: &str, now: i64| {
        store.idempotent(key, token, hash, now).await
    };
    assert_eq!(ask("k", "t", "h", 1000).await?, Idempotent::Fresh);
    assert_eq!(ask("k", "t", "h", 1001).await?, Idempotent::InFlight);
    assert_eq!(ask("k", "t", "other", 1001).await?, Idempotent::Mismatch);
    assert_eq!(ask("k", "another", "h", 1001).await?, Idempotent::Fresh, "a key is of a token");
    let answer = Answer {
        status: 201,
        headers: vec![("etag".into(), "\"3\"".into())],
        body: "{\"a\": 1}".into(),
    };
    store.finish_idempotent("k", "t", &answer).await?;
    let last = 1000 + KEPT_MS - 1;
    assert_eq!(ask("k", "t", "h", last).await?, Idempotent::Replay(answer));
    assert_eq!(ask("k", "t", "other", last).await?, Idempotent::Mismatch);
    assert_eq!(ask("k", "t", "h", 1000 + KEPT_MS).await?, Idempotent::Fresh);
    store.forget_idempotent("k", "t").await?;
    assert_eq!(ask("k", "t", "h", 1000 + KEPT_MS).await?, Idempotent::Fresh);
    Ok(())
}

async fn a_request_that_was_cut_off_can_be_sent_again(database: &Database) -> Tested {
    let store = database.open().await?;
    assert_eq!(store.idempotent("k", "t", "h", 0).await?, Idempotent::Fresh);
    assert_eq!(store.idempotent("k", "t", "h", 60_000).await?, Idempotent::InFlight);
    assert_eq!(store.idempotent("k", "t", "h", 600_000).await?, Idempotent::Fresh);
    Ok(())
}
