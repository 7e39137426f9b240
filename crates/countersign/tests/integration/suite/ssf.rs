//! Shared Signals: streams, polling (RFC 8936) and sending (RFC 8935).

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use countersign::{revocation, ssf};
use countersign_protocol::ErrorCode;
use countersign_protocol::jose::{JwkSet, UnverifiedJws};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::ENGINE;
use crate::support::{API1, Answer, Caller, Managed, TestApp, by};

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CREDENTIAL_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const STREAM_UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";

struct World {
    managed: Managed,
    partner: Caller,
}

impl World {
    async fn start() -> Self {
        let managed = Managed::start(ENGINE).await;
        let partner = managed.app.caller("partner-events", "ssf:manage", None).await;
        Self { managed, partner }
    }

    const fn app(&self) -> &TestApp {
        &self.managed.app
    }

    async fn stream(&self, body: Value) -> String {
        let made = call(self.app(), &self.partner, Method::POST, "/ssf/v1/stream", Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["stream_id"].as_str().unwrap().to_owned()
    }

    /// The claims of the events of one poll, in their order, each verified.
    async fn poll(&self, stream: &str, mut body: Value) -> Vec<Value> {
        body["returnImmediately"] = json!(true);
        let polled = call(self.app(), &self.partner, Method::POST, &format!("/ssf/v1/poll/{stream}"), Some(body)).await;
        assert_eq!(polled.status, 200, "{polled:?}");
        let mut events = Vec::new();
        for (jti, set) in polled.json()["sets"].as_object().unwrap() {
            let claims = verified(self.app(), set.as_str().unwrap()).await;
            assert_eq!(claims["jti"], *jti);
            events.push(claims);
        }
        events
    }

    async fn revoke_subject(&self, subject: &str) {
        revocation::revoke_subject(&self.app().app, &by(), subject).await.unwrap();
    }
}

async fn call(app: &TestApp, caller: &Caller, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = app.request(method, path).header("authorization", format!("Bearer {}", caller.token));
    match body {
        Some(body) => request.json(&body).send().await,
        None => request.send().await,
    }
}

async fn verified(app: &TestApp, set: &str) -> Value {
    let keys = JwkSet::parse(&app.get("/oauth2/default/v1/keys").send().await.body).unwrap();
    let jws = UnverifiedJws::parse(set).unwrap();
    assert!(jws.header().has_type("secevent+jwt"));
    let payload = jws.verify(keys.find(jws.header().key_id.as_deref()).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("https://as.test/oauth2/default"), &json!("partner-events")));
    assert!(claims.get("exp").is_none() && claims.get("sub").is_none(), "{claims}");
    claims
}

fn only(events: &[Value]) -> &Value {
    let [only] = events else { panic!("{events:#?}") };
    only
}

#[tokio::test]
async fn the_configuration_says_what_there_is() {
    let world = World::start().await;
    let found = world.app().get("/.well-known/ssf-configuration").send().await;
    let document = found.json();
    assert_eq!((found.status.as_u16(), &document["spec_version"]), (200, &json!("1_0")));
    assert_eq!(document["issuer"], "https://as.test/oauth2/default");
    assert_eq!(document["delivery_methods_supported"], json!(["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"]));
    let jwks = document["jwks_uri"].as_str().unwrap().strip_prefix("https://as.test").unwrap();
    assert_eq!(world.app().get(jwks).send().await.status, 200);
    assert_eq!(document["configuration_endpoint"], "https://as.test/ssf/v1/stream");
}

