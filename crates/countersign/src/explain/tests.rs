//! Every hint, with a token that calls for it and one that does not.

use std::sync::Arc;

use countersign_protocol::{ErrorCode, ManualClock, Timestamp};
use countersign_verify::testing::{TestIssuer, TokenBuilder};
use countersign_verify::{Algorithm, Aspect};
use serde_json::json;

use super::*;

const API: &str = "https://api.example.com";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

struct Case {
    issuer: TestIssuer,
    expected: Expectations,
    keys: Option<KeysMissing>,
    ahead_millis: Option<i64>,
    standing: Standing,
}

impl Case {
    fn new() -> Self {
        let issuer = TestIssuer::named("https://auth.example.com/oauth2/default");
        let expected = Expectations {
            issuer: Some(issuer.issuer().clone()),
            audience: Audience::try_from(API).ok(),
            needs: Vec::new(),
            accept_untyped: false,
        };
        Self { issuer, expected, keys: None, ahead_millis: None, standing: Standing::NotAsked("nobody was asked") }
    }

    fn needs(mut self, scope: &str) -> Self {
        self.expected.needs.push(scope.to_owned());
        self
    }

    fn token(&self) -> TokenBuilder<'_> {
        self.issuer.token(API).client("svc").scope("list:users")
    }

    async fn report(&self, text: &str) -> Report {
        let document = self.keys.clone().map_or_else(|| Ok(self.issuer.jwk_set().into_bytes()), Err);
        let keys = Keys { document, place: "https://auth.example.com/keys".to_owned() };
        let clock = Arc::new(ManualClock::new(NOW));
        let examined = examine(text, self.expected.clone(), keys, clock).await.unwrap();
        examined.report(&self.standing, self.ahead_millis)
    }
}

fn refused(code: ErrorCode) -> Verdict {
    Verdict::Refused(code)
}

/// The hint about an aspect, and nothing about others.
#[track_caller]
fn only_hint(report: &Report, about: Aspect, words: &str) {
    let [hint] = report.hints.as_slice() else { panic!("{:?}", report.hints) };
    assert!(hint.about == about && hint.text.contains(words), "{hint:?}");
    assert!(!hint.fix.is_empty());
}

#[track_caller]
fn detail(report: &Report, aspect: Aspect) -> &str {
    &report.line(aspect).unwrap().detail
}

#[tokio::test]
async fn a_good_token_passes_every_check_and_needs_no_hint() {
    let case = Case::new().needs("list:users");
    let report = case.report(&case.token().sign()).await;
    assert_eq!((report.verdict, report.hints.as_slice()), (Verdict::Accepted, &[][..]));
    for line in &report.lines {
        let expected = if line.aspect == Aspect::Revocation { Outcome::NotJudged } else { Outcome::Passed };
        assert_eq!(line.outcome, expected, "{line:?}");
        assert!(!line.detail.is_empty(), "{line:?}");
    }
    assert_eq!(detail(&report, Aspect::Time), "expires in 10m");
}

#[tokio::test]
async fn what_nobody_named_is_not_judged_and_the_token_not_accepted() {
    let mut case = Case::new();
    case.expected.audience = None;
    let report = case.report(&case.token().sign()).await;
    assert_eq!((report.verdict, report.line(Aspect::Audience).unwrap().outcome), (Verdict::Incomplete, Outcome::NotJudged));
    assert!(detail(&report, Aspect::Audience).contains(API));
    case.expected.issuer = None;
    case.keys = Some(KeysMissing::NoIssuer);
    let report = case.report(&case.token().sign()).await;
    assert_eq!(report.verdict, Verdict::NotJudged(ErrorCode::KeysUnavailable));
    assert_eq!(report.line(Aspect::Type).unwrap().outcome, Outcome::Passed);
    // Nothing of the claims is told: nobody has verified them.
    assert!(!report.to_json().to_string().contains(API));
}

#[tokio::test]
async fn a_slash_at_the_end_of_iss_or_aud() {
    let case = Case::new();
    let report = case.report(&case.token().audience(format!("{API}/")).sign()).await;
    assert_eq!(report.verdict, refused(ErrorCode::AudienceMismatch));
    only_hint(&report, Aspect::Audience, "by a slash at the end alone");
    let token = case.token().claim("iss", "https://auth.example.com/oauth2/default/").sign();
    let report = case.report(&token).await;
    assert_eq!(report.verdict, refused(ErrorCode::IssuerMismatch));
    only_hint(&report, Aspect::Issuer, "by a slash at the end alone");
    // Another audience altogether.
    let report = case.report(&case.token().audience("https://other.example.com/").sign()).await;
    only_hint(&report, Aspect::Audience, "for another API");
}

