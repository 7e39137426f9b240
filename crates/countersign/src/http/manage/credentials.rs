//! `/manage/v1/clients/{client_id}/credentials`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::{ClientId, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::{Body, given, present};
use super::caller::Caller;
use super::clients::reachable;
use super::idempotency::Attempt;
use super::page::List;
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::{parse, rfc3339};
use super::version::IfMatch;
use crate::app::App;
use crate::change::{ChangeError, InvalidField};
use crate::clients::{
    self, Credential, CredentialChange, CredentialKind, CredentialListing, DEFAULT_OVERLAP_SECONDS, KeySource, NewKeys, NewSecret,
    RotatedSecret, Rotation,
};
use crate::ids::CredentialId;
use crate::management::Right;

/// What a client proves who it is with. The secret itself is never shown again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Credential)]
pub(super) struct CredentialView {
    /// Its id; the `cred` of the tokens it obtains
    id: String,
    /// The client
    client_id: String,
    /// For people
    label: String,
    /// `secret`, `jwks` or `jwks_uri`
    kind: &'static str,
    /// The ids of registered keys
    key_ids: Option<Vec<String>>,
    /// The registered keys, a JWK Set with the members that count
    jwks: Option<Map<String, Value>>,
    /// Where the client's owner keeps the keys
    jwks_uri: Option<String>,
    /// `active`, `pending`, `rotated`, `expired` or `revoked`
    state: &'static str,
    /// RFC 3339; not accepted before
    not_before: Option<String>,
    /// RFC 3339; not accepted from then on
    expires_at: Option<String>,
    /// RFC 3339; when another took its place
    rotated_at: Option<String>,
    /// RFC 3339; when it was revoked
    revoked_at: Option<String>,
    /// RFC 3339
    created_at: String,
    /// Who created it, as `client:ID`
    created_by: Option<String>,
    /// Its last use, a few seconds late
    last_used: Option<LastUse>,
}

/// When, from where and with what a credential was used last.
#[derive(Debug, Serialize, ToSchema)]
struct LastUse {
    /// RFC 3339
    at: String,
    /// The address the request came from
    source_address: Option<String>,
    /// The authentication method
    method: &'static str,
    /// What the request called itself
    user_agent: Option<String>,
}

/// A new credential; the secret is shown only here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedCredential)]
struct CreatedCredentialView {
    #[serde(flatten)]
    credential: CredentialView,
    /// The secret, if it is one
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

/// The credential that took over; the secret is shown only here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RotatedCredential)]
struct RotatedCredentialView {
    #[serde(flatten)]
    credential: CredentialView,
    /// The secret
    client_secret: String,
    /// The credential that it replaces
    previous_credential_id: String,
    /// RFC 3339; until when that one is accepted
    previous_expires_at: String,
}

impl CredentialView {
    fn of(client_id: &ClientId, listing: &CredentialListing, now: Timestamp) -> Self {
        let CredentialListing { credential, last_use } = listing;
        let last_used = last_use.as_ref().map(|used| LastUse {
            at: rfc3339(used.used_at),
            source_address: used.source.map(|address| address.to_string()),
            method: used.method.as_str(),
            user_agent: used.user_agent.clone(),
        });
        let (key_ids, jwks, jwks_uri) = match &credential.kind {
            CredentialKind::Secret { .. } => (None, None, None),
            CredentialKind::Keys(keys) => {
                let key_ids = keys.iter().map(|(id, _)| id.to_owned()).collect();
                (Some(key_ids), serde_json::from_str(keys.document()).ok(), None)
            }
            CredentialKind::JwksUri(uri) => (None, None, Some(uri.as_str().to_owned())),
        };
        Self {
            id: credential.id.to_string(),
            client_id: client_id.to_string(),
            label: credential.label.clone(),
            kind: credential.kind.name(),
            key_ids,
            jwks,
            jwks_uri,
            state: state_of(credential, now),
            not_before: credential.not_before.map(rfc3339),
            expires_at: credential.expires_at.map(rfc3339),
            rotated_at: credential.rotated_at.map(rfc3339),
            revoked_at: credential.revoked_at.map(rfc3339),
            created_at: rfc3339(credential.created_at),
            created_by: credential.created_by.clone(),
            last_used,
        }
    }

