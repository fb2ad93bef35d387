//! What cannot be read is told, with its place, and nothing panics.

use sqlx::AssertSqlSafe;

use millrace_control::model::{JobPhase, Kind};
use millrace_control::store::{EventFilter, Page, Store, StoreError};

use crate::database::{Database, Tested, on_every_database};
use crate::support::{job, run, status};

on_every_database!(
    a_damaged_row_is_told_with_its_place,
    a_damaged_job_is_told_with_its_name,
    a_database_of_a_newer_version_is_left_alone,
    tables_that_are_not_ours_are_refused,
);

fn corrupt<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Corrupt(words)) => words,
        other => panic!("not {other:?}"),
    }
}

async fn a_damaged_row_is_told_with_its_place(database: &Database) -> Tested {
    let store = database.open().await?;
    let raw = database.raw().await?;
    for damage in ["spec = '{\"a\":'", "labels = '[]'", "labels = ''"] {
        store.put(job("j", "x")).await?;
        let damaged = format!("UPDATE resources SET {damage} WHERE name = 'j'");
        sqlx::query(AssertSqlSafe(damaged)).execute(&raw).await?;
        let words = corrupt(store.get("default", Kind::Job, "j").await);
        assert!(words.starts_with("Job default/j: "), "{words}");
        corrupt(store.list(Some("default"), None, &Page::default()).await);
        corrupt(store.jobs().await);
        corrupt(store.put(job("j", "y")).await);
        let mended = "UPDATE resources SET spec = '{}', labels = '{}' WHERE name = 'j'";
        sqlx::query(mended).execute(&raw).await?;
    }
    sqlx::query("UPDATE resources SET kind = 'Jot' WHERE name = 'j'").execute(&raw).await?;
    corrupt(store.list(None, None, &Page::default()).await);
    sqlx::query("UPDATE events SET level = 'odd'").execute(&raw).await?;
    corrupt(store.events(EventFilter::default(), 0, 10).await);
    Ok(())
}

async fn a_damaged_job_is_told_with_its_name(database: &Database) -> Tested {
    let store = database.open().await?;
    let raw = database.raw().await?;
    let (made, _) = store.put(job("j", "x")).await?;
    store.put_status("default", "j", &status(JobPhase::Running)).await?;
    store.add_run(&run("r", "j", &made.metadata.uid)).await?;
    for table in ["runs", "statuses", "goals"] {
        let damaged = format!("UPDATE {table} SET body = '{{}}'");
        sqlx::query(AssertSqlSafe(damaged)).execute(&raw).await?;
        let words = corrupt(store.jobs().await);
        assert!(words.starts_with("job default/j: "), "{words}");
    }
    corrupt(store.goal("default", "j").await);
    corrupt(store.status("default", "j").await);
    corrupt(store.run("r").await);
    sqlx::query("DELETE FROM goals").execute(&raw).await?;
    corrupt(store.jobs().await);
    corrupt(store.set_goal("default", "j", None, |g| g.restarts += 1, "ann", None, 1).await);
    Ok(())
}

async fn a_database_of_a_newer_version_is_left_alone(database: &Database) -> Tested {
    database.open().await?.close().await;
    let raw = database.raw().await?;
    let newer = "INSERT INTO migrations (number, name, hash, at_ms) VALUES (999, 'x', 'x', 1)";
    sqlx::query(newer).execute(&raw).await?;
    match Store::open(&database.url).await {
        Err(StoreError::Unavailable(words)) => assert!(words.contains("newer"), "{words}"),
        other => panic!("not {other:?}"),
    }
    Ok(())
}

async fn tables_that_are_not_ours_are_refused(database: &Database) -> Tested {
    database.open().await?.close().await;
    let raw = database.raw().await?;
    sqlx::query("UPDATE migrations SET hash = 'x'").execute(&raw).await?;
    corrupt(Store::open(&database.url).await);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_at_once() -> Tested {
    let database = Database::sqlite()?;
    let file = database.file().ok_or("a file")?;
    std::fs::write(&file, "not a database ".repeat(1000))?;
    corrupt(Store::open(&database.url).await);
    assert_eq!(std::fs::read(&file)?.len(), 15_000, "and it is left as it was");
    Ok(())
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() -> Tested {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}/none/goals.db?mode=rwc", folder.path().display());
    assert!(matches!(Store::open(&url).await, Err(StoreError::Unavailable(_))));
    Ok(())
}

#[tokio::test]
async fn a_password_in_the_url_is_never_told() -> Tested {
    for url in
        ["postgres://u:canary@127.0.0.1:no/x", "postgres://u:canary@h/x?sslmode=odd", "canary"]
    {
        let Err(error) = Store::open(url).await else { panic!("{url} was opened") };
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_in_memory_lives_as_long_as_its_store() -> Tested {
    let store = Store::open("sqlite::memory:").await?;
    let other = Store::open("sqlite::memory:").await?;
    store.put(job("j", "x")).await?;
    assert_eq!(store.jobs().await?.len(), 1);
    assert_eq!(other.jobs().await?.len(), 0);
    Ok(())
}
