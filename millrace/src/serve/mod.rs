//! `millrace serve`: a service that answers from feeds, until told to end.

mod door;
mod ground;
pub(crate) mod recommendation;
pub(crate) mod steering;

use anyhow::Context;

use crate::Verdict;
use crate::cli::{ServeArgs, ServeCommand, ServiceArgs};
use crate::compose::cluster;

use door::Door;
pub(crate) use ground::Ground;

/// Runs the service that was asked for.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Verdict> {
    match args.service {
        ServeCommand::Recommendation(args) => {
            let (door, ground) = begin("recommendation", &args.service).await?;
            let service = recommendation::start(&ground).await?;
            door.serve(service.router()).await?;
            service.stop().await;
        }
        ServeCommand::Steering(args) => {
            let settings = steering::SteeringSettings::of(&args)?;
            let (door, ground) = begin("steering", &args.service).await?;
            let (service, app) = steering::start(&ground, settings).await?;
            door.serve(app).await?;
            service.stop().await;
        }
    }
    Ok(Verdict::Good)
}

async fn begin(name: &str, args: &ServiceArgs) -> anyhow::Result<(Door, Ground)> {
    let door = Door::open(args).await?;
    let kafka = cluster(&args.kafka)?;
    let kafka = kafka.context("say which Kafka has the feeds: --kafka HOST:PORT")?;
    let ground = Ground::lay(name, kafka, &args.data, door.metrics()).await?;
    Ok((door, ground))
}
