//! Asking over HTTP(S).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use countersign_protocol::jose::json::strict_object;
use countersign_protocol::{API_KEY_TOKEN_TYPE, GrantType, Secret, basic_authorization, form_encode};

use super::{AskFuture, AskKeys, Credentials, KeyQuestion};
use crate::{FetchError, HttpClient, HttpError, Limits};

/// Largest response, in bytes: a key may have a thousand permissions.
const MAX_RESPONSE_BYTES: usize = 512 * 1024;
/// What the access token must give.
const SCOPE: &str = "keys:verify";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Asks the management API of a Countersign server with an [`HttpClient`], with access tokens
/// that it gets by itself.
pub struct HttpKeys {
    client: HttpClient,
    token_url: Uri,
    verify_url: Uri,
    changes_url: String,
    /// The body of a token request, and its `Authorization`.
    token_request: (Secret<String>, Option<HeaderValue>),
    limits: Limits,
    token: Mutex<Option<Token>>,
}

struct Token {
    authorization: HeaderValue,
    /// From then on another one is due.
    until: Instant,
}

impl HttpKeys {
    pub(super) fn new(client: HttpClient, base: &str, credentials: Credentials, timeout: Duration) -> Result<Self, HttpError> {
        let base = base.trim_end_matches('/');
        let url = |path: &str| format!("{base}{path}").parse::<Uri>().map_err(|_| HttpError::Url);
        Ok(Self {
            client,
            token_url: url("/oauth/token")?,
            verify_url: url("/manage/v1/keys/verify")?,
            changes_url: format!("{base}/manage/v1/keys/changes"),
            token_request: token_request(&format!("{base}/manage/v1"), credentials)?,
            limits: Limits { timeout, max_body_bytes: MAX_RESPONSE_BYTES },
            token: Mutex::new(None),
        })
    }

    /// Asks with an access token; when that is not accepted, once more with another one. A
    /// request that was refused has counted nothing.
    async fn ask(&self, request: Request<Bytes>, limits: Limits) -> Result<Vec<u8>, HttpError> {
        let used = self.authorization(None).await?;
        let mut response = self.client.send(authorized(&request, &used), limits).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let renewed = self.authorization(Some(&used)).await?;
            response = self.client.send(authorized(&request, &renewed), limits).await?;
        }
        match response.status() {
            StatusCode::OK => Ok(response.into_body().to_vec()),
            other => Err(HttpError::Status(other)),
        }
    }

    /// The token at hand, else a new one; `refused` is one that is no good.
    async fn authorization(&self, refused: Option<&HeaderValue>) -> Result<HeaderValue, HttpError> {
        let mut token = self.token.lock().await;
        let is_good = |token: &&Token| Instant::now() < token.until && Some(&token.authorization) != refused;
        if let Some(token) = token.as_ref().filter(is_good) {
            return Ok(token.authorization.clone());
        }
        let new = self.new_token().await?;
        let authorization = new.authorization.clone();
        *token = Some(new);
        Ok(authorization)
    }

    async fn new_token(&self) -> Result<Token, HttpError> {
        let (form, basic) = &self.token_request;
        let mut request = post(&self.token_url, FORM, form.expose().clone());
        if let Some(basic) = basic {
            request.headers_mut().insert(AUTHORIZATION, basic.clone());
        }
        let asked_at = Instant::now();
        let response = self.client.send(request, self.limits).await?;
        if response.status() != StatusCode::OK {
            return Err(HttpError::Status(response.status()));
        }
        let members = strict_object(response.body()).map_err(|_| HttpError::Status(StatusCode::BAD_GATEWAY))?;
        let text = members.get("access_token").and_then(Value::as_str).unwrap_or_default();
        let seconds = members.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| HttpError::Status(StatusCode::BAD_GATEWAY))?;
        authorization.set_sensitive(true);
        Ok(Token { authorization, until: asked_at + Duration::from_secs(seconds) * 4 / 5 })
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
            let mut request = Request::new(Bytes::new());
            *request.uri_mut() = url.parse().map_err(|_| FetchError::new(HttpError::Url))?;
            common_headers(&mut request);
            self.ask(request, limits).await.map_err(FetchError::new)
        })
    }
}

fn token_request(audience: &str, credentials: Credentials) -> Result<(Secret<String>, Option<HeaderValue>), HttpError> {
    let asked = format!("audience={}&scope={}", form_encode(audience), form_encode(SCOPE));
    Ok(match credentials {
        Credentials::Client { id, secret } => {
            let basic = basic_authorization(&id, &secret);
            // Base64 is always a header value.
            let mut basic = HeaderValue::from_str(basic.expose()).map_err(|_| HttpError::Url)?;
            basic.set_sensitive(true);
            let grant = GrantType::ClientCredentials.as_str();
            (Secret::new(format!("grant_type={grant}&{asked}")), Some(basic))
        }
        Credentials::Key(key) => {
            let (grant, key_type) = (form_encode(GrantType::TokenExchange.as_str()), form_encode(API_KEY_TOKEN_TYPE));
            let key = form_encode(key.expose());
            (Secret::new(format!("grant_type={grant}&subject_token_type={key_type}&subject_token={key}&{asked}")), None)
        }
    })
}

fn post(url: &Uri, content_type: &'static str, body: String) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.clone();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    common_headers(&mut request);
    request
}

fn common_headers(request: &mut Request<Bytes>) {
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static(JSON));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("countersign-verify/", env!("CARGO_PKG_VERSION"))));
}

fn authorized(request: &Request<Bytes>, authorization: &HeaderValue) -> Request<Bytes> {
    let mut request = request.clone();
    request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    request
}

impl fmt::Debug for HttpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpKeys").field("url", &self.verify_url).finish_non_exhaustive()
    }
}
