//! What an introspection is answered with: JSON (RFC 7662), a JWT that says the same
//! (RFC 9701), or a JWT that is the token.

use std::sync::Arc;

use bytes::Bytes;
use countersign_protocol::{INTROSPECTION_JWT_TYPE, IntrospectionResponse, Secret, SignedIntrospectionClaims};

use super::inquiry::TokenInquiryError;
use super::introspect::{Active, Question};
use super::issue::{IssueError, sign_as};
use super::phantom_token::phantom_token;
use crate::catalog::ResolvedMount;

/// Times that an answer is signed while what it says is overtaken.
const MAX_ROUNDS: usize = 4;

/// What a caller wants to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntrospectionFormat {
    /// The claims of an active token as JSON.
    Response,
    /// The same, signed.
    SignedResponse,
    /// A JWT that stands for the token.
    AccessToken,
}

/// The answer to an introspection.
#[derive(Clone, Debug, PartialEq)]
pub enum IntrospectionAnswer {
    /// RFC 7662 section 2.2: a JSON object.
    Response(Bytes),
    /// RFC 9701 section 5.
    SignedResponse(String),
    /// The JWT, if there is one for the caller.
    AccessToken(Option<Secret<String>>),
}

/// Answers a question. A signature may take a while: what was revoked meanwhile, be it
/// the key, is about this answer too.
pub(super) async fn answer(
    question: &Question<'_>,
    mount: &ResolvedMount,
    format: IntrospectionFormat,
) -> Result<IntrospectionAnswer, TokenInquiryError> {
    let mut renewed: Option<Arc<ResolvedMount>> = None;
    for _ in 0..MAX_ROUNDS {
        let mount = renewed.as_deref().unwrap_or(mount);
        let active = question.judge(mount).await?;
        let was_active = active.is_some();
        let answer = match format {
            IntrospectionFormat::Response => return Ok(IntrospectionAnswer::Response(json(active.as_ref()))),
            IntrospectionFormat::SignedResponse => sign_response(question, mount, &response(active.as_ref())).await?,
            IntrospectionFormat::AccessToken => {
                IntrospectionAnswer::AccessToken(phantom_token(question.app, question.token, active.as_ref()).await?)
            }
        };
        let current = question.app.catalog().refreshed(mount);
        // Where the mount is gone, no token is active any more.
        let has_its_keys = current.as_ref().is_none_or(|current| Arc::ptr_eq(&current.server, &mount.server));
        if has_its_keys && was_active == question.judge(mount).await?.is_some() {
            return Ok(answer);
        }
        renewed = current.or(renewed);
    }
    Err(IssueError::Overtaken.into())
}

fn json(active: Option<&Active>) -> Bytes {
    active.map_or_else(|| IntrospectionResponse::Inactive.to_json().into(), |active| active.token.active_answer())
}

fn response(active: Option<&Active>) -> IntrospectionResponse {
    active.map_or(IntrospectionResponse::Inactive, |active| IntrospectionResponse::Active(active.token.claims.all.clone()))
}

/// Signed as the authorization server signs, whatever its resource server says: an answer
/// about an inactive token belongs to no resource server, and must look like the others.
async fn sign_response(
    question: &Question<'_>,
    mount: &ResolvedMount,
    response: &IntrospectionResponse,
) -> Result<IntrospectionAnswer, IssueError> {
    let app = question.app;
    let claims = SignedIntrospectionClaims {
        iss: mount.issuer.as_str(),
        aud: question.caller.as_str(),
        iat: app.clock.now().as_seconds() - app.backdate_seconds,
        token_introspection: response,
    };
    let jwt = sign_as(INTROSPECTION_JWT_TYPE, &mount.server, mount.server.signing_alg, &claims).await?;
    Ok(IntrospectionAnswer::SignedResponse(jwt))
}
