//! Only the newest run completes checkpoints, whatever the store does.

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::faulty_store::{Fault, FaultyStore};
use super::{CheckpointStore, Claim, Manifest};
use crate::StateError;

fn at(store: &Arc<dyn ObjectStore>) -> CheckpointStore {
    CheckpointStore::new(Arc::clone(store), Path::from("jobs/j"))
}

fn faulty(store: &Arc<dyn ObjectStore>, faults: &[Fault]) -> CheckpointStore {
    at(&(Arc::new(FaultyStore::new(Arc::clone(store), faults)) as Arc<dyn ObjectStore>))
}

fn manifest(claim: &Claim) -> Manifest {
    Manifest {
        job: "j".into(),
        generation: claim.generation(),
        checkpoint: claim.next_checkpoint(),
        ..Manifest::default()
    }
}

#[tokio::test]
async fn a_run_goes_on_from_the_newest_complete_checkpoint_on_any_store() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let stores: [Arc<dyn ObjectStore>; 2] = [Arc::new(InMemory::new()), Arc::new(local)];
    for store in stores {
        let store = at(&store);
        assert_eq!(store.latest().await.unwrap(), None);
        let (mut first, latest) = store.claim("a").await.unwrap();
        assert_eq!((first.generation(), latest), (1, None));
        let one = manifest(&first);
        first.complete(&one).await.unwrap();
        let two = manifest(&first);
        first.complete(&two).await.unwrap();

        let (_, latest) = store.claim("b").await.unwrap();
        assert_eq!(latest.as_ref(), Some(&two));
        // A run that claimed and died leaves the checkpoint where it was.
        let (mut third, latest) = store.claim("c").await.unwrap();
        assert_eq!((third.generation(), third.next_checkpoint(), latest), (3, 3, Some(two)));
        let three = manifest(&third);
        third.complete(&three).await.unwrap();
        assert_eq!(store.latest().await.unwrap(), Some(three));
    }
}

#[tokio::test]
async fn a_run_that_was_replaced_cannot_complete_a_checkpoint() {
    let store = at(&(Arc::new(InMemory::new()) as Arc<dyn ObjectStore>));
    let (mut old, _) = store.claim("old").await.unwrap();
    let (mut new, _) = store.claim("new").await.unwrap();
    let refused = manifest(&old);
    for _ in 0..2 {
        let error = old.complete(&refused).await.unwrap_err();
        assert!(matches!(error, StateError::Fenced { ours: 1, theirs: 2 }), "{error}");
        assert_eq!(store.latest().await.unwrap(), None);
    }
    let accepted = manifest(&new);
    new.complete(&accepted).await.unwrap();
    assert!(matches!(old.complete(&refused).await, Err(StateError::Fenced { .. })));
    assert_eq!(store.latest().await.unwrap(), Some(accepted));
}

#[tokio::test]
async fn a_run_that_slept_through_a_collection_does_not_take_a_free_place_for_the_newest() {
    let store = at(&(Arc::new(InMemory::new()) as Arc<dyn ObjectStore>));
    let (mut old, _) = store.claim("old").await.unwrap();
    let (mut new, _) = store.claim("new").await.unwrap();
    for _ in 0..3 {
        let next = manifest(&new);
        new.complete(&next).await.unwrap();
    }
    assert_eq!(new.collect(1, &[]).await.unwrap().entries, 4);
    let ghost = manifest(&old);
    let error = old.complete(&ghost).await.unwrap_err();
    assert!(matches!(error, StateError::Fenced { ours: 1, theirs: 2 }), "{error}");
    assert_eq!(store.latest().await.unwrap().unwrap().checkpoint, 3);
    let (third, latest) = store.claim("third").await.unwrap();
    assert_eq!((third.generation(), latest.unwrap().checkpoint), (3, 3));
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_counts_and_a_lost_put_is_repeated() {
    use Fault::{Lost, None, Stored};
    for faults in [[Stored, Stored, None], [Lost, Stored, Lost], [None, Lost, Lost]] {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (mut claim, _) = faulty(&store, &faults).claim("a").await.unwrap();
        let one = manifest(&claim);
        claim.complete(&one).await.unwrap();
        let two = manifest(&claim);
        claim.complete(&two).await.unwrap();
        assert_eq!(at(&store).latest().await.unwrap(), Some(two), "{faults:?}");
        assert_eq!(at(&store).sequences().await.unwrap(), [1, 2, 3], "{faults:?}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_could_not_be_stored_is_not_visible_and_the_next_run_goes_on_before_it() {
    use Fault::{Lost, None};
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (mut claim, _) = faulty(&store, &[None, None, Lost, Lost, Lost]).claim("a").await.unwrap();
    let one = manifest(&claim);
    claim.complete(&one).await.unwrap();
    let two = manifest(&claim);
    assert!(matches!(claim.complete(&two).await, Err(StateError::Store { .. })));
    let (_, latest) = at(&store).claim("b").await.unwrap();
    assert_eq!(latest, Some(one));
}

#[tokio::test]
async fn of_two_runs_that_claim_at_once_each_gets_its_own_generation() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (left, right) = (at(&store), at(&store));
    let (a, b) = futures::join!(left.claim("a"), right.claim("b"));
    let mut generations = [a.unwrap().0.generation(), b.unwrap().0.generation()];
    generations.sort_unstable();
    assert_eq!(generations, [1, 2]);
}

#[tokio::test]
async fn a_damaged_log_is_an_error_not_an_empty_job() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let path = Path::from("jobs/j/manifests/00000000000000000001.json");
    store.put(&path, b"{".to_vec().into()).await.unwrap();
    let error = at(&store).claim("a").await.unwrap_err();
    assert!(matches!(error, StateError::Damaged(_)), "{error}");
}
