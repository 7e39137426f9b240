//! Tokens as an issuer would sign them, and as it never would.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_protocol::jose::{Algorithm, base64url};
use serde_json::{Map, Value, json};

use super::TestIssuer;
use super::issuer::key_id;

/// How long a token lives unless said otherwise, in seconds.
const DEFAULT_LIFETIME_SECONDS: i64 = 600;

/// Numbers the tokens of a test run.
static NEXT_TOKEN: AtomicU64 = AtomicU64::new(1);

/// A token to be. It begins as a good one: of the client `test-client`, without
/// scope, for ten minutes, signed with ES256.
#[derive(Clone, Debug)]
#[must_use = "a token is made by `sign`"]
pub struct TokenBuilder<'a> {
    issuer: &'a TestIssuer,
    algorithm: Algorithm,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> TokenBuilder<'a> {
    pub(super) fn new(issuer: &'a TestIssuer, audience: &str) -> Self {
        let now = issuer.now().as_seconds();
        let claims = json!({
            "iss": issuer.issuer().as_str(),
            "aud": audience,
            "sub": "test-client",
            "client_id": "test-client",
            "iat": now,
            "exp": now + DEFAULT_LIFETIME_SECONDS,
            "jti": format!("test-token-{}", NEXT_TOKEN.fetch_add(1, Ordering::Relaxed)),
        });
        let mut header = Map::new();
        header.insert("typ".to_owned(), "at+jwt".into());
        let Value::Object(claims) = claims else { unreachable!("it was written as an object") };
        Self { issuer, algorithm: Algorithm::ES256, header, claims }.algorithm(Algorithm::ES256)
    }

    /// The client, which is also the subject.
    pub fn client(self, client_id: &str) -> Self {
        self.claim("client_id", client_id).claim("sub", client_id)
    }

    /// Scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// The audience: a text, or a list of them.
    pub fn audience(self, audience: impl Into<Value>) -> Self {
        self.claim("aud", audience)
    }

    /// Expires so many seconds from now; negative for long ago.
    pub fn expires_in(self, seconds: i64) -> Self {
        let now = self.issuer.now().as_seconds();
        self.claim("exp", now.saturating_add(seconds))
    }

    /// Any claim, with any value.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Any member of the header, with any value.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a member of the header out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signs with the issuer's key for this algorithm, and says so in the header.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self.header("alg", algorithm.as_str()).header("kid", key_id(algorithm))
    }

    /// The token.
    ///
    /// # Panics
    /// If the issuer has no key for the algorithm; see [`TestIssuer::with_key`].
    pub fn sign(&self) -> String {
        self.sign_texts(&self.header_text(), &self.claims_text())
    }

    pub(super) const fn issuer(&self) -> &'a TestIssuer {
        self.issuer
    }

    pub(super) const fn signed_with(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn value(&self, claim: &str) -> Option<&Value> {
        self.claims.get(claim)
    }

    pub(super) fn header_text(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    pub(super) fn claims_text(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    /// A token whose decoded parts are these texts, correctly signed.
    pub(super) fn sign_texts(&self, header: &str, claims: &str) -> String {
        self.sign_parts(&base64url::encode(header.as_bytes()), &base64url::encode(claims.as_bytes()))
    }

    /// A token whose parts are these texts, correctly signed.
    pub(super) fn sign_parts(&self, header: &str, claims: &str) -> String {
        let input = format!("{header}.{claims}");
        let signature = self.issuer.key(self.algorithm).sign(input.as_bytes()).expect("a key signs");
        format!("{input}.{}", base64url::encode(&signature))
    }
}
