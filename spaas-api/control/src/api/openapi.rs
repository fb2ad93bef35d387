//! The OpenAPI document: what the handlers say of themselves, completed with what all share.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToSchema};

/// Pattern of names of namespaces and resources.
const NAME: &str = "^[a-z_][a-z0-9_-]{0,99}$";

/// An error, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemShape {
    /// `urn:millrace:problem:` and a word that programs can rely on.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every problem of the type.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The request this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// The mistakes, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FaultShape>>,
}

/// One mistake and where it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultShape {
    /// Number of the document in the request, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// JSON pointer into the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// Line, from 1: of the request's text, or of the SQL that `pointer` leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Of SQL within a manifest: where it is in the request's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<PlaceShape>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// What is wrong.
    message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The line it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<String>,
}

/// A place in a text.
#[derive(Serialize, ToSchema)]
#[schema(as = Place)]
pub(crate) struct PlaceShape {
    /// Line, from 1.
    line: usize,
    /// Column in characters, from 1.
    column: usize,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millrace",
        description = "Declare streams, routes and streaming SQL jobs; watch, change, stop them.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "Namespaces", description = "Owners of everything else."),
        (name = "Resources", description = "What is declared, and its history."),
        (name = "Jobs", description = "What can be done with a job, and how it is doing."),
        (name = "Access", description = "Tokens and the record of what was done with them."),
        (name = "Platform", description = "All at a glance."),
    ),
    components(schemas(ProblemShape, FaultShape, PlaceShape))
)]
pub(crate) struct Document;

/// Completes what the handlers declare: parameters of paths, security, and the problems that any
/// request can meet.
pub(crate) fn complete(api: &utoipa::openapi::OpenApi) -> Value {
    let mut doc = serde_json::to_value(api).expect("the document is JSON");
    doc["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token: `mlr_…`."}
    });
    doc["security"] = json!([{"bearer": []}]);
    let Some(paths) = doc["paths"].as_object_mut() else { return doc };
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete_operation(path, method, operation);
            }
        }
    }
    doc
}

fn complete_operation(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let role = operation.get("x-role").and_then(Value::as_str).unwrap_or("viewer").to_owned();
    let mut parameters = path_parameters(path);
    let declared = operation.remove("parameters");
    parameters.extend(declared.and_then(|d| d.as_array().cloned()).unwrap_or_default());
    if matches!(method, "put" | "post" | "delete") {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A repeated request with the same key gets the first one's answer again, \
                with the header `Idempotency-Replayed: true`.",
            "schema": {"type": "string", "pattern": super::idempotency::KEY_PATTERN}
        }));
    }
    let parametrised = !parameters.is_empty();
    if parametrised {
        operation.insert("parameters".into(), parameters.into());
    }
    let body = operation.contains_key("requestBody");
    let mut problems: Vec<(&str, &str)> = Vec::new();
    if parametrised || body {
        problems.push(("400", "The request is wrong; `errors` says where"));
    }
    if role == "none" {
        operation.insert("security".into(), json!([]));
    } else {
        problems.push(("401", "No token, or one that is unknown or has ended"));
        problems.push(("403", "The token's role does not allow this"));
        problems.push(("429", "Many requests from this address had no valid token"));
        problems.push(("503", "The store or the engine does not answer; try again"));
    }
    if path.contains('{') {
        problems.push(("404", "There is no such thing, or it may not be seen"));
    }
    if matches!(method, "put" | "post" | "delete") {
        problems.push(("409", "It conflicts with what is declared or under way"));
        problems.push(("412", "It has changed since; `current` is its version now"));
        problems.push(("413", "The body is over 1 MiB"));
        problems.push(("422", "The idempotency key was used for another request"));
    }
    if body {
        problems.push(("415", "The body's content type is not taken here"));
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    for (status, description) in problems {
        let response = &mut responses[status];
        if response.is_null() {
            *response = json!({"description": description});
        }
        response["content"] = json!({
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        });
    }
    if !responses["401"].is_null() {
        responses["401"]["headers"] =
            json!({"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`"}});
    }
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let (description, schema) = path_parameter(name);
            json!({
                "name": name, "in": "path", "required": true,
                "description": description, "schema": schema
            })
        })
        .collect()
}

fn path_parameter(name: &str) -> (&'static str, Value) {
    let named = json!({"type": "string", "pattern": NAME});
    match name {
        "ns" => ("The namespace.", named),
        "kind" => (
            "The kind, in the plural.",
            json!({"type": "string", "enum": ["connections", "streams", "routes", "jobs"]}),
        ),
        "name" => ("The resource's name.", named),
        "generation" => ("Number of the version.", json!({"type": "integer", "minimum": 1})),
        "run" => ("Id of the run.", json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"})),
        "table" => (
            "The table: `table` or `schema.table`.",
            json!({"type": "string", "pattern": r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$"}),
        ),
        _ => ("Its id.", json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"})),
    }
}
