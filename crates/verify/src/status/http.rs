//! Reaching a feed over HTTP(S).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use countersign_protocol::jose::json::strict_object;
use countersign_protocol::status::{MAX_SNAPSHOT_BYTES, Position};
use http::header::HeaderValue;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::transport::{FollowStatus, RecordStream, StatusError, StatusFuture};
use crate::own_token::{Credentials, JSON, OwnToken, get, post};
use crate::{FetchError, HttpClient, HttpError, Limits};

/// What the access token must give.
const SCOPE: &str = "status:read";
/// How long a snapshot of millions of revocations may take.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer with records, in bytes: a thousand of them.
const MAX_RECORDS_BYTES: usize = 20 * 1024 * 1024;
/// Largest status list token, in bytes.
const MAX_LIST_TOKEN_BYTES: usize = 8 * 1024 * 1024;
/// Largest event of a stream, in bytes.
const MAX_EVENT_BYTES: usize = 64 * 1024;
const EVENTS: &str = "text/event-stream";
const JWT: &str = "application/jwt";
pub(super) const LIST: &str = "application/statuslist+jwt";

/// Follows a feed with an [`HttpClient`], with access tokens that it gets by itself.
pub(super) struct HttpStatus {
    token: OwnToken,
    /// Below which the feed is.
    endpoint: String,
    limits: Limits,
}

impl HttpStatus {
    pub(super) fn new(
        client: HttpClient,
        base: &str,
        authorization_server: &str,
        credentials: &Credentials,
        timeout: Duration,
    ) -> Result<Self, HttpError> {
        let base = base.trim_end_matches('/');
        let limits = Limits { timeout, ..Limits::default() };
        Ok(Self {
            token: OwnToken::new(client, base, credentials.copy(), SCOPE, limits)?,
            endpoint: format!("{base}/oauth2/{authorization_server}/v1/status"),
            limits,
        })
    }

    /// An answer that needs no token.
    async fn fetch(&self, url: &str, accept: &'static str, max_body_bytes: usize) -> Result<Bytes, StatusError> {
        let request = get(url, accept).map_err(failed)?;
        let response = self.token.client.send(request, Limits { max_body_bytes, ..self.limits }).await.map_err(failed)?;
        taken(response)
    }

    async fn ask(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, StatusError> {
        self.token.send(request, limits).await.map_err(own_failure)
    }

    async fn open(&self, after: Position) -> Result<Box<dyn RecordStream>, StatusError> {
        let mut request = get(&format!("{}/stream", self.endpoint), EVENTS).map_err(failed)?;
        let position = HeaderValue::from_str(&after.to_string()).map_err(|error| StatusError::Failed(FetchError::new(error)))?;
        request.headers_mut().insert("last-event-id", position);
        let response = self.token.open(request, self.limits.timeout).await.map_err(own_failure)?;
        check(response.status())?;
        Ok(Box::new(Events { body: response.into_body(), unread: Vec::new(), whole: VecDeque::new() }))
    }
}

impl FollowStatus for HttpStatus {
    fn keys(&self) -> StatusFuture<'_, Vec<u8>> {
        Box::pin(async { Ok(self.fetch(&format!("{}/keys", self.endpoint), JSON, self.limits.max_body_bytes).await?.to_vec()) })
    }

