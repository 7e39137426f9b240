//! The OpenAPI 3.1 document, made from the handlers. What holds for every operation
//! of a kind is added here, so that no handler can forget it.

use axum::response::Response;
use http::StatusCode;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Type,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::router;
use crate::http::errors::{Problem, ProblemField, json};
use crate::management::Right;

/// The name of the security scheme: an access token for this API.
const SCHEME: &str = "management";

/// What an operation does, by its method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Create,
    /// A question that is too long, or too secret, for a URL.
    Ask,
    Change,
    Delete,
}

impl Kind {
    /// What a POST to this path does.
    fn of_post(path: &str) -> Self {
        if path.ends_with("/verify") { Self::Ask } else { Self::Create }
    }
}

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
    for (path, item) in &mut document.paths.paths {
        let operations = [
            (Kind::Read, &mut item.get),
            (Kind::of_post(path), &mut item.post),
            (Kind::Change, &mut item.patch),
            (Kind::Delete, &mut item.delete),
        ];
        for (kind, operation) in operations {
            if let Some(operation) = operation {
                add_parameter(kind, operation);
                add_headers(kind, path, operation);
                add_refusals(kind, path, operation);
            }
        }
    }
    document
}

fn security_scheme() -> SecurityScheme {
    let scopes = Scopes::from_iter(Right::ALL.iter().map(|right| (right.scope(), right.description())));
    SecurityScheme::OAuth2(OAuth2::new([Flow::ClientCredentials(ClientCredentials::new("/oauth2/default/v1/token", scopes))]))
}

fn add_parameter(kind: Kind, operation: &mut Operation) {
    let (name, description) = match kind {
        Kind::Read | Kind::Ask => return,
        Kind::Create => ("Idempotency-Key", "1 to 200 characters: the effect happens once per key within 24 hours"),
        Kind::Change | Kind::Delete => ("If-Match", "The ETag of the object as it was read: only if it is still this one"),
    };
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    operation.parameters.get_or_insert_default().push(parameter.build().into());
}

/// An answer that is an object tells its version, and of a new one the place.
fn add_headers(kind: Kind, path: &str, operation: &mut Operation) {
    // What came of an action has no version of its own.
    let is_outcome = path.ends_with("/keys/import")
        || path.ends_with("-keys/rotate")
        || path.ends_with("/revocations")
        || path.ends_with("/introspection-clients/{client_id}");
    let is_object = match kind {
        Kind::Ask => false,
        Kind::Read => path.ends_with('}'),
        Kind::Create | Kind::Change | Kind::Delete => !is_outcome,
    };
    for (status, response) in &mut operation.responses.responses {
        let headers: &[(&str, &str)] = match status.as_str() {
            "200" if is_object => &[("ETag", "The object's version")],
            "201" => &[("ETag", "The object's version"), ("Location", "The object's path")],
            _ => &[],
        };
        if let RefOr::T(response) = response {
            for (name, description) in headers {
                let schema = ObjectBuilder::new().schema_type(Type::String);
                let header = HeaderBuilder::new().schema(Some(schema)).description(Some(*description)).build();
                response.headers.insert((*name).to_owned(), header.into());
            }
        }
    }
}

/// What an operation may answer instead of what its handler says.
fn add_refusals(kind: Kind, path: &str, operation: &mut Operation) {
    let has_path_parameter = path.contains('{');
    let has_body = operation.request_body.is_some();
    let all = [
        (kind != Kind::Read || !has_path_parameter, "400", "The query, a header or the body is not accepted"),
        (true, "401", "The access token is missing or not accepted"),
        (true, "403", "The access token lacks the scope, or the caller is limited or does not hold what it would give"),
        (has_path_parameter, "404", "There is no such object, or not for this caller"),
        (!matches!(kind, Kind::Read | Kind::Ask), "409", "The object, or another with its identity, is in the way"),
        (matches!(kind, Kind::Change | Kind::Delete), "412", "The object is not the one that `If-Match` names"),
        (has_body, "413", "The body is larger than 64 KiB"),
        (has_body, "415", "The body is not `application/json`"),
        (true, "default", "A problem (RFC 9457)"),
    ];
    for (_, status, description) in all.into_iter().filter(|(applies, ..)| *applies) {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        let response = ResponseBuilder::new().description(description).content("application/problem+json", problem).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
    }
}

/// Serves the document: it tells nothing of the instance, so anyone may read it.
pub(super) async fn serve() -> Response {
    json(StatusCode::OK, &document())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    fn document() -> Value {
        serde_json::to_value(super::document()).unwrap()
    }

    /// Each operation with its path and method.
    fn operations(document: &Value) -> Vec<(&String, &String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation)))
            .collect()
    }

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn is_openapi_3_1_and_every_reference_resolves() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn operation_ids_are_unique_and_every_operation_is_described() {
        let document = document();
        let mut seen = HashSet::new();
        for (path, method, operation) in operations(&document) {
            assert!(["get", "post", "patch", "delete"].contains(&method.as_str()), "{method} {path}");
            assert!(seen.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{method} {path}");
            assert_eq!(operation["security"].as_array().unwrap().len(), 1, "{method} {path}");
        }
    }

    #[test]
    fn the_path_parameters_of_an_operation_are_those_of_its_path() {
        let document = document();
        for (path, method, operation) in operations(&document) {
            let in_path: HashSet<&str> =
                path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let declared: Vec<&Value> = parameters.filter(|parameter| parameter["in"] == "path").collect();
            let names: HashSet<&str> = declared.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert_eq!((declared.len(), &names), (in_path.len(), &in_path), "{method} {path}");
            assert!(declared.iter().all(|parameter| parameter["required"] == true), "{method} {path}");
        }
    }

    #[test]
    fn every_scope_of_an_operation_is_one_of_the_scheme() {
        let document = document();
        let scopes = &document["components"]["securitySchemes"]["management"]["flows"]["clientCredentials"]["scopes"];
        for (path, method, operation) in operations(&document) {
            let needed = operation["security"][0]["management"].as_array().unwrap();
            assert_eq!(needed.len(), 1, "{method} {path}");
            assert!(scopes.get(needed[0].as_str().unwrap()).is_some(), "{method} {path}");
        }
    }
}
