//! Refusals in Unkey's shape: the statuses are those of the management API.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use countersign_protocol::ErrorCode;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::api_keys::{FindKeyError, VerifyError};
use crate::app::App;
use crate::change::{ChangeError, InvalidField};
use crate::http::errors::{Outcome, add_to_outcome, change_refusal, problem};
use crate::http::manage::Refusal;
use crate::store::StoreError;

/// Why an operation is not carried out.
pub(super) struct UnkeyRefusal {
    /// Everything but the body.
    response: Box<Response>,
    /// What is told; `None`: what its code means.
    detail: Option<String>,
    errors: Vec<UnkeyField>,
}

/// One thing that is wrong with a body.
#[derive(Debug, Serialize)]
pub(super) struct UnkeyField {
    /// `body.` and the member.
    pub(super) location: String,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    meta: Meta<'a>,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    request_id: &'a str,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    title: &'static str,
    detail: &'a str,
    status: u16,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [UnkeyField]>,
}

impl UnkeyRefusal {
    /// A member of the body that is not accepted.
    pub(super) fn member(name: &str, accepted: impl Into<String>) -> Self {
        let accepted = accepted.into();
        let message = format!("`{name}` is not accepted");
        let field = UnkeyField { location: format!("body.{name}"), message: message.clone(), fix: Some(accepted.clone()) };
        Self::invalid(vec![field]).saying(format!("{message}; accepted: {accepted}"))
    }

    /// A body with these faults.
    pub(super) fn invalid(errors: Vec<UnkeyField>) -> Self {
        let response = problem(StatusCode::BAD_REQUEST, ErrorCode::FieldInvalid);
        Self { errors, ..Self::from(response) }
    }

    /// The same in these words.
    pub(super) fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// An object that does not exist, as far as the caller may know.
    pub(super) fn not_found(kind: &'static str, id: &str) -> Self {
        ChangeError::NotFound { kind, id: id.to_owned() }.into()
    }

    pub(super) fn into_response(self, app: &App, request_id: &str) -> Response {
        let Self { response, detail, errors } = self;
        let mut response = *response;
        let status = response.status();
        let code = response.extensions().get::<Outcome>().and_then(|outcome| outcome.code).unwrap_or(ErrorCode::Internal);
        let base = app.bases.first().map(ToString::to_string).unwrap_or_default();
        let error = ErrorBody {
            title: status.canonical_reason().unwrap_or("Error"),
            detail: detail.as_deref().unwrap_or(code.meaning()),
            status: status.as_u16(),
            kind: format!("{base}/errors/{}", code.as_str()),
            errors: (status == StatusCode::BAD_REQUEST).then_some(&errors),
        };
        let envelope = Envelope { meta: Meta { request_id }, error };
        // Unkey's libraries know a 429 by this type, and everything else by the other.
        let media_type = if status == StatusCode::TOO_MANY_REQUESTS { "application/problem+json" } else { "application/json" };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        add_to_outcome(response.extensions_mut(), |outcome| outcome.tells_request_id = true);
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        response.map(|_| Body::from(body))
    }
}

impl From<Response> for UnkeyRefusal {
    fn from(response: Response) -> Self {
        Self { response: Box::new(response), detail: None, errors: Vec::new() }
    }
}

impl From<Refusal> for UnkeyRefusal {
    fn from(refusal: Refusal) -> Self {
        Self::from(refusal.into_response())
    }
}

impl From<ChangeError> for UnkeyRefusal {
    fn from(error: ChangeError) -> Self {
        if let ChangeError::Invalid(invalid) = error {
            return invalid.into();
        }
        let refusal = Self::from(change_refusal(&error));
        // The cause of a fault of ours is for the log.
        if refusal.response.status().is_server_error() { refusal } else { refusal.saying(error.to_string()) }
    }
}

impl From<InvalidField> for UnkeyRefusal {
    fn from(invalid: InvalidField) -> Self {
        Self::member(unkey_name(invalid.field), invalid.accepted)
    }
}

impl From<StoreError> for UnkeyRefusal {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<FindKeyError> for UnkeyRefusal {
    fn from(error: FindKeyError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<VerifyError> for UnkeyRefusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::UnknownLimit(name) => Self::member(
                "ratelimits",
                format!("names of limits that the key or its identity has; not `{}`", name.escape_debug()),
            ),
            other @ (VerifyError::Find(_) | VerifyError::Store(_) | VerifyError::Uncounted) => Refusal::from(other).into(),
        }
    }
}

/// What Unkey calls a field of ours.
fn unkey_name(field: &'static str) -> &'static str {
    match field {
        "audience" => "name",
        "expires_at" => "expires",
        "external_id" => "externalId",
        "limits" => "ratelimits",
        "metadata" => "meta",
        "overlap_seconds" => "expiration",
        other => other,
    }
}