#[tokio::test]
async fn each_kind_of_revocation_is_an_event_about_its_subject() {
    let world = World::start().await;
    let (app, a) = (Arc::clone(&world.app().app), world.managed.a.clone());
    let token = world.app().ask(&a, &format!("audience={API1}")).await.token();
    let stream = world.stream(json!({})).await;
    assert!(world.poll(&stream, json!({})).await.is_empty());
    world.app().revoke(&a, &token.text).await.assert_revocation_answered();
    let events = world.poll(&stream, json!({})).await;
    let event = only(&events);
    let subject = json!({ "format": "jwt_id", "iss": token.claim("iss"), "jti": token.claim("jti") });
    // Asked for at the root mount, it has that issuer.
    assert_eq!((&event["sub_id"], token.claim("iss")), (&subject, "https://as.test/"));
    assert_eq!(event["events"][SESSION_REVOKED]["event_timestamp"], 1_800_000_000);
    let ack = |event: &Value| json!({ "ack": [event["jti"]] });
    assert!(world.poll(&stream, ack(event)).await.is_empty());

    revocation::revoke_client(&app, &by(), &a.id).await.unwrap();
    let events = world.poll(&stream, json!({})).await;
    let expected = json!({ "format": "complex", "application": { "format": "opaque", "id": a.id.as_str() } });
    assert_eq!(only(&events)["sub_id"], expected);
    assert!(world.poll(&stream, ack(only(&events))).await.is_empty());

    countersign::clients::revoke_credential(&app, &by(), &a.id, &a.credential_id).await.unwrap();
    let events = world.poll(&stream, json!({})).await;
    assert_eq!(only(&events)["sub_id"], json!({ "format": "opaque", "id": a.credential_id.as_str() }));
    assert_eq!(only(&events)["events"][CREDENTIAL_CHANGE]["change_type"], "revoke");
    assert!(world.poll(&stream, ack(only(&events))).await.is_empty());

    world.revoke_subject("u 42").await;
    let events = world.poll(&stream, json!({})).await;
    let expected = json!({ "format": "iss_sub", "iss": "https://as.test/oauth2/default", "sub": "u 42" });
    assert_eq!(only(&events)["sub_id"], expected);
}

#[tokio::test]
async fn an_event_comes_again_until_it_is_acknowledged_or_refused() {
    let world = World::start().await;
    let stream = world.stream(json!({})).await;
    for subject in ["a", "b", "c"] {
        world.revoke_subject(subject).await;
        world.app().clock.advance_millis(1);
    }
    let first = world.poll(&stream, json!({ "maxEvents": 2 })).await;
    assert_eq!(first.len(), 2);
    assert_eq!(world.poll(&stream, json!({ "maxEvents": 2 })).await, first);
    let body = json!({ "ack": [first[0]["jti"]], "setErrs": { first[1]["jti"].as_str().unwrap(): { "err": "invalid_key" } } });
    let rest = world.poll(&stream, body).await;
    assert_eq!(only(&rest)["sub_id"]["sub"], "c");
    assert!(world.poll(&stream, json!({ "maxEvents": 0 })).await.is_empty());
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 1);
}

#[tokio::test]
async fn a_poll_that_waits_is_woken_by_an_event() {
    let world = World::start().await;
    let stream = world.stream(json!({})).await;
    let path = format!("/ssf/v1/poll/{stream}");
    let request = world.app().request(Method::POST, &path).header("authorization", format!("Bearer {}", world.partner.token));
    let waiting = tokio::spawn(request.json(&json!({})).send());
    tokio::task::yield_now().await;
    world.revoke_subject("u").await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.json()["sets"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stream_is_its_clients_alone_and_there_is_one() {
    let world = World::start().await;
    let stream = world.stream(json!({})).await;
    let again = call(world.app(), &world.partner, Method::POST, "/ssf/v1/stream", Some(json!({}))).await;
    assert_eq!((again.status.as_u16(), again.header("countersign-error")), (409, Some(ErrorCode::AlreadyExists.as_str())));
    let other = world.app().caller("another-partner", "ssf:manage", None).await;
    let organization = world.app().organization("Acme").await;
    let limited = world.app().caller("limited-partner", "ssf:manage", Some(&organization)).await;
    let without = world.app().caller("no-rights", "clients:read", None).await;
    let paths = [format!("/ssf/v1/poll/{stream}"), "/ssf/v1/verify".to_owned(), "/ssf/v1/status".to_owned()];
    for path in &paths {
        let body = json!({ "stream_id": stream, "status": "disabled", "returnImmediately": true });
        let refused = call(world.app(), &other, Method::POST, path, Some(body.clone())).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("countersign-error")),
            (404, Some(ErrorCode::NotFound.as_str())),
            "{path}"
        );
        for nobody in [&limited, &without] {
            assert_eq!(call(world.app(), nobody, Method::POST, path, Some(body.clone())).await.status, 403, "{path}");
        }
        assert_eq!(world.app().post(path).json(&body).send().await.status, 401, "{path}");
    }
    let all = call(world.app(), &world.partner, Method::GET, "/ssf/v1/stream", None).await.json();
    let path = format!("/ssf/v1/stream?stream_id={stream}");
    let shown = call(world.app(), &world.partner, Method::GET, &path, None).await.json();
    assert_eq!(all, json!([shown]));
    assert_eq!((&shown["stream_id"], &shown["delivery"]["method"]), (&json!(stream), &json!("urn:ietf:rfc:8936")));
    assert_eq!(shown["delivery"]["endpoint_url"], format!("https://as.test/ssf/v1/poll/{stream}"));
    assert_eq!(call(world.app(), &other, Method::GET, "/ssf/v1/stream", None).await.json(), json!([]));
    assert_eq!(call(world.app(), &other, Method::DELETE, &path, None).await.status, 404);
    assert_eq!(call(world.app(), &world.partner, Method::DELETE, &path, None).await.status, 204);
    assert_eq!(call(world.app(), &world.partner, Method::GET, &path, None).await.status, 404);
}

