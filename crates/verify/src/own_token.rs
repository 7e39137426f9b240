//! The access token that a verifier itself needs to ask a Countersign server.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use countersign_protocol::jose::json::strict_object;
use countersign_protocol::{GrantType, Secret, basic_authorization, form_encode};

use crate::{HttpClient, HttpError, Limits};

const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const JSON: &str = "application/json";

/// How a verifier authenticates itself.
pub(crate) enum Credentials {
    /// Client credentials (RFC 6749 section 4.4).
    Client { id: String, secret: Secret<String> },
    /// An API key, exchanged for a token (RFC 8693).
    #[cfg(feature = "api-keys")]
    Key(Secret<String>),
}

impl Credentials {
    /// The same for another use.
    #[cfg(feature = "status")]
    pub(crate) fn copy(&self) -> Self {
        let copied = |secret: &Secret<String>| Secret::new(secret.expose().clone());
        match self {
            Self::Client { id, secret } => Self::Client { id: id.clone(), secret: copied(secret) },
            #[cfg(feature = "api-keys")]
            Self::Key(key) => Self::Key(copied(key)),
        }
    }
}

/// Sends requests with an access token for the management API of a server.
pub(crate) struct OwnToken {
    pub(crate) client: HttpClient,
    token_url: Uri,
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

impl OwnToken {
    /// For the server at `base`, with the right `scope`.
    pub(crate) fn new(
        client: HttpClient,
        base: &str,
        credentials: Credentials,
        scope: &str,
        limits: Limits,
    ) -> Result<Self, HttpError> {
        let base = base.trim_end_matches('/');
        Ok(Self {
            client,
            token_url: format!("{base}/oauth/token").parse().map_err(|_| HttpError::Url)?,
            token_request: token_request(&format!("{base}/manage/v1"), scope, credentials)?,
            limits,
            token: Mutex::new(None),
        })
    }

    /// Sends a request with an access token; when that is not accepted, once more with
    /// another one.
    pub(crate) async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, HttpError> {
        let used = self.authorization(None).await?;
        let response = self.client.send(authorized(&request, &used), limits).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let renewed = self.authorization(Some(&used)).await?;
        self.client.send(authorized(&request, &renewed), limits).await
    }

    /// The same, and the body of the response is read as it comes.
    #[cfg(feature = "status")]
    pub(crate) async fn open(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<hyper::body::Incoming>, HttpError> {
        let used = self.authorization(None).await?;
        let response = self.client.open(authorized(&request, &used), timeout).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let renewed = self.authorization(Some(&used)).await?;
        self.client.open(authorized(&request, &renewed), timeout).await
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

fn token_request(
    audience: &str,
    scope: &str,
    credentials: Credentials,
) -> Result<(Secret<String>, Option<HeaderValue>), HttpError> {
    let asked = format!("audience={}&scope={}", form_encode(audience), form_encode(scope));
    Ok(match credentials {
        Credentials::Client { id, secret } => {
            let basic = basic_authorization(&id, &secret);
            // Base64 is always a header value.
            let mut basic = HeaderValue::from_str(basic.expose()).map_err(|_| HttpError::Url)?;
            basic.set_sensitive(true);
            let grant = GrantType::ClientCredentials.as_str();
            (Secret::new(format!("grant_type={grant}&{asked}")), Some(basic))
        }
        #[cfg(feature = "api-keys")]
        Credentials::Key(key) => {
            let (grant, key_type) =
                (form_encode(GrantType::TokenExchange.as_str()), form_encode(countersign_protocol::API_KEY_TOKEN_TYPE));
            let key = form_encode(key.expose());
            (Secret::new(format!("grant_type={grant}&subject_token_type={key_type}&subject_token={key}&{asked}")), None)
        }
    })
}

pub(crate) fn post(url: &Uri, content_type: &'static str, body: String) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.clone();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    common_headers(&mut request, JSON);
    request
}

pub(crate) fn get(url: &str, accept: &'static str) -> Result<Request<Bytes>, HttpError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.parse().map_err(|_| HttpError::Url)?;
    common_headers(&mut request, accept);
    Ok(request)
}

fn common_headers(request: &mut Request<Bytes>, accept: &'static str) {
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("countersign-verify/", env!("CARGO_PKG_VERSION"))));
}

fn authorized(request: &Request<Bytes>, authorization: &HeaderValue) -> Request<Bytes> {
    let mut request = request.clone();
    request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    request
}
