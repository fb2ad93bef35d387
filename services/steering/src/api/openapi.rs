//! The OpenAPI document.

use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

/// An error, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemShape {
    /// `urn:millrace:problem:` and a word that programs can rely on.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every problem of the type.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What happened this time and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The mistakes, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<MistakeShape>>,
}

/// One mistake and where it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Mistake)]
pub(super) struct MistakeShape {
    /// JSON pointer into the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// What is wrong.
    message: String,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millrace steering",
        description = "From a client's address to appliances that hold its files.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "Steering", description = "What players' back ends ask."),
        (name = "Admin", description = "What operators ask; behind a token beyond loopback."),
    ),
    modifiers(&Bearer),
    components(schemas(ProblemShape, MistakeShape))
)]
pub(super) struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}