    fn unused(client_id: &ClientId, credential: &Credential, now: Timestamp) -> Self {
        Self::of(client_id, &CredentialListing { credential: credential.clone(), last_use: None }, now)
    }
}

fn state_of(credential: &Credential, now: Timestamp) -> &'static str {
    if credential.revoked_at.is_some() {
        "revoked"
    } else if credential.expires_at.is_some_and(|end| end <= now) {
        "expired"
    } else if credential.not_before.is_some_and(|start| now < start) {
        "pending"
    } else if credential.rotated_at.is_some() {
        "rotated"
    } else {
        "active"
    }
}

/// What a new credential is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCredential {
    /// For people: 1 to 200 characters
    label: String,
    /// `secret` (one is made), `jwks` or `jwks_uri`
    kind: String,
    /// Public keys, a JWK Set, for the kind `jwks`
    #[serde(default)]
    jwks: Option<Map<String, Value>>,
    /// Where the keys are kept, an https URL, for the kind `jwks_uri`
    #[serde(default)]
    jwks_uri: Option<String>,
    /// RFC 3339; not accepted before
    #[serde(default)]
    not_before: Option<String>,
    /// RFC 3339; not accepted from then on
    #[serde(default)]
    expires_at: Option<String>,
}

/// What of a credential is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialPatch {
    /// For people: 1 to 200 characters
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    label: Option<String>,
    /// RFC 3339; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    not_before: Option<Option<String>>,
    /// RFC 3339; null clears
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
}

/// How a secret is to be replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotationBody {
    /// How long the old secret is accepted on: 0 to 2,592,000 [default: 86400]
    #[serde(default)]
    overlap_seconds: Option<i64>,
    /// The new secret's label [default: the old one's]
    #[serde(default)]
    label: Option<String>,
    /// RFC 3339; when the new secret ends
    #[serde(default)]
    expires_at: Option<String>,
}

/// How the caller's own secret is to be replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRotationBody {
    /// How long the old secret is accepted on: 0 to 2,592,000 [default: 86400]
    #[serde(default)]
    overlap_seconds: Option<i64>,
}

/// What a new credential is made of.
enum New {
    Secret(NewSecret),
    Keys(NewKeys),
}

impl NewCredential {
    fn checked(self) -> Result<New, InvalidField> {
        let (not_before, expires_at) = (time("not_before", self.not_before)?, time("expires_at", self.expires_at)?);
        let label = self.label;
        let source = match (self.kind.as_str(), self.jwks, self.jwks_uri) {
            ("secret", None, None) => return Ok(New::Secret(NewSecret { label, not_before, expires_at })),
            ("jwks", Some(jwks), None) => KeySource::Jwks(Value::Object(jwks).to_string()),
            ("jwks_uri", None, Some(uri)) => KeySource::JwksUri(uri),
            (kind, ..) => {
                let accepted = "`secret` alone, `jwks` with `jwks`, or `jwks_uri` with `jwks_uri`";
                return Err(InvalidField::new("kind", kind.escape_debug(), accepted));
            }
        };
        Ok(New::Keys(NewKeys { label, source, not_before, expires_at }))
    }
}

/// List a client's credentials
#[utoipa::path(get, path = "/manage/v1/clients/{client_id}/credentials", tag = "credentials",
    params(("client_id" = String, Path, description = "The client")),
    responses((status = 200, description = "All of them, oldest first", body = List<CredentialView>)),
    security(("management" = ["credentials:read"])))]
pub(super) async fn list_credentials(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(client_id): Named<String>,
) -> Result<Response, Refusal> {
    caller.require(Right::CredentialsRead)?;
    let client = reachable(&app, &caller, &client_id).await?;
    let (found, now) = (clients::list_credentials(&app, &client.id).await?, app.clock.now());
    let items = found.iter().map(|listing| CredentialView::of(&client.id, listing, now)).collect();
    Ok(caller.named(Reply::plain(StatusCode::OK, &List { items, next_cursor: None }).into_response()))
}

