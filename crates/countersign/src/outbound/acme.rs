//! What an ACME client needs of HTTP.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use countersign_verify::{HttpClient, Limits};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient as AcmeClient};

/// Certificate chains are small; authorities are slow.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(30), max_body_bytes: 1 << 20 };

/// Requests to the certificate authority that the operator chose.
#[derive(Clone, Debug)]
pub struct AcmeHttp(pub(super) HttpClient);

impl AcmeClient for AcmeHttp {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let response: Response<Bytes> =
                client.send(Request::from_parts(parts, body), LIMITS).await.map_err(|error| Error::Other(error.into()))?;
            Ok(BytesResponse::from(response.map(Full::new)))
        })
    }
}
