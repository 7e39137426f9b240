//! An issuer in the same process.

use std::fmt;
use std::sync::Arc;

use countersign_protocol::jose::{Algorithm, SigningKey};
use countersign_protocol::{Clock, Issuer, ManualClock, Timestamp};
use serde_json::{Value, json};

use super::TokenBuilder;
use crate::{TrustedIssuer, Verifier, VerifierBuilder};

/// The name of the issuer unless said otherwise.
const DEFAULT_ISSUER: &str = "https://issuer.test";
/// Where the clock starts unless said otherwise: 2027-01-15T08:00:00Z.
const DEFAULT_START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// An issuer with an ES256 and an EdDSA key, which it signs tokens with; nothing
/// goes over a network. Two of them have keys of the same ids and different keys.
pub struct TestIssuer {
    issuer: Issuer,
    keys: Vec<SigningKey>,
    clock: Arc<ManualClock>,
}

impl TestIssuer {
    /// `https://issuer.test`, on the morning of 15 January 2027.
    pub fn new() -> Self {
        Self::named(DEFAULT_ISSUER)
    }

    /// An issuer with this name.
    ///
    /// # Panics
    /// If `issuer` is no issuer.
    pub fn named(issuer: &str) -> Self {
        let issuer = Issuer::try_from(issuer).expect("an issuer is a URL");
        let keys = [Algorithm::ES256, Algorithm::EdDSA].map(new_key).into();
        Self { issuer, keys, clock: Arc::new(ManualClock::new(DEFAULT_START)) }
    }

    /// Sets the clock, before any token or verifier is made. For an API on the
    /// machine's clock: `.at(SystemClock.now())`.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.clock = Arc::new(ManualClock::new(now));
        self
    }

    /// Also has a key for this algorithm, instead of one it had. An RSA key takes a
    /// moment to make.
    #[must_use]
    pub fn with_key(mut self, algorithm: Algorithm) -> Self {
        self.keys.retain(|key| key.algorithm() != algorithm);
        self.keys.push(new_key(algorithm));
        self
    }

    /// Its name, the `iss` of its tokens.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The clock of its tokens and verifiers.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Its public keys, as the document at its `jwks_uri` (RFC 7517 section 5).
    pub fn jwk_set(&self) -> String {
        let jwk = |key: &SigningKey| serde_json::to_value(key.public_jwk(key_id(key.algorithm()))).expect("a JWK is JSON");
        json!({ "keys": self.keys.iter().map(jwk).collect::<Vec<Value>>() }).to_string()
    }

    /// This issuer, as a verifier is told of it.
    pub fn trusted(&self) -> TrustedIssuer {
        TrustedIssuer::new(&self.issuer).jwk_set(self.jwk_set())
    }

    /// A verifier of its tokens for `audience`.
    ///
    /// # Panics
    /// If `audience` is no audience.
    pub fn verifier(&self, audience: &str) -> Verifier {
        self.verifier_builder(audience).build().expect("the audience is one")
    }

    /// As [`verifier`](Self::verifier), for other settings.
    pub fn verifier_builder(&self, audience: &str) -> VerifierBuilder {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        Verifier::builder(&self.issuer, audience).jwk_set(self.jwk_set()).clock(clock)
    }

    /// A good token for `audience`, to be changed and signed.
    pub fn token(&self, audience: &str) -> TokenBuilder<'_> {
        TokenBuilder::new(self, audience)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The key for `algorithm`.
    pub(super) fn key(&self, algorithm: Algorithm) -> &SigningKey {
        let own = self.keys.iter().find(|key| key.algorithm() == algorithm);
        own.expect("the issuer has no key for this algorithm: see TestIssuer::with_key")
    }
}

/// The id of the key for an algorithm, the same for every issuer.
pub(super) fn key_id(algorithm: Algorithm) -> &'static str {
    algorithm.as_str()
}

pub(super) fn new_key(algorithm: Algorithm) -> SigningKey {
    let pkcs8 = SigningKey::generate(algorithm).expect("the cryptographic library makes keys");
    SigningKey::from_pkcs8(algorithm, &pkcs8).expect("a new key can be read")
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("issuer", &self.issuer.as_str()).finish_non_exhaustive()
    }
}