/// Create a credential
#[utoipa::path(post, path = "/manage/v1/clients/{client_id}/credentials", tag = "credentials",
    params(("client_id" = String, Path, description = "The client")), request_body = NewCredential,
    responses((status = 201, description = "The new credential; its secret is shown only here", body = CreatedCredentialView)),
    security(("management" = ["credentials:write"])))]
pub(super) async fn create_credential(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(client_id): Named<String>,
    attempt: Attempt,
    body: Body<NewCredential>,
) -> Result<Response, Refusal> {
    caller.require(Right::CredentialsWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let client = reachable(&app, &caller, &client_id).await?;
        let (credential, client_secret) = match value.checked()? {
            New::Keys(new) => (clients::add_keys(&app, &by, &client.id, new).await?, None),
            New::Secret(new) => {
                let made = clients::create_secret(&app, &by, &client.id, new).await?;
                (made.credential, Some(made.text.expose().clone()))
            }
        };
        let location = location_of(&client.id, &credential.id);
        let view =
            CreatedCredentialView { credential: CredentialView::unused(&client.id, &credential, app.clock.now()), client_secret };
        Ok(Reply::created(&view, credential.version(), location).with_secret(&["client_secret"]))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Show a credential
#[utoipa::path(get, path = "/manage/v1/clients/{client_id}/credentials/{credential_id}", tag = "credentials",
    params(("client_id" = String, Path, description = "The client"), ("credential_id" = String, Path, description = "The credential")),
    responses((status = 200, description = "The credential", body = CredentialView)),
    security(("management" = ["credentials:read"])))]
pub(super) async fn show_credential(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((client_id, id)): Named<(String, String)>,
) -> Result<Response, Refusal> {
    caller.require(Right::CredentialsRead)?;
    let client = reachable(&app, &caller, &client_id).await?;
    let reply = shown_now(&app, &client.id, &CredentialId::from_stored(&id)).await?;
    Ok(caller.named(reply.into_response()))
}

/// Change the label or the times of a credential
#[utoipa::path(patch, path = "/manage/v1/clients/{client_id}/credentials/{credential_id}", tag = "credentials",
    params(("client_id" = String, Path, description = "The client"), ("credential_id" = String, Path, description = "The credential")),
    request_body = CredentialPatch, responses((status = 200, description = "The credential", body = CredentialView)),
    security(("management" = ["credentials:write"])))]
pub(super) async fn update_credential(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((client_id, id)): Named<(String, String)>,
    IfMatch(if_version): IfMatch,
    body: Body<CredentialPatch>,
) -> Result<Response, Refusal> {
    caller.require(Right::CredentialsWrite)?;
    let client = reachable(&app, &caller, &client_id).await?;
    let optional = |name, text: Option<Option<String>>| text.map(|text| time(name, text)).transpose();
    let change = CredentialChange {
        label: body.value.label,
        not_before: optional("not_before", body.value.not_before)?,
        expires_at: optional("expires_at", body.value.expires_at)?,
        if_version,
    };
    let id = CredentialId::from_stored(&id);
    clients::update_credential(&app, &caller.actor(None), &client.id, &id, change).await?;
    Ok(caller.named(shown_now(&app, &client.id, &id).await?.into_response()))
}

/// Revoke a credential for good, with the tokens that it obtained
#[utoipa::path(delete, path = "/manage/v1/clients/{client_id}/credentials/{credential_id}", tag = "credentials",
    params(("client_id" = String, Path, description = "The client"), ("credential_id" = String, Path, description = "The credential")),
    responses((status = 204, description = "It is revoked")),
    security(("management" = ["credentials:write"])))]
