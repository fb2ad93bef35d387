//! The rungs' sources: what the shelves know of a member, and of a country.

use std::sync::Arc;

use async_trait::async_trait;
use tower::BoxError;

use crate::compose::Composer;
use crate::hidden::Hidden;
use crate::ladder::Source;
use crate::page::{Ask, Page};

/// Pages from members' histories.
#[derive(Debug, Clone)]
pub struct Personal {
    /// What makes pages.
    pub composer: Composer,
    /// What members deleted.
    pub hidden: Arc<Hidden>,
}

#[async_trait]
impl Source for Personal {
    async fn page(&self, ask: Ask) -> Result<Option<Page>, BoxError> {
        Ok(self.composer.personal(&ask, &|w| self.hidden.hides(ask.member, w)))
    }
}

/// Pages of what is watched in a country.
#[derive(Debug, Clone)]
pub struct OfCountry {
    /// What makes pages.
    pub composer: Composer,
}

#[async_trait]
impl Source for OfCountry {
    async fn page(&self, ask: Ask) -> Result<Option<Page>, BoxError> {
        Ok(self.composer.country(&ask))
    }
}
