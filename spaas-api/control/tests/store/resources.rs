//! Resources: every change is a version and an event, and nobody overwrites what he has not seen.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use millrace_control::model::Kind;
use millrace_control::store::{EventFilter, Page, Put, PutOutcome, Removal, Store, StoreError};

use crate::database::{Database, Tested, on_every_database};
use crate::support::{put, removal};

on_every_database!(
    every_change_is_a_version_and_an_event,
    the_same_again_writes_nothing,
    what_was_not_seen_is_not_overwritten,
    all_changes_are_made_or_none,
    a_resource_made_again_is_another_one,
    what_is_being_removed_cannot_be_changed,
    a_namespace_is_removed_only_when_it_is_empty,
    lists_are_paged_by_key,
    everything_is_there_after_opening_again,
    the_file_is_for_its_owner_only,
);

async fn every_change_is_a_version_and_an_event(database: &Database) -> Tested {
    let store = database.open().await?;
    let (first, outcome) = store.put(put(Kind::Stream, "s", json!({"a": 1}))).await?;
    assert_eq!((outcome, first.metadata.generation), (PutOutcome::Created, 1));
    let second = Put {
        reason: Some("wider".into()),
        author: "bob".into(),
        now_ms: 2000,
        ..put(Kind::Stream, "s", json!({"a": 2}))
    };
    let (changed, outcome) = store.put(second).await?;
    assert_eq!((outcome, changed.metadata.generation), (PutOutcome::Configured, 2));
    assert!(changed.metadata.resource_version > first.metadata.resource_version);
    assert_eq!(changed.metadata.uid, first.metadata.uid);
    assert_eq!((changed.metadata.created_ms, changed.metadata.updated_ms), (1000, 2000));
    assert_eq!(store.get("default", Kind::Stream, "s").await?.as_ref(), Some(&changed));

    let versions = store.versions("default", Kind::Stream, "s", &Page::default()).await?.items;
    let told: Vec<_> = versions
        .iter()
        .map(|v| (v.generation, v.author.as_str(), v.at_ms, v.reason.as_deref()))
        .collect();
    assert_eq!(told, [(2, "bob", 2000, Some("wider")), (1, "ann", 1000, None)]);
    let old = store.version("default", Kind::Stream, "s", 1).await?;
    assert_eq!(old.map(|v| v.spec), Some(json!({"a": 1})));
    assert_eq!(store.version("default", Kind::Stream, "s", 3).await?, None);

    let filter = EventFilter { ns: Some("default"), kind: Some(Kind::Stream), name: Some("s") };
    let events = store.events(filter, 0, 100).await?;
    let told: Vec<_> = events.iter().map(|e| (e.what.as_str(), e.message.as_str())).collect();
    assert_eq!(told, [("Created", "declared"), ("Configured", "changed: generation 2: wider")]);
    assert_eq!(events[1].seq, changed.metadata.resource_version);
    assert_eq!(store.events(filter, events[0].seq, 100).await?, events[1..]);
    Ok(())
}

async fn the_same_again_writes_nothing(database: &Database) -> Tested {
    let store = database.open().await?;
    let change = put(Kind::Job, "j", json!({"sql": "x"}));
    let (made, _) = store.put(change.clone()).await?;
    let (changed, seq) = (store.changed(), store.last_event().await?);
    let (again, outcome) = store.put(Put { now_ms: 5000, ..change.clone() }).await?;
    assert_eq!((again, outcome), (made.clone(), PutOutcome::Unchanged));
    assert_eq!(store.last_event().await?, seq);
    assert!(!changed.has_changed()?);

    let labels = BTreeMap::from([("team".to_owned(), "a\"%_".to_owned())]);
    let (labelled, outcome) = store.put(Put { labels, ..change }).await?;
    assert_eq!((outcome, labelled.metadata.generation), (PutOutcome::Configured, 1));
    assert!(labelled.metadata.resource_version > made.metadata.resource_version);
    assert_eq!(store.get("default", Kind::Job, "j").await?, Some(labelled));
    assert_eq!(store.goal("default", "j").await?.map(|g| g.goal), Some(1));
    assert!(changed.has_changed()?);
    Ok(())
}

