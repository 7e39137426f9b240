//! A small HTTP client: one connection, one request at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::until;

/// The media type of token requests.
pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The access token of a token response.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// `error` of an OAuth refusal.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        assert_ne!(self.status, StatusCode::OK, "{self:?}");
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

/// A connection that is kept alive.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(("127.0.0.1", port)).await?, format!("localhost:{port}")).await
    }

    /// Over a stream that is connected, to the server with this authority.
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, host: String) -> std::io::Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, host })
    }

    /// Sends a request and waits for the response.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Reply, hyper::Error> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let exchange = async {
            self.sender.ready().await?;
            let (parts, body) = self.sender.send_request(request).await?.into_parts();
            Ok(Reply { status: parts.status, headers: parts.headers, body: body.collect().await?.to_bytes() })
        };
        until(path, exchange).await
    }

    /// Asks the token endpoint of the root mount, with the secret in the header.
    pub(crate) async fn token(&mut self, id: &str, secret: &str, audience: &str) -> Reply {
        let form = form(&[("grant_type", "client_credentials"), ("audience", audience)]);
        let authorization = basic(id, secret);
        self.send("POST", "/oauth/token", &[FORM, ("authorization", &authorization)], &form).await.unwrap()
    }
}

/// One request on a connection of its own.
pub(crate) async fn get(port: u16, path: &str) -> Reply {
    Connection::open(port).await.unwrap().send("GET", path, &[], "").await.unwrap()
}

/// Sends bytes that need not be a request and waits for the end of the connection.
pub(crate) async fn send_raw(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    // An answer, a closed connection or a reset.
    let mut answer = Vec::new();
    let _ = until("the end of the connection", stream.read_to_end(&mut answer)).await;
}

/// The value of an Authorization header (RFC 6749 section 2.3.1).
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

/// A form-urlencoded body.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
