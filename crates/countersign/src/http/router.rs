//! The table of routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};

use super::middleware::{self, RequestPolicy};
use super::site::Site;
use super::{decoder, error_pages, errors, health, leak_reports, manage, oauth, ssf, status, unkey};
use crate::app::App;

/// What the public listeners serve.
#[derive(Clone, Copy, Debug)]
pub struct SiteOptions {
    /// How long one request may take.
    pub request_timeout: Duration,
    /// Whether the decoder page is there.
    pub decoder: bool,
}

/// Everything that the public listener serves, with what is around each request.
pub fn site(app: &Arc<App>, options: SiteOptions) -> Site {
    let routes = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/errors/{code}", get(error_pages::show))
        // The root mount.
        .route("/oauth/token", post(oauth::token::at_root))
        .route("/oauth/introspect", post(oauth::introspect::at_root))
        .route("/oauth/revoke", post(oauth::revoke::at_root))
        .route("/.well-known/jwks.json", get(oauth::keys::at_root))
        .route("/.well-known/openid-configuration", get(oauth::metadata::at_root))
        .route("/.well-known/oauth-authorization-server", get(oauth::metadata::at_root))
        // Every mount below /oauth2/.
        .route("/oauth2/{server}/v1/token", post(oauth::token::at_server))
        .route("/oauth2/{server}/v1/introspect", post(oauth::introspect::at_server))
        .route("/oauth2/{server}/v1/revoke", post(oauth::revoke::at_server))
        .route("/oauth2/{server}/v1/keys", get(oauth::keys::at_server))
        .route("/oauth2/{server}/.well-known/openid-configuration", get(oauth::metadata::at_server))
        .route("/oauth2/{server}/.well-known/oauth-authorization-server", get(oauth::metadata::at_server))
        // RFC 8414 section 3.1: the well-known segment inserted before the path.
        .route("/.well-known/openid-configuration/oauth2/{server}", get(oauth::metadata::at_server))
        .route("/.well-known/oauth-authorization-server/oauth2/{server}", get(oauth::metadata::at_server))
        .merge(status::routes())
        .merge(ssf::routes())
        .route("/leak-reports", post(leak_reports::report))
        .merge(manage::routes())
        .merge(unkey::routes())
        .merge(if options.decoder { decoder::routes() } else { Router::new() })
        .fallback(errors::no_such_path)
        .method_not_allowed_fallback(errors::method_not_allowed)
        .with_state(Arc::clone(app));
    let policy = RequestPolicy { app: Arc::clone(app), timeout: options.request_timeout, warned_of_proxy: Arc::default() };
    Site::new(middleware::apply(routes, policy.clone()), policy)
}
