//! What an issuer and an API show to the outside: their documents, fetched once and kept
//! with status and headers, and the clock of whoever answers.

mod issuer;
mod resource;

use bytes::Bytes;
use countersign_protocol::{Clock, Timestamp};
use countersign_verify::{HttpError, Limits};
use http::header::{ACCEPT, DATE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};

pub(crate) use issuer::{IssuerDocuments, IssuerFault};
pub(crate) use resource::{find_resource_metadata, read_resource_metadata};

use crate::log::chain;
use crate::outbound::Outbound;

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) url: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How far the clock of whoever answered is ahead of ours, if it says so.
    pub(crate) ahead_millis: Option<i64>,
}

/// Why there is no answer; for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Nothing was sent: it would have gone over plain http.
    #[error("{}", HttpError::PlainHttp)]
    PlainHttp,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<HttpError> for NoAnswer {
    fn from(error: HttpError) -> Self {
        if matches!(error, HttpError::PlainHttp) { Self::PlainHttp } else { Self::Other(chain(&error)) }
    }
}

/// Looks at others over HTTP, by the rules of [`Outbound`].
pub(crate) struct Observer<'a> {
    pub(crate) outbound: &'a Outbound,
    pub(crate) clock: &'a dyn Clock,
}

impl Observer<'_> {
    pub(crate) async fn get(&self, url: &str) -> Result<Answer, NoAnswer> {
        self.get_with(url, &[]).await
    }

    /// Sends one request; redirects are not followed.
    pub(crate) async fn get_with(&self, url: &str, headers: &[(HeaderName, HeaderValue)]) -> Result<Answer, NoAnswer> {
        let mut request = Request::get(url).header(ACCEPT, "application/json");
        request = request.header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::new()).map_err(|error| NoAnswer::Other(error.to_string()))?;
        let asked_at = self.clock.now();
        let response = self.outbound.send(request, Limits::default()).await?;
        let answered_at = self.clock.now();
        let (head, body) = response.into_parts();
        let ahead_millis = ahead(&head.headers, asked_at, answered_at);
        Ok(Answer { url: url.to_owned(), status: head.status, headers: head.headers, body, ahead_millis })
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// `Date` has whole seconds and was written between the two moments: a difference that
/// can be due to either is none.
fn ahead(headers: &HeaderMap, asked_at: Timestamp, answered_at: Timestamp) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_millisecond();
    let (earliest, latest) = (asked_at.as_millis() - 1_000, answered_at.as_millis());
    Some(if date < earliest {
        date - earliest
    } else if date > latest {
        date - latest
    } else {
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_whoever_answers_is_compared_with_the_whole_span_of_the_request() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        let at = |millis: i64| Timestamp::from_millis(784_111_777_000 + millis);
        for (asked, answered, expected) in
            [(0, 10, 0), (999, 1_200, 0), (-500, -100, 100), (5_000, 6_000, -4_000), (-61_000, -60_000, 60_000)]
        {
            assert_eq!(ahead(&headers, at(asked), at(answered)), Some(expected), "{asked} {answered}");
        }
        headers.insert(DATE, HeaderValue::from_static("today"));
        assert_eq!(ahead(&headers, at(0), at(1)), None);
        assert_eq!(ahead(&HeaderMap::new(), at(0), at(1)), None);
    }
}
