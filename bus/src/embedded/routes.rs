//! Which part answers which Kafka request: records and groups by ours, everything else by tansu.

use std::sync::Arc;

use rama::Service as _;
use rama::layer::Layer as _;
use tansu_broker::Error;
use tansu_broker::service::{coordinator, storage};
use tansu_sans_io::{
    ApiKey as _, CreateTopicsRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest,
    ProduceRequest,
};
use tansu_service::{FrameRequestLayer, FrameRouteService};
use tansu_storage::StorageContainer;

use super::coordinator::Groups;
use super::requests::Records;
use super::store::Store;
use super::topics::Topics;

/// Answers Kafka requests.
pub(super) type Routes = FrameRouteService<(), Error>;

/// The routes. Requests that are not listed (transactions, ACLs, deleting records, describing
/// groups) are refused by the version handshake, so that a client says so instead of waiting.
pub(super) fn routes(
    store: Arc<Store>,
    tansu: &StorageContainer,
    groups: Groups,
) -> Result<Routes, Error> {
    let delegated = [
        storage::delete_groups,
        storage::delete_topics,
        storage::describe_cluster,
        storage::describe_configs,
        storage::describe_topic_partitions,
        storage::find_coordinator,
        storage::incremental_alter_configs,
        storage::list_groups,
        storage::metadata,
    ];
    let ours = Records(store);
    let topics = Topics::new(tansu.clone());
    let builder = Routes::builder()
        .with_route(
            CreateTopicsRequest::KEY,
            FrameRequestLayer::<CreateTopicsRequest>::new().layer(topics).boxed(),
        )?
        .with_route(
            ProduceRequest::KEY,
            FrameRequestLayer::<ProduceRequest>::new().layer(ours.clone()).boxed(),
        )?
        .with_route(
            FetchRequest::KEY,
            FrameRequestLayer::<FetchRequest>::new().layer(ours.clone()).boxed(),
        )?
        .with_route(
            ListOffsetsRequest::KEY,
            FrameRequestLayer::<ListOffsetsRequest>::new().layer(ours.clone()).boxed(),
        )?
        .with_route(
            InitProducerIdRequest::KEY,
            FrameRequestLayer::<InitProducerIdRequest>::new().layer(ours).boxed(),
        )?;
    let builder =
        delegated.into_iter().try_fold(builder, |builder, route| route(builder, tansu.clone()))?;
    Ok(coordinator::services(builder, groups)?.build()?)
}
