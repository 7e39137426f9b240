//! One structured line per request. The path is the route's pattern: what was
//! asked for may hold a token or a secret, in the query or in the path itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_protocol::ErrorCode;
use countersign_protocol::jose::base64url;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::RequestPolicy;
use crate::app::App;
use crate::entropy::random;
use crate::http::errors::{Outcome, with_request_id};
use crate::http::{PeerAddress, source_address};
use crate::source_address::SourceAddress;
use crate::traces::{self, span};

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub(in crate::http) struct RequestId(pub(in crate::http) String);

/// The header that carries the request's id. Ours always: an id chosen by the
/// caller could be made to collide.
const REQUEST_ID_HEADER: &str = "x-request-id";

pub(super) async fn log_request(State(policy): State<RequestPolicy>, mut request: Request, next: Next) -> Response {
    let mut line = Line::begin(&policy, &request);
    warn_of_unknown_proxy(&policy, &request);
    request.extensions_mut().insert(line.source);
    request.extensions_mut().insert(RequestId(line.request_id.clone()));
    let span = line.span();
    traces::continue_trace(&span, request.headers());
    line.trace_id = traces::trace_id(&span);
    let mut response = next.run(request).instrument(span.clone()).await;
    record(&span, response.status());
    let outcome = response.extensions_mut().remove::<Outcome>().unwrap_or_default();
    if let (Some(code), Some(_)) = (outcome.code, &outcome.cause) {
        response = with_request_id(response, code, &line.request_id);
    }
    if let Ok(value) = HeaderValue::from_str(&line.request_id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    line.status = Some(response.status());
    line.outcome = outcome;
    response
}

/// Once: a caller can make this line appear, but not fill the log.
fn warn_of_unknown_proxy(policy: &RequestPolicy, request: &Request) {
    let (headers, extensions) = (request.headers(), request.extensions());
    if source_address::is_named_by_untrusted(headers, extensions, &policy.app.trusted_proxies)
        && !policy.warned_of_proxy.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            peer = extensions.get::<PeerAddress>().map(|peer| display(peer.0)),
            "X-Forwarded-For from an address that is not in server.trusted_proxies: it is ignored, and if a proxy is there, \
             all its callers share one budget"
        );
    }
}

fn record(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// One request's line, written when it is over: also when the client went away and
/// nobody waits for the answer any more.
struct Line {
    app: Arc<App>,
    request_id: String,
    method: Method,
    path: String,
    source: SourceAddress,
    started: Instant,
    status: Option<StatusCode>,
    outcome: Outcome,
    trace_id: Option<String>,
}

impl Line {
    fn begin(policy: &RequestPolicy, request: &Request) -> Self {
        Self {
            app: Arc::clone(&policy.app),
            request_id: base64url::encode(&random::<12>(policy.app.entropy.as_ref())),
            method: request.method().clone(),
            path: request.extensions().get::<MatchedPath>().map_or("(no route)", MatchedPath::as_str).to_owned(),
            source: source_address::find(request.headers(), request.extensions(), &policy.app.trusted_proxies),
            started: Instant::now(),
            status: None,
            outcome: Outcome::default(),
            trace_id: None,
        }
    }

    /// The span of the request. Its path too is the route's pattern.
    fn span(&self) -> Span {
        let Self { request_id, method, path, .. } = self;
        span!(
            "request",
            otel.name = format!("{method} {path}"),
            otel.kind = "server",
            http.request.method = method.as_str(),
            http.route = path.as_str(),
            request_id = request_id.as_str(),
            http.response.status_code = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        )
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { app: _, request_id, method, path, source, started, status, outcome, trace_id } = self;
        let duration = started.elapsed();
        let metrics = &self.app.metrics.requests;
        metrics.served(path, method, *status, duration);
        if let Some(code) = outcome.code {
            metrics.refused(path, code);
        }
        let duration_ms = (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
        let gone = status.is_none().then_some("the client went away");
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = request_id.as_str(),
                    method = method.as_str(),
                    path = path.as_str(),
                    source = (*source != SourceAddress::NONE).then(|| display(source)),
                    status = status.map(|status| status.as_u16()),
                    duration_ms,
                    client.id = outcome.client_id.as_deref(),
                    code = outcome.code.map(ErrorCode::as_str),
                    reason = outcome.reason.or(gone),
                    error = outcome.cause.as_deref(),
                    trace_id = trace_id.as_deref(),
                    "request"
                )
            };
        }
        if outcome.cause.is_some() { line!(error) } else { line!(info) }
    }
}
