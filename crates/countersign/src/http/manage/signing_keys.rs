//! `/manage/v1/authorization-servers/{id}/signing-keys`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_protocol::jose::Algorithm;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::caller::Caller;
use super::idempotency::Attempt;
use super::page::List;
use super::path::Named;
use super::refusal::Refusal;
use super::reply::{Reply, deleted};
use super::time::rfc3339;
use super::version::IfMatch;
use crate::app::App;
use crate::change::{ChangeError, InvalidField};
use crate::ids::{AuthorizationServerId, SigningKeyId};
use crate::management::Right;
use crate::signing_keys::{self, SigningKeyState, StoredSigningKey};

/// An algorithm is there or not: there is nothing of it to change.
const ALGORITHM_VERSION: i64 = 1;

/// A signing key. Its private half never leaves the instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SigningKey)]
struct SigningKeyView {
    /// The `kid`
    id: String,
    /// Whose key it is
    authorization_server_id: String,
    /// The one algorithm that it signs with
    alg: &'static str,
    /// `published`, `active`, `retiring` or `retired`
    state: &'static str,
    /// RFC 3339; since when it is in the JWK Set
    published_at: String,
    /// RFC 3339; since when it signs or signed
    activated_at: Option<String>,
    /// RFC 3339; since when it no longer signs
    retiring_at: Option<String>,
    /// RFC 3339; since when it is out of the JWK Set, and destroyed
    retired_at: Option<String>,
}

impl SigningKeyView {
    fn of(key: &StoredSigningKey) -> Self {
        Self {
            id: key.id.to_string(),
            authorization_server_id: key.authorization_server_id.to_string(),
            alg: key.algorithm.as_str(),
            state: key.state.as_str(),
            published_at: rfc3339(key.published_at),
            activated_at: key.activated_at.map(rfc3339),
            retiring_at: key.retiring_at.map(rfc3339),
            retired_at: key.retired_at.map(rfc3339),
        }
    }
}

/// Which keys are to be rotated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRotation {
    /// Their algorithm
    alg: String,
    /// The key that the caller expects to be active, or that is compromised; another one is a conflict
    #[serde(default)]
    expected_active: Option<String>,
    /// Withdraw the key at once, because it is compromised
    #[serde(default)]
    emergency: bool,
    /// With `emergency`: withdraw its published successor too
    #[serde(default)]
    replace_successor: bool,
}

/// What came of a rotation.
#[derive(Debug, Serialize, ToSchema)]
struct KeyRotationResult {
    /// What signs now
    active: Option<String>,
    /// What is published as the next one
    published: Option<String>,
    /// What signed until now and stays in the JWK Set
    retiring: Option<String>,
    /// What is out of the JWK Set at once
    withdrawn: Vec<String>,
}

/// An algorithm that an authorization server is to have keys for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAlgorithm {
    /// The algorithm
    alg: String,
}

/// The first key of an algorithm.
#[derive(Debug, Serialize, ToSchema)]
struct AddedAlgorithm {
    /// The algorithm
    alg: &'static str,
    /// The key that was published
    published: String,
    /// RFC 3339; when it begins to sign, and resource servers may use the algorithm
    signs_from: String,
}

/// List the signing keys of an authorization server
#[utoipa::path(get, path = "/manage/v1/authorization-servers/{id}/signing-keys", tag = "signing-keys",
    params(("id" = String, Path, description = "The authorization server")),
    responses((status = 200, description = "All of them, retired ones included", body = List<SigningKeyView>)),
    security(("management" = ["signing_keys:read"])))]
pub(super) async fn list_signing_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SigningKeysRead)?;
    let keys = signing_keys::list(&app, &existing(&app, &id)?).await?;
    let list = List { items: keys.iter().map(SigningKeyView::of).collect(), next_cursor: None };
    Ok(caller.named(Reply::plain(StatusCode::OK, &list).into_response()))
}

/// Publish the first key of an algorithm
#[utoipa::path(post, path = "/manage/v1/authorization-servers/{id}/signing-keys", tag = "signing-keys",
    params(("id" = String, Path, description = "The authorization server")), request_body = NewAlgorithm,
    responses((status = 201, description = "The key, which signs from the time given", body = AddedAlgorithm)),
    security(("management" = ["signing_keys:write"])))]
