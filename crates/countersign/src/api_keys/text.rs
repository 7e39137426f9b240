//! The text of a key: `prefix_`, 12 characters of id, 43 of secret, 6 of checksum.

use countersign_protocol::{CredentialText, Timestamp};

use super::{ApiKeyHash, ApiKeySecret};
use crate::app::App;
use crate::change::{ChangeError, InvalidField};
use crate::clients::SECRET_PREFIX;
use crate::entropy::random;

/// What a key begins with unless its creator says otherwise.
pub const DEFAULT_PREFIX: &str = "key";
/// Longest prefix, in characters: what others accept, too.
const MAX_PREFIX_LENGTH: usize = 16;
/// How much of the id is shown after the prefix.
const SHOWN_OF_ID: usize = 4;

pub(super) fn check_prefix(prefix: &str) -> Result<(), InvalidField> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = prefix.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let legal = begins && prefix.len() <= MAX_PREFIX_LENGTH && prefix.bytes().all(is_word) && !prefix.ends_with('_');
    if legal && prefix != SECRET_PREFIX {
        return Ok(());
    }
    let accepted = format!(
        "1 to {MAX_PREFIX_LENGTH} of `A-Z a-z 0-9 _`, a letter first and no `_` last; `{SECRET_PREFIX}` is for client secrets"
    );
    Err(InvalidField::new("prefix", prefix.escape_debug(), accepted))
}

/// A new secret: the only moment its text exists.
pub(super) fn make_secret(app: &App, prefix: &str, now: Timestamp) -> Result<(ApiKeySecret, CredentialText), ChangeError> {
    let entropy = app.entropy.as_ref();
    let catalog = app.catalog();
    let hasher = catalog.hashers.active().ok_or_else(|| ChangeError::State("the instance has no hash key".to_owned()))?;
    let text = CredentialText::generate(prefix, random(entropy), random(entropy));
    let shown = text.id().get(..SHOWN_OF_ID).unwrap_or_default();
    let secret = ApiKeySecret {
        id: text.id().to_owned(),
        start: format!("{prefix}_{shown}"),
        hash: ApiKeyHash::Keyed { hash_key_id: hasher.id().clone(), hash: hasher.hash(text.expose()) },
        lookup: text.id().to_owned(),
        expires_at: None,
        rotated_at: None,
        created_at: now,
        last_use: None,
    };
    Ok((secret, text))
}
