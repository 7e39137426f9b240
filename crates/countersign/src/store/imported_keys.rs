//! API keys that another system hashed.

use std::collections::HashMap;

use super::many::many_rows;
use super::statement::statements;
use super::value::Value;
use super::{Session, Statement, StoreError, Tx, api_key_secrets, api_keys};
use crate::api_keys::{ApiKey, ImportedKey, OwnHash};
use crate::counters::Refill;
use crate::ids::ImportKeyId;

/// Rows that one statement inserts.
const ROWS: usize = 20;
/// Texts that one statement looks for.
const TEXTS: usize = 50;
/// Most secrets that one text may find: each is compared.
pub(crate) const MAX_CANDIDATES: usize = 8;

const HASHES: &str = "INSERT INTO imported_hashes (fingerprint, secret_id, import_key_id, hint) VALUES ";
const HASH_COLUMNS: usize = 4;
const CREDITS: &str = "INSERT INTO api_key_credits (key_id, remaining, refill_amount, refill_day, refilled_at) VALUES ";
const CREDITS_COLUMNS: usize = 5;
statements! {
    INSERT_KEY = many_rows!(api_keys::INSERT_INTO, api_keys::COLUMNS, 1, "");
    INSERT_KEYS = many_rows!(api_keys::INSERT_INTO, api_keys::COLUMNS, ROWS, "");
    INSERT_SECRET = many_rows!(api_key_secrets::INSERT_INTO, api_key_secrets::COLUMNS, 1, "");
    INSERT_SECRETS = many_rows!(api_key_secrets::INSERT_INTO, api_key_secrets::COLUMNS, ROWS, "");
    INSERT_HASH = many_rows!(HASHES, HASH_COLUMNS, 1, "");
    INSERT_HASHES = many_rows!(HASHES, HASH_COLUMNS, ROWS, "");
    INSERT_CREDITS = many_rows!(CREDITS, CREDITS_COLUMNS, 1, "");
    INSERT_MANY_CREDITS = many_rows!(CREDITS, CREDITS_COLUMNS, ROWS, "");
    EXISTING = many_rows!(
        "SELECT imported_hashes.fingerprint, api_key_secrets.key_id FROM imported_hashes \
         JOIN api_key_secrets ON api_key_secrets.id = imported_hashes.secret_id WHERE imported_hashes.fingerprint IN ",
        TEXTS, 1, ""
    );
    HINTS = many_rows!("SELECT hint, COUNT(*) FROM imported_hashes WHERE hint IN ", TEXTS, 1, " GROUP BY hint");
    // Whoever counts what a form finds, counts alone.
    HOLD_FORM = "UPDATE import_forms SET created_at = created_at WHERE form = $1";
    CANDIDATES = "SELECT secret_id FROM imported_hashes WHERE hint = $1 ORDER BY secret_id LIMIT $2";
    HASH_ANEW = "UPDATE api_key_secrets SET scheme = $3, hash_key_id = $4, hash = $5, lookup = $6 \
                 WHERE id = $1 AND hash = $2 RETURNING key_id";
    SETTLE = "UPDATE imported_hashes SET hint = NULL, import_key_id = NULL WHERE secret_id = $1";
}

impl Tx {
    /// Stores keys with their secrets and credits; none of them is there.
    pub(crate) async fn insert_imported_keys(&mut self, imported: &[ImportedKey]) -> Result<(), StoreError> {
        let keys: Vec<_> = imported.iter().map(|imported| api_keys::values(&imported.key)).collect::<Result<_, _>>()?;
        self.insert_many(&INSERT_KEYS, &INSERT_KEY, &keys).await?;
        let credits: Vec<_> = imported.iter().filter_map(|imported| credits_values(&imported.key)).collect();
        self.insert_many(&INSERT_MANY_CREDITS, &INSERT_CREDITS, &credits).await?;
        let secrets: Vec<_> = imported.iter().map(|imported| api_key_secrets::values(&imported.key.id, &imported.secret)).collect();
        self.insert_many(&INSERT_SECRETS, &INSERT_SECRET, &secrets).await?;
        let hashes: Vec<_> = imported.iter().map(hash_values).collect();
        self.insert_many(&INSERT_HASHES, &INSERT_HASH, &hashes).await
    }

