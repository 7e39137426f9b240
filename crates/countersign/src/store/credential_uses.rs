//! The last use of each credential.

use std::collections::HashMap;

use countersign_protocol::{ClientAuthMethod, ClientId};

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::clients::CredentialUse;
use crate::ids::CredentialId;

statements! {
    RECORD = "INSERT INTO credential_uses (credential_id, used_at, auth_method, source_address, user_agent) \
              SELECT id, CAST($2 AS BIGINT), $3, $4, $5 FROM credentials WHERE id = $1 \
              ON CONFLICT (credential_id) DO UPDATE SET used_at = excluded.used_at, auth_method = excluded.auth_method, \
              source_address = excluded.source_address, user_agent = excluded.user_agent \
              WHERE credential_uses.used_at < excluded.used_at";
    OF_CLIENT = "SELECT credential_uses.credential_id, used_at, auth_method, source_address, user_agent FROM credential_uses \
                 JOIN credentials ON credentials.id = credential_uses.credential_id WHERE credentials.client_id = $1";
}

impl Tx {
    /// Records a use unless a later one is known. A credential that is gone has none.
    pub(crate) async fn record_credential_use(&mut self, id: &CredentialId, used: &CredentialUse) -> Result<(), StoreError> {
        let values = [
            id.as_str().into(),
            used.used_at.into(),
            used.method.as_str().into(),
            used.source.map(|address| address.to_string()).into(),
            used.user_agent.as_deref().into(),
        ];
        self.query(&RECORD, &values).await.map(drop)
    }
}

impl Session {
    pub(crate) async fn credential_uses_of(
        &mut self,
        client: &ClientId,
    ) -> Result<HashMap<CredentialId, CredentialUse>, StoreError> {
        let rows = self.query(&OF_CLIENT, &[client.as_str().into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                let id = row.text()?;
                let used_at = row.time()?;
                let method = row.text()?;
                let used = CredentialUse {
                    used_at,
                    method: ClientAuthMethod::from_name(&method).ok_or_else(|| corrupt("credential_uses", "auth_method", &id))?,
                    source: row.optional_text()?.and_then(|address| address.parse().ok()),
                    user_agent: row.optional_text()?,
                };
                Ok((CredentialId::from_stored(&id), used))
            })
            .collect()
    }
}
