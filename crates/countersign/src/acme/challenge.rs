//! Answering the authority's question (RFC 8555 section 8.3).

use crate::app::App;
use crate::store::StoreError;

/// Longest token that is looked up.
const MAX_TOKEN: usize = 256;

/// What the authority is told at `/.well-known/acme-challenge/{token}`, on whichever
/// node it asks.
///
/// # Errors
/// [`StoreError`].
pub async fn answer(app: &App, token: &str) -> Result<Option<String>, StoreError> {
    let is_token = (1..=MAX_TOKEN).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !is_token {
        return Ok(None);
    }
    let (token, now) = (token.to_owned(), app.clock.now());
    app.store.read(move |session| Box::pin(async move { session.find_challenge(&token, now).await })).await
}