async fn what_was_not_seen_is_not_overwritten(database: &Database) -> Tested {
    let store = database.open().await?;
    let at = |expect, n: i64| Put { expect, ..put(Kind::Stream, "s", json!({ "n": n })) };
    assert!(matches!(store.put(at(Some(3), 0)).await, Err(StoreError::Conflict { current: 0 })));
    let (made, _) = store.put(at(Some(0), 0)).await?;
    assert!(matches!(store.put(at(Some(0), 1)).await, Err(StoreError::Exists(_))));
    let seen = made.metadata.resource_version;
    let (now, _) = store.put(at(Some(seen), 1)).await?;
    let current = now.metadata.resource_version;
    match store.put(at(Some(seen), 2)).await {
        Err(StoreError::Conflict { current: told }) => assert_eq!(told, current),
        other => panic!("not {other:?}"),
    }
    let stale = Removal { expect: Some(seen), ..removal(Kind::Stream, "s") };
    assert!(matches!(store.mark_deleting(&stale).await, Err(StoreError::Conflict { .. })));
    assert!(matches!(store.remove(&stale).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.get("default", Kind::Stream, "s").await?, Some(now));
    Ok(())
}

async fn all_changes_are_made_or_none(database: &Database) -> Tested {
    let store = database.open().await?;
    let seq = store.last_event().await?;
    let nowhere = Put { ns: "nowhere".into(), ..put(Kind::Stream, "c", json!({})) };
    let changes = vec![put(Kind::Stream, "a", json!({})), put(Kind::Job, "b", json!({})), nowhere];
    assert!(matches!(store.put_all(changes.clone()).await, Err(StoreError::NotFound(_))));
    assert_eq!(store.list(Some("default"), Some(Kind::Stream), &Page::default()).await?.items, []);
    assert_eq!((store.jobs().await?.len(), store.last_event().await?), (0, seq));

    let mut with_namespace = vec![put(Kind::Namespace, "nowhere", json!({}))];
    with_namespace.extend(changes);
    let done = store.put_all(with_namespace).await?;
    assert!(done.iter().all(|(_, outcome)| *outcome == PutOutcome::Created));
    let all = store.list(None, None, &Page::default()).await?.items;
    assert_eq!(all.len(), 5, "two namespaces, two streams, one job");
    Ok(())
}

async fn a_resource_made_again_is_another_one(database: &Database) -> Tested {
    let store = database.open().await?;
    let (first, _) = store.put(put(Kind::Job, "j", json!({"n": 1}))).await?;
    store.put(put(Kind::Job, "j", json!({"n": 2}))).await?;
    store.remove(&removal(Kind::Job, "j")).await?;
    assert_eq!(store.get("default", Kind::Job, "j").await?, None);
    assert_eq!(store.goal("default", "j").await?, None);
    assert!(matches!(store.remove(&removal(Kind::Job, "j")).await, Err(StoreError::NotFound(_))));

    let (second, outcome) = store.put(put(Kind::Job, "j", json!({"n": 1}))).await?;
    assert_eq!((outcome, second.metadata.generation), (PutOutcome::Created, 1));
    assert_ne!(second.metadata.uid, first.metadata.uid);
    assert!(second.metadata.resource_version > first.metadata.resource_version + 2);
    let versions = store.versions("default", Kind::Job, "j", &Page::default()).await?.items;
    assert_eq!(versions.len(), 1, "the history of the first is not that of the second");
    let filter = EventFilter { name: Some("j"), ..EventFilter::default() };
    let words: Vec<_> =
        store.events(filter, 0, 100).await?.into_iter().map(|e| (e.what, e.author)).collect();
    assert!(words.contains(&("Deleted".to_owned(), "bob".to_owned())), "{words:?}");
    Ok(())
}

async fn what_is_being_removed_cannot_be_changed(database: &Database) -> Tested {
    let store = database.open().await?;
    let (made, _) = store.put(put(Kind::Job, "j", json!({"n": 1}))).await?;
    let marked = store.mark_deleting(&removal(Kind::Job, "j")).await?;
    assert_eq!(marked.metadata.deleting_ms, Some(2000));
    assert!(marked.metadata.resource_version > made.metadata.resource_version);
    assert_eq!(store.mark_deleting(&removal(Kind::Job, "j")).await?, marked);
    assert_eq!(store.get("default", Kind::Job, "j").await?, Some(marked));
    let change = store.put(put(Kind::Job, "j", json!({"n": 2}))).await;
    assert!(matches!(change, Err(StoreError::Exists(_))));
    let goal = store.set_goal("default", "j", None, |g| g.restarts += 1, "ann", None, 3).await;
    assert!(matches!(goal, Err(StoreError::Exists(_))));
    Ok(())
}

async fn a_namespace_is_removed_only_when_it_is_empty(database: &Database) -> Tested {
    let store = database.open().await?;
    store.put(put(Kind::Namespace, "team", json!({}))).await?;
    let inside = Put { ns: "team".into(), ..put(Kind::Stream, "s", json!({})) };
    store.put(inside.clone()).await?;
    let gone = store.remove(&removal(Kind::Namespace, "team")).await;
    assert!(matches!(gone, Err(StoreError::Exists(_))));
    let marked = store.mark_deleting(&removal(Kind::Namespace, "team")).await;
    assert!(matches!(marked, Err(StoreError::Exists(_))));
    store.remove(&Removal { ns: "team".into(), ..removal(Kind::Stream, "s") }).await?;
    store.remove(&removal(Kind::Namespace, "team")).await?;
    assert!(matches!(store.put(inside).await, Err(StoreError::NotFound(_))));
    assert!(store.get("default", Kind::Namespace, "default").await?.is_some());
    Ok(())
}

async fn names_on_pages(
    store: &Store,
    ns: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let mut page = Page { after: None, limit };
    loop {
        let found = store.list(ns, Some(Kind::Stream), &page).await?;
        assert!(found.items.len() <= limit as usize);
        names.extend(
            found.items.iter().map(|r| format!("{}/{}", r.metadata.namespace, r.metadata.name)),
        );
        match found.next {
            Some(next) => page.after = Some(next),
            None => return Ok(names),
        }
    }
}

async fn lists_are_paged_by_key(database: &Database) -> Tested {
    let store = database.open().await?;
    store.put(put(Kind::Namespace, "b", json!({}))).await?;
    // In the order of bytes, whatever language the server speaks.
    let names = ["_x", "a", "a-b", "a0", "a_b", "ab", "b"];
    for name in names.iter().rev() {
        store.put(put(Kind::Stream, name, json!({}))).await?;
        store.put(Put { ns: "b".into(), ..put(Kind::Stream, name, json!({})) }).await?;
        store.put(put(Kind::Route, name, json!({}))).await?;
    }
    let mut sorted: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    sorted.sort();
    let of = |ns: &str| sorted.iter().map(|n| format!("{ns}/{n}")).collect::<Vec<_>>();
    for limit in [1, 3, 7, 100] {
        assert_eq!(names_on_pages(&store, Some("b"), limit).await?, of("b"));
        assert_eq!(names_on_pages(&store, None, limit).await?, [of("b"), of("default")].concat());
    }
    let odd = Page { after: Some("x".into()), limit: 1 };
    assert!(matches!(store.list(None, None, &odd).await, Err(StoreError::NotFound(_))));
    Ok(())
}

async fn everything_is_there_after_opening_again(database: &Database) -> Tested {
    let store = database.open().await?;
    let (made, _) = store.put(put(Kind::Job, "j", json!({"text": "snow ❄ \u{0}"}))).await?;
    store.close().await;
    let store = database.open().await?;
    assert_eq!(store.get("default", Kind::Job, "j").await?, Some(made));
    assert_eq!(store.goal("default", "j").await?.map(|g| g.goal), Some(1));
    Ok(())
}

async fn the_file_is_for_its_owner_only(database: &Database) -> Tested {
    let Some(file) = database.file() else { return Ok(()) };
    std::fs::write(&file, "")?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
    let store = database.open().await?;
    store.put(put(Kind::Stream, "s", json!({}))).await?;
    let folder = file.parent().ok_or("it is in a folder")?;
    let mut modes = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        modes.push(entry?.metadata()?.permissions().mode() & 0o777);
    }
    assert_eq!(modes, vec![0o600; modes.len()], "the file, its log and its index");
    assert!(modes.len() > 1);
    Ok(())
}
