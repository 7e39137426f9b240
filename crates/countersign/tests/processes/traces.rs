//! Traces of `serve`: flushed at the stop, and nothing waits for a collector.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::net::TcpListener;

use crate::support::{Instance, free_port};

const COMPLAINT: &str = "traces are not exported";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_exported_at_the_stop() {
    let received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sink = Arc::clone(&received);
    let take = async move |headers: HeaderMap, body: Bytes| sink.lock().unwrap().push((headers, body));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(take))).await });

    let instance = Instance::sqlite().init().await;
    let client = instance.client("traced-client").await;
    let headers = instance.folder().join("headers");
    std::fs::write(&headers, "authorization=Bearer collector-secret\n").unwrap();
    let endpoint = format!("traces.endpoint=http://127.0.0.1:{port}/v1/traces");
    let mut server = instance.serve(&[&endpoint, &format!("traces.headers_file={}", headers.display())]).await;
    server.token(&client).await.token();
    server.process.stop().await;

    let log = String::from_utf8(server.process.stderr()).unwrap();
    let line = log.lines().find(|line| line.contains("\"path\":\"/oauth/token\"")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let received = received.lock().unwrap();
    let spans = received.iter().map(|(_, body)| ExportTraceServiceRequest::decode(body.clone()).unwrap());
    let spans: Vec<_> =
        spans.flat_map(|message| message.resource_spans).flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect();
    let request = spans.iter().find(|span| span.name == "POST /oauth/token").unwrap();
    // The log names the trace.
    let trace_id: String = request.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(line["trace_id"], trace_id);
    assert!(received.iter().all(|(headers, _)| headers["authorization"] == "Bearer collector-secret"));
    assert!(!log.contains("collector-secret") && !log.contains(COMPLAINT), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_is_logged_once_and_stops_nothing() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("traced-client").await;
    let endpoint = format!("traces.endpoint=http://127.0.0.1:{}/v1/traces", free_port());
    let mut server = instance.serve(&[&endpoint]).await;
    server.token(&client).await.token();
    server.process.prints(COMPLAINT).await;
    // There is more to export, and at the stop it fails again.
    server.token(&client).await.token();
    server.process.stop().await;
    let log = String::from_utf8(server.process.stderr()).unwrap();
    assert_eq!(log.matches(COMPLAINT).count(), 1, "{log}");
}
