//! Requests through the real router, and answers with what every one of them must show.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign::http::{PeerAddress, Site};
use countersign_protocol::ErrorCode;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const JSON: &str = "application/json";

/// A request in the making. Its Host is `as.test` unless it gets another.
pub(crate) struct Request {
    site: Site,
    parts: http::request::Parts,
    body: Body,
}

impl Request {
    pub(super) fn new(site: Site, method: Method, uri: &str) -> Self {
        let request = http::Request::builder().method(method).uri(uri).header("host", "as.test");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Self { site, parts, body: Body::empty() }.from("198.51.100.1")
    }

    /// Adds a header, to one of the same name if there is one.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.parts.headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    /// The other end of the connection; one and the same unless a test says otherwise.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.parts.extensions.insert(PeerAddress(SocketAddr::new(address.parse().unwrap(), 40_000)));
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.parts.headers.insert("host", HeaderValue::try_from(host).unwrap());
        self
    }

    /// Credentials as they are, without form-encoding.
    pub(crate) fn basic(self, id: &str, secret: &str) -> Self {
        self.header("authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
    }

    pub(crate) fn form(self, body: impl Into<Body>) -> Self {
        self.header("content-type", FORM).body(body)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", JSON).body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.site.oneshot(http::Request::from_parts(self.parts, self.body)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        assert_eq!(answer.header("x-request-id").unwrap().len(), 16);
        answer
    }
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} occurs twice");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Headers that must be the same for answers that must not be told apart.
    pub(crate) fn comparable_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove("x-request-id");
        headers
    }

    /// A refusal of the token endpoint (RFC 6749 section 5.2): no token, nothing to
    /// cache, nothing a page of another origin may read.
    pub(crate) fn assert_refused(&self, status: u16, error: &str, code: ErrorCode) {
        let body = self.json();
        assert_eq!((self.status.as_u16(), &body["error"]), (status, &json!(error)), "{self:?}");
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["error", "error_description"]);
        let description = body["error_description"].as_str().unwrap();
        assert!(!description.is_empty());
        assert!(description.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{description}");
        assert_eq!(self.header("countersign-error"), Some(code.as_str()));
        assert_eq!(self.header("content-type"), Some(JSON));
        self.assert_private();
        if status != 401 {
            assert_eq!(self.header("www-authenticate"), None);
        }
    }

    /// The one refusal of every API key that is not accepted as a subject token.
    pub(crate) fn assert_key_refused(&self) {
        self.assert_refused(400, "invalid_request", ErrorCode::KeyNotAccepted);
    }

    /// A refusal of the client, with a challenge exactly when the header was used.
    pub(crate) fn assert_client_refused(&self, code: ErrorCode, used_header: bool) {
        self.assert_refused(401, "invalid_client", code);
        let challenge = used_header.then_some("Basic realm=\"countersign\"");
        assert_eq!(self.header("www-authenticate"), challenge);
    }

    /// A refusal of who asks too often.
    pub(crate) fn assert_over_budget(&self, code: ErrorCode, retry_after: &str) {
        self.assert_refused(429, "slow_down", code);
        assert_eq!(self.header("retry-after"), Some(retry_after));
    }

    /// An RFC 9457 problem of constants; a fault of ours also tells the id of its
    /// log line.
    pub(crate) fn assert_problem(&self, status: u16, code: ErrorCode) {
        let mut expected = json!({ "type": "about:blank", "title": code.meaning(), "status": status, "code": code.as_str() });
        if status >= 500 {
            expected["request_id"] = json!(self.header("x-request-id"));
        }
        assert_eq!((self.status.as_u16(), self.json()), (status, expected), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("countersign-error"), Some(code.as_str()));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("www-authenticate"), None);
        assert_eq!(self.header("retry-after"), (code == ErrorCode::Unavailable).then_some("5"));
        assert_eq!(self.header("access-control-allow-origin"), None);
    }

    pub(super) fn assert_private(&self) {
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("pragma"), Some("no-cache"));
        assert_eq!(self.header("access-control-allow-origin"), None);
        assert_eq!(self.header("set-cookie"), None);
    }
}

/// A body whose length is not announced: pieces of 1,000 bytes, and then its end or nothing.
pub(crate) struct Pieces {
    pub(crate) left: usize,
    pub(crate) then_hang: bool,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1_000])))))
            }
            None if self.then_hang => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

impl From<Pieces> for Body {
    fn from(pieces: Pieces) -> Self {
        Self::new(pieces)
    }
}
