//! Reading what a client did.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_protocol::ClientId;

use super::UsageRow;
use crate::app::App;
use crate::clients::CredentialUse;
use crate::ids::CredentialId;
use crate::jobs::{to_the_end, write_credential_uses, write_usage};
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
pub async fn of_client(app: &Arc<App>, client_id: &ClientId, day: i64) -> Result<ClientUsage, StoreError> {
    let writer = Arc::clone(app);
    to_the_end(async move {
        write_usage(&writer).await?;
        write_credential_uses(&writer).await
    })
    .await?;
    let id = client_id.clone();
    app.store
        .read(move |session| {
            Box::pin(async move {
                Ok(ClientUsage { rows: session.client_usage_since(&id, day).await?, uses: session.credential_uses_of(&id).await? })
            })
        })
        .await
}
