//! Who may do what: tokens, roles, and the record of what was done.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a token may do in a namespace. Each can do what the one before can.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Declare, deploy, stop, delete.
    Editor,
    /// Give access; make and remove namespaces (in `*`).
    Admin,
}

/// A role in one namespace, or in all (`*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The namespace, or `*`.
    pub namespace: String,
    /// The role.
    pub role: Role,
}

/// A token without its secret, which is shown once, when it is made, and kept only as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    /// Its id, part of the token's text.
    pub id: String,
    /// What it is for; the author of what is done with it.
    pub name: String,
    /// What it may do.
    pub bindings: Vec<Binding>,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it ends; `null` for never.
    pub expires_ms: Option<i64>,
    /// When it was last used (to the minute).
    pub last_used_ms: Option<i64>,
}

/// Who is asking: put into the request's extensions by the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Id of the token.
    pub token: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub bindings: Vec<Binding>,
    /// When it ends, milliseconds since the Unix epoch; `None` for never.
    pub expires_ms: Option<i64>,
}

impl Actor {
    /// The highest role in `namespace`, if any.
    pub fn role_in(&self, namespace: &str) -> Option<Role> {
        let of = |b: &&Binding| b.namespace == "*" || b.namespace == namespace;
        self.bindings.iter().filter(of).map(|b| b.role).max()
    }

    /// The role in all namespaces, present and future, if any.
    pub fn role_everywhere(&self) -> Option<Role> {
        self.bindings.iter().filter(|b| b.namespace == "*").map(|b| b.role).max()
    }
}

/// One line of the audit log: every request that changes something or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Number, growing.
    pub seq: i64,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Name of the token; `-` when there was none.
    pub actor: String,
    /// HTTP method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Status answered.
    pub status: u16,
    /// Why it was done, as the caller said (`reason`).
    pub reason: Option<String>,
}
