//! Take-rate and popularity.

use super::harness::Golden;

#[tokio::test]
async fn take_rate_and_popularity_are_those_of_the_batch() {
    Golden::of("take-rate").check().await;
}
