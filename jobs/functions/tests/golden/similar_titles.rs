//! Similar titles.

use super::harness::Golden;

#[tokio::test]
async fn lists_of_similar_titles_are_those_of_the_batch() {
    Golden::of("similar-titles").check().await;
}
