//! Verifies Countersign access tokens inside your API: locally, cached, without a
//! lock on the way, and without a call to the authorization server per request.
#![cfg_attr(
    all(feature = "axum", feature = "http"),
    doc = r#"
With axum (feature `axum`), a handler says in its signature what it needs:

```
use axum::extract::FromRef;
use axum::{Router, routing::get};
use countersign_verify::axum::Token;
use countersign_verify::{Verifier, scopes};

scopes! { pub ListUsers = all("list:users"); }

#[derive(Clone)]
struct AppState { verifier: Verifier }

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Verifier { state.verifier.clone() }
}

// Without a good token: 401 with a challenge. Without the scope: 403. The handler does not run.
async fn list_users(token: Token<ListUsers>) -> String {
    format!("hello, {}", token.client_id().unwrap_or("nobody"))
}

# fn main() -> Result<(), Box<dyn std::error::Error>> {
let verifier = Verifier::builder("https://auth.example.com/oauth2/default", "https://api.example.com").build()?;
let app: Router = Router::new().route("/users", get(list_users)).with_state(AppState { verifier });
# drop(app);
# Ok(())
# }
```
"#
)]
#![cfg_attr(
    all(feature = "http", feature = "tower"),
    doc = r#"
With tower, a layer protects whatever is behind it; the service finds the
[`Verified`] token in the extensions of the request:

```
use countersign_verify::{Requirements, Verifier};

# fn main() -> Result<(), countersign_verify::BuildError> {
let verifier = Verifier::builder("https://auth.example.com/oauth2/default", "https://api.example.com").build()?;
let layer = verifier.layer().require(Requirements::all(["list:users"]).claim("tier", "gold"));
# drop(layer);
# Ok(())
# }
```
"#
)]
#![cfg_attr(
    feature = "http",
    doc = r#"
Without a framework, [`Verifier::verify`] waits for keys if it has to, and
[`Verifier::verify_now`] never waits:

```
use countersign_verify::{Denied, Requirements, Verified, Verifier};

fn judge(verifier: &Verifier, headers: &http::HeaderMap) -> Result<Verified, Denied> {
    let token = verifier.verify_now(headers)?;
    verifier.require(&token, &Requirements::all(["list:users"]))?;
    Ok(token)
}

fn answer(denied: Denied) -> http::Response<String> {
    denied.into() // status, WWW-Authenticate, Retry-After and a problem+json body
}
# let _ = (judge, answer);
```
"#
)]
//!
//! # What is checked
//!
//! In this order: the size (16 KiB) and shape of the token; its algorithm, which
//! must be the one its key is published with; its type, `at+jwt`; the signature;
//! `iss` and `aud`, byte for byte; `exp`, `nbf` and `iat` with a leeway of 5
//! seconds; that it is not bound to a key (`cnf`), for which nothing here asks; the
//! presence of `client_id`, `sub`, `jti` and `iat`; then what the route asks.
//! `crit`, embedded keys, key URLs, `none` and HMAC do not exist here.
//!
//! # Issuers
//!
//! A verifier takes tokens of one issuer, or of several ([`TrustedIssuer`]), each
//! with its own rules and keys. Which of them applies is what the token says; the
//! keys of that issuer, and no others, then prove it. With the feature
//! `introspection` an issuer is asked about tokens that are no JWT.
//!
//! # API keys
//!
//! With the feature `api-keys` a verifier also takes the API keys of a Countersign
//! server (`ApiKeys`): in the Authorization header, or in one of their own. A key is told
//! from a token by its form and checksum. The server's verdict is remembered for up to
//! a minute and forgotten as soon as the server says that the key or its client has
//! changed; what is counted there is asked each time. [`Verified`] is the same for both:
//! the key's permissions are its scopes.
//!
//! # Status
//!
//! With the feature `status` a verifier refuses what the issuer has revoked, without asking it
//! about each token. It follows the live feed of a Countersign server (`StatusFeed`), or reads
//! the status lists that tokens name (`StatusLists`, OAuth Token Status List):
#![cfg_attr(
    feature = "status",
    doc = r#"