    async fn insert_many<const N: usize>(
        &mut self,
        many: &'static Statement,
        one: &'static Statement,
        rows: &[[Value; N]],
    ) -> Result<(), StoreError> {
        let mut pieces = rows.chunks_exact(ROWS);
        for piece in &mut pieces {
            self.query(many, piece.as_flattened()).await?;
        }
        for row in pieces.remainder() {
            self.query(one, row).await?;
        }
        Ok(())
    }

    /// Keeps others from counting and adding to what a form finds, until the commit.
    pub(crate) async fn hold_import_form(&mut self, form: &str) -> Result<(), StoreError> {
        self.query(&HOLD_FORM, &[form.into()]).await.map(drop)
    }

    /// Gives a secret a hash of our own; whether it still had the one it came with.
    pub(crate) async fn hash_anew(&mut self, secret_id: &str, from: &str, to: &OwnHash) -> Result<bool, StoreError> {
        let values = [
            secret_id.into(),
            from.into(),
            to.scheme.into(),
            to.hash_key_id.as_str().into(),
            to.hash.to_stored().into(),
            to.lookup.as_str().into(),
        ];
        if self.query_optional(&HASH_ANEW, &values).await?.is_none() {
            return Ok(false);
        }
        self.query(&SETTLE, &[secret_id.into()]).await?;
        Ok(true)
    }
}

impl Session {
    /// Of these fingerprints, those that are there, with the ids of their keys.
    pub(crate) async fn imported_before(&mut self, fingerprints: &[&str]) -> Result<HashMap<String, String>, StoreError> {
        let mut found = HashMap::new();
        for piece in fingerprints.chunks(TEXTS) {
            for mut row in self.query(&EXISTING, &padded(piece)).await? {
                found.insert(row.text()?, row.text()?);
            }
        }
        Ok(found)
    }

    /// How many secrets each of these hints finds; none: it is not there.
    pub(crate) async fn hinted(&mut self, hints: &[&str]) -> Result<HashMap<String, usize>, StoreError> {
        let mut found = HashMap::new();
        for piece in hints.chunks(TEXTS) {
            for mut row in self.query(&HINTS, &padded(piece)).await? {
                found.insert(row.text()?, usize::try_from(row.integer()?).map_err(StoreError::internal)?);
            }
        }
        Ok(found)
    }

    /// The ids of the secrets that a hint finds.
    pub(crate) async fn hinted_secrets(&mut self, hint: &str) -> Result<Vec<String>, StoreError> {
        let limit = i64::try_from(MAX_CANDIDATES).map_err(StoreError::internal)?;
        let rows = self.query(&CANDIDATES, &[hint.into(), limit.into()]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }
}

/// NULL equals nothing.
fn padded(texts: &[&str]) -> Vec<Value> {
    let given = texts.iter().map(|text| Value::from(*text));
    given.chain(std::iter::repeat(Value::Null)).take(TEXTS).collect()
}

/// `None`: they are not counted.
fn credits_values(key: &ApiKey) -> Option<[Value; CREDITS_COLUMNS]> {
    let stored = key.credits?;
    let (amount, day) = stored.credits.refill.map(Refill::columns).unzip();
    Some([key.id.as_str().into(), stored.credits.remaining.into(), amount.into(), day.into(), stored.refilled_at.into()])
}

fn hash_values(imported: &ImportedKey) -> [Value; HASH_COLUMNS] {
    [
        imported.fingerprint.as_str().into(),
        imported.secret.id.as_str().into(),
        imported.import_key_id.as_ref().map(ImportKeyId::as_str).into(),
        imported.hint.as_deref().into(),
    ]
}
