//! Asking over HTTP(S).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};

use countersign_protocol::{Secret, basic_authorization, form_encode};

use super::{Introspect, IntrospectFuture};
use crate::{FetchError, HttpClient, HttpError, Limits};

/// Largest response, in bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// The media type of a JWT (RFC 7519 section 10.3.1).
const JWT: &str = "application/jwt";

/// Asks an introspection endpoint with an [`HttpClient`], authenticated by
/// `client_secret_basic`. A connection that fails is tried once more.
pub struct HttpIntrospection {
    client: HttpClient,
    url: Uri,
    authorization: HeaderValue,
    limits: Limits,
    asks_for_jwt: bool,
}

impl HttpIntrospection {
    /// Asks `url`; each try takes at most `timeout`.
    ///
    /// # Errors
    /// [`HttpError::Url`] for a URL that is none.
    pub fn new(
        client: HttpClient,
        url: &str,
        client_id: &str,
        client_secret: &Secret<String>,
        timeout: Duration,
    ) -> Result<Self, HttpError> {
        let url = url.parse().map_err(|_| HttpError::Url)?;
        let basic = basic_authorization(client_id, client_secret);
        // Base64 is always a header value.
        let mut authorization = HeaderValue::from_str(basic.expose()).map_err(|_| HttpError::Url)?;
        authorization.set_sensitive(true);
        let limits = Limits { timeout, max_body_bytes: MAX_RESPONSE_BYTES };
        Ok(Self { client, url, authorization, limits, asks_for_jwt: false })
    }

    /// Asks for a JWT that stands for the token; see
    /// [`Introspection::as_jwt`](crate::Introspection::as_jwt).
    #[must_use]
    pub const fn as_jwt(mut self) -> Self {
        self.asks_for_jwt = true;
        self
    }

    fn request(&self, token: &str) -> Request<Bytes> {
        let form = format!("token={}&token_type_hint=access_token", form_encode(token));
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static(if self.asks_for_jwt { JWT } else { "application/json" }));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("countersign-verify/", env!("CARGO_PKG_VERSION"))));
        request
    }

    async fn ask(&self, token: &str) -> Result<Vec<u8>, HttpError> {
        let response = match self.client.send(self.request(token), self.limits).await {
            // A pooled connection may have been closed meanwhile.
            Err(HttpError::Transport(_)) => self.client.send(self.request(token), self.limits).await?,
            outcome => outcome?,
        };
        match response.status() {
            StatusCode::OK => Ok(response.into_body().to_vec()),
            StatusCode::NO_CONTENT if self.asks_for_jwt => Ok(Vec::new()),
            // 401 too: it is this API that was not let in, not its caller.
            other => Err(HttpError::Status(other)),
        }
    }
}

impl Introspect for HttpIntrospection {
    fn introspect<'a>(&'a self, token: &'a str) -> IntrospectFuture<'a> {
        Box::pin(async move { self.ask(token).await.map_err(FetchError::new) })
    }
}

impl fmt::Debug for HttpIntrospection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpIntrospection").field("url", &self.url).finish_non_exhaustive()
    }
}
