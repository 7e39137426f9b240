//! Accounts, certificates and challenges of RFC 8555.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::acme::{CertificateOrder, StoredCertificate};

statements! {
    FIND_ACCOUNT = "SELECT sealed_credentials FROM acme_accounts WHERE directory_url = $1";
    INSERT_ACCOUNT = "INSERT INTO acme_accounts (directory_url, sealed_credentials, created_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (directory_url) DO NOTHING RETURNING directory_url";
    FIND_CERTIFICATE = "SELECT version, chain, sealed_private_key, renew_at FROM acme_certificates \
                        WHERE directory_url = $1 AND names = $2";
    EXPECT_CERTIFICATE = "INSERT INTO acme_certificates (directory_url, names, version, renew_at, failures) VALUES ($1, $2, 0, $3, 0) \
                          ON CONFLICT (directory_url, names) DO NOTHING";
    LEASE = "UPDATE acme_certificates SET lease_id = $3, lease_until = $4 \
             WHERE directory_url = $1 AND names = $2 AND renew_at <= $5 AND (lease_until IS NULL OR lease_until <= $5) \
             RETURNING failures";
    STORE_CERTIFICATE = "UPDATE acme_certificates SET version = version + 1, chain = $4, sealed_private_key = $5, renew_at = $6, \
                         failures = 0, lease_id = NULL, lease_until = NULL \
                         WHERE directory_url = $1 AND names = $2 AND lease_id = $3 RETURNING version";
    POSTPONE = "UPDATE acme_certificates SET renew_at = $4, failures = failures + 1, lease_id = NULL, lease_until = NULL \
                WHERE directory_url = $1 AND names = $2 AND lease_id = $3";
    INSERT_CHALLENGE = "INSERT INTO acme_challenges (token, key_authorization, expires_at) VALUES ($1, $2, $3) \
                        ON CONFLICT (token) DO UPDATE SET key_authorization = $2, expires_at = $3";
    FIND_CHALLENGE = "SELECT key_authorization FROM acme_challenges WHERE token = $1 AND expires_at > $2";
    DELETE_CHALLENGES = "DELETE FROM acme_challenges WHERE expires_at <= $1";
}

impl Session {
    pub(crate) async fn find_acme_account(&mut self, directory_url: &str) -> Result<Option<String>, StoreError> {
        self.query_optional(&FIND_ACCOUNT, &[directory_url.into()]).await?.map(|mut row| row.text()).transpose()
    }

    pub(crate) async fn find_certificate(&mut self, order: &CertificateOrder) -> Result<Option<StoredCertificate>, StoreError> {
        let values = [order.directory_url.as_str().into(), order.names.as_str().into()];
        let Some(mut row) = self.query_optional(&FIND_CERTIFICATE, &values).await? else { return Ok(None) };
        let version = row.integer()?;
        let issued = row.optional_text()?.zip(row.optional_text()?);
        Ok(Some(StoredCertificate { version, issued, renew_at: row.time()? }))
    }

    /// What a certificate authority that asks for `token` is told.
    pub(crate) async fn find_challenge(&mut self, token: &str, now: Timestamp) -> Result<Option<String>, StoreError> {
        self.query_optional(&FIND_CHALLENGE, &[token.into(), now.into()]).await?.map(|mut row| row.text()).transpose()
    }
}

impl Tx {
    /// Whether there was no account yet.
    pub(crate) async fn insert_acme_account(
        &mut self,
        directory_url: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let inserted = self.query_optional(&INSERT_ACCOUNT, &[directory_url.into(), sealed.into(), now.into()]).await?;
        Ok(inserted.is_some())
    }

    pub(crate) async fn expect_certificate(&mut self, order: &CertificateOrder, now: Timestamp) -> Result<(), StoreError> {
        let values = [order.directory_url.as_str().into(), order.names.as_str().into(), now.into()];
        self.query(&EXPECT_CERTIFICATE, &values).await.map(drop)
    }

    /// Takes the one lease for a try that is due. Says how many tries failed before.
    pub(crate) async fn lease_certificate(
        &mut self,
        order: &CertificateOrder,
        lease_id: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let (directory_url, names) = (order.directory_url.as_str(), order.names.as_str());
        let values = [directory_url.into(), names.into(), lease_id.into(), until.into(), now.into()];
        self.query_optional(&LEASE, &values).await?.map(|mut row| row.integer()).transpose()
    }

    /// Stores what was issued under a lease, and ends it. The version, if the lease still held.
    pub(crate) async fn store_certificate(
        &mut self,
        order: &CertificateOrder,
        lease_id: &str,
        (chain, sealed_private_key): (&str, &str),
        renew_at: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let (directory_url, names) = (order.directory_url.as_str(), order.names.as_str());
        let values =
            [directory_url.into(), names.into(), lease_id.into(), chain.into(), sealed_private_key.into(), renew_at.into()];
        self.query_optional(&STORE_CERTIFICATE, &values).await?.map(|mut row| row.integer()).transpose()
    }

    /// Ends a lease whose try failed.
    pub(crate) async fn postpone_certificate(
        &mut self,
        order: &CertificateOrder,
        lease_id: &str,
        renew_at: Timestamp,
    ) -> Result<(), StoreError> {
        let values = [order.directory_url.as_str().into(), order.names.as_str().into(), lease_id.into(), renew_at.into()];
        self.query(&POSTPONE, &values).await.map(drop)
    }

    /// Adds an answer, and forgets those that nobody asks for any more.
    pub(crate) async fn insert_challenge(
        &mut self,
        token: &str,
        key_authorization: &str,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(&DELETE_CHALLENGES, &[now.into()]).await?;
        self.query(&INSERT_CHALLENGE, &[token.into(), key_authorization.into(), expires_at.into()]).await.map(drop)
    }
}
