//! Tables that a namespace's routes and jobs write; they are made by writing, so they can only be
//! read.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use millrace_http::Problem;

use super::caller::Viewer;
use super::lists::Listed;
use super::parts::Api;
use super::problems::{not_found, seam_problem, store_problem};
use crate::admission::full_name;
use crate::seams::TableInfo;

/// A table and who writes it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Table {
    /// `schema.table`.
    name: String,
    /// Routes and jobs that write it: `routes/plays`.
    writers: Vec<String>,
    /// What is known of it; `null` while nothing has been written.
    #[serde(rename = "table")]
    info: Option<TableInfo>,
}

/// The tables of a namespace.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/tables", tag = "Resources",
    operation_id = "listTables", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "All of them, by name", body = Listed<Table>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    who: Viewer,
) -> Result<Json<Listed<Table>>, Problem> {
    let mut items = Vec::new();
    for (name, writers) in written(&api, &who.ns).await? {
        let info = api.tables.table(&name).await.map_err(seam_problem)?;
        items.push(Table { name, writers, info });
    }
    Ok(Json(Listed { items, next: None }))
}

/// One table of a namespace.
#[utoipa::path(get, path = "/v1/namespaces/{ns}/tables/{table}", tag = "Resources",
    operation_id = "getTable", extensions(("x-role" = json!("viewer"))),
    responses((status = 200, description = "The table", body = Table)))]
pub(crate) async fn get(State(api): State<Api>, who: Viewer) -> Result<Json<Table>, Problem> {
    let name = full_name(who.path.get("table"));
    let writers = written(&api, &who.ns).await?.remove(&name).ok_or_else(not_found)?;
    let info = api.tables.table(&name).await.map_err(seam_problem)?;
    Ok(Json(Table { name, writers, info }))
}

async fn written(api: &Api, ns: &str) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    api.admission.tables(ns).await.map_err(store_problem)
}
