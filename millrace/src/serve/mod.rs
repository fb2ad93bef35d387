//! `millrace serve`: a service that answers from feeds, until told to end.

mod ground;
mod recommendation;
mod steering;

use crate::Verdict;
use crate::cli::{ServeArgs, ServeCommand};

use ground::Ground;

/// Runs the service that was asked for.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Verdict> {
    match args.service {
        ServeCommand::Recommendation(args) => {
            recommendation::run(Ground::lay("recommendation", &args.service).await?).await
        }
        ServeCommand::Steering(args) => {
            steering::run(Ground::lay("steering", &args.service).await?, &args).await
        }
    }
}
