//! What the management API knows about a token: its client, its credential, and the
//! marks that revoke tokens.

use countersign_protocol::jose::{AudienceClaim, Claims};
use countersign_protocol::{ErrorCode, Timestamp};
use http::StatusCode;
use serde_json::Value;

use crate::cli::api::{Api, ApiArgs, ApiError, Path};
use crate::explain::Standing;
use crate::ids::{ApiKeyId, CredentialId};
use crate::log::parse_rfc3339;

/// Asks about a token whose signature was verified, by the key `key_id`.
pub(super) async fn ask(profile: &ApiArgs, claims: &Claims, key_id: Option<&str>) -> Standing {
    match look(profile, claims, key_id).await {
        Ok(standing) => standing,
        Err(error) => Standing::Unknown(format!("the management API could not be asked: {}", crate::log::chain(error.as_ref()))),
    }
}

async fn look(profile: &ApiArgs, claims: &Claims, key_id: Option<&str>) -> anyhow::Result<Standing> {
    let Some(client_id) = claims.client_id.as_deref() else {
        return Ok(Standing::Unknown("the token names no client to ask about".to_owned()));
    };
    let api = profile.connect()?;
    let Some(client) = find(&api, &Path::of(&["clients", client_id])?).await? else {
        return Ok(revoked(format!("there is no client {client_id}: it was deleted, or is of another instance")));
    };
    if let Some(at) = text(&client, "disabled_at") {
        return Ok(revoked(format!("the client {client_id} was disabled at {at}")));
    }
    if let Some(credential_id) = claims.all.get("cred").and_then(Value::as_str)
        && let Some(why) = credential_at_end(&api, client_id, credential_id).await?
    {
        return Ok(revoked(why));
    }
    for mark in &api.list(&Path::of(&["revocations"])?, None).await?.items {
        if is_about(mark, claims, key_id) && is_of_its_server(&api, mark, claims).await? {
            return Ok(revoked(format!(
                "tokens of {} {} that were issued before {} are revoked",
                text(mark, "kind").unwrap_or_default(),
                text(mark, "value").or_else(|| text(mark, "authorization_server_id")).unwrap_or_default(),
                text(mark, "not_before").unwrap_or_default()
            )));
        }
    }
    // A token that was revoked by itself leaves no mark.
    Ok(Standing::Unknown(format!(
        "the client {client_id} and its credential are accepted, and no mark is about the token; \
         whether this one token was revoked is not listed: introspection tells"
    )))
}

/// Why the credential that obtained the token keeps it from being accepted, be it an API key.
async fn credential_at_end(api: &Api, client_id: &str, credential_id: &str) -> anyhow::Result<Option<String>> {
    let is_key = ApiKeyId::of_credential(&CredentialId::from_stored(credential_id)).is_some();
    let (kind, path) = if is_key {
        ("API key", Path::of(&["keys", credential_id])?)
    } else {
        ("credential", Path::of(&["clients", client_id, "credentials", credential_id])?)
    };
    let of_client = format!("the {kind} {credential_id} of the client {client_id}");
    let Some(credential) = find(api, &path).await? else { return Ok(Some(format!("{of_client} is gone"))) };
    let mut ended = [("revoked_at", "revoked"), ("disabled_at", "disabled")].into_iter();
    let ended = ended.find_map(|(member, what)| text(&credential, member).map(|at| format!("{of_client} was {what} at {at}")));
    Ok(ended.or_else(|| (is_key && text(&credential, "state") == Some("expired")).then(|| format!("{of_client} has expired"))))
}

fn revoked(what: String) -> Standing {
    Standing::Revoked(ErrorCode::ClientRevoked, what)
}

async fn find(api: &Api, path: &Path) -> Result<Option<Value>, ApiError> {
    match api.get(path).await {
        Ok(reply) => Ok(Some(reply.body)),
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// Whether a mark is about the token, if it is about its authorization server.
fn is_about(mark: &Value, claims: &Claims, key_id: Option<&str>) -> bool {
    let issued_before = |not_before: Timestamp| claims.issued_at.is_none_or(|issued_at| issued_at < not_before);
    let value = text(mark, "value").unwrap_or_default();
    let is_named = match text(mark, "kind") {
        Some("client") => claims.client_id.as_deref() == Some(value),
        Some("sub") => claims.subject.as_deref() == Some(value),
        Some("cred") => claims.all.get("cred").and_then(Value::as_str) == Some(value),
        Some("kid") => key_id == Some(value),
        Some("aud") => matches!(&claims.audience, AudienceClaim::One(one) if one == value),
        Some("all") => true,
        _ => false,
    };
    is_named && text(mark, "not_before").and_then(parse_rfc3339).is_some_and(issued_before)
}

/// Whether the token is of the authorization server that the mark names, if it names one.
async fn is_of_its_server(api: &Api, mark: &Value, claims: &Claims) -> anyhow::Result<bool> {
    let Some(server) = text(mark, "authorization_server_id") else { return Ok(true) };
    let mounts = api.list(&Path::of(&["authorization-servers", server, "mounts"])?, None).await?;
    let mut issuers = mounts.items.iter().filter_map(|mount| mount.get("issuers")?.as_array()).flatten();
    Ok(issuers.any(|issuer| issuer.as_str() == Some(&claims.issuer)))
}
