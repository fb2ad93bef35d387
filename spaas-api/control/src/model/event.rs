//! History: what happened to a resource.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// As it should be.
    Normal,
    /// Somebody may want to look.
    Warning,
}

/// Something that happened to a resource. Kept for as long as the resource's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Number, growing; the place to read on from.
    pub seq: i64,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How serious.
    pub level: EventKind,
    /// Namespace of what it is about.
    pub namespace: String,
    /// Kind of what it is about, as manifests write it.
    pub kind: String,
    /// Name of what it is about.
    pub name: String,
    /// One word for programs: `Deployed`, `RunStarted`, `RunFailed`, `CrashLoop`, …
    pub what: String,
    /// For a person.
    pub message: String,
    /// Who made it happen; `reconciler` when nobody did.
    pub author: String,
}
