//! What every operation goes through: who calls, what is asked, and the envelope.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use countersign_protocol::ErrorCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Extensions, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::body;
use super::refusal::UnkeyRefusal;
use crate::app::App;
use crate::audit::Actor;
use crate::http::errors::{Outcome, json, problem};
use crate::http::manage::Caller;
use crate::http::middleware::RequestId;
use crate::ids::OrganizationId;
use crate::management::Right;
use crate::source_address::SourceAddress;

/// What an operation knows besides its body.
pub(super) struct Context {
    pub(super) app: Arc<App>,
    pub(super) caller: Arc<Caller>,
}

impl Context {
    /// Checks a right of the root key.
    pub(super) fn require(&self, right: Right) -> Result<(), UnkeyRefusal> {
        self.caller.require(right).map_err(|refusal| UnkeyRefusal::from(refusal).saying(lacks(right)))
    }

    /// Checks a right over the whole instance.
    pub(super) fn require_for_instance(&self, right: Right) -> Result<(), UnkeyRefusal> {
        self.require(right)?;
        Ok(self.caller.require_for_instance(right)?)
    }

    /// Who acts.
    pub(super) fn actor(&self) -> Actor {
        self.caller.actor(None)
    }

    /// The organization that the caller is limited to.
    pub(super) fn organization(&self) -> Option<OrganizationId> {
        self.caller.organization().cloned()
    }
}

fn lacks(right: Right) -> String {
    format!("the root key does not have the right `{}`", right.scope())
}

/// What an operation answers.
pub(super) struct Reply {
    data: Value,
    /// Of a list: where it goes on.
    pagination: Option<Option<String>>,
}

impl Reply {
    pub(super) fn of(data: &impl Serialize) -> Self {
        Self { data: serde_json::to_value(data).unwrap_or_default(), pagination: None }
    }

    pub(super) fn empty() -> Self {
        Self { data: Value::Object(Map::new()), pagination: None }
    }

    pub(super) fn list(items: &impl Serialize, next_cursor: Option<String>) -> Self {
        Self { pagination: Some(next_cursor), ..Self::of(items) }
    }

    fn into_response(self, request_id: &str) -> Response {
        let mut envelope = json!({ "meta": { "requestId": request_id }, "data": self.data });
        if let (Some(cursor), Some(members)) = (self.pagination, envelope.as_object_mut()) {
            let mut pagination = json!({ "hasMore": cursor.is_some() });
            // Absent, never null.
            if let (Some(cursor), Some(members)) = (cursor, pagination.as_object_mut()) {
                members.insert("cursor".to_owned(), cursor.into());
            }
            members.insert("pagination".to_owned(), pagination);
        }
        let mut response = json(StatusCode::OK, &envelope);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Outcome::default().attach(response.extensions_mut());
        response
    }
}

/// The route of an operation.
pub(super) fn operation<B, F, W>(run: F) -> MethodRouter<Arc<App>>
where
    B: DeserializeOwned + Send + 'static,
    F: Fn(Context, B) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<Reply, UnkeyRefusal>> + Send + 'static,
{
    post(move |State(app): State<Arc<App>>, request: Request| serve(app, request, run.clone()))
}

async fn serve<B, F, W>(app: Arc<App>, request: Request, run: F) -> Response
where
    B: DeserializeOwned,
    F: Fn(Context, B) -> W,
    W: Future<Output = Result<Reply, UnkeyRefusal>>,
{
    let (parts, body) = request.into_parts();
    let request_id = request_id(&parts.extensions);
    let source = parts.extensions.get().copied().unwrap_or(SourceAddress::NONE);
    let caller = match Caller::identify(&app, &parts.headers, source, request_id.clone()).await {
        Ok(caller) => Arc::new(caller),
        Err(refusal) => return UnkeyRefusal::from(refusal).into_response(&app, &request_id),
    };
    let context = Context { app: Arc::clone(&app), caller: Arc::clone(&caller) };
    let answered = match body::read(&parts.headers, body).await {
        Ok(body) => run(context, body).await,
        Err(refusal) => Err(refusal),
    };
    let response = match answered {
        Ok(reply) => reply.into_response(&request_id),
        Err(refusal) => refusal.into_response(&app, &request_id),
    };
    caller.named(response)
}

/// An operation of Unkey's that is not here. 404, because its libraries repeat what ends in 5xx.
pub(super) async fn not_served(State(app): State<Arc<App>>, request: Request) -> Response {
    let request_id = request_id(request.extensions());
    let operation = request.uri().path().strip_prefix("/v2/").unwrap_or_default().escape_debug().to_string();
    let refusal = UnkeyRefusal::from(problem(StatusCode::NOT_FOUND, ErrorCode::NoSuchPath));
    let detail =
        format!("Countersign does not serve the operation `{operation}`; its guide \"Coming from Unkey\" lists those it does");
    refusal.saying(detail).into_response(&app, &request_id)
}

fn request_id(extensions: &Extensions) -> String {
    extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}
