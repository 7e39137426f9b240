//! One structured line per request. The path is the route's pattern: what was
//! asked for may hold a token or a secret, in the query or in the path itself.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use countersign_protocol::ErrorCode;
use countersign_protocol::jose::base64url;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::RequestPolicy;
use crate::entropy::random;
use crate::http::answer::Answer;
use crate::http::errors::{Outcome, with_request_id};
use crate::http::{PeerAddress, source_address};
use crate::oauth::Requester;
use crate::refusals::{Detail, NewRefusal};
use crate::source_address::SourceAddress;
use crate::traces::{self, span};

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub(in crate::http) struct RequestId(pub(in crate::http) String);

/// The header that carries the request's id. Ours always: an id chosen by the
/// caller could be made to collide.
const REQUEST_ID_HEADER: &str = "x-request-id";

pub(super) async fn log_request(State(policy): State<RequestPolicy>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("(no route)", MatchedPath::as_str).to_owned();
    let mut line = Line::begin(&policy, route.into(), &request, request.extensions().get().copied());
    request.extensions_mut().insert(line.source);
    request.extensions_mut().insert(RequestId(line.request_id.clone()));
    let span = line.span(request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    line.finish(&span, response.into())
}

/// Once: a caller can make this line appear, but not fill the log.
fn warn_of_unknown_proxy(policy: &RequestPolicy, request: &Request, peer: Option<PeerAddress>) {
    if source_address::is_named_by_untrusted(request.headers(), peer, &policy.app.trusted_proxies)
        && !policy.warned_of_proxy.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            peer = peer.map(|peer| display(peer.0)),
            "X-Forwarded-For from an address that is not in server.trusted_proxies: it is ignored, and if a proxy is there, \
             all its callers share one budget; where its address is not known, set server.trusted_proxy_depth"
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
pub(in crate::http) struct Line<'p> {
    policy: &'p RequestPolicy,
    request_id: String,
    method: Method,
    /// The route's pattern.
    path: Cow<'static, str>,
    source: SourceAddress,
    started: Instant,
    status: Option<StatusCode>,
    client: Option<Requester>,
    outcome: Outcome,
    trace_id: Option<String>,
}

impl<'p> Line<'p> {
    pub(in crate::http) fn begin(
        policy: &'p RequestPolicy,
        path: Cow<'static, str>,
        request: &Request,
        peer: Option<PeerAddress>,
    ) -> Self {
        let app = &policy.app;
        warn_of_unknown_proxy(policy, request, peer);
        Self {
            policy,
            request_id: base64url::encode(&random::<12>(app.entropy.as_ref())),
            method: request.method().clone(),
            path,
            source: source_address::find(request.headers(), peer, &app.trusted_proxies),
            started: Instant::now(),
            status: None,
            client: None,
            outcome: Outcome::default(),
            trace_id: None,
        }
    }

    /// Where the request comes from.
    pub(in crate::http) const fn source(&self) -> SourceAddress {
        self.source
    }

    /// The span of the request. Its path too is the route's pattern.
    pub(in crate::http) fn span(&mut self, headers: &HeaderMap) -> Span {
        let Self { request_id, method, path, .. } = self;
        let span = span!(
            "request",
            otel.name = format!("{method} {path}"),
            otel.kind = "server",
            http.request.method = method.as_str(),
            http.route = &**path,
            request_id = request_id.as_str(),
            http.response.status_code = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        traces::continue_trace(&span, headers);
        self.trace_id = traces::trace_id(&span);
        span
    }

    /// The response as it is sent, with the request's id.
    pub(in crate::http) fn finish(mut self, span: &Span, answer: Answer) -> Response {
        let Answer { mut response, client } = answer;
        record(span, response.status());
        let outcome = response.extensions_mut().remove::<Outcome>().unwrap_or_default();
        if let (Some(code), Some(_), false) = (outcome.code, &outcome.cause, outcome.tells_request_id) {
            response = with_request_id(response, code, &self.request_id);
        }
        if let Ok(value) = HeaderValue::from_str(&self.request_id) {
            response.headers_mut().insert(REQUEST_ID_HEADER, value);
        }
        (self.status, self.client, self.outcome) = (Some(response.status()), client, outcome);
        response
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let Self { policy, request_id, method, path, source, started, status, client, outcome, trace_id } = self;
        let duration = started.elapsed();
        let metrics = &policy.app.metrics.requests;
        let client_id = client.as_ref().map(|client| client.client().id.as_str()).or(outcome.client_id.as_deref());
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
                    path = &**path,
                    source = (*source != SourceAddress::NONE).then(|| display(source)),
                    status = status.map(|status| status.as_u16()),
                    duration_ms,
                    client.id = client_id,
                    code = outcome.code.map(ErrorCode::as_str),
                    reason = outcome.reason.or(gone),
                    error = outcome.cause.as_deref(),
                    trace_id = trace_id.as_deref(),
                    "request"
                )
            };
        }
        if outcome.cause.is_some() {
            line!(error)
        } else {
            line!(info)
        }
        if let (Some(code), Some(status)) = (self.outcome.code, self.status) {
            self.note_refusal(code, status);
        }
    }
}

impl Line<'_> {
    /// Notes why the request was refused, for whoever asks by its id.
    fn note_refusal(&mut self, code: ErrorCode, status: StatusCode) {
        let app = &self.policy.app;
        let Outcome { client_id, credential_id, detail, cause, .. } = std::mem::take(&mut self.outcome);
        let client = self.client.as_ref();
        let client_id = client.map(|client| client.client().id.to_string()).or(client_id);
        let credential_id = client.map(|client| client.credential_id().clone()).or(credential_id);
        let now = app.clock.now();
        if let Some(client_id) = &client_id {
            app.usage.refused(client_id, credential_id.as_ref(), code, now);
        }
        app.refusals.record(NewRefusal {
            request_id: std::mem::take(&mut self.request_id),
            occurred_at: now,
            method: self.method.clone(),
            route: self.path.clone().into_owned(),
            status,
            code,
            detail: detail.or_else(|| cause.map(Detail::from)),
            client_id,
            credential_id: credential_id.map(|id| id.to_string()),
            source: self.source,
        });
    }
}
