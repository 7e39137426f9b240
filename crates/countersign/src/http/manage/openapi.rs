//! The OpenAPI 3.1 document, made from the handlers.

use axum::response::Response;
use http::StatusCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::router;
use crate::http::errors::{Problem, ProblemField, json};
use crate::management::Right;

/// The name of the security scheme: an access token for this API.
const SCHEME: &str = "management";

/// The document.
pub fn document() -> OpenApi {
    let mut document = router::described().split_for_parts().1;
    document.info = InfoBuilder::new()
        .title("Countersign management API")
        .version("1")
        .description(Some(
            "Times are RFC 3339 in UTC with milliseconds; durations end in `_seconds`. Lists are oldest first. \
             PATCH: an absent member keeps, null clears. Every object has an ETag; `If-Match` guards a change. \
             A POST with `Idempotency-Key` has its effect once within 24 hours.",
        ))
        .build();
    let mut components = document.components.take().unwrap_or_default();
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    components.schemas.insert(ProblemField::name().into_owned(), ProblemField::schema());
    document.components = Some(ComponentsBuilder::from(components).security_scheme(SCHEME, security_scheme()).build());
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten() {
            add_common_responses(operation);
        }
    }
    document
}

fn security_scheme() -> SecurityScheme {
    let scopes = Scopes::from_iter(Right::ALL.iter().map(|right| (right.scope(), right.description())));
    SecurityScheme::OAuth2(OAuth2::new([Flow::ClientCredentials(ClientCredentials::new("/oauth2/default/v1/token", scopes))]))
}

/// What every operation may answer.
fn add_common_responses(operation: &mut Operation) {
    let answers = [
        ("401", "The access token is missing or not accepted"),
        ("403", "The access token lacks the scope, or the caller is limited to an organization"),
        ("default", "A problem (RFC 9457)"),
    ];
    for (status, description) in answers {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        let response = ResponseBuilder::new().description(description).content("application/problem+json", problem).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
    }
}

/// Serves the document: it tells nothing of the instance, so anyone may read it.
pub(super) async fn serve() -> Response {
    json(StatusCode::OK, &document())
}
