//! A collector of traces: takes OTLP over HTTP, in protobuf.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use countersign::config::{Ratio, TracesConfig};
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;

#[derive(Clone, Default)]
pub(crate) struct Collector {
    received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    port: u16,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self { port: listener.local_addr().unwrap().port(), ..Self::default() };
        let received = Arc::clone(&collector.received);
        let take = async move |headers: HeaderMap, body: Bytes| {
            received.lock().unwrap().push((headers, body));
            StatusCode::OK
        };
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    /// The settings of an export to here.
    pub(crate) fn config(&self, sample_ratio: Ratio) -> TracesConfig {
        let mut headers = HeaderMap::new();
        headers.insert("x-scope", "tests".parse().unwrap());
        TracesConfig {
            endpoint: Some(format!("http://127.0.0.1:{}/v1/traces", self.port)),
            headers,
            sample_ratio,
            allow_plaintext: false,
        }
    }

    /// Everything received, as it was sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.received.lock().unwrap().iter().flat_map(|(_, body)| body.to_vec()).collect()
    }

    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.received.lock().unwrap().iter().map(|(headers, _)| headers.clone()).collect()
    }

    /// Every span received.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let messages = received.iter().map(|(_, body)| ExportTraceServiceRequest::decode(body.clone()).unwrap());
        messages.flat_map(|message| message.resource_spans).flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
    }
}

/// An attribute as text.
pub(crate) fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    match value {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(_)
        | Value::DoubleValue(_)
        | Value::ArrayValue(_)
        | Value::KvlistValue(_)
        | Value::BytesValue(_)
        | Value::StringValueStrindex(_) => None,
    }
}
