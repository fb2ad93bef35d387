//! Collection removes what nobody needs and nothing else; savepoints need nobody.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{CheckpointStore, Claim, Collected, Manifest, OperatorState, StateFile, SubtaskState};
use crate::{KeyGroups, StateError};

fn store() -> CheckpointStore {
    CheckpointStore::new(Arc::new(InMemory::new()), Path::from("jobs/j"))
}

async fn write(claim: &Claim, checkpoint: u64) -> String {
    let path = claim.state_path(checkpoint, "0.arrow");
    let full = claim.store().path(&path);
    claim.store().store().put(&full, path.clone().into()).await.unwrap();
    path
}

async fn complete(claim: &mut Claim, paths: &[&String]) -> Manifest {
    let file = |path: &&String| StateFile {
        path: (*path).clone(),
        rows: 1,
        bytes: 1,
        key_groups: KeyGroups::ALL,
    };
    let files = paths.iter().map(file).collect();
    let subtasks = vec![SubtaskState { instance: 0, key_groups: KeyGroups::ALL, files }];
    let operator = OperatorState { kind: "k".into(), watermark: 0, subtasks };
    let manifest = Manifest {
        generation: claim.generation(),
        checkpoint: claim.next_checkpoint(),
        operators: [("o".to_owned(), operator)].into(),
        ..Manifest::default()
    };
    claim.complete(&manifest).await.unwrap();
    manifest
}

async fn files(store: &CheckpointStore) -> Vec<String> {
    let folder = store.path("state");
    let listed = store.store().list(Some(&folder)).map_ok(|meta| meta.location);
    let mut paths: Vec<_> = listed.try_collect().await.unwrap();
    paths.sort();
    paths.iter().map(|path| store.relative(path).unwrap()).collect()
}

#[tokio::test]
async fn files_live_as_long_as_a_retained_checkpoint_or_the_run_needs_them() {
    let store = store();
    let (mut claim, _) = store.claim("a").await.unwrap();
    let (one, orphan) = (write(&claim, 1).await, claim.state_path(1, "orphan"));
    store.store().put(&store.path(&orphan), "x".into()).await.unwrap();
    assert_eq!(claim.collect(1, &[]).await.unwrap(), Collected::default());
    complete(&mut claim, &[&one]).await;
    let two = write(&claim, 2).await;
    complete(&mut claim, &[&one, &two]).await;
    let merged = claim.state_path(2, "merged");
    store.store().put(&store.path(&merged), "x".into()).await.unwrap();
    let three = write(&claim, 3).await;
    complete(&mut claim, &[&three]).await;
    let in_flight = write(&claim, 4).await;

    let collected = claim.collect(2, std::slice::from_ref(&merged)).await.unwrap();
    assert_eq!(collected, Collected { entries: 2, files: 1 });
    assert_eq!(files(&store).await, [&one, &two, &merged, &three, &in_flight].map(Clone::clone));
    let collected = claim.collect(1, &[]).await.unwrap();
    assert_eq!(collected, Collected { entries: 1, files: 3 });
    assert_eq!(files(&store).await, [three, in_flight]);
    assert_eq!(store.latest().await.unwrap().unwrap().checkpoint, 3);
}

#[tokio::test]
async fn a_run_that_was_replaced_collects_nothing_and_its_leftovers_are_collected() {
    let store = store();
    let (mut old, _) = store.claim("old").await.unwrap();
    let (one, two) = (write(&old, 1).await, write(&old, 2).await);
    complete(&mut old, &[&one]).await;
    complete(&mut old, &[&two]).await;
    let late = write(&old, 3).await;
    let (mut new, latest) = store.claim("new").await.unwrap();
    let error = old.collect(1, &[]).await.unwrap_err();
    assert!(matches!(error, StateError::Fenced { ours: 1, theirs: 2 }), "{error}");
    assert_eq!(files(&store).await, [&one, &two, &late].map(Clone::clone));

    assert!(latest.unwrap().paths().contains(two.as_str()));
    let three = write(&new, new.next_checkpoint()).await;
    complete(&mut new, &[&two, &three]).await;
    new.collect(1, &[]).await.unwrap();
    assert_eq!(files(&store).await, [two, three]);
}

#[tokio::test]
async fn a_savepoint_outlives_its_job_and_another_job_goes_on_from_it() {
    let source = store();
    let (mut claim, _) = source.claim("a").await.unwrap();
    let (one, two) = (write(&claim, 1).await, write(&claim, 2).await);
    let manifest = complete(&mut claim, &[&one, &two]).await;
    let near = CheckpointStore::new(Arc::clone(source.store()), Path::from("saved/s"));
    let far = CheckpointStore::new(Arc::new(InMemory::new()), Path::from("s"));
    for target in [&near, &far] {
        assert!(target.open_savepoint().await.is_err());
        source.savepoint(&manifest, target).await.unwrap();
        source.savepoint(&manifest, target).await.unwrap();
    }
    let other = Manifest { checkpoint: 99, ..manifest.clone() };
    assert!(source.savepoint(&other, &far).await.is_err());
    for path in files(&source).await {
        source.store().delete(&source.path(&path)).await.unwrap();
    }

    for target in [&near, &far] {
        let saved = target.open_savepoint().await.unwrap();
        assert_eq!(saved, manifest);
        let (claim, _) = store().claim("b").await.unwrap();
        let adopted = claim.adopt(target, saved).await.unwrap();
        let paths: Vec<_> = adopted.operators["o"].subtasks[0].files.iter().collect();
        for (file, content) in paths.iter().zip([&one, &two]) {
            let found = claim.store().store().get(&claim.store().path(&file.path)).await.unwrap();
            assert_eq!(found.bytes().await.unwrap(), content.as_bytes());
        }
    }
}
