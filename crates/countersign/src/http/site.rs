//! What is served on a socket. Requests to the endpoints that most requests are for go
//! straight to their handlers; all others go through the table of routes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::ServiceExt as _;

use super::hot::HotRoute;
use super::middleware::RequestPolicy;
use super::serve::{ListenerBases, PeerAddress};

/// Routes, and the shortcut to the hot ones.
#[derive(Clone)]
pub struct Site {
    router: Router,
    /// `None`: there are no hot ones.
    hot: Option<Arc<RequestPolicy>>,
}

/// An answer on its way. It cannot fail.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl Site {
    pub(super) fn new(router: Router, policy: RequestPolicy) -> Self {
        Self { router, hot: Some(Arc::new(policy)) }
    }

    /// The same with routes of `first` before its own.
    #[must_use]
    pub fn after(self, first: Router) -> Self {
        Self { router: first.fallback_service(self.router), hot: self.hot }
    }

    pub(super) fn answer(&self, mut request: Request, peer: Option<PeerAddress>, bases: Option<ListenerBases>) -> Answering {
        if let Some(policy) = &self.hot
            && let Some(route) = HotRoute::find(request.method(), request.uri().path())
        {
            let policy = Arc::clone(policy);
            return Box::pin(async move { Ok(route.answer(&policy, request, peer, bases).await) });
        }
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        if let Some(bases) = bases {
            request.extensions_mut().insert(bases);
        }
        Box::pin(self.router.clone().oneshot(request))
    }
}

impl From<Router> for Site {
    fn from(router: Router) -> Self {
        Self { router, hot: None }
    }
}

impl tower::Service<Request> for Site {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (peer, bases) = (request.extensions().get().copied(), request.extensions().get().cloned());
        self.answer(request, peer, bases)
    }
}
