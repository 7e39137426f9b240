//! Public keys as credentials, for `private_key_jwt`.

use std::sync::Arc;

use countersign_protocol::jose::RegisteredKeys;
use countersign_protocol::{ClientId, Timestamp};

use super::credentials::{check_times, store_new};
use super::{Client, Credential, CredentialKind, JwksUri, NewClient, create};
use crate::app::App;
use crate::audit::Actor;
use crate::change::{ChangeError, InvalidField, check_name};
use crate::ids::CredentialId;

/// Where the public keys are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In this JWK Set (RFC 7517 section 5), a JSON text.
    Jwks(String),
    /// At this URL.
    JwksUri(String),
}

/// What a new key credential is to be.
#[derive(Clone, Debug)]
pub struct NewKeys {
    /// For people.
    pub label: String,
    /// The keys.
    pub source: KeySource,
    /// Not accepted before.
    pub not_before: Option<Timestamp>,
    /// Not accepted from this instant on.
    pub expires_at: Option<Timestamp>,
}

/// Creates a client that authenticates with `private_key_jwt` and has no secret.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::AlreadyExists`].
pub async fn create_with_keys(app: &App, by: &Actor, new: NewClient, keys: NewKeys) -> Result<Client, ChangeError> {
    if new.auth_method.uses_secret() {
        return Err(InvalidField::new("token_endpoint_auth_method", new.auth_method.as_str(), "private_key_jwt").into());
    }
    let now = app.clock.now();
    let client = create::with_credentials(app, new, vec![make_credential(app, by, keys, now)?], now)?;
    create::store(app, by, &client).await?;
    Ok(client)
}

/// Adds public keys, or the URL of such, to a client; its other credentials stay.
///
/// # Errors
/// [`ChangeError::Invalid`], [`ChangeError::NotFound`], [`ChangeError::State`] for a
/// client that has too many credentials.
pub async fn add_keys(app: &App, by: &Actor, client_id: &ClientId, new: NewKeys) -> Result<Credential, ChangeError> {
    let credential = make_credential(app, by, new, app.clock.now())?;
    store_new(app, by, client_id, &credential).await?;
    Ok(credential)
}

fn make_credential(app: &App, by: &Actor, new: NewKeys, now: Timestamp) -> Result<Credential, ChangeError> {
    check_name("label", &new.label)?;
    check_times(new.not_before, new.expires_at, now)?;
    let kind = match new.source {
        KeySource::JwksUri(uri) => CredentialKind::JwksUri(JwksUri::parse(&uri, &app.outbound.guarded())?),
        KeySource::Jwks(document) => {
            // The document may hold what should never have been sent: it is not quoted.
            let refused = |error| InvalidField::new("jwks", "(not shown)", format!("public keys only: {error}"));
            CredentialKind::Keys(Arc::new(RegisteredKeys::parse(document.as_bytes()).map_err(refused)?))
        }
    };
    Ok(Credential {
        id: CredentialId::generate(now, app.entropy.as_ref()),
        label: new.label,
        kind,
        not_before: new.not_before,
        expires_at: new.expires_at,
        rotated_at: None,
        revoked_at: None,
        created_at: now,
        created_by: Some(by.name()),
    })
}