#[tokio::test]
async fn a_verification_carries_the_state_and_a_disabled_stream_keeps_nothing() {
    let world = World::start().await;
    let stream = world.stream(json!({ "events_requested": [CREDENTIAL_CHANGE, "https://unknown.test"] })).await;
    let verify = json!({ "stream_id": stream, "state": "VGhpcyBpcyBhbiBleGFtcGxl" });
    assert_eq!(call(world.app(), &world.partner, Method::POST, "/ssf/v1/verify", Some(verify)).await.status, 204);
    // What was not asked for is not told, and holds nothing up.
    world.revoke_subject("u").await;
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 1);
    let events = world.poll(&stream, json!({})).await;
    assert_eq!(only(&events)["events"][VERIFICATION]["state"], "VGhpcyBpcyBhbiBleGFtcGxl");
    assert_eq!(only(&events)["sub_id"], json!({ "format": "opaque", "id": stream }));
    let set = async |status: &str| {
        let body = json!({ "stream_id": stream, "status": status, "reason": "a test" });
        call(world.app(), &world.partner, Method::POST, "/ssf/v1/status", Some(body)).await
    };
    world.app().clock.advance_millis(1);
    assert_eq!(set("paused").await.json(), json!({ "stream_id": stream, "status": "paused", "reason": "a test" }));
    assert!(world.poll(&stream, json!({})).await.is_empty());
    world.app().clock.advance_millis(1);
    assert_eq!(set("enabled").await.status, 200);
    let events = world.poll(&stream, json!({})).await;
    let updated: Vec<&Value> = events.iter().filter_map(|event| event["events"].get(STREAM_UPDATED)).collect();
    assert_eq!((events.len(), updated.len()), (3, 2), "{events:#?}");
    assert_eq!(set("disabled").await.status, 200);
    world.revoke_subject("v").await;
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 0);
    let wrong = set("off").await;
    assert_eq!((wrong.status.as_u16(), wrong.header("countersign-error")), (400, Some(ErrorCode::FieldInvalid.as_str())));
}

