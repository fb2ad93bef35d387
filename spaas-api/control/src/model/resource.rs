//! A declared thing: kind, name, spec, and the versions it went through.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What can be declared. `Table` is read-only: routes and jobs make tables.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub enum Kind {
    /// Owner of all others.
    Namespace,
    /// Where a broker or endpoint is and which secret opens it (a reference, never the value).
    Connection,
    /// A named, typed schema on a topic.
    Stream,
    /// Stream → filter → projection → sink.
    Route,
    /// Streaming SQL.
    Job,
}

impl Kind {
    /// All kinds, in the order in which they must be made; they are removed in the reverse.
    pub const ALL: [Self; 5] =
        [Self::Namespace, Self::Connection, Self::Stream, Self::Route, Self::Job];

    /// As manifests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Connection => "Connection",
            Self::Stream => "Stream",
            Self::Route => "Route",
            Self::Job => "Job",
        }
    }

    /// As paths write it: `jobs`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Connection => "connections",
            Self::Stream => "streams",
            Self::Route => "routes",
            Self::Job => "jobs",
        }
    }
}

/// Name and history of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Namespace; of a Namespace, its own name.
    pub namespace: String,
    /// Name, unique among its kind in the namespace.
    pub name: String,
    /// Never given twice, not even to a resource of the same name.
    pub uid: String,
    /// Number of the newest change of `spec`, from 1. A Job's versions are its generations.
    pub generation: i64,
    /// Changes with every write to the resource, status aside; the `ETag`.
    pub resource_version: i64,
    /// Free words to choose by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it was first declared, milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
    /// Set once it is to be removed and until it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting_ms: Option<i64>,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Resource {
    /// Kind.
    pub kind: Kind,
    /// Name and history.
    pub metadata: Metadata,
    /// As declared, in the form manifests have, defaults left out.
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
}

/// One change of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Number, from 1.
    pub generation: i64,
    /// As declared.
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    /// Who changed it: the name of a token.
    pub author: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Why, as the author said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