#[tokio::test]
async fn another_path_of_the_same_issuer() {
    let case = Case::new();
    let report = case.report(&case.token().claim("iss", "https://auth.example.com/").sign()).await;
    only_hint(&report, Aspect::Issuer, "/oauth2/default");
    // The metadata at the path that was named calls itself otherwise.
    let mut case = Case::new();
    case.keys = Some(KeysMissing::OtherIssuer("https://auth.example.com".to_owned()));
    let report = case.report(&case.token().sign()).await;
    assert_eq!(report.verdict, Verdict::NotJudged(ErrorCode::KeysUnavailable));
    only_hint(&report, Aspect::Key, "says that its issuer is \"https://auth.example.com\"");
}

#[tokio::test]
async fn an_id_token() {
    let case = Case::new();
    let id_token = case.token().header("typ", "JWT").audience("svc").claim("nonce", "n").sign();
    let report = case.report(&id_token).await;
    assert_eq!(report.verdict, refused(ErrorCode::TypeNotAllowed));
    only_hint(&report, Aspect::Type, "an ID token");
    // An access token whose server gives it no type.
    let report = case.report(&case.token().without_header("typ").sign()).await;
    only_hint(&report, Aspect::Type, "no type of their own");
    let mut case = Case::new();
    case.expected.accept_untyped = true;
    assert_eq!(case.report(&case.token().without_header("typ").sign()).await.verdict, Verdict::Accepted);
}

