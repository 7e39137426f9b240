//! Asking the issuer about tokens that are no JWT (RFC 7662).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_verify::{
    Denied, ErrorCode, FetchError, Introspect, IntrospectFuture, Introspection, Method, Requirements, Verified, Verifier,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{AUDIENCE, BAD_SIGNATURE, ISSUER, NOW, World, claims, new_key, refusal, settle, sign_raw};

const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA";
const UNAVAILABLE: (&str, u16) = ("CS-1017", 503);
const INACTIVE: (&str, u16) = ("CS-1016", 401);

#[derive(Clone)]
enum Answer {
    Body(String),
    Fault,
    Panic,
}

/// An introspection endpoint that answers by script and remembers what it was asked.
#[derive(Clone)]
struct Endpoint {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<Vec<String>>>,
    door: Arc<Semaphore>,
}

impl Endpoint {
    fn new(answer: &Value) -> Self {
        let answer = Arc::new(Mutex::new(Answer::Body(answer.to_string())));
        Self { answer, asked: Arc::default(), door: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)) }
    }

    fn say(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn hold(&self) {
        self.door.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn release(&self) {
        self.door.add_permits(Semaphore::MAX_PERMITS);
    }
}

impl Introspect for Endpoint {
    fn introspect<'a>(&'a self, token: &'a str) -> IntrospectFuture<'a> {
        self.asked.lock().unwrap().push(token.to_owned());
        Box::pin(async move {
            let _open = self.door.acquire().await.unwrap();
            let answer = self.answer.lock().unwrap().clone();
            match answer {
                Answer::Body(body) => Ok(body.into_bytes()),
                Answer::Fault => Err(FetchError::new("connect ECONNREFUSED 10.0.0.7:8443")),
                Answer::Panic => panic!("an endpoint that panics"),
            }
        })
    }
}

/// What the issuer says of a good token.
fn active(changes: &Value) -> Value {
    let mut answer = json!({
        "active": true, "iss": ISSUER, "aud": AUDIENCE, "client_id": "demo-client", "sub": "demo-client", "jti": "o-1",
        "scope": "list:users", "token_type": "Bearer", "iat": NOW, "exp": NOW + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            answer.as_object_mut().unwrap().remove(name);
        } else {
            answer[name] = value.clone();
        }
    }
    answer
}

struct Asking {
    world: World,
    endpoint: Endpoint,
}

impl Asking {
    async fn new(answer: &Value) -> Self {
        Self::with(answer, |introspection| introspection).await
    }

    async fn with(answer: &Value, change: impl FnOnce(Introspection) -> Introspection) -> Self {
        let endpoint = Endpoint::new(answer);
        let introspection = change(Introspection::with(ISSUER, endpoint.clone()));
        Self { world: World::with(|builder| builder.introspection(introspection)).await, endpoint }
    }

    async fn verify(&self, token: &str) -> Result<Verified, Denied> {
        self.world.verifier.verify_token(token).await
    }

    async fn refusal(&self, token: &str) -> (&'static str, u16) {
        refusal(self.verify(token).await)
    }

    fn verifier(&self) -> Verifier {
        self.world.verifier.clone()
    }
}

#[tokio::test]
async fn an_active_token_is_accepted_and_has_its_claims() {
    let asking = Asking::new(&active(&json!({ "tier": "gold" }))).await;
    let verified = asking.verify(TOKEN).await.unwrap();
    assert_eq!((verified.client_id(), verified.token_id(), verified.issuer()), (Some("demo-client"), Some("o-1"), ISSUER));
    assert_eq!((verified.method(), verified.key_id()), (Method::Introspection, None));
    assert_eq!(asking.endpoint.asked.lock().unwrap()[0], TOKEN);
    // What a route asks applies as to any token.
    let verifier = asking.verifier();
    verifier.require(&verified, &Requirements::all(["list:users"]).claim("tier", "gold")).unwrap();
    assert_eq!(verifier.require(&verified, &Requirements::all(["admin"])).unwrap_err().code(), ErrorCode::InsufficientScope);
}

#[tokio::test]
async fn signed_tokens_are_verified_as_ever_and_never_asked_about() {
    let asking = Asking::new(&json!({ "active": true, "aud": AUDIENCE })).await;
    asking.verify(&asking.world.token(&json!({}))).await.unwrap();
    let forged = crate::support::token_of(&new_key(countersign_verify::Algorithm::EdDSA), "k1", &json!({}));
    assert_eq!(asking.refusal(&forged).await, BAD_SIGNATURE);
    for token in ["a.b.c", "..", "eyJ.eyJ."] {
        assert_eq!(asking.verify(token).await.unwrap_err().status(), 401, "{token}");
    }
    assert_eq!(asking.endpoint.asked(), 0);
}

#[tokio::test]
async fn what_no_issuer_issues_is_not_asked_about() {
    let asking = Asking::new(&active(&json!({}))).await;
    for token in ["", "a b", "a\"b", "a,b", "\u{e9}", "a\n", "====", "a=b", &"x".repeat(16 * 1024 + 1)] {
        assert_eq!(asking.verify(token).await.unwrap_err().status(), 401, "{token:.40}");
    }
    assert_eq!(asking.endpoint.asked(), 0);
}

#[tokio::test]
async fn a_token_that_is_not_active_is_refused_and_that_is_remembered_for_five_seconds() {
    let asking = Asking::new(&json!({ "active": false, "aud": AUDIENCE, "exp": NOW + 600 })).await;
    for _ in 0..3 {
        assert_eq!(asking.refusal(TOKEN).await, INACTIVE);
    }
    asking.world.advance_millis(4_999);
    assert_eq!((asking.refusal(TOKEN).await, asking.endpoint.asked()), (INACTIVE, 1));
    asking.endpoint.say(Answer::Body(active(&json!({})).to_string()));
    asking.world.advance_millis(1);
    asking.verify(TOKEN).await.unwrap();
    assert_eq!(asking.endpoint.asked(), 2);
}

#[tokio::test]
async fn an_answer_is_remembered_for_the_time_that_was_set_and_not_beyond_exp() {
    let asking = Asking::with(&active(&json!({})), |introspection| introspection.cache_seconds(20)).await;
    asking.verify(TOKEN).await.unwrap();
    asking.endpoint.say(Answer::Body(json!({ "active": false }).to_string()));
    asking.world.advance_millis(19_999);
    asking.verify(TOKEN).await.unwrap();
    asking.world.advance_millis(1);
    assert_eq!(asking.refusal(TOKEN).await, INACTIVE);

    let asking = Asking::new(&active(&json!({ "exp": NOW + 3 }))).await;
    asking.verify(TOKEN).await.unwrap();
    asking.world.advance_millis(2_999);
    asking.verify(TOKEN).await.unwrap();
    assert_eq!(asking.endpoint.asked(), 1);
    asking.world.advance_millis(1);
    // Within the leeway it is still good, if the issuer says so.
    asking.verify(TOKEN).await.unwrap();
    assert_eq!(asking.endpoint.asked(), 2);
    let forgetful = Asking::with(&active(&json!({})), |introspection| introspection.cache_entries(0)).await;
    for count in 1..4 {
        forgetful.verify(TOKEN).await.unwrap();
        assert_eq!(forgetful.endpoint.asked(), count);
    }
}

#[tokio::test]
async fn an_answer_without_exp_or_iss_holds_until_the_next_question() {
    let asking = Asking::new(&active(&json!({ "exp": "absent", "iss": "absent" }))).await;
    let verified = asking.verify(TOKEN).await.unwrap();
    assert_eq!((verified.issuer(), verified.expires_at().as_seconds()), (ISSUER, NOW + 30));
    assert!(!verified.claims().all.contains_key("exp") && !verified.claims().all.contains_key("iss"));
}

#[tokio::test]
async fn the_answer_is_checked_like_a_token() {
    for (changes, expected) in [
        (json!({ "aud": "absent" }), ("CS-1204", 401)),
        (json!({ "aud": "https://api2.test" }), ("CS-1204", 401)),
        (json!({ "aud": ["https://api2.test", "https://api1.test/"] }), ("CS-1204", 401)),
        (json!({ "aud": [] }), ("CS-1204", 401)),
        (json!({ "iss": "https://as.test" }), ("CS-1201", 401)),
        (json!({ "exp": NOW - 600 }), ("CS-1102", 401)),
        (json!({ "nbf": NOW + 600 }), ("CS-1101", 401)),
        (json!({ "iat": NOW + 600 }), ("CS-1103", 401)),
        (json!({ "cnf": { "jkt": "x" } }), ("CS-1206", 401)),
        (json!({ "token_type": "DPoP" }), ("CS-1206", 401)),
        (json!({ "token_type": "refresh_token" }), ("CS-1010", 401)),
        (json!({ "token_type": null }), ("CS-1010", 401)),
        (json!({ "scope": 5 }), ("CS-1202", 401)),
    ] {
        let asking = Asking::new(&active(&changes)).await;
        assert_eq!(asking.refusal(TOKEN).await, expected, "{changes}");
    }
    let list = Asking::new(&active(&json!({ "aud": ["x", AUDIENCE], "token_type": "absent" }))).await;
    list.verify(TOKEN).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_none_is_503_and_is_not_remembered() {
    let twice = active(&json!({})).to_string().replacen('{', r#"{"active":true,"#, 1);
    let mut bodies = vec![String::new(), "<html>".to_owned(), "[]".to_owned(), "true".to_owned(), "{}".to_owned(), twice];
    for value in [json!("true"), json!(1), json!(null), json!([true]), json!({})] {
        bodies.push(active(&json!({ "active": value })).to_string());
    }
    for changes in
        [json!({ "exp": "never" }), json!({ "exp": null }), json!({ "aud": 5 }), json!({ "iss": 5 }), json!({ "sub": [] })]
    {
        bodies.push(active(&changes).to_string());
    }
    for body in bodies {
        let asking = Asking::new(&json!({})).await;
        asking.endpoint.say(Answer::Body(body.clone()));
        let denied = asking.verify(TOKEN).await.unwrap_err();
        assert_eq!((denied.code().as_str(), denied.status().as_u16(), denied.challenge()), ("CS-1017", 503, None), "{body}");
        asking.endpoint.say(Answer::Body(active(&json!({})).to_string()));
        asking.verify(TOKEN).await.unwrap();
    }
}

#[tokio::test]
async fn an_issuer_in_error_is_503_and_never_401() {
    let asking = Asking::new(&active(&json!({}))).await;
    for fault in [Answer::Fault, Answer::Panic] {
        asking.endpoint.say(fault);
        let denied = asking.verify(TOKEN).await.unwrap_err();
        assert_eq!((denied.code().as_str(), denied.status().as_u16()), UNAVAILABLE);
        assert_eq!(denied.retry_after(), Some(Duration::from_secs(5)));
        assert!(!format!("{denied:?} {}", denied.body()).contains("10.0.0.7"));
    }
    // What is remembered stays good meanwhile.
    asking.endpoint.say(Answer::Body(active(&json!({})).to_string()));
    asking.verify(TOKEN).await.unwrap();
    asking.endpoint.say(Answer::Fault);
    asking.verify(TOKEN).await.unwrap();
    assert_eq!(asking.refusal("another").await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_answer_in_time_is_503() {
    let asking = Asking::with(&active(&json!({})), |introspection| introspection.timeout(Duration::from_secs(2))).await;
    asking.endpoint.hold();
    assert_eq!(asking.refusal(TOKEN).await, UNAVAILABLE);
    asking.endpoint.release();
    asking.verify(TOKEN).await.unwrap();
}

#[tokio::test]
async fn a_hundred_requests_with_one_token_cost_one_question() {
    let asking = Asking::new(&active(&json!({}))).await;
    asking.endpoint.hold();
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let verifier = asking.verifier();
            tokio::spawn(async move { verifier.verify_token(TOKEN).await })
        })
        .collect();
    settle().await;
    assert_eq!(asking.endpoint.asked(), 1);
    // Another token does not wait behind it in the list.
    let other = tokio::spawn({
        let verifier = asking.verifier();
        async move { verifier.verify_token("another").await }
    });
    settle().await;
    assert_eq!(asking.endpoint.asked(), 2);
    asking.endpoint.release();
    for request in requests {
        request.await.unwrap().unwrap();
    }
    other.await.unwrap().unwrap();
    assert_eq!(asking.endpoint.asked(), 2);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_question() {
    let asking = Asking::new(&active(&json!({}))).await;
    asking.endpoint.hold();
    let verifier = asking.verifier();
    let request = tokio::spawn(async move { verifier.verify_token(TOKEN).await });
    settle().await;
    request.abort();
    asking.endpoint.release();
    settle().await;
    asking.verify(TOKEN).await.unwrap();
    assert_eq!(asking.endpoint.asked(), 1);
}

#[tokio::test]
async fn made_up_tokens_have_at_most_64_questions_under_way() {
    let asking = Asking::new(&json!({ "active": false })).await;
    asking.endpoint.hold();
    for number in 0..200 {
        let verifier = asking.verifier();
        tokio::spawn(async move { verifier.verify_token(&format!("token-{number}")).await });
    }
    for _ in 0..10 {
        settle().await;
    }
    assert_eq!(asking.endpoint.asked(), 64);
}

#[tokio::test]
async fn made_up_tokens_do_not_push_out_a_good_one() {
    let asking = Asking::with(&active(&json!({})), |introspection| introspection.cache_entries(10)).await;
    asking.verify(TOKEN).await.unwrap();
    asking.endpoint.say(Answer::Body(json!({ "active": false }).to_string()));
    for number in 0..100 {
        assert_eq!(asking.refusal(&format!("token-{number}")).await, INACTIVE);
    }
    asking.verify(TOKEN).await.unwrap();
}

#[tokio::test]
async fn whoever_does_not_wait_is_told_503_and_knows_the_next_time() {
    let asking = Asking::new(&active(&json!({}))).await;
    assert_eq!(refusal(asking.world.verifier.verify_token_now(TOKEN)), UNAVAILABLE);
    settle().await;
    asking.world.verifier.verify_token_now(TOKEN).unwrap();
    assert_eq!(asking.endpoint.asked(), 1);
}

/// A JWT of an issuer whose keys nobody has.
fn foreign(issuer: &str) -> String {
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    sign_raw(&new_key(countersign_verify::Algorithm::EdDSA), header, &claims(&json!({ "iss": issuer })).to_string())
}

#[tokio::test]
async fn jwts_are_asked_about_only_if_they_name_the_issuer_that_is_asked() {
    const FOREIGN: &str = "https://foreign.test";
    let answer = active(&json!({ "iss": FOREIGN }));
    let signed = |header: &str, issuer: &str| {
        sign_raw(&new_key(countersign_verify::Algorithm::EdDSA), header, &claims(&json!({ "iss": issuer })).to_string())
    };
    let typed = r#"{"alg":"EdDSA","typ":"JWT"}"#;
    let ask = |and_jwts: bool| {
        let endpoint = Endpoint::new(&answer);
        let introspection = Introspection::with(FOREIGN, endpoint.clone());
        (if and_jwts { introspection.and_jwts() } else { introspection }, endpoint)
    };
    let (introspection, endpoint) = ask(true);
    let world = World::with(|builder| builder.introspection(introspection)).await;
    assert_eq!(world.verify(&signed(typed, FOREIGN)).await.unwrap().method(), Method::Introspection);
    assert_eq!(endpoint.asked(), 1);
    assert_eq!(world.refusal(&signed(typed, "https://other.test")).await, ("CS-1201", 401));
    // An issuer with trusted keys is never asked.
    world.verify(&world.token(&json!({}))).await.unwrap();
    assert_eq!(
        world.refusal(&crate::support::token_of(&new_key(countersign_verify::Algorithm::EdDSA), "k1", &json!({}))).await,
        BAD_SIGNATURE
    );
    // Whatever is never accepted is not asked about either.
    assert_eq!(world.refusal(&foreign(FOREIGN)).await, ("CS-1009", 401));
    assert_eq!(endpoint.asked(), 1);

    let (introspection, endpoint) = ask(false);
    let world = World::with(|builder| builder.introspection(introspection)).await;
    assert_eq!(world.verify(&signed(typed, FOREIGN)).await.unwrap_err().status(), 401);
    assert_eq!(endpoint.asked(), 0);
}

#[tokio::test]
async fn a_check_of_the_application_sees_the_answer() {
    let gold =
        |introspection: Introspection| introspection.allow(|claims| claims.all.get("tier").is_some_and(|tier| tier == "gold"));
    Asking::with(&active(&json!({ "tier": "gold" })), gold).await.verify(TOKEN).await.unwrap();
    assert_eq!(Asking::with(&active(&json!({ "tier": "silver" })), gold).await.refusal(TOKEN).await, ("CS-1205", 401));
}

/// An issuer that answers with JWTs that stand for tokens.
async fn phantom() -> Asking {
    let asking = Asking::with(&json!({}), Introspection::as_jwt).await;
    asking.say(asking.world.token(&json!({})));
    asking
}

impl Asking {
    fn say(&self, body: impl Into<String>) {
        self.endpoint.say(Answer::Body(body.into()));
    }
}

#[tokio::test]
async fn a_jwt_that_stands_for_a_token_is_verified_like_any_and_remembered_like_an_answer() {
    let asking = phantom().await;
    for _ in 0..3 {
        let verified = asking.verify(TOKEN).await.unwrap();
        assert_eq!(
            (verified.client_id(), verified.token_id(), verified.key_id()),
            (Some("demo-client"), Some("jti-1"), Some("k1"))
        );
        assert_eq!(verified.method(), Method::Introspection);
        asking.verifier().require(&verified, &Requirements::all(["list:users"])).unwrap();
    }
    assert_eq!((asking.endpoint.asked(), asking.world.issuer.fetches()), (1, 1));
    // By itself it is a token like another: the issuer is not asked about it.
    assert_eq!(asking.verify(&asking.world.token(&json!({}))).await.unwrap().method(), Method::Jwt);
    assert_eq!(asking.endpoint.asked(), 1);
    asking.say("");
    asking.world.advance_millis(30_000);
    assert_eq!(asking.refusal(TOKEN).await, INACTIVE);
    assert_eq!(asking.endpoint.asked(), 2);
}

#[tokio::test]
async fn a_jwt_that_stands_for_a_token_is_remembered_until_its_own_end() {
    let asking = phantom().await;
    asking.say(asking.world.token_for(10));
    asking.verify(TOKEN).await.unwrap();
    asking.world.advance_millis(9_999);
    asking.verify(TOKEN).await.unwrap();
    assert_eq!(asking.endpoint.asked(), 1);
    asking.say("");
    asking.world.advance_millis(1);
    assert_eq!(asking.refusal(TOKEN).await, INACTIVE);
}

#[tokio::test]
async fn a_jwt_that_stands_for_a_token_has_to_be_for_this_api_and_alive() {
    let asking = phantom().await;
    let elsewhere = json!({ "aud": "https://elsewhere.test" });
    for (number, (changes, refused)) in [
        (elsewhere, ("CS-1204", 401)),
        (json!({ "iss": "https://elsewhere.test" }), ("CS-1201", 401)),
        (json!({ "exp": NOW - 10 }), ("CS-1102", 401)),
        (json!({ "nbf": NOW + 60 }), ("CS-1101", 401)),
        (json!({ "client_id": null }), ("CS-1202", 401)),
        (json!({ "cnf": { "jkt": "x" } }), ("CS-1206", 401)),
    ]
    .into_iter()
    .enumerate()
    {
        asking.say(asking.world.token(&changes));
        assert_eq!(asking.refusal(&format!("{TOKEN}{number}")).await, refused, "{changes}");
    }
}

#[tokio::test]
async fn what_the_issuer_did_not_sign_as_an_access_token_judges_nothing() {
    let asking = phantom().await;
    let good = asking.world.token(&json!({}));
    let stranger = new_key(countersign_verify::Algorithm::EdDSA);
    let signed = |key, typ: &str| {
        sign_raw(key, &json!({ "alg": "EdDSA", "kid": "k1", "typ": typ }).to_string(), &claims(&json!({})).to_string())
    };
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    for body in [
        signed(&stranger, "at+jwt"),
        // A signed answer is no token (RFC 9701).
        signed(&asking.world.key, "token-introspection+jwt"),
        signed(&asking.world.key, "JWT"),
        unsigned,
        good[..good.len() - 1].to_owned(),
        active(&json!({})).to_string(),
        json!({ "active": false }).to_string(),
        TOKEN.to_owned(),
        " ".to_owned(),
    ] {
        asking.say(&body);
        assert_eq!(asking.refusal(TOKEN).await, UNAVAILABLE, "{body}");
    }
    // Nothing of it is remembered.
    asking.say(good);
    asking.verify(TOKEN).await.unwrap();
}

#[tokio::test]
async fn a_jwt_that_stands_for_a_token_waits_for_the_keys_of_the_issuer() {
    let endpoint = Endpoint::new(&json!({}));
    let introspection = Introspection::with(ISSUER, endpoint.clone()).as_jwt();
    let world = World::cold(|builder| builder.introspection(introspection));
    endpoint.say(Answer::Body(world.token(&json!({}))));
    world.issuer.hold();
    let verifier = world.verifier.clone();
    let asked = tokio::spawn(async move { verifier.verify_token(TOKEN).await });
    settle().await;
    assert!(!asked.is_finished());
    world.issuer.release();
    asked.await.unwrap().unwrap();
    assert_eq!(endpoint.asked(), 1);
}

#[tokio::test]
async fn without_the_keys_a_jwt_that_stands_for_a_token_is_503() {
    let asking = phantom().await;
    asking.world.issuer.mood(crate::support::Mood::Down);
    // Fetched keys are used for a day, should the issuer be down.
    asking.world.advance_millis(25 * 3_600_000);
    assert_eq!(asking.refusal(TOKEN).await, crate::support::NOT_JUDGED);
}

#[test]
fn only_an_issuer_whose_keys_are_trusted_can_be_asked_for_jwts() {
    let asked = |issuer: &str| {
        let introspection = Introspection::with(issuer, Endpoint::new(&json!({}))).as_jwt();
        let documents = crate::support::Documents::default();
        Verifier::builder(ISSUER, AUDIENCE).fetch(documents).introspection(introspection).build()
    };
    asked(ISSUER).unwrap();
    let refused = asked("https://elsewhere.test").unwrap_err();
    assert!(matches!(refused, countersign_verify::BuildError::IntrospectionKeys), "{refused}");
}
