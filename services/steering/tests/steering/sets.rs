//! Sets of appliances behave like any set, whatever form they have.

use std::collections::BTreeSet;

use millrace_steering::fleet::{ApplianceSet, Files};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_set_is_a_set(
        changes in prop::collection::vec(
            (any::<bool>(), prop_oneof![0_u16..200, any::<u16>()]),
            0..600,
        ),
    ) {
        let (mut set, mut model) = (ApplianceSet::default(), BTreeSet::new());
        for (add, no) in changes {
            if add {
                prop_assert_eq!(set.insert(no), model.insert(no));
            } else {
                prop_assert_eq!(set.remove(no), model.remove(&no));
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.is_empty(), model.is_empty());
            prop_assert_eq!(set.contains(no), model.contains(&no));
        }
        prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_full_set_is_a_bitmap_and_a_small_one_takes_nothing() {
    let mut set = ApplianceSet::default();
    assert!(set.insert(7));
    assert_eq!(set.heap_bytes(), 0);
    (0..1000).for_each(|no| {
        set.insert(no);
    });
    assert_eq!((set.len(), set.heap_bytes()), (1000, 128));
    (0..999).for_each(|no| {
        set.remove(no);
    });
    assert_eq!((set.iter().collect::<Vec<_>>(), set.heap_bytes()), (vec![999], 0));
}

#[test]
fn a_clone_of_files_keeps_what_it_saw() {
    let mut files = Files::default();
    for no in 0..50 {
        assert!(files.add("a", no));
    }
    let before = files.clone();
    assert!(files.remove("a", 3));
    assert!(!files.remove("a", 3) && !files.remove("b", 3));
    assert!(files.add("b", 3));
    assert_eq!((before.len(), files.len()), (1, 2));
    assert_eq!(before.holders("a").map(ApplianceSet::len), Some(50));
    assert_eq!(files.holders("a").map(ApplianceSet::len), Some(49));
    assert!(files.remove("b", 3));
    assert!(files.holders("b").is_none() && files.len() == 1);
}
