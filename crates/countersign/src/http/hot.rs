//! The endpoints that most requests are for, reached without the router. What is around
//! a request is the same as there, in the same order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::Method;
use tracing::Instrument as _;

use super::answer::Answer;
use super::arrival::Arrival;
use super::body::Accepts;
use super::manage;
use super::middleware::{Line, RequestPolicy, overdue, panicked};
use super::oauth::{introspect, token};
use super::serve::{ListenerBases, PeerAddress};

/// The one of the management API, which is no mount's.
const VERIFY_KEYS: &str = "/manage/v1/keys/verify";

/// A hot endpoint of a mount.
pub(super) struct HotRoute {
    endpoint: HotEndpoint,
    /// How much of the path is the mount's.
    mount: Mount,
}

#[derive(Clone, Copy)]
enum HotEndpoint {
    Introspect,
    Token,
    VerifyKeys,
}

#[derive(Clone, Copy)]
enum Mount {
    Root,
    /// The first so many bytes of the path.
    Nested(usize),
}

impl HotRoute {
    /// `None`: the router knows what to do. That is also where a name is percent-encoded.
    pub(super) fn find(method: &Method, path: &str) -> Option<Self> {
        if method != Method::POST {
            return None;
        }
        match path {
            "/oauth/token" => return Some(Self { endpoint: HotEndpoint::Token, mount: Mount::Root }),
            "/oauth/introspect" => return Some(Self { endpoint: HotEndpoint::Introspect, mount: Mount::Root }),
            VERIFY_KEYS => return Some(Self { endpoint: HotEndpoint::VerifyKeys, mount: Mount::Root }),
            _ => {}
        }
        let below = path.strip_prefix("/oauth2/")?;
        let (server, endpoint) = match (below.strip_suffix("/v1/token"), below.strip_suffix("/v1/introspect")) {
            (Some(server), _) => (server, HotEndpoint::Token),
            (_, Some(server)) => (server, HotEndpoint::Introspect),
            (None, None) => return None,
        };
        if server.is_empty() || server.contains(['/', '%']) {
            return None;
        }
        Some(Self { endpoint, mount: Mount::Nested("/oauth2/".len() + server.len()) })
    }

    /// As the router calls it.
    const fn pattern(&self) -> &'static str {
        match (self.endpoint, self.mount) {
            (HotEndpoint::Introspect, Mount::Nested(_)) => "/oauth2/{server}/v1/introspect",
            (HotEndpoint::Introspect, Mount::Root) => "/oauth/introspect",
            (HotEndpoint::Token, Mount::Nested(_)) => "/oauth2/{server}/v1/token",
            (HotEndpoint::Token, Mount::Root) => "/oauth/token",
            (HotEndpoint::VerifyKeys, Mount::Nested(_) | Mount::Root) => VERIFY_KEYS,
        }
    }

    pub(super) async fn answer(
        self,
        policy: &RequestPolicy,
        request: Request,
        peer: Option<PeerAddress>,
        bases: Option<ListenerBases>,
    ) -> Response {
        let mut line = Line::begin(policy, self.pattern().into(), &request, peer);
        let arrival = Arrival { source: line.source(), bases };
        let span = line.span(request.headers());
        // Passed on by reference: it is large, and each move of it a copy.
        let work = pin!(self.serve(policy, arrival, request));
        let answer = guarded(policy.timeout, work).instrument(span.clone()).await;
        line.finish(&span, answer)
    }

    async fn serve(self, policy: &RequestPolicy, arrival: Arrival, request: Request) -> Answer {
        let app = &policy.app;
        let uri = request.uri().clone();
        let (mount, accepts) = match self.mount {
            Mount::Root => ("/", Accepts::FormOrJson),
            Mount::Nested(length) => (uri.path().get(..length).unwrap_or_default(), Accepts::Form),
        };
        match self.endpoint {
            HotEndpoint::Introspect => introspect::introspect(app, mount, &arrival, request).await,
            HotEndpoint::Token => token::token(app, mount, accepts, &arrival, request).await,
            HotEndpoint::VerifyKeys => manage::verify_keys(app, &arrival, request).await.into(),
        }
    }
}

/// Bounded in time, and a panic is a fault of one request.
async fn guarded(timeout: Duration, mut work: Pin<&mut (impl Future<Output = Answer> + Send)>) -> Answer {
    let caught = std::future::poll_fn(|context| {
        // After a panic it is not polled again.
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))).unwrap_or_else(|_| Poll::Ready(panicked().into()))
    });
    match tokio::time::timeout(timeout, caught).await {
        Ok(answer) => answer,
        Err(_) => overdue(timeout).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<(&'static str, Option<usize>)> {
        let route = HotRoute::find(&Method::POST, path)?;
        let length = match route.mount {
            Mount::Nested(length) => Some(length),
            Mount::Root => None,
        };
        Some((route.pattern(), length))
    }

    #[test]
    fn the_mount_is_what_the_endpoint_hangs_on() {
        assert_eq!(found("/oauth/token"), Some(("/oauth/token", None)));
        assert_eq!(found("/oauth/introspect"), Some(("/oauth/introspect", None)));
        assert_eq!(found("/manage/v1/keys/verify"), Some(("/manage/v1/keys/verify", None)));
        assert_eq!(found("/oauth2/default/v1/token"), Some(("/oauth2/{server}/v1/token", Some(15))));
        assert_eq!(found("/oauth2/a/v1/introspect"), Some(("/oauth2/{server}/v1/introspect", Some(9))));
    }

    #[test]
    fn whatever_is_unusual_is_left_to_the_router() {
        for path in [
            "/",
            "/oauth/token/",
            "/oauth/revoke",
            "/oauth2//v1/token",
            "/oauth2/v1/token",
            "/oauth2/a/b/v1/token",
            "/oauth2/%61/v1/token",
            "/oauth2/a/v1/token/v1/token",
            "/oauth2/../v1/token/",
            "//oauth2/a/v1/token",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
        assert!(HotRoute::find(&Method::GET, "/oauth/token").is_none());
    }
}
