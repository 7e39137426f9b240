//! `/manage/v1/revocations`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::{Audience, ClientId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::caller::Caller;
use super::idempotency::Attempt;
use super::page::List;
use super::refusal::Refusal;
use super::reply::Reply;
use super::time::rfc3339;
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField};
use crate::clients;
use crate::ids::{AuthorizationServerId, CredentialId, SigningKeyId, TokenKeyId};
use crate::management::Right;
use crate::revocation::{self, StoredMark};

/// Tokens that are revoked if they were issued before a point in time.
#[derive(Debug, Serialize, ToSchema)]
struct RevocationMark {
    /// `client`, `sub`, `cred`, `kid`, `aud` or `all`
    kind: String,
    /// What the tokens have in common; null for `all`
    value: Option<String>,
    /// Whose tokens; null where the value says so
    authorization_server_id: Option<String>,
    /// RFC 3339; a whole second
    not_before: String,
}

/// What is to be revoked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Revocation)]
pub(super) struct RevocationBody {
    /// `client` (it is disabled too), `cred` (it is revoked too), `sub`, `kid`, `aud`, `all`, or `token`
    kind: String,
    /// The client, credential, subject, key, audience or access token; none for `all`
    #[serde(default)]
    value: Option<String>,
    /// For `aud` [default: `default`] and `all` [default: every one]
    #[serde(default)]
    authorization_server_id: Option<String>,
}

/// What was revoked.
#[derive(Debug, Serialize, ToSchema)]
struct Revoked {
    /// As it was asked for
    kind: String,
    /// As it was asked for; the `jti` of a token
    value: Option<String>,
    /// RFC 3339; tokens that were issued before are refused
    revoked_at: String,
}

/// List the revocation marks in force
#[utoipa::path(get, path = "/manage/v1/revocations", tag = "revocations",
    responses((status = 200, description = "All of them", body = List<RevocationMark>)),
    security(("management" = ["tokens:revoke"])))]
pub(super) async fn list_revocations(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::TokensRevoke)?;
    let marks = revocation::list_marks(&app).await?;
    let list = List { items: marks.iter().map(RevocationMark::of).collect(), next_cursor: None };
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Revoke tokens
#[utoipa::path(post, path = "/manage/v1/revocations", tag = "revocations", request_body = RevocationBody,
    responses((status = 200, description = "They are refused from now on", body = Revoked)),
    security(("management" = ["tokens:revoke"])))]
pub(super) async fn create_revocation(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<RevocationBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::TokensRevoke)?;
    let Body { value, bytes } = body;
    if !matches!(value.kind.as_str(), "client" | "cred") {
        caller.require_for_instance(Right::TokensRevoke)?;
    }
    let work = async |by| {
        let named = revoke(&app, &caller, &by, &value).await?;
        let done = Revoked { kind: value.kind, value: named, revoked_at: rfc3339(app.clock.now()) };
        Ok(Reply::plain(StatusCode::OK, &done))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

impl RevocationMark {
    fn of(mark: &StoredMark) -> Self {
        let (kind, server, value) = mark.name.parts();
        let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            kind: kind.to_owned(),
            value: given(value),
            authorization_server_id: given(server),
            not_before: rfc3339(mark.not_before),
        }
    }
}

async fn revoke(app: &App, caller: &Caller, by: &Actor, wanted: &RevocationBody) -> Result<Option<String>, ChangeError> {
    let server = wanted.authorization_server_id.as_deref().map(AuthorizationServerId::from_stored);
    let value = wanted.value.as_deref();
    let required = || value.ok_or_else(|| InvalidField::new("value", "absent", "what the tokens have in common"));
    match wanted.kind.as_str() {
        "all" => revocation::revoke_all(app, by, server.as_ref()).await?,
        "aud" => {
            let audience = Audience::try_from(required()?)
                .map_err(|error| InvalidField::new("value", required().unwrap_or_default().escape_debug(), error.to_string()))?;
            let server = server.unwrap_or_else(AuthorizationServerId::default_server);
            revocation::revoke_audience(app, by, &server, &audience).await?;
        }
        "client" => {
            let id = required()?;
            let unknown = || ChangeError::NotFound { kind: "client", id: id.to_owned() };
            let client = caller.find_client(app, &ClientId::try_from(id).map_err(|_| unknown())?).await?;
            revocation::revoke_client(app, by, &client.id).await?;
        }
        "cred" => {
            let id = CredentialId::from_stored(required()?);
            let owner = clients::owner_of_credential(app, &id).await?;
            let unknown = || ChangeError::NotFound { kind: "credential", id: id.to_string() };
            let client = caller.find_client(app, &owner).await.map_err(|error| hidden(error, unknown))?;
            clients::revoke_credential(app, by, &client.id, &id).await?;
        }
        "kid" if required()?.starts_with("tk_") => {
            revocation::revoke_token_key(app, by, &TokenKeyId::from_stored(required()?)).await?;
        }
        "kid" => revocation::revoke_key(app, by, &SigningKeyId::from_stored(required()?)).await?,
        "sub" => revocation::revoke_subject(app, by, required()?).await?,
        "token" => return Ok(Some(revocation::revoke_any_token(app, by, required()?).await?.token_id.to_string())),
        other => {
            let accepted = "client, cred, sub, kid, aud, all or token";
            return Err(InvalidField::new("kind", other.escape_debug(), accepted).into());
        }
    }
    Ok(wanted.value.clone())
}

/// A credential of a foreign client is as unknown as one that does not exist.
fn hidden(error: ChangeError, unknown: impl Fn() -> ChangeError) -> ChangeError {
    if matches!(error, ChangeError::NotFound { .. }) { unknown() } else { error }
}
