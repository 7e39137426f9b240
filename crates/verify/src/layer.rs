//! The tower layer: verifies each request before the service behind it sees it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::verifier::Attempt;
use crate::{CallerAddress, Denied, Requirements, Verified, Verifier};

/// Lets through what presents a good token; made by [`Verifier::layer`]. The
/// service finds the [`Verified`] in the extensions of the request.
#[derive(Clone, Debug)]
pub struct VerifyLayer {
    gate: Arc<Gate>,
}

/// The service that [`VerifyLayer`] makes.
#[derive(Clone, Debug)]
pub struct VerifyService<S> {
    gate: Arc<Gate>,
    inner: S,
}

#[derive(Debug)]
struct Gate {
    verifier: Verifier,
    requirements: Requirements,
}

impl Verifier {
    /// A layer that lets through what presents a good token.
    pub fn layer(&self) -> VerifyLayer {
        VerifyLayer { gate: Arc::new(Gate { verifier: self.clone(), requirements: Requirements::none() }) }
    }
}

impl VerifyLayer {
    /// Also asks for `requirements`, instead of those asked for before.
    #[must_use]
    pub fn require(self, requirements: Requirements) -> Self {
        Self { gate: Arc::new(Gate { verifier: self.gate.verifier.clone(), requirements }) }
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = VerifyService<S>;

    fn layer(&self, inner: S) -> VerifyService<S> {
        VerifyService { gate: Arc::clone(&self.gate), inner }
    }
}

/// What can be said without waiting.
enum Verdict {
    Permitted(Verified),
    Denied(Denied),
    /// Keys are on their way: the token, and the future of its verdict.
    Wait(Pin<Box<dyn Future<Output = Result<Verified, Denied>> + Send>>),
}

impl Gate {
    fn look<B>(self: &Arc<Self>, request: &Request<B>) -> Verdict {
        let presented = match self.verifier.presented(request.headers()) {
            Ok(presented) => presented.from(request.extensions().get().map(|CallerAddress(address)| *address)),
            Err(denied) => return Verdict::Denied(denied),
        };
        match self.verifier.attempt(presented) {
            Attempt::Done(verdict) => match self.admit(verdict) {
                Ok(verified) => Verdict::Permitted(verified),
                Err(denied) => Verdict::Denied(denied),
            },
            Attempt::Wait(pending) => {
                let (gate, token) = (Arc::clone(self), presented.token().to_owned());
                Verdict::Wait(Box::pin(async move { gate.admit(gate.verifier.verify_after(&token, pending).await) }))
            }
        }
    }

    fn admit(&self, verdict: Result<Verified, Denied>) -> Result<Verified, Denied> {
        let verified = verdict?;
        self.verifier.require(&verified, &self.requirements)?;
        Ok(verified)
    }
}

impl<S, B, R> Service<Request<B>> for VerifyService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = VerifyFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.gate.look(&request) {
            Verdict::Permitted(verified) => {
                request.extensions_mut().insert(verified);
                VerifyFuture::Permitted { inner: self.inner.call(request) }
            }
            Verdict::Denied(denied) => VerifyFuture::Denied { denied: Some(denied) },
            Verdict::Wait(verdict) => {
                // The instance that was polled ready is the one to call.
                let next = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, next);
                VerifyFuture::Waiting {
                    waiting: Box::pin(async move {
                        match verdict.await {
                            Ok(verified) => {
                                request.extensions_mut().insert(verified);
                                inner.call(request).await
                            }
                            Err(denied) => Ok(denied.into_response()),
                        }
                    }),
                }
            }
        }
    }
}

pin_project! {
    /// The response to come. Allocates only when keys have to be waited for.
    #[project = VerifyFutureProjection]
    pub enum VerifyFuture<F, R, E> {
        #[doc(hidden)]
        Permitted { #[pin] inner: F },
        #[doc(hidden)]
        Denied { denied: Option<Denied> },
        #[doc(hidden)]
        Waiting { waiting: Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>> },
    }
}

impl<F, R, E> Future for VerifyFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<String>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            VerifyFutureProjection::Permitted { inner } => inner.poll(context),
            VerifyFutureProjection::Denied { denied } => match denied.take() {
                Some(denied) => Poll::Ready(Ok(denied.into_response())),
                // Polled after it was done: there is nothing more to say.
                None => Poll::Pending,
            },
            VerifyFutureProjection::Waiting { waiting } => waiting.as_mut().poll(context),
        }
    }
}