#[tokio::test]
async fn events_are_sent_in_order_with_the_receivers_authorization_until_they_are_taken() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let delivery =
        json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url, "authorization_header": "Bearer of-the-receiver" });
    world.stream(json!({ "delivery": delivery })).await;
    let shown = call(world.app(), &world.partner, Method::GET, "/ssf/v1/stream", None).await;
    assert!(!shown.text().contains("of-the-receiver"));
    assert!(!String::from_utf8_lossy(&world.app().database.everything().await).contains("of-the-receiver"));
    for subject in ["a", "b", "c"] {
        world.revoke_subject(subject).await;
        world.app().clock.advance_millis(1);
    }
    receiver.answer_with([(503, "")]);
    ssf::push_due(&world.app().app).await.unwrap();
    assert_eq!(receiver.taken().len(), 1);
    // Not again before the pause is over.
    ssf::push_due(&world.app().app).await.unwrap();
    assert_eq!(receiver.taken().len(), 1);
    world.app().clock.advance_seconds(10);
    // The second is refused for good, and holds nothing up.
    receiver.answer_with([(202, ""), (400, r#"{"err":"invalid_audience"}"#), (202, "")]);
    let second = world.app().second_node().await;
    let (one, other) = tokio::join!(ssf::push_due(&world.app().app), ssf::push_due(&second.app));
    one.and(other).unwrap();
    let taken = receiver.taken();
    let mut subjects = Vec::new();
    for (authorization, content_type, set) in &taken {
        assert_eq!((authorization.as_str(), content_type.as_str()), ("Bearer of-the-receiver", "application/secevent+jwt"));
        subjects.push(verified(world.app(), set).await["sub_id"]["sub"].as_str().unwrap().to_owned());
    }
    assert_eq!(subjects, ["a", "a", "b", "c"]);
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 0);
}

#[tokio::test]
async fn a_receiver_that_changes_to_polling_or_is_disabled_is_not_sent_to() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url });
    let stream = world.stream(json!({ "delivery": delivery })).await;
    world.revoke_subject("u").await;
    countersign::clients::disable(&world.app().app, &by(), &world.partner.client.id).await.unwrap();
    ssf::push_due(&world.app().app).await.unwrap();
    assert!(receiver.taken().is_empty());
    countersign::clients::enable(&world.app().app, &by(), &world.partner.client.id).await.unwrap();
    let change = json!({ "stream_id": stream, "delivery": { "method": "urn:ietf:rfc:8936" } });
    assert_eq!(call(world.app(), &world.partner, Method::PATCH, "/ssf/v1/stream", Some(change)).await.status, 200);
    ssf::push_due(&world.app().app).await.unwrap();
    assert!(receiver.taken().is_empty());
    assert_eq!(only(&world.poll(&stream, json!({})).await)["sub_id"]["sub"], "u");
}

#[tokio::test]
async fn an_event_that_was_refused_for_what_can_be_mended_is_sent_again() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url });
    world.stream(json!({ "delivery": delivery })).await;
    world.revoke_subject("u").await;
    for err in [r#"{"err":"authentication_failed"}"#, r#"{"err":"access_denied"}"#, r#"{"err":"invalid_key"}"#] {
        receiver.answer_with([(400, err)]);
        ssf::push_due(&world.app().app).await.unwrap();
        assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 1, "{err}");
        world.app().clock.advance_seconds(10);
    }
    ssf::push_due(&world.app().app).await.unwrap();
    assert_eq!((receiver.taken().len(), world.app().database.count("SELECT count(*) FROM ssf_events").await), (4, 0));
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_holds_no_other_up() {
    let world = World::start().await;
    let other = world.app().caller("another-partner", "ssf:manage", None).await;
    let (broken, working) = (Receiver::start().await, Receiver::start().await);
    for (partner, receiver) in [(&world.partner, &broken), (&other, &working)] {
        let delivery = json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url } });
        assert_eq!(call(world.app(), partner, Method::POST, "/ssf/v1/stream", Some(delivery)).await.status, 201);
    }
    broken.answer_with([(500, "")]);
    world.revoke_subject("u").await;
    ssf::push_due(&world.app().app).await.unwrap();
    assert_eq!((broken.taken().len(), working.taken().len()), (1, 1));
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 1);
}

#[tokio::test]
async fn a_receiver_that_lost_its_grant_is_not_sent_to() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url });
    world.stream(json!({ "delivery": delivery })).await;
    world.revoke_subject("u").await;
    let (app, partner) = (&world.app().app, &world.partner.client.id);
    let grants = countersign::clients::list_grants(app, partner, countersign::store::Page::first(10)).await.unwrap();
    countersign::clients::delete_grant(app, &by(), (partner, &grants[0].id), None).await.unwrap();
    ssf::push_due(app).await.unwrap();
    assert!(receiver.taken().is_empty());
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 1);
}

#[tokio::test]
async fn who_is_shut_out_while_a_poll_waits_is_told_nothing() {
    let world = World::start().await;
    let stream = world.stream(json!({})).await;
    let request = world.app().post(&format!("/ssf/v1/poll/{stream}"));
    let request = request.header("authorization", format!("Bearer {}", world.partner.token)).json(&json!({}));
    let waiting = tokio::spawn(request.send());
    tokio::task::yield_now().await;
    countersign::clients::disable(&world.app().app, &by(), &world.partner.client.id).await.unwrap();
    world.revoke_subject("u").await;
    let answer = waiting.await.unwrap();
    assert!([401, 403].contains(&answer.status.as_u16()) && !answer.text().contains("sets"), "{answer:?}");
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 1);
}

