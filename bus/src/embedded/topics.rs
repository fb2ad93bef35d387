//! Creating topics, one request at a time.

use std::sync::Arc;

use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::{CreateTopicsRequest, CreateTopicsResponse};
use tansu_storage::{CreateTopicsService, StorageContainer};
use tokio::sync::Mutex;

/// Lets tansu create topics without competitors: it keeps all topics under one key, so that of two
/// transactions at once one fails, and answers "unknown error" then.
#[derive(Clone)]
pub(super) struct Topics {
    tansu: StorageContainer,
    turn: Arc<Mutex<()>>,
}

impl Topics {
    pub(super) fn new(tansu: StorageContainer) -> Self {
        Self { tansu, turn: Arc::default() }
    }
}

impl Service<(), CreateTopicsRequest> for Topics {
    type Response = CreateTopicsResponse;
    type Error = Error;

    async fn serve(
        &self,
        _: Context<()>,
        request: CreateTopicsRequest,
    ) -> Result<CreateTopicsResponse, Error> {
        let _turn = self.turn.lock().await;
        let context = Context::default().map_state(|()| self.tansu.clone());
        Ok(CreateTopicsService.serve(context, request).await?)
    }
}
