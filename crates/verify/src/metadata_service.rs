//! Protected resource metadata as a tower service.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tower_service::Service;

use crate::{PublishedMetadata, Verifier};

/// Serves the metadata of an API at its path, and 404 elsewhere; made by
/// [`Verifier::metadata_service`].
pub struct MetadataService<R> {
    metadata: Arc<PublishedMetadata>,
    body: PhantomData<fn() -> R>,
}

impl Verifier {
    /// A service for [`PublishedMetadata::path`]; `None` when the verifier was made
    /// without metadata. It must stand in front of whatever asks for a token.
    pub fn metadata_service<R: From<String>>(&self) -> Option<MetadataService<R>> {
        let metadata = Arc::new(self.resource_metadata()?.clone());
        Some(MetadataService { metadata, body: PhantomData })
    }
}

impl<R> Clone for MetadataService<R> {
    fn clone(&self) -> Self {
        Self { metadata: Arc::clone(&self.metadata), body: PhantomData }
    }
}

impl<B, R: From<String>> Service<Request<B>> for MetadataService<R> {
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Ready<Result<Response<R>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.metadata.answer(&request).unwrap_or_else(|| {
            let mut response = Response::new(R::from(String::new()));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        })))
    }
}

impl<R> std::fmt::Debug for MetadataService<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetadataService").field("url", &self.metadata.url()).finish_non_exhaustive()
    }
}