pub(super) async fn add_signing_algorithm(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    attempt: Attempt,
    body: Body<NewAlgorithm>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SigningKeysWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let (server, alg) = (existing(&app, &id)?, algorithm(&value.alg)?);
        let added = signing_keys::add_algorithm(&app, &by, &server, alg).await?;
        let view =
            AddedAlgorithm { alg: alg.as_str(), published: added.published.to_string(), signs_from: rfc3339(added.signs_from) };
        let location = format!("/manage/v1/authorization-servers/{server}/signing-keys/{alg}");
        Ok(Reply::created(&view, ALGORITHM_VERSION, location))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// Stop signing with an algorithm that nothing uses
#[utoipa::path(delete, path = "/manage/v1/authorization-servers/{id}/signing-keys/{alg}", tag = "signing-keys",
    params(("id" = String, Path, description = "The authorization server"), ("alg" = String, Path, description = "The algorithm")),
    responses((status = 204, description = "It is not used any more")),
    security(("management" = ["signing_keys:write"])))]
pub(super) async fn remove_signing_algorithm(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named((id, alg)): Named<(String, String)>,
    IfMatch(version): IfMatch,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SigningKeysWrite)?;
    ChangeError::check_version(version, ALGORITHM_VERSION)?;
    signing_keys::remove_algorithm(&app, &caller.actor(None), &existing(&app, &id)?, algorithm(&alg)?).await?;
    Ok(caller.named(deleted()))
}

/// Let the published successor sign, or withdraw a compromised key
#[utoipa::path(post, path = "/manage/v1/authorization-servers/{id}/signing-keys/rotate", tag = "signing-keys",
    params(("id" = String, Path, description = "The authorization server")), request_body = KeyRotation,
    responses((status = 200, description = "What signs now", body = KeyRotationResult)),
    security(("management" = ["signing_keys:write"])))]
pub(super) async fn rotate_signing_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    attempt: Attempt,
    body: Body<KeyRotation>,
) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SigningKeysWrite)?;
    let Body { value, bytes } = body;
    let work = async |by| {
        let key = meant(&app, &id, &value).await?;
        let result = if value.emergency {
            let done = signing_keys::replace_compromised(&app, &by, &key, value.replace_successor).await?;
            KeyRotationResult {
                active: done.active.map(|id| id.to_string()),
                published: done.successor.map(|id| id.to_string()),
                retiring: None,
                withdrawn: done.withdrawn.iter().map(ToString::to_string).collect(),
            }
        } else {
            let done = signing_keys::rotate(&app, &by, &key).await?;
            KeyRotationResult {
                active: Some(done.active.to_string()),
                published: Some(done.successor.to_string()),
                retiring: Some(done.retiring.to_string()),
                withdrawn: Vec::new(),
            }
        };
        Ok(Reply::plain(StatusCode::OK, &result))
    };
    Ok(attempt.once(&app, &caller, &bytes, work).await)
}

/// The key that is named, or else the active one of the algorithm.
async fn meant(app: &App, server: &str, wanted: &KeyRotation) -> Result<SigningKeyId, ChangeError> {
    if wanted.replace_successor && !wanted.emergency {
        return Err(InvalidField::new("replace_successor", "true", "only together with `emergency`").into());
    }
    let (server, alg) = (existing(app, server)?, algorithm(&wanted.alg)?);
    let keys = signing_keys::list(app, &server).await?;
    let of_alg = || keys.iter().filter(|key| key.algorithm == alg);
    let found = match &wanted.expected_active {
        Some(id) => of_alg().find(|key| key.id.as_str() == id),
        None => of_alg().find(|key| key.state == SigningKeyState::Active),
    };
    let name = wanted.expected_active.clone().unwrap_or_else(|| format!("{alg} of {server}"));
    found.map(|key| key.id.clone()).ok_or(ChangeError::NotFound { kind: "signing key", id: name })
}

fn existing(app: &App, id: &str) -> Result<AuthorizationServerId, ChangeError> {
    let id = AuthorizationServerId::from_stored(id);
    let found = app.catalog().authorization_server(&id).is_some();
    if found { Ok(id) } else { Err(ChangeError::NotFound { kind: "authorization server", id: id.to_string() }) }
}

fn algorithm(name: &str) -> Result<Algorithm, InvalidField> {
    let known = || Algorithm::ALL.map(Algorithm::as_str).join(" ");
    Algorithm::from_name(name).ok_or_else(|| InvalidField::new("alg", name.escape_debug(), known()))
}
