//! `POST /manage/v1/keys/verify`: what an API asks for each request that it gets.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use countersign_protocol::ErrorCode;
use http::StatusCode;
use http::request::Parts;
use tokio::task::JoinSet;

use super::question::{Questions, VerificationBody};
use super::verdict::{VerdictView, VerificationView};
use crate::api_keys::{self, Verdict, VerifyRequest};
use crate::app::App;
use crate::http::arrival::Arrival;
use crate::http::errors::{fault, problem_saying, problem_with};
use crate::http::manage::body;
use crate::http::manage::caller::Caller;
use crate::http::manage::refusal::Refusal;
use crate::http::manage::reply::uncached;
use crate::management::Right;

/// Verify API keys. What is not valid is 200 with `valid: false` and a code
#[utoipa::path(post, path = "/manage/v1/keys/verify", tag = "keys", request_body = VerificationBody,
    responses((status = 200, description = "The verdict; of several keys, the verdicts in their order", body = VerificationView<'_>)),
    security(("management" = ["keys:verify"])))]
pub(in crate::http::manage) async fn verify_keys(State(app): State<Arc<App>>, arrival: Arrival, request: Request) -> Response {
    verify(&app, &arrival, request).await
}

/// The same, of nothing but the application and the request.
pub(in crate::http) async fn verify(app: &Arc<App>, arrival: &Arrival, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // No change is recorded, so nothing names the request.
    let caller = match Caller::identify(app, &parts.headers, arrival.source, String::new()).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = answer(app, &caller, &parts, body).await;
    caller.named(answered.unwrap_or_else(Refusal::into_response))
}

async fn answer(app: &Arc<App>, caller: &Caller, parts: &Parts, body: axum::body::Body) -> Result<Response, Refusal> {
    caller.require(Right::KeysVerify)?;
    if parts.headers.contains_key("idempotency-key") {
        let detail = "a verification takes no `Idempotency-Key`: a verdict that is kept would outlive a revocation".to_owned();
        return Err(problem_saying(StatusCode::BAD_REQUEST, ErrorCode::QueryInvalid, detail).into());
    }
    let body = body::read_closed::<VerificationBody>(&parts.headers, body).await?;
    let questions = body.checked(caller.organization());
    let questions = questions.map_err(|field| problem_with(StatusCode::BAD_REQUEST, ErrorCode::FieldInvalid, vec![field]))?;
    Ok(match questions {
        Questions::One(question) => {
            let verdict = api_keys::verify(app, question).await?;
            uncached(&VerificationView::One(Box::new(VerdictView::of(&app.catalog(), &verdict, app.clock.now()))))
        }
        Questions::Several(questions) => {
            let (verdicts, catalog, now) = (all(app, questions).await?, app.catalog(), app.clock.now());
            uncached(&VerificationView::Several {
                verdicts: verdicts.iter().map(|verdict| VerdictView::of(&catalog, verdict, now)).collect(),
            })
        }
    })
}

/// At once, because what they write is committed together.
async fn all(app: &Arc<App>, questions: Vec<VerifyRequest>) -> Result<Vec<Verdict>, Refusal> {
    let mut tasks = JoinSet::new();
    for (place, question) in questions.into_iter().enumerate() {
        let app = Arc::clone(app);
        tasks.spawn(async move { (place, api_keys::verify(&app, question).await) });
    }
    let mut verdicts = Vec::with_capacity(tasks.len());
    while let Some(done) = tasks.join_next().await {
        let (place, verdict) = done.map_err(|error| fault(ErrorCode::Internal, error.to_string()))?;
        verdicts.push((place, verdict?));
    }
    verdicts.sort_unstable_by_key(|(place, _)| *place);
    Ok(verdicts.into_iter().map(|(_, verdict)| verdict).collect())
}
