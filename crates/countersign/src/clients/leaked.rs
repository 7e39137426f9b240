//! Finding a client by nothing but its secret.

use super::{Client, SecretHash};
use crate::app::App;
use crate::ids::{CredentialId, HashKeyId};
use crate::store::StoreError;

/// The client and the credential of a secret, whatever the state of both.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn find_by_secret(app: &App, secret: &str) -> Result<Option<(Client, CredentialId)>, StoreError> {
    let catalog = app.catalog();
    let hashes: Vec<(HashKeyId, SecretHash)> =
        catalog.hashers.iter().map(|hasher| (hasher.id().clone(), hasher.hash(secret))).collect();
    let found = app.store.read(move |session| {
        Box::pin(async move {
            for (hash_key, hash) in hashes {
                if let Some((client_id, id)) = session.find_credential_by_hash(&hash_key, &hash).await? {
                    return Ok(session.find_client(&client_id).await?.map(|client| (client, id)));
                }
            }
            Ok(None)
        })
    });
    found.await
}
