//! `/manage/v1/keys/scanner-rules`.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::api_keys::{self, ScannerFormat, scanner_rules};
use crate::app::App;
use crate::http::manage::caller::Caller;
use crate::http::manage::page::invalid;
use crate::http::manage::refusal::Refusal;
use crate::http::manage::reply::Reply;
use crate::management::Right;

/// Rules for a secret scanner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScannerRules)]
pub(in crate::http::manage) struct ScannerRulesView {
    /// For which scanner
    format: &'static str,
    /// What a file with them is called
    file_name: &'static str,
    /// The content of that file: a rule for each prefix in use, and one for client secrets.
    /// What a rule finds is a candidate: no regular expression computes the checksum
    rules: String,
}

/// The query of the rules.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::manage) struct ScannerQuery {
    /// For which scanner: `gitleaks`, `github` or `trufflehog` [default: gitleaks]
    format: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ScannerQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if name != "format" {
                return Err(invalid(&name, "no such parameter; accepted: format"));
            }
            if query.format.replace(value.into_owned()).is_some() {
                return Err(invalid("format", "given twice"));
            }
        }
        Ok(query)
    }
}

/// Show the rules by which a secret scanner finds API keys and client secrets
#[utoipa::path(get, path = "/manage/v1/keys/scanner-rules", tag = "keys", params(ScannerQuery),
    responses((status = 200, description = "The rules", body = ScannerRulesView)),
    security(("management" = ["keys:read"])))]
pub(in crate::http::manage) async fn show_scanner_rules(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: ScannerQuery,
) -> Result<Response, Refusal> {
    caller.require(Right::KeysRead)?;
    let format = match query.format.as_deref() {
        None => ScannerFormat::Gitleaks,
        Some(name) => ScannerFormat::from_name(name)
            .ok_or_else(|| invalid("format", &format!("accepted: {}", ScannerFormat::ALL.map(ScannerFormat::as_str).join(", "))))?,
    };
    let prefixes = api_keys::prefixes(&app, caller.organization().cloned()).await?;
    let view = ScannerRulesView { format: format.as_str(), file_name: format.file_name(), rules: scanner_rules(format, prefixes) };
    Ok(caller.named(Reply::plain(StatusCode::OK, &view).into_response()))
}
