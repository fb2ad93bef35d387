//! The shape of manifests in JSON, for the OpenAPI document; `millrace_spec` reads them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::model::Kind;

/// A manifest.
#[derive(Serialize, ToSchema)]
#[schema(as = Manifest)]
pub(crate) struct ManifestBody {
    /// What it declares.
    kind: Kind,
    /// What it is called.
    metadata: ManifestMetadata,
    /// What it is, by its kind.
    #[schema(value_type = Object)]
    spec: Value,
}

/// What a manifest says of itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct ManifestMetadata {
    /// Name, unique among its kind in the namespace.
    #[schema(pattern = "^[a-z_][a-z0-9_-]{0,99}$")]
    name: String,
    /// Namespace; the request's if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z_][a-z0-9_-]{0,99}$")]
    namespace: Option<String>,
    /// Free words to choose by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    labels: BTreeMap<String, String>,
}

/// A job, or only its SQL.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what is read")]
pub(crate) enum JobBody {
    /// A manifest of a Job.
    Manifest(ManifestBody),
    /// SQL alone.
    Sql(SqlBody),
}

/// SQL alone: a job without a name.
#[derive(Serialize, ToSchema)]
pub(crate) struct SqlBody {
    /// One or more `INSERT INTO`.
    sql: String,
}
