//! From finished spans to the collector: OTLP over HTTP, in protobuf.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message as _;
use tokio::runtime::Handle;

use crate::log::chain;
use crate::outbound::{Collector, CollectorError};

/// Sends spans to a collector.
#[derive(Debug)]
pub(super) struct Exporter {
    collector: Arc<Collector>,
    /// The processor calls from a thread of its own, which has none.
    runtime: Handle,
    resource: ResourceAttributesWithSchema,
    failing: AtomicBool,
}

impl Exporter {
    pub(super) fn new(collector: Arc<Collector>, runtime: Handle) -> Self {
        Self { collector, runtime, resource: ResourceAttributesWithSchema::default(), failing: AtomicBool::new(false) }
    }

    /// Logs the first failure and the end of failing, not every export.
    fn note(&self, outcome: &Result<(), CollectorError>) {
        match outcome {
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => tracing::info!("traces are exported again"),
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(error = %chain(error), "traces are not exported; trying on, without further lines");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let collector = Arc::clone(&self.collector);
        let posted = self.runtime.spawn(async move { collector.post(body.into()).await }).await;
        let outcome = posted.unwrap_or(Err(CollectorError::Stopped));
        self.note(&outcome);
        outcome.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
