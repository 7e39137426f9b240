//! Reading what a client did.

use std::collections::HashMap;

use countersign_protocol::ClientId;

use super::UsageRow;
use crate::app::App;
use crate::clients::CredentialUse;
use crate::ids::CredentialId;
use crate::jobs::{write_credential_uses, write_usage};
use crate::store::StoreError;

/// What a client did since some day.
#[derive(Clone, Debug)]
pub struct ClientUsage {
    /// Its counters, by day.
    pub rows: Vec<UsageRow>,
    /// The last use of each of its credentials, however long ago.
    pub uses: HashMap<CredentialId, CredentialUse>,
}

/// What a client did since `day`. What this node has counted is written first; what
/// another has counted is there five seconds later.
///
/// # Errors
/// [`StoreError`].
pub async fn of_client(app: &App, client_id: &ClientId, day: i64) -> Result<ClientUsage, StoreError> {
    write_usage(app).await?;
    write_credential_uses(app).await?;
    let id = client_id.clone();
    app.store
        .read(move |session| {
            Box::pin(async move {
                Ok(ClientUsage { rows: session.client_usage_since(&id, day).await?, uses: session.credential_uses_of(&id).await? })
            })
        })
        .await
}
