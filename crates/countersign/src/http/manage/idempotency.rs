//! `Idempotency-Key`: a POST that is sent again has its effect once. The key is
//! remembered in the transaction of the effect, the reply right after it.

use std::future::Future;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::FromRequestParts;
use axum::response::Response;
use bytes::Bytes;
use countersign_protocol::ErrorCode;
use countersign_protocol::jose::base64url;
use http::request::Parts;
use http::{Method, StatusCode};

use super::caller::Caller;
use super::refusal::Refusal;
use super::reply::Reply;
use crate::app::App;
use crate::audit::{Actor, Repeatable};
use crate::change::ChangeError;
use crate::http::errors::{ProblemField, change_refusal, problem_saying, problem_with, store_fault};
use crate::store::{KeptReply, StoreError};

const HEADER: &str = "idempotency-key";
/// Longest key, in characters.
const MAX_LENGTH: usize = 200;

/// A POST, and the key its caller gave it.
pub(super) struct Attempt {
    key: Option<String>,
    method: Method,
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Attempt {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut keys = parts.headers.get_all(HEADER).iter();
        let key = match (keys.next().map(|value| value.to_str().map(str::to_owned)), keys.next()) {
            (None, _) => None,
            (Some(Ok(key)), None) if (1..=MAX_LENGTH).contains(&key.len()) => Some(key),
            (Some(_), _) => {
                let detail = format!("`Idempotency-Key` is one text of 1 to {MAX_LENGTH} visible ASCII characters");
                return Err(problem_saying(StatusCode::BAD_REQUEST, ErrorCode::QueryInvalid, detail).into());
            }
        };
        Ok(Self { key, method: parts.method.clone(), path: parts.uri.path().to_owned() })
    }
}

impl Attempt {
    /// Carries out `work` unless this key was carried out before, and answers.
    pub(super) async fn once<F>(self, app: &Arc<App>, caller: &Caller, body: &Bytes, work: impl FnOnce(Actor) -> F) -> Response
    where
        F: Future<Output = Result<Reply, ChangeError>>,
    {
        let Some(repeatable) = self.repeatable(caller, body) else {
            let done = work(caller.actor(None)).await;
            return caller.named(done.map_or_else(|error| change_refusal(&error), Reply::into_response));
        };
        let answer = match find(app, &repeatable).await {
            Ok(Some(kept)) => answer_again(&repeatable, kept),
            Ok(None) => first_time(app, caller, repeatable, work).await,
            Err(error) => store_fault(&error),
        };
        caller.named(answer)
    }

    fn repeatable(self, caller: &Caller, body: &Bytes) -> Option<Repeatable> {
        let request = [self.method.as_str().as_bytes(), b" ", self.path.as_bytes(), b"\n", body].concat();
        let request_hash = base64url::encode(digest(&SHA256, &request).as_ref());
        Some(Repeatable { caller: caller.client().id.clone(), key: self.key?, request_hash })
    }
}

async fn first_time<F>(app: &Arc<App>, caller: &Caller, repeatable: Repeatable, work: impl FnOnce(Actor) -> F) -> Response
where
    F: Future<Output = Result<Reply, ChangeError>>,
{
    match work(caller.actor(Some(repeatable.clone()))).await {
        Ok(reply) => {
            keep(app, repeatable, &reply).await;
            reply.into_response()
        }
        // The same request came twice at once, and the other one was first.
        Err(ChangeError::Store(StoreError::Repeated)) => match find(app, &repeatable).await {
            Ok(Some(kept)) => answer_again(&repeatable, kept),
            Ok(None) => change_refusal(&ChangeError::Store(StoreError::Repeated)),
            Err(error) => store_fault(&error),
        },
        Err(error) => change_refusal(&error),
    }
}

async fn find(app: &App, repeatable: &Repeatable) -> Result<Option<KeptReply>, StoreError> {
    let (repeatable, now) = (repeatable.clone(), app.clock.now());
    app.store.read(move |session| Box::pin(async move { session.find_kept_reply(&repeatable, now).await })).await
}

/// The effect is there whether or not its reply can be kept.
async fn keep(app: &App, repeatable: Repeatable, reply: &Reply) {
    let kept = KeptReply {
        request_hash: repeatable.request_hash.clone(),
        object_id: String::new(),
        reply: Some((reply.status.as_u16(), reply.body_without_secret().to_string())),
        etag: reply.etag.clone(),
        location: reply.location.clone(),
    };
    let written = app.store.write(move |tx| Box::pin(async move { tx.keep_reply(&repeatable, &kept).await }));
    if let Err::<_, StoreError>(error) = written.await {
        tracing::warn!(error = %crate::log::chain(&error), "the reply to a repeatable request is not kept");
    }
}

fn answer_again(repeatable: &Repeatable, kept: KeptReply) -> Response {
    if kept.request_hash != repeatable.request_hash {
        let detail = "the key was used for another request: use a new one".to_owned();
        let field = ProblemField { pointer: String::new(), detail };
        return problem_with(StatusCode::CONFLICT, ErrorCode::IdempotencyKeyReused, vec![field]);
    }
    let reply = kept.reply.and_then(|(status, body)| {
        Some(Reply {
            status: StatusCode::from_u16(status).ok()?,
            body: serde_json::from_str(&body).ok()?,
            etag: kept.etag,
            location: kept.location,
            secret: &[],
        })
    });
    match reply {
        Some(reply) => reply.into_response(),
        None => {
            let detail = format!("it was carried out on `{}`; its reply is not kept", kept.object_id);
            problem_saying(StatusCode::CONFLICT, ErrorCode::ReplyNotKept, detail)
        }
    }
}