#[tokio::test]
async fn a_stream_is_replaced_and_a_verification_that_waits_too() {
    let world = World::start().await;
    let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": "https://partner.test" });
    let stream = world.stream(json!({ "delivery": delivery, "events_requested": [CREDENTIAL_CHANGE] })).await;
    let replaced = call(world.app(), &world.partner, Method::PUT, "/ssf/v1/stream", Some(json!({ "stream_id": stream }))).await;
    assert_eq!((replaced.status.as_u16(), &replaced.json()["delivery"]["method"]), (200, &json!("urn:ietf:rfc:8936")));
    assert_eq!(replaced.json()["events_requested"], json!([SESSION_REVOKED, CREDENTIAL_CHANGE]));
    for state in ["first", "second"] {
        let verify = json!({ "stream_id": stream, "state": state });
        assert_eq!(call(world.app(), &world.partner, Method::POST, "/ssf/v1/verify", Some(verify)).await.status, 204);
        world.app().clock.advance_millis(1);
    }
    assert_eq!(only(&world.poll(&stream, json!({})).await)["events"][VERIFICATION]["state"], "second");
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_of_a_receiver_is_refused() {
    let world = World::start().await;
    for url in ["ftp://partner.test", "https://user@partner.test", "nonsense"] {
        let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": url });
        let refused =
            call(world.app(), &world.partner, Method::POST, "/ssf/v1/stream", Some(json!({ "delivery": delivery }))).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("countersign-error")),
            (400, Some(ErrorCode::FieldInvalid.as_str())),
            "{url}"
        );
    }
    let delivery = json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": "https://partner.test", "authorization_header": "a\nb" });
    let refused = call(world.app(), &world.partner, Method::POST, "/ssf/v1/stream", Some(json!({ "delivery": delivery }))).await;
    assert_eq!(refused.status, 400);
    let other = json!({ "delivery": { "method": "urn:other" } });
    assert_eq!(call(world.app(), &world.partner, Method::POST, "/ssf/v1/stream", Some(other)).await.status, 400);
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_streams").await, 0);
}

#[tokio::test]
async fn what_nobody_takes_is_kept_for_a_week() {
    let world = World::start().await;
    let stream = world.stream(json!({})).await;
    world.revoke_subject("u").await;
    world.app().clock.advance_seconds(7 * 86_400 - 1);
    ssf::delete_old_events(&world.app().app).await.unwrap();
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 1);
    world.app().clock.advance_seconds(1);
    ssf::delete_old_events(&world.app().app).await.unwrap();
    assert_eq!(world.app().database.count("SELECT count(*) FROM ssf_events").await, 0);
    drop(stream);
}

type Taken = (String, String, String);
/// The status and body of an answer.
type Said = (u16, &'static str);

/// What receives events, and answers as it is told; else with 202.
struct Receiver {
    url: String,
    taken: Arc<Mutex<Vec<Taken>>>,
    answers: Arc<Mutex<Vec<Said>>>,
    _serving: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let (taken, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (noted, given) = (Arc::clone(&taken), Arc::clone(&answers));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (noted, given) = (Arc::clone(&noted), Arc::clone(&given));
                tokio::spawn(async move {
                    let service = service_fn(move |request| receive(Arc::clone(&noted), Arc::clone(&given), request));
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, taken, answers, _serving: serving }
    }

    fn answer_with(&self, answers: impl IntoIterator<Item = Said>) {
        *self.answers.lock().unwrap() = answers.into_iter().collect();
    }

    fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

async fn receive(
    taken: Arc<Mutex<Vec<Taken>>>,
    answers: Arc<Mutex<Vec<Said>>>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (authorization, content_type) = (header("authorization"), header("content-type"));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    taken.lock().unwrap().push((authorization, content_type, String::from_utf8(body.to_vec()).unwrap()));
    let mut answers = answers.lock().unwrap();
    let (status, body) = if answers.is_empty() { (202, "") } else { answers.remove(0) };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}