    fn snapshot(&self) -> StatusFuture<'_, String> {
        Box::pin(async {
            let request = get(&format!("{}/snapshot", self.endpoint), JWT).map_err(failed)?;
            let limits = Limits { timeout: SNAPSHOT_TIMEOUT, max_body_bytes: MAX_SNAPSHOT_BYTES };
            text(&taken(self.ask(request, limits).await?)?)
        })
    }

    fn stream(&self, after: Position) -> StatusFuture<'_, Box<dyn RecordStream>> {
        Box::pin(self.open(after))
    }

    fn next(&self, after: Position, wait: Duration) -> StatusFuture<'_, Vec<String>> {
        let url = format!("{}/deltas?after={after}&wait={}", self.endpoint, wait.as_secs());
        Box::pin(async move {
            let limits = Limits { timeout: wait + self.limits.timeout, max_body_bytes: MAX_RECORDS_BYTES };
            let bytes = taken(self.ask(get(&url, JSON).map_err(failed)?, limits).await?)?;
            texts(&bytes, "records")
        })
    }

    fn applied(&self, position: Position, after: Duration) -> StatusFuture<'_, ()> {
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let body = json!({ "position": position.to_string(), "applied_ms": millis }).to_string();
        Box::pin(async move {
            let url = format!("{}/applied", self.endpoint).parse().map_err(|_| failed(HttpError::Url))?;
            let response = self.ask(post(&url, JSON, body), self.limits).await?;
            if response.status() == StatusCode::NO_CONTENT { Ok(()) } else { check(response.status()) }
        })
    }

    fn lists(&self) -> StatusFuture<'_, Vec<String>> {
        Box::pin(async { texts(&self.fetch(&self.endpoint, JSON, self.limits.max_body_bytes).await?, "status_lists") })
    }

    fn list<'a>(&'a self, url: &'a str) -> StatusFuture<'a, String> {
        Box::pin(async move { text(&self.fetch(url, LIST, MAX_LIST_TOKEN_BYTES).await?) })
    }
}

/// The events of a response as they come.
struct Events {
    body: Incoming,
    unread: Vec<u8>,
    whole: VecDeque<String>,
}

impl RecordStream for Events {
    fn next(&mut self) -> StatusFuture<'_, Option<String>> {
        Box::pin(async {
            loop {
                if let Some(record) = self.whole.pop_front() {
                    return Ok(Some(record));
                }
                let Some(frame) = self.body.frame().await else { return Ok(None) };
                let frame = frame.map_err(|error| failed(HttpError::Transport(error.into())))?;
                if let Some(bytes) = frame.data_ref() {
                    self.take(bytes)?;
                }
            }
        })
    }
}

impl Events {
    fn take(&mut self, bytes: &[u8]) -> Result<(), StatusError> {
        self.unread.extend_from_slice(bytes);
        while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.unread.drain(..end + 2).collect();
            self.whole.extend(data_of(&event));
        }
        if self.unread.len() > MAX_EVENT_BYTES { Err(failed(HttpError::TooLarge)) } else { Ok(()) }
    }
}

/// The data of an event; comments have none.
fn data_of(event: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(event).ok()?;
    text.lines().find_map(|line| line.strip_prefix("data:")).map(|data| data.trim().to_owned())
}

fn taken(response: Response<Bytes>) -> Result<Bytes, StatusError> {
    check(response.status()).map(|()| response.into_body())
}

fn check(status: StatusCode) -> Result<(), StatusError> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::CONFLICT => Err(StatusError::Gone),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(StatusError::Forbidden(FetchError::new(HttpError::Status(status)))),
        other => Err(failed(HttpError::Status(other))),
    }
}

/// A failure that may be of the request for an access token.
fn own_failure(error: HttpError) -> StatusError {
    match error {
        HttpError::Status(StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            StatusError::Forbidden(FetchError::new(error))
        }
        HttpError::PlainHttp
        | HttpError::Status(_)
        | HttpError::Timeout
        | HttpError::Tls(_)
        | HttpError::TooLarge
        | HttpError::Transport(_)
        | HttpError::Url => failed(error),
    }
}

fn failed(error: HttpError) -> StatusError {
    StatusError::Failed(FetchError::new(error))
}

fn text(bytes: &Bytes) -> Result<String, StatusError> {
    String::from_utf8(bytes.to_vec()).map_err(|error| StatusError::Failed(FetchError::new(error)))
}

fn texts(bytes: &[u8], member: &str) -> Result<Vec<String>, StatusError> {
    let malformed = || StatusError::Failed(FetchError::new(format!("the answer has no `{member}`")));
    let members = strict_object(bytes).map_err(|_| malformed())?;
    let entries = members.get(member).and_then(Value::as_array).ok_or_else(malformed)?;
    entries.iter().map(|entry| entry.as_str().map(str::to_owned).ok_or_else(malformed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_data_of_an_event_is_taken() {
        assert_eq!(data_of(b"id: a-1\ndata: x.y.z\n\n"), Some("x.y.z".to_owned()));
        assert_eq!(data_of(b": following\n\n"), None);
        assert_eq!(data_of(b"id: a-1\n\n"), None);
        assert_eq!(data_of(b"data: \xff\n\n"), None);
    }
}
