//! Several issuers: each with its own rules and its own keys.

use std::sync::Arc;

use countersign_protocol::jose::SigningKey;
use countersign_verify::{Algorithm, BuildError, ManualClock, Timestamp, TrustedIssuer, Verifier, VerifierBuilder};
use serde_json::{Value, json};

use crate::support::{
    AUDIENCE, BAD_SIGNATURE, Documents, ISSUER, KEYS_URL, NOT_JUDGED, NOW, UNKNOWN_KEY, claims, key_set, new_key, refusal, settle,
    sign_raw, token_of,
};

const CI: &str = "https://ci.test";
const CI_KEYS_URL: &str = "https://ci.test/keys";

/// The verifier's own issuer, and one of another kind: untyped tokens for another
/// audience. Both publish a key `k1`.
struct Two {
    documents: Documents,
    clock: Arc<ManualClock>,
    own: SigningKey,
    ci: SigningKey,
    verifier: Verifier,
}

impl Two {
    async fn new(change: impl FnOnce(TrustedIssuer) -> TrustedIssuer) -> Self {
        let (own, ci) = (new_key(Algorithm::EdDSA), new_key(Algorithm::EdDSA));
        let documents = Documents::default();
        documents.put(KEYS_URL, key_set(&[("k1", &own)])).put(CI_KEYS_URL, key_set(&[("k1", &ci)]));
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
        let trusted = TrustedIssuer::new(CI).audience("deploy").jwks_uri(CI_KEYS_URL).accept_untyped_tokens();
        let verifier = builder(&documents, &clock).issuer(change(trusted)).build().unwrap();
        settle().await;
        Self { documents, clock, own, ci, verifier }
    }

    async fn refusal(&self, token: &str) -> (&'static str, u16) {
        refusal(self.verifier.verify_token(token).await)
    }
}

fn builder(documents: &Documents, clock: &Arc<ManualClock>) -> VerifierBuilder {
    let clock: Arc<ManualClock> = Arc::clone(clock);
    Verifier::builder(ISSUER, AUDIENCE).jwks_uri(KEYS_URL).clock(clock).fetch(documents.clone()).jitter(|| 100)
}

