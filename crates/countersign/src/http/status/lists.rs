//! Status lists (Token Status List section 8), and which there are (section 9).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_protocol::status::STATUS_LIST_CWT_TYPE;
use countersign_protocol::{ErrorCode, preferred};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::json;

use super::StatusMount;
use crate::app::App;
use crate::http::errors::{OAuthRefusal, fault, json, problem, store_fault, unknown_path};
use crate::http::middleware::allow_any_origin;
use crate::http::oauth::keys::names_tag;
use crate::log::chain;
use crate::source_address::SourceAddress;
use crate::status_lists::{ListError, ListFormat, ListNumber, PublishedList, TTL_SECONDS, live_lists, publish};

const JWT: &str = "application/statuslist+jwt";
/// The first is for those who do not choose.
const OFFERS: [(&str, ListFormat); 2] = [(JWT, ListFormat::Jwt), (STATUS_LIST_CWT_TYPE, ListFormat::Cwt)];

/// Every list with tokens that have not expired.
pub(super) async fn all(State(app): State<Arc<App>>, StatusMount(mount): StatusMount, source: Source) -> Response {
    if let Some(refused) = source.refusal(&app) {
        return refused;
    }
    let lists = match live_lists(&app, &mount.server.id).await {
        Ok(lists) => lists,
        Err(error) => return store_fault(&error),
    };
    let urls: Vec<String> = lists.into_iter().map(|number| format!("{}/{number}", mount.status_endpoint)).collect();
    let mut response = json(StatusCode::OK, &json!({ "status_lists": urls }));
    publicly(response.headers_mut());
    response
}

/// One list.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    StatusMount(mount): StatusMount,
    Path((_, list)): Path<(String, String)>,
    source: Source,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some(number) = ListNumber::parse(&list) else { return unknown_path() };
    if let Some(refused) = source.refusal(&app) {
        return refused;
    }
    if asks_for_the_past(&uri) {
        return problem(StatusCode::NOT_IMPLEMENTED, ErrorCode::StatusAtTimeUnsupported);
    }
    let Some(format) = wanted_format(&headers) else {
        return problem(StatusCode::NOT_ACCEPTABLE, ErrorCode::ContentTypeUnsupported);
    };
    match publish(&app, &mount.server, &mount.status_endpoint, number, format).await {
        Ok(list) => respond(list, format, &headers),
        Err(ListError::NotFound) => unknown_path(),
        Err(error @ ListError::Behind) => fault(ErrorCode::Unavailable, error.to_string()),
        Err(ListError::Issue(error)) => fault(ErrorCode::Unavailable, chain(&error)),
        Err(ListError::List(error)) => fault(ErrorCode::Internal, chain(&error)),
        Err(ListError::Store(error)) => store_fault(&error),
    }
}

fn asks_for_the_past(uri: &Uri) -> bool {
    url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).any(|(name, _)| name == "time")
}

/// Who does not say takes a JWT (section 8.1).
fn wanted_format(headers: &HeaderMap) -> Option<ListFormat> {
    let mut accept = headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes).peekable();
    if accept.peek().is_none() { Some(ListFormat::Jwt) } else { preferred(accept, &OFFERS) }
}

fn respond(list: PublishedList, format: ListFormat, request: &HeaderMap) -> Response {
    let is_known = request.get_all(IF_NONE_MATCH).iter().any(|tags| names_tag(tags.as_bytes(), &list.etag));
    let gzip = list.gzip.filter(|_| takes_gzip(request));
    let is_compressed = gzip.is_some();
    let mut response = match (is_known, gzip) {
        (true, _) => Response::new(Body::empty()),
        (false, Some(gzip)) => Response::new(Body::from(gzip)),
        (false, None) => Response::new(Body::from(list.token)),
    };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if !is_known {
        let media_type = if format == ListFormat::Cwt { STATUS_LIST_CWT_TYPE } else { JWT };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if is_compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Ok(tag) = HeaderValue::from_str(&list.etag) {
        headers.insert(ETAG, tag);
    }
    publicly(headers);
    response
}

/// RFC 9110 section 12.5.3: by name or `*`, unless its weight is 0.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings =
        headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    codings.into_iter().any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        named && weight.is_ok_and(|weight| weight > 0.0)
    })
}

fn publicly(headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={TTL_SECONDS}")) {
        headers.insert(CACHE_CONTROL, value);
    }
    allow_any_origin(headers);
    headers.insert(HeaderName::from_static("access-control-expose-headers"), HeaderValue::from_static("ETag"));
}

/// Where a request came from: anybody may ask, but not as often as they like.
pub(super) struct Source(SourceAddress);

impl Source {
    /// The refusal of who asks too often.
    fn refusal(&self, app: &App) -> Option<Response> {
        let taken = app.limits.take_source_request(self.0, app.clock.now());
        taken.err().map(|exhausted| OAuthRefusal::over_budget(ErrorCode::TooManyRequests, exhausted).into_response())
    }
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get().copied().unwrap_or(SourceAddress::NONE)))
    }
}