#[tokio::test]
async fn a_token_that_auth0_gives_without_an_audience() {
    let mut case = Case::new();
    let header = countersign_protocol::jose::base64url::encode(br#"{"alg":"dir","enc":"A256GCM","iss":"https://x.auth0.com/"}"#);
    let report = case.report(&format!("{header}..AAAA.AAAA.AAAA")).await;
    assert_eq!(report.verdict, refused(ErrorCode::TokenMalformed));
    only_hint(&report, Aspect::Format, "encrypted to its issuer");
    case.expected.issuer = Issuer::try_from("https://x.eu.auth0.com/").ok();
    let report = case.report("sK4cP2bJq0aXn7Yb3mD9eR5tU8wZ1vQf").await;
    only_hint(&report, Aspect::Format, "Auth0 issues such a one, for its own /userinfo");
}

#[tokio::test]
async fn what_stands_around_a_token() {
    let case = Case::new();
    let token = case.token().sign();
    let report = case.report(&format!("Bearer Bearer {token}")).await;
    assert_eq!(report.verdict, refused(ErrorCode::AuthorizationMalformed));
    only_hint(&report, Aspect::Format, "`Bearer` stands there twice");
    // The token inside is judged all the same.
    assert_eq!(report.line(Aspect::Signature).unwrap().outcome, Outcome::Passed);
    only_hint(&case.report(&format!("\"{token}\"")).await, Aspect::Format, "in quotes");
    let (start, end) = token.split_at(40);
    only_hint(&case.report(&format!("{start}\n{end}")).await, Aspect::Format, "a line break");
    assert_eq!(case.report(&format!("Authorization: Bearer {token}\n")).await.verdict, Verdict::Accepted);
}

#[tokio::test]
async fn times_and_clocks() {
    let mut case = Case::new();
    let report = case.report(&case.token().expires_in(-60).sign()).await;
    assert_eq!((report.verdict, detail(&report, Aspect::Time)), (refused(ErrorCode::Expired), "expired 1m ago"));
    only_hint(&report, Aspect::Time, "or the clock that judges it is ahead");
    only_hint(&case.report(&case.token().expires_in(-86_400).sign()).await, Aspect::Time, "whose time is over");
    let soon = case.token().claim("iat", NOW.as_seconds() + 90).sign();
    let report = case.report(&soon).await;
    assert_eq!(report.verdict, refused(ErrorCode::IssuedInFuture));
    only_hint(&report, Aspect::Time, "from the future");
    // Both clocks are known: one of the two is the reason.
    case.ahead_millis = Some(90_000);
    only_hint(&case.report(&soon).await, Aspect::Time, "1m30s behind the issuer's");
    case.ahead_millis = Some(400);
    only_hint(&case.report(&case.token().expires_in(-60).sign()).await, Aspect::Time, "whose time is over");
}

#[tokio::test]
async fn a_key_of_another_stage_and_a_key_rotated_out() {
    let case = Case::new();
    let elsewhere = TestIssuer::named("https://auth.staging.example.com/oauth2/default");
    let token = elsewhere.token(API).header("kid", "staging-1").sign();
    let report = case.report(&token).await;
    assert_eq!(report.verdict, refused(ErrorCode::UnknownKey));
    only_hint(&report, Aspect::Key, "another issuer");
    assert!(!format!("{report:?}").contains("staging.example.com"), "{report:?}");
    // The same name, and the key is gone.
    let report = case.report(&case.token().header("kid", "last-year").sign()).await;
    only_hint(&report, Aspect::Key, "rotated out");
    assert!(report.hints[0].text.contains("ES256, EdDSA") || report.hints[0].text.contains("EdDSA, ES256"), "{report:?}");
    only_hint(&case.report(&case.token().without_header("kid").sign()).await, Aspect::Key, "names no key");
}

#[tokio::test]
async fn of_a_token_with_a_bad_signature_no_claim_is_told() {
    let case = Case::new();
    let stranger = TestIssuer::named("https://auth.example.com/oauth2/default");
    let token = stranger.token("https://secret.example.com").client("secret-client").scope("secret:scope").expires_in(-5000).sign();
    let report = case.report(&token).await;
    assert_eq!(report.verdict, refused(ErrorCode::BadSignature));
    only_hint(&report, Aspect::Signature, "did not make this signature");
    assert!(!report.to_json().to_string().contains("secret"), "{report:?}");
    for aspect in [Aspect::Claims, Aspect::Issuer, Aspect::Audience, Aspect::Time, Aspect::Scope] {
        assert_eq!(report.line(aspect).unwrap().outcome, Outcome::NotJudged, "{aspect:?}");
    }
}

#[tokio::test]
async fn algorithms_that_are_never_accepted() {
    let case = Case::new();
    let report = case.report(&case.token().header("alg", "HS256").sign()).await;
    assert_eq!(report.verdict, refused(ErrorCode::AlgorithmNotAllowed));
    assert_eq!(report.line(Aspect::Format).unwrap().outcome, Outcome::Passed);
    only_hint(&report, Aspect::Algorithm, "HS256 is an HMAC");
    only_hint(&case.report(&case.token().header("alg", "none").sign()).await, Aspect::Algorithm, "not signed at all");
    assert_eq!(case.report(&case.token().algorithm(Algorithm::EdDSA).sign()).await.verdict, Verdict::Accepted);
}

#[tokio::test]
async fn scopes() {
    let case = Case::new().needs("write:users");
    let report = case.report(&case.token().sign()).await;
    assert_eq!(report.verdict, refused(ErrorCode::InsufficientScope));
    assert_eq!(detail(&report, Aspect::Scope), "needs write:users; the token has list:users");
    only_hint(&report, Aspect::Scope, "write:users is missing");
    // Where Okta and Auth0 put them.
    let case = Case::new().needs("list:users");
    for claim in ["scp", "permissions"] {
        let report = case.report(&case.token().without("scope").claim(claim, json!(["list:users"])).sign()).await;
        assert_eq!(report.verdict, Verdict::Accepted);
        only_hint(&report, Aspect::Scope, &format!("stand in `{claim}`"));
    }
}

#[tokio::test]
async fn tokens_that_are_bound_to_a_key() {
    let case = Case::new();
    for (confirmation, words) in
        [(json!({ "jkt": "x" }), "DPoP"), (json!({ "x5t#S256": "x" }), "client certificate"), (json!({ "jwk": {} }), "a key")]
    {
        let report = case.report(&case.token().claim("cnf", confirmation).sign()).await;
        assert_eq!(report.verdict, refused(ErrorCode::PossessionNotProven));
        only_hint(&report, Aspect::Binding, words);
    }
}

#[tokio::test]
async fn what_was_revoked() {
    let mut case = Case::new();
    let token = case.token().sign();
    case.standing =
        Standing::Revoked(ErrorCode::ClientRevoked, "the client svc was disabled at 2027-01-01T00:00:00.000Z".to_owned());
    let report = case.report(&token).await;
    assert_eq!(report.verdict, refused(ErrorCode::ClientRevoked));
    only_hint(&report, Aspect::Revocation, "disabled at 2027-01-01");
    case.standing = Standing::Live("the client is enabled".to_owned());
    let report = case.report(&token).await;
    assert_eq!((report.verdict, report.hints.len()), (Verdict::Accepted, 0));
}

#[tokio::test]
async fn texts_that_are_no_jwt() {
    use countersign_protocol::CredentialText;
    let case = Case::new();
    let credential = |prefix: &str| CredentialText::generate(prefix, [7; 9], [9; 32]).expose().clone();
    let mut typo = credential("acme");
    typo.pop();
    typo.push('0');
    let token = case.token().sign();
    let cut = token.rsplit_once('.').unwrap().0;
    for (text, words) in [
        (credential("csec").as_str(), "a client secret"),
        (credential("acme").as_str(), "an API key"),
        (&typo, "a character is wrong"),
        (cut, "the end is missing"),
        ("cst_abcDEF-123_", "an opaque token of Countersign"),
        ("sK4cP2bJq0aXn7Yb3mD9eR5tU8wZ1vQf", "only its issuer can judge it"),
    ] {
        let report = case.report(text).await;
        assert!(matches!(report.verdict, Verdict::Refused(_)), "{text}");
        only_hint(&report, Aspect::Format, words);
        // What may be a secret is not repeated.
        assert!(!report.to_json().to_string().contains(text), "{text}");
    }
    assert_eq!(case.report("").await.verdict, refused(ErrorCode::TokenMalformed));
}
