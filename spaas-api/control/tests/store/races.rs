//! Many at once, two stores on one database, and writers that are cut off.

use std::time::Duration;

use serde_json::json;
use sqlx::Connection;
use tokio::task::JoinSet;

use millrace_control::model::{Kind, RunState};
use millrace_control::store::{EventFilter, Page, Put, PutOutcome, StoreError};

use crate::database::{Database, Tested, on_every_database};
use crate::support::{job, put, run};

on_every_database!(
    of_fifty_that_saw_the_same_version_one_wins,
    of_many_runs_of_a_job_one_is_recorded,
    whoever_reads_on_misses_nothing,
    a_put_that_is_cut_off_leaves_all_or_nothing,
    a_connection_that_is_lost_leaves_nothing_and_blocks_nobody,
    goals_changed_at_once_are_all_counted,
    two_stores_may_open_an_empty_database_at_once,
);

async fn of_fifty_that_saw_the_same_version_one_wins(database: &Database) -> Tested {
    let stores = [database.open().await?, database.open().await?];
    let (made, _) = stores[0].put(put(Kind::Stream, "s", json!({"n": 0}))).await?;
    let mut all = JoinSet::new();
    for n in 1..=50_usize {
        let (store, expect) = (stores[n % 2].clone(), Some(made.metadata.resource_version));
        let change = Put { expect, ..put(Kind::Stream, "s", json!({ "n": n })) };
        all.spawn(async move { store.put(change).await });
    }
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for result in all.join_all().await {
        match result {
            Ok((resource, PutOutcome::Configured)) => won.push(resource),
            Err(StoreError::Conflict { current }) => lost.push(current),
            other => panic!("not {other:?}"),
        }
    }
    assert_eq!((won.len(), lost.len()), (1, 49));
    assert!(lost.iter().all(|current| *current == won[0].metadata.resource_version));
    assert_eq!(stores[1].get("default", Kind::Stream, "s").await?.as_ref(), won.first());
    let page = Page::default();
    assert_eq!(stores[0].versions("default", Kind::Stream, "s", &page).await?.items.len(), 2);
    Ok(())
}

async fn of_many_runs_of_a_job_one_is_recorded(database: &Database) -> Tested {
    let stores = [database.open().await?, database.open().await?];
    for round in 0..3 {
        let mut all = JoinSet::new();
        for n in 0..20_usize {
            let (store, run) = (stores[n % 2].clone(), run(&format!("r{round}-{n}"), "j", "u"));
            all.spawn(async move { store.add_run(&run).await.map(|()| run) });
        }
        let results = all.join_all().await;
        let refused = results.iter().filter(|r| matches!(r, Err(StoreError::Exists(_)))).count();
        let mut won: Vec<_> = results.into_iter().filter_map(Result::ok).collect();
        assert_eq!((won.len(), refused), (1, 19));
        assert_eq!(stores[0].runs_alive().await?, won);
        won[0].state = RunState::Ended;
        stores[1].update_run(&won[0]).await?;
    }
    Ok(())
}

async fn whoever_reads_on_misses_nothing(database: &Database) -> Tested {
    const MANY: usize = 40;
    let stores = [database.open().await?, database.open().await?];
    let mut all = JoinSet::new();
    for n in 0..MANY {
        let store = stores[n % 2].clone();
        all.spawn(async move { store.put(put(Kind::Stream, &format!("s{n}"), json!({}))).await });
    }
    let filter = EventFilter { kind: Some(Kind::Stream), ..EventFilter::default() };
    let mut read = Vec::new();
    while read.len() < MANY {
        let after = read.last().map_or(0, |event: &millrace_control::model::Event| event.seq);
        read.extend(stores[0].events(filter, after, 7).await?);
        tokio::task::yield_now().await;
    }
    let mut versions = Vec::new();
    for result in all.join_all().await {
        versions.push(result?.0.metadata.resource_version);
    }
    versions.sort_unstable();
    let seqs: Vec<_> = read.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, versions, "read in order, each once");
    assert_eq!(stores[1].events(filter, 0, 1000).await?, read);
    Ok(())
}

async fn a_put_that_is_cut_off_leaves_all_or_nothing(database: &Database) -> Tested {
    let store = database.open().await?;
    let mut cut = 0;
    for round in 0..40_u64 {
        let prefix = format!("j{round}-");
        let changes = (0..4).map(|n| job(&format!("{prefix}{n}"), "x")).collect();
        let patience = Duration::from_micros(round * 150);
        let done = tokio::time::timeout(patience, store.put_all(changes)).await;
        cut += u32::from(done.is_err());
        // At one moment: a commit that was cut off may still be under way.
        let jobs = store.jobs().await?;
        let there = jobs.iter().filter(|j| j.resource.metadata.name.starts_with(&prefix)).count();
        match done {
            Ok(result) => assert_eq!((result?.len(), there), (4, 4)),
            Err(_) => assert!(there == 0 || there == 4, "{there} of 4"),
        }
    }
    assert!(cut > 0, "one without any time is always cut off");
    // Waits for its turn, and so for a commit under way.
    store.put(job("last", "x")).await?;
    let jobs = store.jobs().await?.len();
    let filter = EventFilter { kind: Some(Kind::Job), ..EventFilter::default() };
    assert_eq!(store.events(filter, 0, 1000).await?.len(), jobs, "an event of each, no more");
    Ok(())
}

async fn a_connection_that_is_lost_leaves_nothing_and_blocks_nobody(database: &Database) -> Tested {
    let store = database.open().await?;
    let seq = store.last_event().await?;
    let raw = database.raw().await?;
    let mut lost = raw.acquire().await?.detach();
    let begin = if database.file().is_some() { "BEGIN IMMEDIATE" } else { "BEGIN" };
    sqlx::query(begin).execute(&mut lost).await?;
    if database.file().is_none() {
        let lock = "SELECT pg_advisory_xact_lock(7883957563009557349)";
        sqlx::query(lock).execute(&mut lost).await?;
    }
    let half = "INSERT INTO events (seq, at_ms, level, namespace, kind, name, what, message, \
        author) VALUES (999, 1, 'normal', 'default', 'Job', 'j', 'Created', '', 'x')";
    sqlx::query(half).execute(&mut lost).await?;
    lost.close_hard().await?;
    store.put(job("j", "x")).await?;
    assert_eq!(store.last_event().await?, seq + 1);
    Ok(())
}

async fn goals_changed_at_once_are_all_counted(database: &Database) -> Tested {
    let stores = [database.open().await?, database.open().await?];
    stores[0].put(job("j", "x")).await?;
    let mut all = JoinSet::new();
    for n in 0..20_usize {
        let store = stores[n % 2].clone();
        all.spawn(async move {
            store.set_goal("default", "j", None, |g| g.restarts += 1, "ann", None, 5).await
        });
    }
    for result in all.join_all().await {
        result?;
    }
    let goal = stores[0].goal("default", "j").await?.ok_or("a goal")?;
    assert_eq!((goal.goal, goal.restarts), (21, 20));
    Ok(())
}

async fn two_stores_may_open_an_empty_database_at_once(database: &Database) -> Tested {
    let (a, b) = tokio::join!(database.open(), database.open());
    let (a, b) = (a?, b?);
    let page = Page::default();
    let namespaces = a.list(None, Some(Kind::Namespace), &page).await?.items;
    assert_eq!(namespaces.len(), 1);
    assert_eq!(b.list(None, Some(Kind::Namespace), &page).await?.items, namespaces);
    Ok(())
}
