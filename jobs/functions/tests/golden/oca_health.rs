//! Appliances: health, routes and files, and the errors of players.

use super::harness::Golden;

#[tokio::test]
async fn oca_health_gives_what_the_batch_gives() {
    Golden::of("oca-health").check().await;
}
