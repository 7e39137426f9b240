//! What the management API refused, in words.

use std::fmt;

use bytes::Bytes;
use countersign_verify::HttpError;
use http::header::WWW_AUTHENTICATE;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::outbound::NoToken;
use crate::profiles::{Chosen, DEV, Origin};

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ApiError {
    /// The answer is not what a management API answers.
    #[error("{url} does not answer as a management API does")]
    NotUnderstood {
        /// Whom we asked.
        url: String,
    },
    /// The request cannot be built.
    #[error("the request cannot be built")]
    Request(#[source] http::Error),
    /// The server refused, or failed.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// There was no answer.
    #[error("no server at {base}")]
    Unreachable {
        /// Where.
        base: String,
        /// What the profile suggests.
        hint: String,
        /// Why.
        source: HttpError,
    },
}

/// A refusal: a problem (RFC 9457), or a token endpoint's error (RFC 6749 section 5.2).
#[derive(Debug, Default)]
pub(in crate::cli) struct Refusal {
    status: StatusCode,
    title: String,
    code: Option<String>,
    request_id: Option<String>,
    errors: Vec<Field>,
    hint: Option<String>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Deserialize)]
struct Field {
    #[serde(default)]
    pointer: String,
    #[serde(default)]
    detail: String,
}

/// The members of a problem that are shown.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    title: Option<String>,
    code: Option<String>,
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<Field>,
}

impl ApiError {
    pub(super) fn refused(url: &str, response: &Response<Bytes>) -> Self {
        let status = response.status();
        let is_refusal = status.is_client_error() || status.is_server_error();
        let problem = serde_json::from_slice::<Problem>(response.body()).ok().filter(|_| is_refusal);
        let Some(problem) = problem else { return Self::NotUnderstood { url: url.to_owned() } };
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let challenge = header(WWW_AUTHENTICATE.as_str()).unwrap_or_default();
        Self::Refused(Box::new(Refusal {
            status,
            title: problem.title.unwrap_or_else(|| status.to_string()),
            hint: hint(status, problem.code.as_deref(), &challenge),
            code: problem.code,
            request_id: problem.request_id.or_else(|| header("x-request-id")),
            errors: problem.errors,
        }))
    }

    pub(super) fn no_token(chosen: &Chosen, error: NoToken) -> Self {
        let (url, status, body) = match error {
            NoToken::Request(error) => return Self::Request(error),
            NoToken::Transport { source, .. } => return Self::unreachable(chosen, source),
            NoToken::Refused { url, status, body } => (url, status, body),
        };
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let member = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(error) = member("error").or_else(|| member("title")) else { return Self::NotUnderstood { url } };
        let detail = member("error_description").map(|detail| Field { pointer: String::new(), detail });
        Self::Refused(Box::new(Refusal {
            status,
            title: format!("{url} gave no token: {error}"),
            code: member("code"),
            request_id: member("request_id"),
            errors: detail.into_iter().collect(),
            hint: status.is_client_error().then(|| format!("{} has to hold the id and secret of an operator", named(chosen))),
        }))
    }

    pub(super) fn unreachable(chosen: &Chosen, source: HttpError) -> Self {
        let hint = match &chosen.origin {
            Origin::Named(name) if name == DEV => "is `countersign dev` running?".to_owned(),
            Origin::Named(_) | Origin::Environment => format!("is the management URL of {} right?", named(chosen)),
        };
        Self::Unreachable { base: chosen.profile.management_url.base().to_owned(), hint, source }
    }

    /// Whether the fault is not the caller's.
    pub(in crate::cli) fn is_unexpected(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.status.is_server_error(),
            Self::NotUnderstood { .. } | Self::Request(_) | Self::Unreachable { .. } => true,
        }
    }

    /// Whether there is no such object.
    pub(in crate::cli) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND)
    }

    /// What may help.
    /// The status of a refusal.
    pub(in crate::cli) const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::NotUnderstood { .. } | Self::Request(_) | Self::Unreachable { .. } => None,
        }
    }

    pub(in crate::cli) fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.hint.as_deref(),
            Self::Unreachable { hint, .. } => Some(hint),
            Self::NotUnderstood { .. } => Some("the management URL ends with /manage/v1; is a proxy in the way?"),
            Self::Request(_) => None,
        }
    }

    /// What a script may want to tell apart.
    pub(in crate::cli) fn members(&self) -> Map<String, Value> {
        let Self::Refused(refusal) = self else { return Map::new() };
        let errors: Vec<Value> =
            refusal.errors.iter().map(|field| json!({ "pointer": field.pointer, "detail": field.detail })).collect();
        let members = [
            ("status", refusal.status.as_u16().into()),
            ("code", refusal.code.clone().into()),
            ("request_id", refusal.request_id.clone().into()),
            ("errors", errors.into()),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn named(chosen: &Chosen) -> String {
    match &chosen.origin {
        Origin::Environment => "the environment (COUNTERSIGN_...)".to_owned(),
        Origin::Named(name) => format!("the profile `{name}`"),
    }
}

fn hint(status: StatusCode, code: Option<&str>, challenge: &str) -> Option<String> {
    let missing = challenge.split_once("scope=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(scope, _)| scope);
    match (status, code, missing) {
        (StatusCode::FORBIDDEN, _, Some(scope)) => Some(format!("this client lacks `{scope}` on the management API")),
        (StatusCode::PRECONDITION_FAILED, ..) => {
            Some("somebody else changed it meanwhile: look at it again with `show`".to_owned())
        }
        (StatusCode::NOT_FOUND, Some(code), _) if code == countersign_protocol::ErrorCode::NoSuchPath.as_str() => {
            Some("this server does not know the command: its release is older than that of this program".to_owned())
        }
        _ => None,
    }
}

/// One line, then one for each thing that is wrong.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title.trim_end_matches('.'))?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        for Field { pointer, detail } in &self.errors {
            f.write_str("\n  ")?;
            if !pointer.is_empty() {
                write!(f, "{pointer}: ")?;
            }
            f.write_str(detail)?;
        }
        match &self.request_id {
            Some(id) => write!(f, "\n  request {id}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_rendered_with_fields_code_request_and_hint() {
        let body = r#"{"title":"not accepted.","code":"CS-3005","errors":[{"pointer":"/name","detail":"`x`: 1 to 200"},{"detail":"more"}]}"#;
        let response =
            Response::builder().status(403).header("x-request-id", "r1").header("www-authenticate", "Bearer scope=\"a:b\"");
        let error = ApiError::refused("u", &response.body(Bytes::from(body)).unwrap());
        assert_eq!(error.to_string(), "not accepted (CS-3005)\n  /name: `x`: 1 to 200\n  more\n  request r1");
        assert_eq!(error.hint(), Some("this client lacks `a:b` on the management API"));
        assert_eq!(error.members()["errors"][0]["pointer"], "/name");
        assert!(!error.is_unexpected());
    }

    #[test]
    fn a_fault_and_what_is_no_problem_are_unexpected() {
        for (status, body) in [(503, "{\"title\":\"later\"}"), (502, "<html>"), (404, "not JSON")] {
            let response = Response::builder().status(status).body(Bytes::from(body)).unwrap();
            assert!(ApiError::refused("u", &response).is_unexpected(), "{body}");
        }
    }
}
