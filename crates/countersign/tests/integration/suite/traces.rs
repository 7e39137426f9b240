//! OpenTelemetry traces, as a collector gets them.

use countersign::config::Ratio;
use countersign::traces::Traces;
use opentelemetry_proto::tonic::trace::v1::Span;
use tracing_subscriber::layer::SubscriberExt as _;

use super::ENGINE;
use crate::support::{API1, Answer, Collector, Fixture, TestApp, TestClient, attribute};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Nothing of what begins here, only what a caller wants to keep.
fn none() -> Ratio {
    Ratio::default()
}

async fn ask(app: &TestApp, client: &TestClient, traceparent: Option<&str>) -> Answer {
    let form = format!("grant_type=client_credentials&audience={API1}");
    let mut request = app.token_request("/oauth/token?hint=in-the-query", client, &form);
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    request.send().await
}

/// What a collector gets of one token request.
async fn collected(ratio: Ratio, traceparent: Option<&str>) -> (Collector, Answer, TestClient) {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let collector = Collector::start().await;
    let traces = Traces::start(&collector.config(ratio)).unwrap().unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    let answer = {
        let _listening = tracing::subscriber::set_default(subscriber);
        ask(&app, &a, traceparent).await
    };
    traces.stop().await;
    (collector, answer, a)
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} is not in {names:?}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_token_request_is_a_trace_of_its_steps() {
    let (collector, answer, _) = collected(Ratio::ONE, None).await;
    answer.token();
    let spans = collector.spans();
    let request = named(&spans, "POST /oauth/token");
    assert!(request.parent_span_id.is_empty());
    assert_eq!(attribute(request, "request_id").as_deref(), answer.header("x-request-id"));
    for (key, value) in [("http.request.method", "POST"), ("http.route", "/oauth/token"), ("http.response.status_code", "200")] {
        assert_eq!(attribute(request, key).as_deref(), Some(value));
    }
    for (name, parent) in [
        ("authenticate client", "POST /oauth/token"),
        ("store read", "authenticate client"),
        ("decide", "POST /oauth/token"),
        ("sign", "POST /oauth/token"),
    ] {
        let (span, parent) = (named(&spans, name), named(&spans, parent));
        assert_eq!((&span.trace_id, &span.parent_span_id), (&request.trace_id, &parent.span_id), "{name}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }
    assert_eq!(attribute(named(&spans, "sign"), "algorithm").as_deref(), Some("ES256"));
    for headers in collector.headers() {
        assert_eq!(
            (&headers["content-type"], &headers["x-scope"]),
            (&"application/x-protobuf".parse().unwrap(), &"tests".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_change_is_a_span() {
    let app = TestApp::start(ENGINE).await;
    let collector = Collector::start().await;
    let traces = Traces::start(&collector.config(Ratio::ONE)).unwrap().unwrap();
    {
        let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()));
        app.client("client-a").await;
    }
    traces.stop().await;
    named(&collector.spans(), "store write");
}

#[tokio::test]
async fn the_callers_trace_is_continued_and_its_decision_followed() {
    let (collector, _, _) = collected(none(), Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    let spans = collector.spans();
    let request = named(&spans, "POST /oauth/token");
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));

    let (collector, _, _) = collected(Ratio::ONE, Some(&format!("00-{TRACE}-{CALLER}-00"))).await;
    assert!(collector.spans().is_empty());
}

#[tokio::test]
async fn a_trace_that_is_not_sampled_is_not_exported() {
    let (collector, answer, _) = collected(none(), None).await;
    answer.token();
    assert!(collector.spans().is_empty());
}

#[tokio::test]
async fn no_secret_no_token_and_no_query_is_in_a_trace() {
    let (collector, answer, a) = collected(Ratio::ONE, None).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let signature = token.rsplit_once('.').unwrap().1.to_owned();
    let bytes = collector.bytes();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("request_id"));
    for text in [a.secret.as_str(), &token, &signature, "in-the-query", "Basic "] {
        assert!(!holds(text), "{text}");
    }
}

#[tokio::test]
async fn an_endpoint_that_could_never_be_reached_is_refused() {
    let mut config = Collector::default().config(Ratio::ONE);
    config.endpoint = Some("http://collector.test/v1/traces".to_owned());
    assert!(Traces::start(&config).is_err());
    config.allow_plaintext = true;
    assert!(Traces::start(&config).unwrap().is_some());
    config.endpoint = None;
    assert!(Traces::start(&config).unwrap().is_none());
}