```no_run
use std::time::Duration;

use countersign_verify::{Requirements, StatusFeed, StatusPolicy, Verifier};

# fn main() -> Result<(), countersign_verify::BuildError> {
let feed = StatusFeed::new("https://auth.example.com", "orders-api", "the client's secret")
    .cache_file("/var/lib/orders/status");
let verifier = Verifier::builder("https://auth.example.com/oauth2/default", "https://api.example.com")
    .status(feed)
    .status_policy(StatusPolicy::BoundedByTtl)
    .build()?;
// Where a revoked token must not pass even while the feed is down:
let refund = Requirements::all(["refunds:write"]).status_within(Duration::from_secs(30));
# drop((verifier, refund));
# Ok(())
# }
```
"#
)]
//!
//! - Over the feed a revocation takes effect within a second, for remembered tokens too: what
//!   is known is looked at each time, which is a comparison and one bit. Over lists it
//!   takes as long as the list's `ttl`.
//! - News are signed and each names the one before. When one is missing everything is read
//!   anew; nothing that was known to be revoked is taken back.
//! - Until something is known no token of the issuer is accepted: `verify` waits for it,
//!   `verify_now` answers 503. With a cache file a verifier that starts while the issuer is
//!   away goes by what was heard before, once it has asked in vain.
//! - The feed is a stream; where a proxy holds streams back, one waiting request after the
//!   other; where neither works, the public lists.
//! - `Verifier::status` says how old what is known is: fresh up to 15 seconds, stale up to 15
//!   minutes, then expired. What that means for a good token is a policy, and never a 401:
//!
//! | | stale | expired |
//! |---|---|---|
//! | `BoundedByTtl` (default) | accepted | accepted if it lives for at most ten minutes, else 503 |
//! | `Introspect` | the issuer is asked, else as above | the same |
//! | `FailClosed(max)` | 503 when older than `max` | 503 when older than `max` |
//!
//! # Keys
//!
//! - They are fetched by use: a request that finds them due (80 % of their time to
//!   live, a tenth more or less) starts a fetch and goes on with the keys at hand.
//!   Inside a tokio runtime and on the machine's clock a timer does the same for an
//!   idle verifier. Fetching needs a tokio runtime with I/O and time.
//! - The time to live is `max-age` between a minute and a day, else ten minutes. A
//!   set past its time is used for another day while the issuer is in error; after
//!   that the answer is 503. A set past its time that nobody tried to renew is
//!   renewed first.
//! - A key that left the set stops at once, also for remembered tokens.
//! - An unknown `kid` costs at most one fetch in 30 seconds, however many there are.
//!   It is 401 once the issuer was asked, and 503 while the issuer cannot be asked.
//!   A bad signature never costs a fetch.
//!
//! # Answers
//!
//! | | status | challenge |
//! |---|---|---|
//! | no token | 401 | `Bearer realm="api"` |
//! | two tokens, malformed header | 400 | `error="invalid_request"` |
//! | bad token | 401 | `error="invalid_token"` |
//! | not enough | 403 | `error="insufficient_scope", scope="list:users"` |
//! | API key used up | 429 | none, `Retry-After` |
//! | no keys | 503 | none, `Retry-After: 5`: the token was not judged |
//! | revocations not known well enough | 503 | the same |
//!
//! With [`ResourceMetadata`] each challenge also names `resource_metadata`
//! (RFC 9728 section 5.1). Each answer carries a stable [`ErrorCode`]. A remembered token is accepted for at most
//! 60 seconds after it was verified; where a live feed tells what is revoked, for as long as it lives.
//!
//! # Features
//!
//! | | |
//! |---|---|
//! | `http`, `tower` | on by default: fetches keys; the layer |
//! | `axum` | extractors, and routes for the metadata |
//! | `introspection` | asks about tokens that are no JWT (RFC 7662) |
//! | `api-keys` | also takes API keys, and remembers what the server says of them |
//! | `status` | refuses what is revoked: the live status feed, or status lists |
//! | `metrics` | an observer of every decision, and counters |
//! | `testing` | tokens without a server, good and bad |
#![warn(missing_docs)]

#[cfg(feature = "api-keys")]
mod api_keys;
#[cfg(feature = "axum")]
pub mod axum;
mod builder;
mod clock;
mod decision;
mod denied;
mod examiner;
mod explanation;
#[cfg(feature = "introspection")]
mod introspection;
mod issuers;
mod keys;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "tower")]
mod metadata_service;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(any(feature = "api-keys", feature = "status"))]
mod own_token;
mod policy;
mod presented;
mod requirements;
mod resource_metadata;
#[cfg(feature = "status")]
mod status;
#[cfg(feature = "testing")]
pub mod testing;

mod token_cache;
mod trusted_issuer;
mod verified;
mod verifier;

pub use countersign_protocol::jose::{Algorithm, AudienceClaim, Claims};
pub use countersign_protocol::{Audience, Clock, ErrorCode, Issuer, ManualClock, Scope, ScopeToken, Secret, Timestamp};

#[cfg(feature = "api-keys")]
pub use api_keys::{ApiKeys, AskFuture, AskKeys, HttpKeys, KeyQuestion};
pub use builder::{BuildError, VerifierBuilder};
pub use clock::SystemClock;
pub use denied::Denied;
pub use examiner::Aspect;
pub use explanation::{Conclusion, Explanation, Finding};
#[cfg(feature = "introspection")]
pub use introspection::{HttpIntrospection, Introspect, IntrospectFuture, Introspection};
#[cfg(feature = "http")]
pub use keys::http::{HttpClient, HttpError, HttpFetch, Limits};
pub use keys::{Fetch, FetchError, FetchFuture, FetchRequest, Fetched, KeysUnavailable, RemoteKeys};
#[cfg(feature = "tower")]
pub use layer::{VerifyFuture, VerifyLayer, VerifyService};
#[cfg(feature = "tower")]
pub use metadata_service::MetadataService;
#[cfg(feature = "metrics")]
pub use metrics::{Decision, Metrics, Observer, Outcome};
pub use presented::{CallerAddress, Presented, PresentedError};
pub use requirements::{Insufficient, Require, Requirements};
pub use resource_metadata::{PublishedMetadata, ResourceMetadata};
#[cfg(feature = "status")]
pub use status::{Freshness, StatusFeed, StatusLists, StatusPolicy, StatusSource, StatusState};
pub use trusted_issuer::TrustedIssuer;
pub use verified::{Method, Verified};
pub use verifier::{NotReady, Verifier};
