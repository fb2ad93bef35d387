//! Changes since a place, as others read them.

use std::collections::BTreeMap;

use crate::stand::{Rows, Stand, follow, open, taken};

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_changes_applied_in_order_are_the_rows() {
    let stand = Stand::start().await;
    stand.create("titles", 2).await;
    let mut writer = stand.writer();
    writer.partitions = 2;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let follower = follow(stand.kafka(), &store, &["titles"], vec![]);
    let (mut place, mut rows, mut pages) = (BTreeMap::new(), Rows::new(), 0);
    for round in 0..4 {
        let written: Vec<_> =
            (0..30).map(|k| (k * 3 % 20, (k % 4 != round).then_some(round * 100 + k))).collect();
        writer.write("titles", &written).await;
        taken(&follower, "titles", writer.sent("titles")).await;
        loop {
            let page = store.changes("titles", &place, 7).unwrap().expect("held");
            assert!(page.items.len() <= 7);
            for item in page.items {
                let key = String::from_utf8(item.key.to_vec()).unwrap();
                match item.row {
                    Some(row) => rows.insert(key, String::from_utf8(row.to_vec()).unwrap()),
                    None => rows.remove(&key),
                };
            }
            (place, pages) = (page.next, pages + 1);
            if !page.more {
                break;
            }
        }
        assert_eq!(rows, writer.rows("titles"), "round {round}");
    }
    assert!(pages > 8, "several pages a round");
    assert_eq!(place.values().sum::<i64>(), writer.sent("titles"));
    assert_eq!(store.changes("others", &place, 7).unwrap(), None);
    follower.stop().await;
}
