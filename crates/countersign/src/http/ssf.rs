//! Shared Signals (OpenID SSF 1.0 sections 7 and 8, RFC 8936).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use countersign_protocol::jose::json::strict_object;
use countersign_protocol::{ErrorCode, Secret};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::body::read_bounded;
use super::errors::{fault, json, problem, problem_saying, store_fault};
use super::manage::{Caller, Refusal};
use super::middleware::{LongestWait, forbid_storing};
use crate::app::App;
use crate::change::ChangeError;
use crate::log::chain;
use crate::management::Right;
use crate::ssf::{
    self, Delivery, EVENTS_SUPPORTED, NewDelivery, NewStream, PollError, SsfStream, StreamStatus, StreamUpdate, Transmitter,
};

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/.well-known/ssf-configuration", get(configuration))
        .route("/.well-known/ssf-configuration/oauth2/default", get(configuration))
        .route("/ssf/v1/stream", get(show).post(create).patch(update).put(replace).delete(delete))
        .route("/ssf/v1/status", get(show_status).post(set_status))
        .route("/ssf/v1/verify", post(verify))
        .route("/ssf/v1/poll/{stream}", post(poll))
}

/// What there is, and where (SSF 1.0 section 7.1).
async fn configuration(State(app): State<Arc<App>>) -> Response {
    let transmitter = match Transmitter::of(&app) {
        Ok(transmitter) => transmitter,
        Err(error) => return fault(ErrorCode::Unavailable, chain(&error)),
    };
    let at = |path: &str| endpoint(&app, path);
    let document = json!({
        "spec_version": "1_0",
        "issuer": transmitter.issuer(),
        "jwks_uri": transmitter.jwks_uri(),
        "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
        "configuration_endpoint": at("/ssf/v1/stream"),
        "status_endpoint": at("/ssf/v1/status"),
        "verification_endpoint": at("/ssf/v1/verify"),
        "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6749" }],
        "default_subjects": "ALL",
    });
    let mut response = json(StatusCode::OK, &document);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

async fn create(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, Refusal> {
    let members = allowed_body(&caller, request).await?;
    let new = NewStream {
        delivery: read_delivery(&members)?,
        events_requested: texts(&members, "events_requested")?.unwrap_or_default(),
    };
    let stream = ssf::create(&app, &caller.actor(None), &caller.client().id, new).await?;
    Ok(answer(&caller, StatusCode::CREATED, &view(&app, &stream)?))
}

async fn show(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SsfManage)?;
    let id = stream_id_of(&uri);
    let found = match ssf::find(&app, &caller.client().id, id.as_deref()).await {
        // Without an id the answer is a list (SSF 1.0 section 8.1.1.2).
        Err(ChangeError::NotFound { .. }) if id.is_none() => return Ok(answer(&caller, StatusCode::OK, &json!([]))),
        found => view(&app, &found?)?,
    };
    Ok(answer(&caller, StatusCode::OK, &if id.is_none() { json!([found]) } else { found }))
}