/// A token as the second issuer makes them.
fn ci_token(key: &SigningKey, changes: &Value) -> String {
    let mut all = claims(&json!({ "iss": CI, "aud": "deploy", "client_id": null, "repository": "acme/app" }));
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    sign_raw(key, r#"{"alg":"EdDSA","kid":"k1","typ":"JWT"}"#, &all.to_string())
}

#[tokio::test]
async fn each_issuer_is_judged_by_its_own_rules() {
    let two = Two::new(|ci| ci).await;
    let good = [token_of(&two.own, "k1", &json!({})), ci_token(&two.ci, &json!({}))];
    for (token, issuer) in good.iter().zip([ISSUER, CI]) {
        // Judged, then remembered.
        for _ in 0..2 {
            assert_eq!(two.verifier.verify_token(token).await.unwrap().issuer(), issuer);
        }
    }
    // What one may leave out, the other may not; and the other way round.
    assert_eq!(two.refusal(&token_of(&two.own, "k1", &json!({ "aud": "deploy" }))).await, ("CS-1204", 401));
    assert_eq!(two.refusal(&ci_token(&two.ci, &json!({ "aud": AUDIENCE }))).await, ("CS-1204", 401));
    let untyped = sign_raw(&two.own, r#"{"alg":"EdDSA","kid":"k1","typ":"JWT"}"#, &claims(&json!({})).to_string());
    assert_eq!(two.refusal(&untyped).await, ("CS-1010", 401));
}

#[tokio::test]
async fn h122_a_key_of_one_issuer_verifies_no_token_of_another() {
    let two = Two::new(|ci| ci).await;
    assert_eq!(two.refusal(&token_of(&two.ci, "k1", &json!({}))).await, BAD_SIGNATURE);
    assert_eq!(two.refusal(&ci_token(&two.own, &json!({}))).await, BAD_SIGNATURE);
}

#[tokio::test]
async fn a_token_of_nobody_is_refused_before_any_key_is_looked_at() {
    let two = Two::new(|ci| ci).await;
    let before = two.documents.asked();
    for iss in ["https://ci.test/", "https://CI.test", "https://ci.test.evil.test", "", "ci.test"] {
        assert_eq!(two.refusal(&ci_token(&two.ci, &json!({ "iss": iss }))).await, ("CS-1201", 401), "{iss}");
    }
    for iss in [json!([CI]), json!(null), json!(5)] {
        assert_eq!(two.refusal(&ci_token(&two.ci, &json!({ "iss": iss }))).await, ("CS-1202", 401), "{iss}");
    }
    let twice = claims(&json!({})).to_string().replacen('{', &format!(r#"{{"iss":"{CI}","#), 1);
    let token = sign_raw(&two.ci, r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#, &twice);
    assert_eq!(two.refusal(&token).await, ("CS-1008", 401));
    assert_eq!(two.documents.asked(), before);
}

#[tokio::test]
async fn an_outage_of_one_issuer_is_none_of_the_other() {
    let two = Two::new(|ci| ci).await;
    two.documents.break_off(CI_KEYS_URL);
    let late = json!({ "exp": NOW + 400_000, "iat": NOW });
    let (own, ci) = (token_of(&two.own, "k1", &late), ci_token(&two.ci, &late));
    two.clock.advance_seconds(2 * 86_400);
    two.verifier.verify_token(&own).await.unwrap();
    assert_eq!(two.refusal(&ci).await, NOT_JUDGED);
}

#[tokio::test]
async fn an_unknown_key_asks_only_the_issuer_that_the_token_names() {
    let two = Two::new(|ci| ci).await;
    let token = ci_token(&two.ci, &json!({}));
    let unknown = sign_raw(&two.ci, r#"{"alg":"EdDSA","kid":"k9","typ":"JWT"}"#, &claims(&json!({ "iss": CI })).to_string());
    assert_eq!(two.refusal(&unknown).await, UNKNOWN_KEY);
    let count = |url: &str| two.documents.asked().iter().filter(|asked| *asked == url).count();
    assert_eq!((count(KEYS_URL), count(CI_KEYS_URL)), (1, 2));
    two.verifier.verify_token(&token).await.unwrap();
}

#[tokio::test]
async fn a_key_that_left_its_set_stops_at_once_and_only_there() {
    let two = Two::new(|ci| ci).await;
    let late = json!({ "exp": NOW + 9_999 });
    let (own, ci) = (token_of(&two.own, "k1", &late), ci_token(&two.ci, &late));
    two.clock.advance_seconds(479);
    for token in [&own, &ci] {
        two.verifier.verify_token(token).await.unwrap();
    }
    // Due: whoever comes next has the new set fetched, and the token is still remembered.
    two.documents.put(CI_KEYS_URL, key_set(&[("k2", &new_key(Algorithm::EdDSA))]));
    two.clock.advance_seconds(1);
    for token in [&own, &ci] {
        two.verifier.verify_token(token).await.unwrap();
    }
    settle().await;
    two.verifier.verify_token_now(&own).unwrap();
    assert_eq!(two.refusal(&ci).await, UNKNOWN_KEY);
    two.verifier.verify_token_now(&own).unwrap();
}

#[tokio::test]
async fn a_check_of_the_application_sees_verified_claims_and_refuses_with_401() {
    let two = Two::new(|ci| ci.allow(|claims| claims.all.get("repository").is_some_and(|name| name == "acme/app"))).await;
    two.verifier.verify_token(&ci_token(&two.ci, &json!({}))).await.unwrap();
    for repository in [json!("acme/app-evil"), json!("ACME/app"), json!(["acme/app"]), json!(null)] {
        let token = ci_token(&two.ci, &json!({ "repository": repository }));
        for _ in 0..2 {
            assert_eq!(two.refusal(&token).await, ("CS-1205", 401), "{repository}");
        }
    }
    // The check is that issuer's alone.
    two.verifier.verify_token(&token_of(&two.own, "k1", &json!({}))).await.unwrap();
}

#[tokio::test]
async fn one_of_several_audiences_is_enough() {
    let two = Two::new(|ci| ci.audience("release")).await;
    for aud in [json!("deploy"), json!("release"), json!(["x", "release"])] {
        two.verifier.verify_token(&ci_token(&two.ci, &json!({ "aud": aud }))).await.unwrap();
    }
    assert_eq!(two.refusal(&ci_token(&two.ci, &json!({ "aud": "deploy release" }))).await, ("CS-1204", 401));
}

#[tokio::test]
async fn algorithms_are_those_of_the_issuer() {
    let two = Two::new(|ci| ci.algorithms([Algorithm::RS256])).await;
    assert_eq!(two.refusal(&ci_token(&two.ci, &json!({}))).await, ("CS-1009", 401));
    two.verifier.verify_token(&token_of(&two.own, "k1", &json!({}))).await.unwrap();
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    let two = Two::new(|ci| ci).await;
    for cnf in [json!({ "jkt": "x" }), json!({ "x5t#S256": "x" }), json!({}), json!("x")] {
        assert_eq!(two.refusal(&token_of(&two.own, "k1", &json!({ "cnf": cnf }))).await, ("CS-1206", 401), "{cnf}");
    }
}

#[test]
fn keys_that_were_given_need_no_network_and_no_runtime() {
    let key = new_key(Algorithm::EdDSA);
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
    let documents = Documents::default();
    let build = || Verifier::builder(ISSUER, AUDIENCE).jwk_set(key_set(&[("k1", &key)])).clock(clock.clone());
    for verifier in [build().build().unwrap(), build().fetch(documents.clone()).build().unwrap()] {
        verifier.verify_token_now(&token_of(&key, "k1", &json!({}))).unwrap();
        assert_eq!(refusal(verifier.verify_token_now(&token_of(&key, "k2", &json!({})))), UNKNOWN_KEY);
        clock.advance_seconds(100 * 86_400);
        let late = json!({ "iat": NOW, "exp": NOW + 200 * 86_400 });
        verifier.verify_token_now(&token_of(&key, "k1", &late)).unwrap();
        clock.advance_seconds(-100 * 86_400);
    }
    assert!(documents.asked().is_empty());
}

#[test]
fn issuers_that_make_no_sense_are_errors_of_build() {
    let documents = Documents::default();
    let build = |issuer: TrustedIssuer| Verifier::builder(ISSUER, AUDIENCE).fetch(documents.clone()).issuer(issuer).build();
    assert!(matches!(build(TrustedIssuer::new(ISSUER)), Err(BuildError::Issuers)));
    assert!(matches!(build(TrustedIssuer::new("ci.test")), Err(BuildError::Issuer(_))));
    assert!(matches!(build(TrustedIssuer::new(CI).audience("a b").audience("c")), Err(BuildError::Audience(_))));
    assert!(matches!(build(TrustedIssuer::new(CI).algorithms([])), Err(BuildError::Algorithms)));
    for document in ["", "{}", r#"{"keys":[]}"#] {
        assert!(matches!(build(TrustedIssuer::new(CI).jwk_set(document)), Err(BuildError::Keys(_))), "{document}");
    }
}

#[tokio::test]
async fn it_is_ready_when_the_keys_of_all_issuers_are_there() {
    let two = Two::new(|ci| ci).await;
    let second = std::time::Duration::from_secs(1);
    two.verifier.ready(second).await.unwrap();
    let documents = Documents::default();
    documents.put(KEYS_URL, key_set(&[("k1", &two.own)]));
    let verifier = builder(&documents, &two.clock).issuer(TrustedIssuer::new(CI).jwks_uri(CI_KEYS_URL)).build().unwrap();
    assert!(verifier.ready(second).await.is_err());
}
