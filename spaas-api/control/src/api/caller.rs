//! Who asks, about what, and whether they may: the first argument of every handler.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;

use millrace_http::Problem;

use super::parts::Api;
use super::problems::{not_found, store_problem};
use crate::access::no_namespace;
use crate::model::{Actor, Kind, Role};
use crate::reconcile::SYSTEM;

/// Somebody with a token.
pub(crate) struct Anyone {
    pub(crate) actor: Actor,
    pub(crate) path: PathValues,
}

/// Somebody who is admin in all namespaces.
pub(crate) struct Admin {
    pub(crate) actor: Actor,
    pub(crate) path: PathValues,
}

/// Somebody who may look into the namespace `ns` of the path.
pub(crate) struct Viewer {
    pub(crate) actor: Actor,
    pub(crate) ns: String,
    pub(crate) path: PathValues,
}

/// Somebody who may change things in the namespace `ns` of the path.
pub(crate) struct Editor {
    pub(crate) actor: Actor,
    pub(crate) ns: String,
    pub(crate) path: PathValues,
}

/// The values in the request's path.
pub(crate) struct PathValues(HashMap<String, String>);

impl PathValues {
    /// The value of `{name}`.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The kind that `{kind}` stands for.
    pub(crate) fn kind(&self) -> Result<Kind, Problem> {
        let declared = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Namespace);
        let plural = self.get("kind");
        declared.into_iter().find(|kind| kind.plural() == plural).ok_or_else(not_found)
    }

    /// The number in `{name}`; what is none names nothing.
    pub(crate) fn number(&self, name: &str) -> Result<i64, Problem> {
        self.get(name).parse().map_err(|_| not_found())
    }
}

impl FromRequestParts<Api> for PathValues {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Api) -> Result<Self, Problem> {
        // What is not UTF-8 names nothing.
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        path.map(|Path(values)| Self(values)).map_err(|_| not_found())
    }
}

impl FromRequestParts<Api> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let actor = parts.extensions.get::<Actor>().cloned().ok_or_else(unauthenticated)?;
        Ok(Self { actor, path: PathValues::from_request_parts(parts, api).await? })
    }
}

impl FromRequestParts<Api> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Anyone { actor, path } = Anyone::from_request_parts(parts, api).await?;
        if let Some(ns) = path.0.get("ns") {
            // Without a role in it nobody learns whether it is there.
            actor.require(ns, Role::Viewer)?;
        }
        actor.require_everywhere(Role::Admin)?;
        Ok(Self { actor, path })
    }
}

impl FromRequestParts<Api> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let (actor, ns, path) = within(parts, api, Role::Viewer).await?;
        Ok(Self { actor, ns, path })
    }
}

impl FromRequestParts<Api> for Editor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let (actor, ns, path) = within(parts, api, Role::Editor).await?;
        Ok(Self { actor, ns, path })
    }
}

/// A namespace that is not there and one that may not be seen look the same.
async fn within(
    parts: &mut Parts,
    api: &Api,
    needed: Role,
) -> Result<(Actor, String, PathValues), Problem> {
    let Anyone { actor, path } = Anyone::from_request_parts(parts, api).await?;
    let ns = path.get("ns").to_owned();
    actor.require(&ns, Role::Viewer)?;
    if ns == SYSTEM && actor.require_everywhere(Role::Admin).is_ok() {
        // Of the router and the broker, which nobody declares, there is a history to look at.
        return Ok((actor, ns, path));
    }
    let there = api.store.get(&ns, Kind::Namespace, &ns).await.map_err(store_problem)?;
    if there.is_none() {
        return Err(no_namespace(&ns));
    }
    actor.require(&ns, needed)?;
    Ok((actor, ns, path))
}

/// The guard has let it through without saying who it is.
fn unauthenticated() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "A token is needed")
        .detail("send `Authorization: Bearer mlr_…`")
        .header(WWW_AUTHENTICATE, "Bearer")
}
