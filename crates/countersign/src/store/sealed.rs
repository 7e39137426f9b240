//! Every column that holds something sealed by the master key. One that is missing
//! here would be lost when the master key is replaced: a test compares the list with
//! the schema and with what is stored.

use super::statement::statements;
use super::{Statement, StoreError, Tx};

statements! {
    CHECK_VALUES = "SELECT name, value FROM instance_facts WHERE name = 'master_key_check'";
    REPLACE_CHECK_VALUE = "UPDATE instance_facts SET value = $2 WHERE name = $1 AND value = $3 RETURNING name";
    HASH_KEYS = "SELECT id, sealed_key FROM hash_keys ORDER BY id";
    REPLACE_HASH_KEY = "UPDATE hash_keys SET sealed_key = $2 WHERE id = $1 AND sealed_key = $3 RETURNING id";
    SIGNING_KEYS = "SELECT id, sealed_private_key FROM signing_keys WHERE sealed_private_key <> '' ORDER BY id";
    REPLACE_SIGNING_KEY = "UPDATE signing_keys SET sealed_private_key = $2 WHERE id = $1 AND sealed_private_key = $3 RETURNING id";
    TOKEN_KEYS = "SELECT id, sealed_key FROM token_keys WHERE sealed_key <> '' ORDER BY id";
    REPLACE_TOKEN_KEY = "UPDATE token_keys SET sealed_key = $2 WHERE id = $1 AND sealed_key = $3 RETURNING id";
    STATUS_FEED_KEYS = "SELECT id, sealed_private_key FROM status_feed_keys WHERE sealed_private_key <> '' ORDER BY id";
    REPLACE_STATUS_FEED_KEY = "UPDATE status_feed_keys SET sealed_private_key = $2 WHERE id = $1 AND sealed_private_key = $3 RETURNING id";
    SSF_AUTHORIZATIONS = "SELECT id, sealed_authorization FROM ssf_streams WHERE sealed_authorization IS NOT NULL ORDER BY id";
    REPLACE_SSF_AUTHORIZATION = "UPDATE ssf_streams SET sealed_authorization = $2 WHERE id = $1 AND sealed_authorization = $3 RETURNING id";
    IMPORT_KEYS = "SELECT id, sealed_key FROM import_keys ORDER BY id";
    REPLACE_IMPORT_KEY = "UPDATE import_keys SET sealed_key = $2 WHERE id = $1 AND sealed_key = $3 RETURNING id";
    ACME_ACCOUNTS = "SELECT 'acme_account ' || directory_url, sealed_credentials FROM acme_accounts ORDER BY 1";
    REPLACE_ACME_ACCOUNT = "UPDATE acme_accounts SET sealed_credentials = $2 \
                            WHERE 'acme_account ' || directory_url = $1 AND sealed_credentials = $3 RETURNING directory_url";
    ACME_CERTIFICATES = "SELECT 'acme_certificate ' || directory_url || ' ' || names, sealed_private_key FROM acme_certificates \
                         WHERE sealed_private_key IS NOT NULL ORDER BY 1";
    REPLACE_ACME_CERTIFICATE = "UPDATE acme_certificates SET sealed_private_key = $2 \
                                WHERE 'acme_certificate ' || directory_url || ' ' || names = $1 AND sealed_private_key = $3 RETURNING names";
}

/// A column whose values are sealed, each for its row.
#[derive(Debug)]
pub struct SealedColumn {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// For what each value is sealed, and the value.
    values: &'static Statement,
    /// Replaces a value that is still what was read.
    replace: &'static Statement,
}

/// Every sealed column. The check of the master key comes first: whoever holds it
/// keeps others from sealing.
pub static SEALED_COLUMNS: &[SealedColumn] = &[
    SealedColumn { table: "instance_facts", column: "value", values: &CHECK_VALUES, replace: &REPLACE_CHECK_VALUE },
    SealedColumn { table: "hash_keys", column: "sealed_key", values: &HASH_KEYS, replace: &REPLACE_HASH_KEY },
    SealedColumn { table: "signing_keys", column: "sealed_private_key", values: &SIGNING_KEYS, replace: &REPLACE_SIGNING_KEY },
    SealedColumn { table: "token_keys", column: "sealed_key", values: &TOKEN_KEYS, replace: &REPLACE_TOKEN_KEY },
    SealedColumn {
        table: "status_feed_keys",
        column: "sealed_private_key",
        values: &STATUS_FEED_KEYS,
        replace: &REPLACE_STATUS_FEED_KEY,
    },
    SealedColumn {
        table: "ssf_streams",
        column: "sealed_authorization",
        values: &SSF_AUTHORIZATIONS,
        replace: &REPLACE_SSF_AUTHORIZATION,
    },
    SealedColumn { table: "import_keys", column: "sealed_key", values: &IMPORT_KEYS, replace: &REPLACE_IMPORT_KEY },
    SealedColumn { table: "acme_accounts", column: "sealed_credentials", values: &ACME_ACCOUNTS, replace: &REPLACE_ACME_ACCOUNT },
    SealedColumn {
        table: "acme_certificates",
        column: "sealed_private_key",
        values: &ACME_CERTIFICATES,
        replace: &REPLACE_ACME_CERTIFICATE,
    },
];

impl Tx {
    /// The values of a sealed column with the rows that they are sealed for.
    pub(crate) async fn sealed_values(&mut self, column: &'static SealedColumn) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.query(column.values, &[]).await?;
        rows.into_iter().map(|mut row| Ok((row.text()?, row.text()?))).collect()
    }

    /// Whether the value was still `old`.
    pub(crate) async fn replace_sealed_value(
        &mut self,
        column: &'static SealedColumn,
        row_id: &str,
        old: &str,
        new: &str,
    ) -> Result<bool, StoreError> {
        Ok(self.query_optional(column.replace, &[row_id.into(), new.into(), old.into()]).await?.is_some())
    }
}
