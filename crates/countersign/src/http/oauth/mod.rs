//! The endpoints of an authorization server.

mod inquiry;
pub(super) mod introspect;
pub(super) mod keys;
pub(super) mod metadata;
pub(super) mod revoke;
pub(super) mod token;

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Uri};

use super::errors::unknown_path;
use crate::app::App;
use crate::bases;
use crate::catalog::ResolvedMount;

/// The mount that a request reached: `path` below the base that its Host names.
fn resolve(app: &App, uri: &Uri, headers: &HeaderMap, path: &str) -> Option<ResolvedMount> {
    // HTTP/2 puts the authority into the URI.
    let host = uri.authority().map(http::uri::Authority::as_str);
    let host = host.or_else(|| headers.get(HOST).and_then(|value| value.to_str().ok()));
    app.catalog().mount(bases::select(&app.bases, host)?, path)
}

/// The mount below `/oauth2/` that the URL names. A name that does not even decode
/// is one that does not exist.
pub(super) struct NestedMount(String);

impl<S: Send + Sync> FromRequestParts<S> for NestedMount {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Path(server) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| unknown_path())?;
        Ok(Self(format!("/oauth2/{server}")))
    }
}
