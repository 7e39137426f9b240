//! Asking over HTTP(S).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use serde_json::json;

use super::{AskFuture, AskKeys, Credentials, KeyQuestion};
use crate::own_token::{JSON, OwnToken, get, post};
use crate::{FetchError, HttpClient, HttpError, Limits};

/// Largest response, in bytes: a key may have a thousand permissions.
const MAX_RESPONSE_BYTES: usize = 512 * 1024;
/// What the access token must give.
const SCOPE: &str = "keys:verify";

/// Asks the management API of a Countersign server with an [`HttpClient`], with access tokens
/// that it gets by itself.
pub struct HttpKeys {
    token: OwnToken,
    verify_url: Uri,
    changes_url: String,
    limits: Limits,
}

impl HttpKeys {
    pub(super) fn new(client: HttpClient, base: &str, credentials: Credentials, timeout: Duration) -> Result<Self, HttpError> {
        let base = base.trim_end_matches('/');
        let limits = Limits { timeout, max_body_bytes: MAX_RESPONSE_BYTES };
        Ok(Self {
            token: OwnToken::new(client, base, credentials, SCOPE, limits)?,
            verify_url: format!("{base}/manage/v1/keys/verify").parse().map_err(|_| HttpError::Url)?,
            changes_url: format!("{base}/manage/v1/keys/changes"),
            limits,
        })
    }

    /// Asks with an access token. A request that was refused for its sake has counted nothing.
    async fn ask(&self, request: Request<Bytes>, limits: Limits) -> Result<Vec<u8>, HttpError> {
        let response = self.token.send(request, limits).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body().to_vec()),
            other => Err(HttpError::Status(other)),
        }
    }
}

impl AskKeys for HttpKeys {
    fn verify<'a>(&'a self, question: KeyQuestion<'a>) -> AskFuture<'a> {
        let KeyQuestion { key, audience, address } = question;
        let body = match address {
            Some(address) => json!({ "key": key, "audience": audience, "address": address }),
            None => json!({ "key": key, "audience": audience }),
        };
        let request = post(&self.verify_url, JSON, body.to_string());
        Box::pin(async move { self.ask(request, self.limits).await.map_err(FetchError::new) })
    }

    fn changes(&self, after: Option<i64>, wait: Duration) -> AskFuture<'_> {
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        let url = format!("{}?wait_seconds={}{after}", self.changes_url, wait.as_secs());
        let limits = Limits { timeout: wait + self.limits.timeout, ..self.limits };
        Box::pin(async move {
            let request = get(&url, JSON).map_err(FetchError::new)?;
            self.ask(request, limits).await.map_err(FetchError::new)
        })
    }
}

impl fmt::Debug for HttpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpKeys").field("url", &self.verify_url).finish_non_exhaustive()
    }
}
