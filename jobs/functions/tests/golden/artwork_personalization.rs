//! Personalised artwork: what policies choose by, and what they are worth.

use super::harness::Golden;

#[tokio::test]
async fn artwork_policies_learn_what_the_batch_learns() {
    Golden::of("artwork-personalization").check().await;
}