async fn update(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, Refusal> {
    let members = allowed_body(&caller, request).await?;
    let delivery = members.contains_key("delivery").then(|| read_delivery(&members)).transpose()?;
    let change = StreamUpdate { delivery, events_requested: texts(&members, "events_requested")? };
    let stream = ssf::update(&app, &caller.actor(None), &caller.client().id, &required(&members, "stream_id")?, change).await?;
    Ok(answer(&caller, StatusCode::OK, &view(&app, &stream)?))
}

/// What is not named is as in a new stream (SSF 1.0 section 8.1.1.4).
async fn replace(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, Refusal> {
    let members = allowed_body(&caller, request).await?;
    let change = StreamUpdate {
        delivery: Some(read_delivery(&members)?),
        events_requested: Some(texts(&members, "events_requested")?.unwrap_or_default()),
    };
    let stream = ssf::update(&app, &caller.actor(None), &caller.client().id, &required(&members, "stream_id")?, change).await?;
    Ok(answer(&caller, StatusCode::OK, &view(&app, &stream)?))
}

async fn delete(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SsfManage)?;
    let id = stream_id_of(&uri).ok_or_else(|| invalid("`stream_id` is missing"))?;
    ssf::delete(&app, &caller.actor(None), &caller.client().id, &id).await?;
    Ok(caller.named(empty(StatusCode::NO_CONTENT)))
}

async fn show_status(State(app): State<Arc<App>>, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    caller.require_for_instance(Right::SsfManage)?;
    let stream = ssf::find(&app, &caller.client().id, stream_id_of(&uri).as_deref()).await?;
    Ok(answer(&caller, StatusCode::OK, &status_view(&stream)))
}

async fn set_status(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, Refusal> {
    let members = allowed_body(&caller, request).await?;
    let wanted = required(&members, "status")?;
    let status = StreamStatus::parse(&wanted)
        .ok_or_else(|| invalid(&format!("`status` is `{}`; accepted: enabled, paused, disabled", wanted.escape_debug())))?;
    let reason = members.get("reason").and_then(Value::as_str).map(str::to_owned);
    let id = required(&members, "stream_id")?;
    let stream = ssf::set_status(&app, &caller.actor(None), &caller.client().id, &id, status, reason).await?;
    Ok(answer(&caller, StatusCode::OK, &status_view(&stream)))
}

async fn verify(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, Refusal> {
    let members = allowed_body(&caller, request).await?;
    let state = members.get("state").and_then(Value::as_str);
    ssf::verify(&app, &caller.client().id, &required(&members, "stream_id")?, state).await?;
    Ok(caller.named(empty(StatusCode::NO_CONTENT)))
}

/// RFC 8936 section 2.2.
async fn poll(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    longest: LongestWait,
    request: Request,
) -> Result<Response, Refusal> {
    let members = allowed_body(&caller, request).await?;
    let stream = ssf::find(&app, &caller.client().id, Some(&id)).await?;
    let mut acknowledged = texts(&members, "ack")?.unwrap_or_default();
    if let Some(errors) = members.get("setErrs") {
        let errors = errors.as_object().ok_or_else(|| invalid("`setErrs` is no object"))?;
        for (jti, error) in errors {
            let code = error.get("err").and_then(Value::as_str).unwrap_or_default().escape_debug().to_string();
            tracing::warn!(stream_id = %stream.id, jti, code, "a receiver refused a security event; it is dropped");
            acknowledged.push(jti.clone());
        }
    }
    let returns_at_once = match members.get("returnImmediately") {
        None => false,
        Some(wanted) => wanted.as_bool().ok_or_else(|| invalid("`returnImmediately` is neither true nor false"))?,
    };
    let wait = if returns_at_once { Duration::ZERO } else { longest.0 };
    let most = match members.get("maxEvents") {
        None => None,
        Some(most) => Some(most.as_i64().filter(|most| *most >= 0).ok_or_else(|| invalid("`maxEvents` is no number from 0 on"))?),
    };
    let polled = ssf::poll(&app, &stream, acknowledged, most, wait).await.map_err(|error| not_polled(&error))?;
    // Who was shut out while waiting is told nothing more; the events wait.
    if !caller.is_still_let_in(&app).await? {
        return Err(problem(StatusCode::FORBIDDEN, ErrorCode::InsufficientScope).into());
    }
    let sets: Map<String, Value> = polled.sets.into_iter().map(|(jti, set)| (jti, Value::from(set))).collect();
    let mut body = json!({ "sets": sets });
    if let (true, Some(members)) = (polled.more_available, body.as_object_mut()) {
        members.insert("moreAvailable".to_owned(), json!(true));
    }
    Ok(answer(&caller, StatusCode::OK, &body))
}

fn not_polled(error: &PollError) -> Response {
    match error {
        PollError::Store(error) => store_fault(error),
        PollError::Transmitter(error) => fault(ErrorCode::Unavailable, chain(error)),
    }
}

/// The members of a body, of a caller that may have a stream.
async fn allowed_body(caller: &Caller, request: Request) -> Result<Map<String, Value>, Refusal> {
    caller.require_for_instance(Right::SsfManage)?;
    let bytes =
        read_bounded(request.into_body()).await.map_err(|_| invalid("the body cannot be read, or is larger than 64 KiB"))?;
    strict_object(&bytes).map_err(|error| invalid(&format!("the body is no JSON object: {error}")))
}

/// Where events are sent, and with what; `None`: they are polled for.
fn read_delivery(members: &Map<String, Value>) -> Result<NewDelivery, Refusal> {
    let delivery = members.get("delivery").cloned().unwrap_or_else(|| json!({ "method": "urn:ietf:rfc:8936" }));
    let text = |name: &str| delivery.get(name).and_then(Value::as_str).map(str::to_owned);
    match text("method").as_deref() {
        Some("urn:ietf:rfc:8936") => Ok(NewDelivery { endpoint_url: None, authorization: None }),
        Some("urn:ietf:rfc:8935") => {
            let url = text("endpoint_url").ok_or_else(|| invalid("`delivery.endpoint_url` is missing"))?;
            Ok(NewDelivery { endpoint_url: Some(url), authorization: text("authorization_header").map(Secret::new) })
        }
        _ => Err(invalid("`delivery.method` is not one of urn:ietf:rfc:8935 (push) and urn:ietf:rfc:8936 (poll)")),
    }
}

fn required(members: &Map<String, Value>, name: &str) -> Result<String, Refusal> {
    members.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| invalid(&format!("`{name}` is missing")))
}

fn texts(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Refusal> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let read = value.as_array().and_then(|values| values.iter().map(|value| value.as_str().map(str::to_owned)).collect());
    read.map(Some).ok_or_else(|| invalid(&format!("`{name}` is no array of strings")))
}

fn stream_id_of(uri: &Uri) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(name, _)| name == "stream_id").map(|(_, value)| value.into_owned())
}

/// SSF 1.0 section 8.1.1. The authorization of a receiver is told to nobody.
fn view(app: &App, stream: &SsfStream) -> Result<Value, Refusal> {
    let transmitter = Transmitter::of(app).map_err(|error| fault(ErrorCode::Unavailable, chain(&error)))?;
    let endpoint_url = match &stream.delivery {
        Delivery::Poll => endpoint(app, &format!("/ssf/v1/poll/{}", stream.id)),
        Delivery::Push { endpoint_url, .. } => endpoint_url.clone(),
    };
    Ok(json!({
        "stream_id": stream.id.as_str(),
        "iss": transmitter.issuer(),
        "aud": stream.client_id.as_str(),
        "delivery": { "method": stream.delivery.method(), "endpoint_url": endpoint_url },
        "events_supported": EVENTS_SUPPORTED,
        "events_requested": stream.events_requested,
        "events_delivered": stream.events_requested,
    }))
}

fn status_view(stream: &SsfStream) -> Value {
    json!({ "stream_id": stream.id.as_str(), "status": stream.status.as_str(), "reason": stream.reason })
}

fn endpoint(app: &App, path: &str) -> String {
    format!("{}{path}", app.bases.first().map(ToString::to_string).unwrap_or_default())
}

fn answer(caller: &Caller, status: StatusCode, body: &Value) -> Response {
    let mut response = json(status, body);
    forbid_storing(response.headers_mut());
    caller.named(response)
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn invalid(detail: &str) -> Refusal {
    problem_saying(StatusCode::BAD_REQUEST, ErrorCode::FieldInvalid, detail.to_owned()).into()
}
