//! The endpoints of an authorization server.

pub(super) mod keys;
pub(super) mod metadata;
pub(super) mod token;

use http::header::HOST;
use http::{HeaderMap, Uri};

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

fn server_path(server: &str) -> String {
    format!("/oauth2/{server}")
}
