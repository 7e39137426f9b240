//! `traceparent` and `tracestate` of a request (W3C Trace Context).

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;

struct Headers<'a>(&'a HeaderMap);

/// The caller's context; `None` if there is no valid one.
pub(super) fn extract(headers: &HeaderMap) -> Option<Context> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    context.span().span_context().is_valid().then_some(context)
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_parent_is_one() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            extract(&headers).map(|context| context.span().span_context().is_sampled())
        };
        assert_eq!(with("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), Some(true));
        assert_eq!(with("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), Some(false));
        for wrong in ["", "00", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "zz-0af7-b7ad-01"] {
            assert_eq!(with(wrong), None, "{wrong}");
        }
        assert!(extract(&HeaderMap::new()).is_none());
    }
}
