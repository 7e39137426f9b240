//! Who holds a token, and what it was obtained with, as both are now: a node that had not
//! heard of their end may have issued it since.

use std::sync::Arc;

use countersign_protocol::Timestamp;

use super::issued_token::IssuedToken;
use crate::api_keys::AcceptedKey;
use crate::app::App;
use crate::clients::Client;
use crate::ids::ApiKeyId;
use crate::store::StoreError;

/// The client that a token was issued to and, where it was obtained with an API key, that.
pub(crate) struct Holder {
    client: Arc<Client>,
    proof: Proof,
}

enum Proof {
    /// An API key and its secret; `None`: one of them is not in force.
    ApiKey(Option<AcceptedKey>),
    /// A credential of the client.
    Credential,
}

impl Holder {
    /// The holder of a token; `None`: there is no such client.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn of(app: &App, token: &IssuedToken) -> Result<Option<Self>, StoreError> {
        let Some(client) = app.find_client(&token.client_id).await? else { return Ok(None) };
        let proof = match (ApiKeyId::of_credential(&token.credential_id), &token.secret_id) {
            (Some(key), Some(secret_id)) => {
                let key = AcceptedKey::again(app, &key, secret_id).await?.ok();
                Proof::ApiKey(key.filter(|key| key.client().id == client.id))
            }
            (Some(_), None) => Proof::ApiKey(None),
            (None, _) => Proof::Credential,
        };
        Ok(Some(Self { client, proof }))
    }

    /// The client.
    pub(crate) const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Whether it may have the token: it is enabled, and what it was obtained with was not
    /// revoked. A credential whose end has come gets no new tokens and keeps the old ones; a
    /// key takes them along.
    pub(crate) fn may_hold(&self, token: &IssuedToken) -> bool {
        let is_proof = match &self.proof {
            Proof::ApiKey(key) => key.is_some(),
            Proof::Credential => self.has_credential(token, |credential| credential.revoked_at.is_none()),
        };
        is_proof && self.client.disabled_at.is_none()
    }

    /// Whether it would get the token anew: what it was obtained with is in force, and gives
    /// as much.
    pub(crate) fn would_get(&self, token: &IssuedToken, now: Timestamp) -> bool {
        let is_proof = match &self.proof {
            Proof::ApiKey(key) => key.as_ref().is_some_and(|key| token.scope.iter().all(|scope| key.may(scope.as_str()))),
            Proof::Credential => self.has_credential(token, |credential| credential.is_live(now)),
        };
        is_proof && self.client.disabled_at.is_none()
    }

    fn has_credential(&self, token: &IssuedToken, is_fit: impl Fn(&crate::clients::Credential) -> bool) -> bool {
        self.client.credentials.iter().any(|own| own.id == token.credential_id && is_fit(own))
    }
}
