//! Requests, by route.

use std::sync::OnceLock;
use std::time::Duration;

use countersign_protocol::ErrorCode;
use http::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;

use super::by_name::ByName;
use super::families::{Description, Families, Labelled};
use super::histogram::Histogram;

/// Most routes that are told apart; there are fewer.
const MAX_ROUTES: usize = 500;
/// Methods that are told apart; the last stands for every other.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "DELETE", "other"];
/// Classes of statuses; the last is for a client that did not wait for one.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

static REQUESTS: Description = Description {
    name: "countersign_http_requests",
    labels: &["route", "method", "status"],
    help: "Requests, by the route's pattern, the method and the class of the status; `none`: the client went away first",
};
static REFUSALS: Description = Description {
    name: "countersign_refusals",
    labels: &["route", "code"],
    help: "Responses that refuse a request or tell of a fault of ours, by the route's pattern and the stable code of the reason",
};
static DURATION: Description = Description {
    name: "countersign_http_request_duration_seconds",
    labels: &["route", "method"],
    help: "Time from a request's head to the response's head",
};

/// Requests and how long they took.
#[derive(Debug)]
pub struct RequestMetrics {
    routes: ByName<Route>,
}

#[derive(Clone)]
struct RequestFamilies {
    requests: Labelled<Counter>,
    durations: Labelled<Histogram>,
    refusals: Labelled<Counter>,
}

/// The series of one route, each resolved when it is first needed.
struct Route {
    name: String,
    families: RequestFamilies,
    methods: [RouteMethod; METHODS.len()],
    refusals: [OnceLock<Counter>; ErrorCode::ALL.len()],
}

#[derive(Default)]
struct RouteMethod {
    requests: [OnceLock<Counter>; CLASSES.len()],
    duration: OnceLock<Histogram>,
}

impl RequestMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let own = RequestFamilies {
            requests: Labelled::new(&REQUESTS, Counter::default),
            durations: Labelled::new(&DURATION, Histogram::of_durations),
            refusals: Labelled::new(&REFUSALS, Counter::default),
        };
        families.add_labelled(&own.requests);
        families.add_labelled(&own.durations);
        families.add_labelled(&own.refusals);
        let make = move |name: &str| Route {
            name: name.to_owned(),
            families: own.clone(),
            methods: Default::default(),
            refusals: [const { OnceLock::new() }; ErrorCode::ALL.len()],
        };
        Self { routes: ByName::new(MAX_ROUTES, make) }
    }

    /// Counts a request. `route` is the router's pattern, never what was asked for.
    pub(crate) fn served(&self, route: &str, method: &Method, status: Option<StatusCode>, duration: Duration) {
        self.routes.with(route, |route| route.served(method.as_str(), class(status), duration));
    }

    /// Counts a response that refuses or fails, besides [`Self::served`].
    pub(crate) fn refused(&self, route: &str, code: ErrorCode) {
        self.routes.with(route, |route| route.refused(code));
    }
}

impl Route {
    fn refused(&self, code: ErrorCode) {
        let series = ErrorCode::ALL.iter().zip(&self.refusals).find(|(known, _)| **known == code);
        if let Some((code, refusals)) = series {
            refusals.get_or_init(|| self.families.refusals.series(&[&self.name, code.as_str()])).inc();
        }
    }

    fn served(&self, method: &str, class: &str, duration: Duration) {
        let position = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let (Some(method), Some(series)) = (METHODS.get(position), self.methods.get(position)) else { return };
        let of_class = CLASSES.iter().zip(&series.requests).find(|(known, _)| **known == class);
        if let Some((class, requests)) = of_class {
            requests.get_or_init(|| self.families.requests.series(&[&self.name, method, class])).inc();
        }
        series.duration.get_or_init(|| self.families.durations.series(&[&self.name, method])).observe(duration);
    }
}

fn class(status: Option<StatusCode>) -> &'static str {
    match status.map(|status| status.as_u16() / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(_) => "5xx",
        None => "none",
    }
}
