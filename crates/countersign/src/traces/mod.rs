//! OpenTelemetry traces. Off, they cost nothing: a span whose target nobody listens to
//! is one comparison. What is a span says `span!`; secrets, tokens and query strings
//! are in none.

mod exporter;
mod parent;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::config::TracesConfig;
use crate::outbound::{Collector, CollectorError};

use exporter::Exporter;

/// The target of every span. No setting of the log reaches it.
pub(crate) const TARGET: &str = "otel";

/// Spans that wait for their export; beyond it they are dropped.
const QUEUE: usize = 4_096;
/// Spans of one export.
const BATCH: usize = 512;
/// How often spans are exported.
const EVERY: Duration = Duration::from_secs(2);
/// Longest wait for the last export.
const STOP: Duration = Duration::from_secs(5);

/// A span of a trace: `span!("name", field = value, ..)`. Its fields are computed only
/// when somebody listens.
macro_rules! span {
    ($name:literal $(, $($fields:tt)+)?) => {
        tracing::info_span!(target: $crate::traces::TARGET, $name $(, $($fields)+)?)
    };
}
pub(crate) use span;

/// The export of traces.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts exporting to the configured endpoint; `None` where there is none. Needs a
    /// runtime, on which the exports run.
    ///
    /// # Errors
    /// [`CollectorError`] when no request could ever reach the endpoint.
    pub fn start(config: &TracesConfig) -> Result<Option<Self>, CollectorError> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let collector = Collector::new(endpoint, config.headers.clone(), config.allow_plaintext)?;
        let exporter = Exporter::new(Arc::new(collector), tokio::runtime::Handle::current());
        // Everything is set here: what is not, the SDK would read from the environment.
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(EVERY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let of_new_traces = Sampler::TraceIdRatioBased(config.sample_ratio.as_f64());
        let resource = Resource::builder_empty()
            .with_service_name("countersign")
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(of_new_traces)))
            .with_resource(resource)
            .build();
        Ok(Some(Self { provider }))
    }

    /// What turns spans into traces, for a subscriber.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: tracing::Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("countersign"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
    }

    /// Exports what is left and stops, within a few seconds. A collector that does not
    /// answer was logged already.
    pub async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(STOP)).await;
        if let Ok(Err(error)) = stopped {
            tracing::debug!(error = %error, "the last spans are not exported");
        }
    }
}

/// Makes a span a child of the one that `traceparent` names (W3C Trace Context), whose
/// decision about sampling it follows.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled()
        && let Some(parent) = parent::extract(headers)
    {
        // Without a listener there is nobody to tell.
        let _ = span.set_parent(parent);
    }
}

/// The id of the trace that a span belongs to, if it is kept.
pub(crate) fn trace_id(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_sampled().then(|| context.trace_id().to_string())
}