pub(super) async fn revoke_credential(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((client_id, id)): Named<(String, String)>,
    IfMatch(if_version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require(Right::CredentialsWrite)?;
    let client = reachable(&app, &caller, &client_id).await?;
    let id = CredentialId::from_stored(&id);
    let found = clients::show_credential(&app, &client.id, &id).await?;
    ChangeError::check_version(if_version, found.credential.version())?;
    clients::revoke_credential(&app, &caller.actor(None), &client.id, &id).await?;
    Ok(caller.named(deleted()))
}

/// Replace a secret; the old one is accepted on for a while
#[utoipa::path(post, path = "/manage/v1/clients/{client_id}/credentials/{credential_id}/rotate", tag = "credentials",
    params(("client_id" = String, Path, description = "The client"), ("credential_id" = String, Path, description = "The credential")),
    request_body = RotationBody,
    responses((status = 201, description = "The new credential; its secret is shown only here", body = RotatedCredentialView)),
    security(("management" = ["credentials:write"])))]
pub(super) async fn rotate_credential(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((client_id, id)): Named<(String, String)>,
    attempt: Attempt,
    body: Body<RotationBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::CredentialsWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let client = reachable(&app, &caller, &client_id).await?;
        let id = CredentialId::from_stored(&id);
        let old = clients::show_credential(&app, &client.id, &id).await?.credential;
        let expires_at = time("expires_at", value.expires_at)?;
        let new = NewSecret { label: value.label.unwrap_or(old.label), not_before: None, expires_at };
        let rotation = Rotation { new, overlap_seconds: value.overlap_seconds.unwrap_or(DEFAULT_OVERLAP_SECONDS) };
        let rotated = clients::rotate_secret(&app, &by, &client.id, &id, rotation).await?;
        Ok(rotated_reply(&client.id, &id, &rotated, app.clock.now()))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Replace the secret that the caller's access token was obtained with
#[utoipa::path(post, path = "/manage/v1/credentials/rotate-own", tag = "credentials", request_body = OwnRotationBody,
    responses((status = 201, description = "The new credential; its secret is shown only here", body = RotatedCredentialView)),
    security(("management" = ["credentials:rotate_own"])))]
pub(super) async fn rotate_own_credential(
    State(app): State<Arc<App>>,
    caller: Caller,
    attempt: Attempt,
    body: Body<OwnRotationBody>,
) -> Result<Response, Refusal> {
    caller.require(Right::CredentialsRotateOwn)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let client_id = &caller.client().id;
        let keyed = || ChangeError::State("the caller has an API key, not an access token: rotate the key".to_owned());
        let id = caller.credential_id().ok_or_else(keyed)?;
        let old = clients::show_credential(&app, client_id, id).await?.credential;
        // Whoever set an end to the old secret set it to the new one too.
        let rotation = Rotation {
            new: NewSecret { label: old.label, not_before: None, expires_at: old.expires_at },
            overlap_seconds: value.overlap_seconds.unwrap_or(DEFAULT_OVERLAP_SECONDS),
        };
        let rotated = clients::rotate_secret(&app, &by, client_id, id, rotation).await?;
        Ok(rotated_reply(client_id, id, &rotated, app.clock.now()))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

async fn shown_now(app: &App, client_id: &ClientId, id: &CredentialId) -> Result<Reply, ChangeError> {
    let found = clients::show_credential(app, client_id, id).await?;
    Ok(Reply::shown(&CredentialView::of(client_id, &found, app.clock.now()), found.credential.version()))
}

fn rotated_reply(client_id: &ClientId, old: &CredentialId, rotated: &RotatedSecret, now: Timestamp) -> Reply {
    let new = &rotated.created.credential;
    let view = RotatedCredentialView {
        credential: CredentialView::unused(client_id, new, now),
        client_secret: rotated.created.text.expose().clone(),
        previous_credential_id: old.to_string(),
        previous_expires_at: rfc3339(rotated.previous_expires_at),
    };
    Reply::created(&view, new.version(), location_of(client_id, &new.id)).with_secret(&["client_secret"])
}

fn location_of(client_id: &ClientId, id: &CredentialId) -> String {
    format!("/manage/v1/clients/{client_id}/credentials/{id}")
}

fn time(name: &'static str, text: Option<String>) -> Result<Option<Timestamp>, InvalidField> {
    let Some(text) = text else { return Ok(None) };
    parse(&text).map(Some).ok_or_else(|| InvalidField::new(name, text.escape_debug(), "a time as 2027-01-31T12:00:00Z"))
}
