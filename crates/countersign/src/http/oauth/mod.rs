//! The endpoints of an authorization server.

mod inquiry;
pub(super) mod introspect;
pub(super) mod keys;
pub(super) mod metadata;
pub(super) mod revoke;
pub(super) mod token;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Uri};

use super::errors::unknown_path;
use super::serve::ListenerBases;
use crate::app::App;
use crate::bases;
use crate::catalog::ResolvedMount;
use crate::config::BaseUrl;
use crate::oauth::AuthenticatedClient;
use crate::source_address::SourceAddress;

/// The mount that a request reached: `path` below the base that it arrived at.
pub(super) fn resolve(app: &App, arrived_at: &ArrivedAt, path: &str) -> Option<Arc<ResolvedMount>> {
    app.catalog().mount(arrived_at.0.as_ref()?, path)
}

/// The base URL that a request arrived at: one of its listener's, chosen by its Host.
pub(super) struct ArrivedAt(Option<BaseUrl>);

impl ArrivedAt {
    pub(super) fn of(app: &App, uri: &Uri, headers: &HeaderMap, own: Option<&ListenerBases>) -> Self {
        // HTTP/2 puts the authority into the URI.
        let host = uri.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(|| headers.get(HOST).and_then(|value| value.to_str().ok()));
        Self(bases::select(own.map_or(&*app.bases, |own| &*own.0), host).cloned())
    }
}

impl FromRequestParts<Arc<App>> for ArrivedAt {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self::of(app, &parts.uri, &parts.headers, parts.extensions.get()))
    }
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

/// Notes whence and by what the client authenticated.
fn record_use(app: &App, source: SourceAddress, headers: &HeaderMap, client: &AuthenticatedClient) {
    let source = (source != SourceAddress::NONE).then(|| source.ip());
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    app.credential_uses.record(client.credential_id(), app.clock.now(), client.method(), source, user_agent);
}
