//! Why a token is accepted or refused: the verifier's own checks, all of them, and what
//! people usually did when one of them fails. Serves `countersign explain` and the
//! decoder page.

mod hints;
mod lines;
mod pasted;
mod report;
mod shape;
mod span;
mod unverified;

use std::fmt;
use std::sync::Arc;

use countersign_protocol::{Audience, Clock, ErrorCode, Issuer};
use countersign_verify::{Explanation, Fetch, FetchError, FetchFuture, FetchRequest, Requirements, Verifier};

pub use hints::Hint;
pub use lines::{Line, Outcome};
use pasted::Pasted;
pub use report::{Report, Verdict};
use shape::Shape;
pub use span::spoken;
use unverified::Unverified;

/// Stands for an audience that nobody named, where the token names none either.
const NO_AUDIENCE: &str = "unnamed";
/// Stands for an issuer that nobody named, where the token names none either.
const NO_ISSUER: &str = "https://unnamed.invalid/";

/// What a token is judged by.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// Whose tokens the API takes.
    pub issuer: Option<Issuer>,
    /// For whom they must be.
    pub audience: Option<Audience>,
    /// The scopes that are needed.
    pub needs: Vec<String>,
    /// Whether tokens whose `typ` says nothing are access tokens.
    pub accept_untyped: bool,
}

/// The issuer's keys, or why they are not there.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The JWK Set, or what is in the way of it.
    pub document: Result<Vec<u8>, KeysMissing>,
    /// Where they come from, for people.
    pub place: String,
}

/// Why there are no keys to judge with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysMissing {
    /// No issuer was named.
    NoIssuer,
    /// The metadata names itself after another issuer.
    OtherIssuer(String),
    /// They could not be fetched or read.
    Unusable(String),
}

/// What the issuer says of a token besides what the token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody asked; how to.
    NotAsked(&'static str),
    /// It could not be found out.
    Unknown(String),
    /// Nothing speaks against it.
    Live(String),
    /// It, or what it comes from, was revoked.
    Revoked(ErrorCode, String),
}

/// A token that went through the checks.
pub struct Examined {
    pasted: Pasted,
    shape: Shape,
    unverified: Unverified,
    explanation: Explanation,
    expected: Expectations,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

/// Sends `text`, as it was pasted, through the checks of a verifier. Nothing is fetched.
///
/// # Errors
/// What a verifier cannot be made with.
pub async fn examine(text: &str, expected: Expectations, keys: Keys, clock: Arc<dyn Clock>) -> Result<Examined, ExplainError> {
    let pasted = Pasted::read(text);
    let unverified = Unverified::read(&pasted.token);
    let verifier = verifier(&expected, &keys, &unverified, &clock).map_err(ExplainError)?;
    let needs = match expected.needs.as_slice() {
        [] => Requirements::none(),
        needs => Requirements::all(needs.iter().map(String::as_str)),
    };
    let explanation = verifier.explain(&pasted.token, &needs).await;
    let shape = Shape::of(&pasted.token, &unverified);
    Ok(Examined { pasted, shape, unverified, explanation, expected, keys, clock })
}

/// The issuer that a text claims to be a token of: to choose among issuers that are
/// trusted anyway, and for nothing else.
pub fn issuer_claimed_by(text: &str) -> Option<String> {
    Unverified::read(&Pasted::read(text).token).issuer().map(str::to_owned)
}

/// A verifier as an API has it. What nobody named is what the token itself says: those
/// checks pass, and the report does not count them.
fn verifier(
    expected: &Expectations,
    keys: &Keys,
    unverified: &Unverified,
    clock: &Arc<dyn Clock>,
) -> Result<Verifier, countersign_verify::BuildError> {
    let named = expected.issuer.as_ref().map(Issuer::as_str);
    let said = unverified.issuer().filter(|said| Issuer::try_from(*said).is_ok());
    let issuer = named.or(said).unwrap_or(NO_ISSUER);
    let named = expected.audience.as_ref().map(Audience::as_str);
    let said = unverified.audiences().into_iter().find(|said| Audience::try_from(*said).is_ok());
    let audience = named.or(said).unwrap_or(NO_AUDIENCE);
    let builder = Verifier::builder(issuer, audience).token_cache_entries(0).clock(Arc::clone(clock));
    let builder = if expected.accept_untyped { builder.accept_untyped_tokens() } else { builder };
    match &keys.document {
        Ok(document) => builder.jwk_set(document.clone()).build(),
        Err(_) => builder.jwks_uri(issuer).fetch(NoKeys).build(),
    }
}

/// Stands for an issuer without keys: the core then says that they are not there.
struct NoKeys;

impl Fetch for NoKeys {
    fn fetch<'a>(&'a self, _: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async { Err(FetchError::new("there are no keys")) })
    }
}

/// The checks cannot be made with what was given.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ExplainError(countersign_verify::BuildError);

impl Examined {
    /// The checks, one by one.
    pub const fn explanation(&self) -> &Explanation {
        &self.explanation
    }

    /// The token inside what was pasted.
    pub fn token(&self) -> &str {
        &self.pasted.token
    }

    /// The outcome as it is shown. `ahead_millis` is how far the issuer's clock is ahead
    /// of ours, if anybody looked.
    pub fn report(&self, standing: &Standing, ahead_millis: Option<i64>) -> Report {
        Report::of(self, standing, ahead_millis)
    }
}

impl fmt::Debug for Examined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examined").field("shape", &self.shape).field("explanation", &self.explanation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
