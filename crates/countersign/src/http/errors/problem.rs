//! Problems (RFC 9457) of the management API, with pointers to the fields.

use axum::response::Response;
use countersign_protocol::ErrorCode;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{chain, explained, fault, problem, store_fault};
use crate::change::ChangeError;
use crate::store::StoreError;

/// A problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Problem {
    /// `about:blank`
    #[serde(rename = "type")]
    kind: &'static str,
    /// What the code means
    title: &'static str,
    /// The HTTP status
    status: u16,
    /// The stable code, `CS-nnnn`
    code: &'static str,
    /// What is wrong with the request; absent when the title says it all
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemField>,
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct ProblemField {
    /// Where in the body (RFC 6901); empty: not in the body
    pub(in crate::http) pointer: String,
    /// What is wrong, and what is accepted
    pub(in crate::http) detail: String,
}

/// A problem with its details.
pub(in crate::http) fn problem_with(status: StatusCode, code: ErrorCode, errors: Vec<ProblemField>) -> Response {
    let body = Problem { kind: "about:blank", title: code.meaning(), status: status.as_u16(), code: code.as_str(), errors };
    match serde_json::to_vec(&body) {
        Ok(bytes) => problem(status, code).map(|_| axum::body::Body::from(bytes)),
        Err(error) => fault(ErrorCode::Internal, error.to_string()),
    }
}

/// A problem with one detail that is not about a member of the body.
pub(in crate::http) fn problem_saying(status: StatusCode, code: ErrorCode, detail: String) -> Response {
    problem_with(status, code, vec![ProblemField { pointer: String::new(), detail }])
}

/// A query parameter that is not accepted.
pub(in crate::http) fn invalid_query(name: &str) -> Response {
    problem_saying(StatusCode::BAD_REQUEST, ErrorCode::QueryInvalid, format!("`{name}` is not accepted"))
}

/// Renders why a change was not made.
pub(in crate::http) fn change_refusal(error: &ChangeError) -> Response {
    let plain = |status, code| explained(problem_saying(status, code, error.to_string()), error.to_string());
    match error {
        ChangeError::AlreadyExists { .. } => plain(StatusCode::CONFLICT, ErrorCode::AlreadyExists),
        ChangeError::ExceedsCaller(_) => plain(StatusCode::FORBIDDEN, ErrorCode::ExceedsCaller),
        ChangeError::LimitedToOrganization(_) => plain(StatusCode::FORBIDDEN, ErrorCode::LimitedToOrganization),
        ChangeError::Invalid(invalid) => {
            let pointer = format!("/{}", invalid.field.replace('.', "/"));
            // Not its value: it may be a credential in the wrong field.
            let detail = format!("`{}` is not accepted; accepted: {}", invalid.field, invalid.accepted);
            let fields = vec![ProblemField { pointer, detail: error.to_string() }];
            explained(problem_with(StatusCode::BAD_REQUEST, ErrorCode::FieldInvalid, fields), detail)
        }
        ChangeError::NotFound { .. } => plain(StatusCode::NOT_FOUND, ErrorCode::NotFound),
        ChangeError::State(_) => plain(StatusCode::CONFLICT, ErrorCode::StateConflict),
        ChangeError::VersionMismatch { .. } => plain(StatusCode::PRECONDITION_FAILED, ErrorCode::VersionMismatch),
        ChangeError::Store(StoreError::Repeated) => plain(StatusCode::CONFLICT, ErrorCode::ReplyNotKept),
        ChangeError::MarksOvertaken => fault(ErrorCode::ChangeNotApplied, chain(error)),
        ChangeError::Store(error) => store_fault(error),
        ChangeError::Sealing(_) | ChangeError::SigningKey(_) => fault(ErrorCode::Internal, chain(error)),
    }
}
